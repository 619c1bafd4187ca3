//! Layers one after another.

use super::fused::Fused;
use super::{
    AttentionPool, AvgPool1d, AvgPool2d, BatchNorm, BatchNormConfig, Conv1d, Conv1dConfig, Conv2d,
    Conv2dConfig, Dense, Dropout, Flatten, Foreign, GlobalAvgPool, GlobalMaxPool, Init, Lstm, LstmConfig,
    MaxPool1d, MaxPool2d, Padding, Relu, Residual, SimpleRnn, SimpleRnnConfig, SpatialDropout, TimeSteps,
};
use crate::layer::{Forward, Layer, LayerError, Mode, Padded, SummaryRow, chain};
use crate::parameters::Parameters;
use candle_core::Var;
use candle_nn::ModuleT;

/// One layer of a [`Sequential`], with what a summary says of it.
#[derive(Debug)]
pub struct NamedLayer {
    /// Its name, by kind and number, e.g. `conv1d_2`: the beginning of its parameters' names.
    pub name: String,
    /// What it gives out, without the batch axis.
    pub output_shape: Vec<usize>,
    /// The layer itself.
    pub layer: Box<dyn Layer>,
}

/// Layers one after another, for inputs of one shape.
///
/// Built by adding layers: each finds out from the ones before what shape it gets, is named by its kind and number
/// (`conv1d_1`, `conv1d_2`, `dense_1`, …), and makes its parameters under that name.
///
/// ```
/// use candle_core::{DType, Device};
/// use ser_models::Parameters;
/// use ser_models::layers::{Conv1dConfig, Init, Sequential};
///
/// # fn main() -> Result<(), ser_models::layers::LayerError> {
/// let parameters = Parameters::new(0, DType::F32, &Device::Cpu);
/// let mut net = Sequential::new([1, 193]);
/// net.conv1d(Conv1dConfig::new(64, 5), &parameters)?;
/// net.relu()?;
/// net.flatten()?;
/// net.dense(4, Init::GlorotUniform, &parameters)?;
/// assert_eq!(net.output_shape(), [4]);
/// assert!(parameters.get("dense_1.bias").is_some());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Sequential {
    /// What the layers' names begin with.
    prefix: String,
    input_shape: Vec<usize>,
    layers: Vec<NamedLayer>,
}

impl Sequential {
    /// No layer yet, for inputs of this shape (without the batch axis).
    pub fn new(input_shape: impl Into<Vec<usize>>) -> Self {
        Self::named("", input_shape)
    }

    /// As [`Sequential::new`], for one of several in a model: `name` and a dot come before the layers' names.
    pub fn named(name: &str, input_shape: impl Into<Vec<usize>>) -> Self {
        let prefix = if name.is_empty() { String::new() } else { format!("{name}.") };
        Self { prefix, input_shape: input_shape.into(), layers: Vec::new() }
    }

    /// The shape that goes in, without the batch axis.
    pub fn input_shape(&self) -> &[usize] {
        &self.input_shape
    }

    /// The shape that comes out, without the batch axis.
    pub fn output_shape(&self) -> &[usize] {
        self.layers.last().map_or(&self.input_shape, |last| &last.output_shape)
    }

    /// The layers, in order.
    pub fn layers(&self) -> &[NamedLayer] {
        &self.layers
    }

    /// Adds a layer at the end, under `kind` and the next number.
    ///
    /// # Errors
    /// If the layer does not take what the layers before it give.
    pub fn push(&mut self, kind: &str, layer: impl Layer + 'static) -> Result<(), LayerError> {
        let output_shape = layer.output_shape(self.output_shape())?;
        let name = self.next_name(kind);
        self.layers.push(NamedLayer { name, output_shape, layer: Box::new(layer) });
        Ok(())
    }

    /// Adds the layers of another network, under their own names.
    ///
    /// # Errors
    /// If its input is not what the layers before it give.
    pub fn append(&mut self, other: Self) -> Result<(), LayerError> {
        if other.input_shape != self.output_shape() {
            let expected = format!("{:?}", other.input_shape);
            let given = self.output_shape().to_vec();
            return Err(LayerError::InputShape { layer: "Sequential", expected, given });
        }
        self.layers.extend(other.layers);
        Ok(())
    }

    /// The shape that comes out for another input than the network was made for, e.g. of fewer frames.
    ///
    /// # Errors
    /// If a layer does not take it.
    pub fn shape_for(&self, input: &[usize]) -> Result<Vec<usize>, LayerError> {
        self.layers.iter().try_fold(input.to_vec(), |shape, layer| layer.layer.output_shape(&shape))
    }

    fn next_name(&self, kind: &str) -> String {
        let kind = format!("{}{kind}", self.prefix);
        let number =
            self.layers.iter().filter(|l| l.name.rsplit_once('_').is_some_and(|(k, _)| k == kind)).count();
        format!("{kind}_{}", number + 1)
    }

