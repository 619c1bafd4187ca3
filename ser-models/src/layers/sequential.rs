//! Layers one after another.

use super::stack::Stack;
use super::{
    AvgPool1d, AvgPool2d, BatchNorm, BatchNormConfig, Conv1d, Conv1dConfig, Conv2d, Conv2dConfig, Dense,
    Dropout, Flatten, GlobalAvgPool, GlobalMaxPool, Init, MaxPool1d, MaxPool2d, Relu, SpatialDropout,
};
use super::{Layer, LayerError, Mode, Padding};
use crate::parameters::Parameters;
use candle_core::Tensor;

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
/// let mut parameters = Parameters::new(0, DType::F32, &Device::Cpu);
/// let mut net = Sequential::new([1, 193]);
/// net.conv1d(Conv1dConfig::new(64, 5), &mut parameters)?;
/// net.relu()?;
/// net.flatten()?;
/// net.dense(4, Init::GlorotUniform, &mut parameters)?;
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
    pub fn conv1d(&mut self, config: Conv1dConfig, parameters: &mut Parameters) -> Result<(), LayerError> {
        let name = self.next_name("conv1d");
        let layer = Conv1d::new(self.channels(), config, &mut parameters.scope(name))?;
        self.push("conv1d", layer)
    }

    /// Adds a [`Conv2d`].
    ///
    /// # Errors
    /// See [`Conv2d::new`]; also if the input is smaller than the window.
    pub fn conv2d(&mut self, config: Conv2dConfig, parameters: &mut Parameters) -> Result<(), LayerError> {
        let name = self.next_name("conv2d");
        let layer = Conv2d::new(self.channels(), config, &mut parameters.scope(name))?;
        self.push("conv2d", layer)
    }

    /// Adds a [`BatchNorm`].
    ///
    /// # Errors
    /// See [`BatchNorm::new`].
    pub fn batch_norm(
        &mut self,
        config: BatchNormConfig,
        parameters: &mut Parameters,
    ) -> Result<(), LayerError> {
        let name = self.next_name("batch_norm");
        let layer = BatchNorm::new(self.channels(), config, &mut parameters.scope(name))?;
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
    pub fn dense(&mut self, units: usize, init: Init, parameters: &mut Parameters) -> Result<(), LayerError> {
        let name = self.next_name("dense");
        let layer = Dense::new(self.channels(), units, init, &mut parameters.scope(name))?;
        self.push("dense", layer)
    }
}

impl Layer for Sequential {
    fn forward(&self, x: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor, LayerError> {
        let mut x = x.clone();
        let mut rest = &self.layers[..];
        while let Some((layer, others)) = rest.split_first() {
            if let Some(stack) = Stack::of(rest, &x, mode)? {
                rest = &rest[stack.layers..];
                x = stack.forward(&x, mode)?;
            } else {
                x = layer.layer.forward(&x, mode)?;
                rest = others;
            }
        }
        Ok(x)
    }

    fn output_shape(&self, input: &[usize]) -> Result<Vec<usize>, LayerError> {
        if input != self.input_shape {
            return Err(LayerError::InputShape {
                layer: "Sequential",
                expected: format!("{:?}", self.input_shape),
                given: input.to_vec(),
            });
        }
        Ok(Self::output_shape(self).to_vec())
    }

    fn kind(&self) -> &'static str {
        "Sequential"
    }

    fn vars(&self) -> Vec<&candle_core::Var> {
        self.layers.iter().flat_map(|layer| layer.layer.vars()).collect()
    }
}