    /// The channels, or features, that come out.
    fn channels(&self) -> usize {
        self.output_shape().first().copied().unwrap_or(0)
    }

    /// Adds a [`Conv1d`].
    ///
    /// # Errors
    /// See [`Conv1d::new`]; also if the input is shorter than the window.
    pub fn conv1d(&mut self, config: Conv1dConfig, parameters: &Parameters) -> Result<(), LayerError> {
        let name = self.next_name("conv1d");
        let layer = Conv1d::new(self.channels(), config, &parameters.scope(name))?;
        self.push("conv1d", layer)
    }

    /// Adds a [`Conv2d`].
    ///
    /// # Errors
    /// See [`Conv2d::new`]; also if the input is smaller than the window.
    pub fn conv2d(&mut self, config: Conv2dConfig, parameters: &Parameters) -> Result<(), LayerError> {
        let name = self.next_name("conv2d");
        let layer = Conv2d::new(self.channels(), config, &parameters.scope(name))?;
        self.push("conv2d", layer)
    }

    /// Adds a [`BatchNorm`].
    ///
    /// # Errors
    /// See [`BatchNorm::new`].
    pub fn batch_norm(&mut self, config: BatchNormConfig, parameters: &Parameters) -> Result<(), LayerError> {
        let name = self.next_name("batch_norm");
        let layer = BatchNorm::new(self.channels(), config, &parameters.scope(name))?;
        self.push("batch_norm", layer)
    }

    /// Adds a [`MaxPool1d`] whose window moves by its own size.
    ///
    /// # Errors
    /// See [`MaxPool1d::new`]; also if the input is shorter than the window.
    pub fn max_pool1d(&mut self, pool_size: usize) -> Result<(), LayerError> {
        self.push("max_pool1d", MaxPool1d::new(pool_size, pool_size, Padding::Valid)?)
    }

    /// Adds a [`MaxPool2d`] whose window moves by its own size.
    ///
    /// # Errors
    /// See [`MaxPool2d::new`]; also if the input is smaller than the window.
    pub fn max_pool2d(&mut self, pool_size: [usize; 2]) -> Result<(), LayerError> {
        self.push("max_pool2d", MaxPool2d::new(pool_size, pool_size, Padding::Valid)?)
    }

    /// Adds an [`AvgPool1d`] whose window moves by its own size.
    ///
    /// # Errors
    /// See [`AvgPool1d::new`]; also if the input is shorter than the window.
    pub fn avg_pool1d(&mut self, pool_size: usize) -> Result<(), LayerError> {
        self.push("avg_pool1d", AvgPool1d::new(pool_size, pool_size, Padding::Valid)?)
    }

    /// Adds an [`AvgPool2d`] whose window moves by its own size.
    ///
    /// # Errors
    /// See [`AvgPool2d::new`]; also if the input is smaller than the window.
    pub fn avg_pool2d(&mut self, pool_size: [usize; 2]) -> Result<(), LayerError> {
        self.push("avg_pool2d", AvgPool2d::new(pool_size, pool_size, Padding::Valid)?)
    }

    /// Adds a [`GlobalAvgPool`].
    ///
    /// # Errors
    /// If the input has no axis but the channels.
    pub fn global_avg_pool(&mut self) -> Result<(), LayerError> {
        self.push("global_avg_pool", GlobalAvgPool)
    }

    /// Adds a [`GlobalMaxPool`].
    ///
    /// # Errors
    /// If the input has no axis but the channels.
    pub fn global_max_pool(&mut self) -> Result<(), LayerError> {
        self.push("global_max_pool", GlobalMaxPool)
    }

    /// Adds a [`Relu`].
    ///
    /// # Errors
    /// None, for any input.
    pub fn relu(&mut self) -> Result<(), LayerError> {
        self.push("relu", Relu)
    }

    /// Adds a [`Dropout`].
    ///
    /// # Errors
    /// See [`Dropout::new`].
    pub fn dropout(&mut self, rate: f64) -> Result<(), LayerError> {
        self.push("dropout", Dropout::new(rate)?)
    }

    /// Adds a [`SpatialDropout`].
    ///
    /// # Errors
    /// See [`SpatialDropout::new`].
    pub fn spatial_dropout(&mut self, rate: f64) -> Result<(), LayerError> {
        self.push("spatial_dropout", SpatialDropout::new(rate)?)
    }

    /// Adds a [`Flatten`].
    ///
    /// # Errors
    /// None, for any input.
    pub fn flatten(&mut self) -> Result<(), LayerError> {
        self.push("flatten", Flatten)
    }

    /// Adds a [`Dense`].
    ///
    /// # Errors
    /// See [`Dense::new`]; also if the input is not a vector.
    pub fn dense(&mut self, units: usize, init: Init, parameters: &Parameters) -> Result<(), LayerError> {
        let name = self.next_name("dense");
        let layer = Dense::new(self.channels(), units, init, &parameters.scope(name))?;
        self.push("dense", layer)
    }

    /// Adds a [`TimeSteps`].
    ///
    /// # Errors
    /// If the input has no channels before its last axis.
    pub fn time_steps(&mut self) -> Result<(), LayerError> {
        self.push("time_steps", TimeSteps)
    }

    /// The features of the frames that come out.
    fn features(&self) -> usize {
        self.output_shape().last().copied().unwrap_or(0)
    }

    /// Adds an [`Lstm`].
    ///
    /// # Errors
    /// See [`Lstm::new`]; also if the input is not frames.
    pub fn lstm(&mut self, config: LstmConfig, parameters: &Parameters) -> Result<(), LayerError> {
        let layer = Lstm::new(self.features(), config, &parameters.scope(self.next_name("lstm")))?;
        self.push("lstm", layer)
    }

    /// Adds an [`Lstm`] with a connection around it.
    ///
    /// # Errors
    /// As [`Sequential::lstm`]; also if it changes the shape.
    pub fn residual_lstm(&mut self, config: LstmConfig, parameters: &Parameters) -> Result<(), LayerError> {
        let layer = Lstm::new(self.features(), config, &parameters.scope(self.next_name("lstm")))?;
        self.push("lstm", Residual::new(layer))
    }

    /// Adds a [`SimpleRnn`].
    ///
    /// # Errors
    /// See [`SimpleRnn::new`]; also if the input is not frames.
    pub fn simple_rnn(&mut self, config: SimpleRnnConfig, parameters: &Parameters) -> Result<(), LayerError> {
        let layer = SimpleRnn::new(self.features(), config, &parameters.scope(self.next_name("simple_rnn")))?;
        self.push("simple_rnn", layer)
    }

    /// Adds an [`AttentionPool`].
    ///
    /// # Errors
    /// See [`AttentionPool::new`]; also if the input is not frames.
    pub fn attention(&mut self, units: usize, init: Init, parameters: &Parameters) -> Result<(), LayerError> {
        let scope = &parameters.scope(self.next_name("attention"));
        let layer = AttentionPool::new(self.features(), units, init, scope)?;
        self.push("attention", layer)
    }

    /// Adds a module of Candle's, such as a `candle_nn::Linear`, with the shape of an example that comes out of it; its
    /// weights are those that `parameters` got under `name`, e.g. through
    /// [`Parameters::var_builder`]`().pp(name)`. See [`Foreign`].
    ///
    /// # Errors
    /// If `parameters` hold no tensor under this name.
    pub fn module(
        &mut self,
        name: &str,
        module: impl ModuleT + Send + Sync + 'static,
        output_shape: impl Into<Vec<usize>>,
        parameters: &Parameters,
    ) -> Result<(), LayerError> {
        let layer = Foreign::new(module, self.output_shape(), output_shape, parameters, name)?;
        let output_shape = layer.output_shape(self.output_shape())?;
        self.layers.push(NamedLayer { name: name.to_owned(), output_shape, layer: Box::new(layer) });
        Ok(())
    }
}

impl Layer for Sequential {
    fn forward(&self, x: &Padded, mode: &mut Mode<'_>) -> Result<Forward, LayerError> {
        if x.is_empty() {
            return Err(LayerError::EmptyBatch { layer: "Sequential", given: x.dims().to_vec() });
        }
        let (mut x, mut rest, mut backwards) = (x.clone(), &self.layers[..], Vec::new());
        while let Some(first) = rest.first() {
            let (mut fused, mut count) = (Fused::new(&x), 0);
            while count < rest.len() && fused.push(&*rest[count].layer, mode)? {
                count += 1;
            }
            let pass = match count {
                0 => first.layer.forward(&x, mode)?,
                _ => fused.forward(&x, mode.is_training())?,
            };
            let (done, others) = rest.split_at(count.max(1));
            let has_weights = done.iter().any(|layer| !layer.layer.weights().is_empty());
            let (output, backward) = pass.into_parts();
            backwards.extend(backward.map(|backward| (backward, has_weights)));
            (x, rest) = (output, others);
        }
        Ok(if mode.is_training() { Forward::training(x, chain(backwards)) } else { Forward::inference(x) })
    }

    fn output_shape(&self, input: &[usize]) -> Result<Vec<usize>, LayerError> {
        self.shape_for(input)
    }

    fn kind(&self) -> &'static str {
        "Sequential"
    }

    fn weights(&self) -> Vec<&Var> {
        self.layers.iter().flat_map(|layer| layer.layer.weights()).collect()
    }

    fn statistics(&self) -> Vec<&Var> {
        self.layers.iter().flat_map(|layer| layer.layer.statistics()).collect()
    }

    fn summary(&self, _name: &str, _output_shape: &[usize]) -> Vec<SummaryRow> {
        self.layers.iter().flat_map(|layer| layer.layer.summary(&layer.name, &layer.output_shape)).collect()
    }
}
