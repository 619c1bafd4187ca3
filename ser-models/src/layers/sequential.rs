//! Sequences of layers.

use super::fused::Fused;
use super::{
    AttentionPool, AvgPool1d, AvgPool2d, BatchNorm, BatchNormConfig, CandleModule, Conv1d, Conv1dConfig,
    Conv2d, Conv2dConfig, Dense, Dropout, Flatten, GlobalAvgPool, GlobalMaxPool, Init, Lstm, LstmConfig,
    MaxPool1d, MaxPool2d, Padding, Relu, Residual, SimpleRnn, SimpleRnnConfig, TimeFirst,
};
use crate::layer::{Forward, Layer, LayerError, Mode, Padded, SummaryRow, chain};
use crate::parameters::Parameters;
use candle_core::Var;
use candle_nn::ModuleT;

/// One layer of a [`Sequential`], with its entry in a summary.
#[derive(Debug)]
pub(super) struct NamedLayer {
    /// The layer's name, by kind and number, e.g. `conv1d_2`. Its parameters' names begin with it.
    pub(super) name: String,
    /// The output shape, without the batch axis.
    output_shape: Vec<usize>,
    /// The layer itself.
    pub(super) layer: Box<dyn Layer>,
}

/// Layers one after another, for inputs of one shape.
///
/// Built by adding layers: each gets its input shape from the layers before, is named by its kind and number (`conv1d_1`, `conv1d_2`,
/// `dense_1`, …), and makes its parameters under that name.
///
/// ```
/// use candle_core::DType;
/// use ser_models::Parameters;
/// use ser_models::layers::{Conv1dConfig, Init, Sequential};
///
/// # fn main() -> Result<(), ser_models::layers::LayerError> {
/// let parameters = Parameters::new(0, DType::F32);
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
    /// The prefix of the layers' names.
    prefix: String,
    input_shape: Vec<usize>,
    pub(super) layers: Vec<NamedLayer>,
}

/// Methods that add a layer without tensors.
macro_rules! adds {
    ($($(#[$about:meta])* $name:ident($($argument:ident: $type:ty),*) => $layer:expr;)*) => {$(
        $(#[$about])*
        ///
        /// # Errors
        /// If a setting is out of its range, or the layer does not accept the output of the layers before it.
        pub fn $name(&mut self, $($argument: $type),*) -> Result<(), LayerError> {
            self.push(stringify!($name), $layer)
        }
    )*};
}

/// Methods that add a layer with tensors. A row has the kind, which is part of the layer's name, and an expression that makes the layer
/// from the network so far and the scope of the layer's tensors.
macro_rules! adds_with_tensors {
    (
        $($(#[$about:meta])*
        $name:ident($($argument:ident: $type:ty),*) $kind:literal |$net:ident, $scope:ident| $layer:expr;)*
    ) => {$(
        $(#[$about])*
        ///
        /// # Errors
        /// [`LayerError::Setting`] if a setting is out of its range, [`LayerError::Parameter`] if a tensor cannot be made,
        /// [`LayerError::InputShape`] or [`LayerError::TooShort`] if the layer does not take what the layers before it give. Tensors that were
        /// made before the error stay in `parameters`: begin again with new ones.
        pub fn $name(&mut self, $($argument: $type,)* parameters: &Parameters) -> Result<(), LayerError> {
            let ($net, $scope) = (&*self, &parameters.scope(self.next_name($kind)));
            let layer = $layer;
            self.push($kind, layer)
        }
    )*};
}

impl Sequential {
    /// An empty network for inputs of this shape (without the batch axis).
    pub fn new(input_shape: impl Into<Vec<usize>>) -> Self {
        Self::named("", input_shape)
    }

    /// Like [`Sequential::new`], for one of several networks in a model: the layers' names begin with `name` and a dot.
    pub fn named(name: &str, input_shape: impl Into<Vec<usize>>) -> Self {
        let prefix = if name.is_empty() { String::new() } else { format!("{name}.") };
        Self { prefix, input_shape: input_shape.into(), layers: Vec::new() }
    }

    /// The input shape, without the batch axis.
    pub fn input_shape(&self) -> &[usize] {
        &self.input_shape
    }

    /// The output shape, without the batch axis.
    pub fn output_shape(&self) -> &[usize] {
        self.layers.last().map_or(&self.input_shape, |last| &last.output_shape)
    }

    /// Adds a layer at the end, under `kind` and the next number.
    ///
    /// # Errors
    /// If the layer does not accept the output of the layers before it.
    pub fn push(&mut self, kind: &str, layer: impl Layer + 'static) -> Result<(), LayerError> {
        self.push_named(self.next_name(kind), layer)
    }

    fn push_named(&mut self, name: String, layer: impl Layer + 'static) -> Result<(), LayerError> {
        let output_shape = layer.output_shape(self.output_shape())?;
        self.layers.push(NamedLayer { name, output_shape, layer: Box::new(layer) });
        Ok(())
    }

    /// Adds the layers of another network, under their own names.
    ///
    /// # Errors
    /// If the other network's input shape is not the output shape of this one.
    pub fn append(&mut self, other: Self) -> Result<(), LayerError> {
        if other.input_shape != self.output_shape() {
            let expected = format!("{:?}", other.input_shape);
            return Err(LayerError::input_shape("Sequential", expected, self.output_shape()));
        }
        self.layers.extend(other.layers);
        Ok(())
    }

    fn next_name(&self, kind: &str) -> String {
        let kind = format!("{}{kind}", self.prefix);
        let number =
            self.layers.iter().filter(|l| l.name.rsplit_once('_').is_some_and(|(k, _)| k == kind)).count();
        format!("{kind}_{}", number + 1)
    }

    /// Number of channels, or features, of the output.
    fn channels(&self) -> usize {
        self.output_shape().first().copied().unwrap_or(0)
    }

    /// Number of features of the output's frames.
    fn features(&self) -> usize {
        self.output_shape().last().copied().unwrap_or(0)
    }

    adds! {
        /// Adds a [`Relu`].
        relu() => Relu;
        /// Adds a [`Dropout`] of single elements.
        dropout(rate: f64) => Dropout::new(rate)?;
        /// Adds a [`Dropout::spatial`].
        spatial_dropout(rate: f64) => Dropout::spatial(rate)?;
        /// Adds a [`Flatten`].
        flatten() => Flatten;
        /// Adds a [`TimeFirst`].
        time_first() => TimeFirst;
        /// Adds a [`MaxPool1d`] whose window moves by its own size.
        max_pool1d(pool_size: usize) => MaxPool1d::new(pool_size, pool_size, Padding::Valid)?;
        /// Adds a [`MaxPool2d`] whose window moves by its own size.
        max_pool2d(pool_size: [usize; 2]) => MaxPool2d::new(pool_size, pool_size, Padding::Valid)?;
        /// Adds an [`AvgPool1d`] whose window moves by its own size.
        avg_pool1d(pool_size: usize) => AvgPool1d::new(pool_size, pool_size, Padding::Valid)?;
        /// Adds an [`AvgPool2d`] whose window moves by its own size.
        avg_pool2d(pool_size: [usize; 2]) => AvgPool2d::new(pool_size, pool_size, Padding::Valid)?;
        /// Adds a [`GlobalAvgPool`].
        global_avg_pool() => GlobalAvgPool;
        /// Adds a [`GlobalMaxPool`].
        global_max_pool() => GlobalMaxPool;
    }

    adds_with_tensors! {
        /// Adds a [`Conv1d`].
        conv1d(config: Conv1dConfig) "conv1d" |net, scope| Conv1d::new(net.channels(), config, scope)?;
        /// Adds a [`Conv2d`].
        conv2d(config: Conv2dConfig) "conv2d" |net, scope| Conv2d::new(net.channels(), config, scope)?;
        /// Adds a [`BatchNorm`].
        batch_norm(config: BatchNormConfig) "batch_norm" |net, scope| BatchNorm::new(net.channels(), config, scope)?;
        /// Adds a [`Dense`].
        dense(units: usize, init: Init) "dense" |net, scope| Dense::new(net.channels(), units, init, scope)?;
        /// Adds an [`Lstm`].
        lstm(config: LstmConfig) "lstm" |net, scope| Lstm::new(net.features(), config, scope)?;
        /// Adds an [`Lstm`] with a residual connection around it.
        residual_lstm(config: LstmConfig) "lstm" |net, scope| Residual::new(Lstm::new(net.features(), config, scope)?);
        /// Adds a [`SimpleRnn`].
        simple_rnn(config: SimpleRnnConfig) "simple_rnn" |net, scope| SimpleRnn::new(net.features(), config, scope)?;
        /// Adds an [`AttentionPool`].
        attention(units: usize, init: Init) "attention" |net, scope| {
            AttentionPool::new(net.features(), units, init, scope)?
        };
    }

    /// Adds a Candle module, such as a `candle_nn::Linear`, whose output for one example has the shape `output_shape`. Its weights are
    /// those that `parameters` got under `name`, e.g. through [`Parameters::var_builder`]`().pp(name)`. See [`CandleModule`].
    ///
    /// # Errors
    /// See [`CandleModule::new`].
    pub fn module(
        &mut self,
        name: &str,
        module: impl ModuleT + Send + Sync + 'static,
        output_shape: impl Into<Vec<usize>>,
        parameters: &Parameters,
    ) -> Result<(), LayerError> {
        let layer = CandleModule::new(module, self.output_shape(), output_shape, parameters, name)?;
        self.push_named(name.to_owned(), layer)
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
        Ok(Forward::of(mode.is_training(), x, chain(backwards)))
    }

    fn output_shape(&self, input: &[usize]) -> Result<Vec<usize>, LayerError> {
        self.layers.iter().try_fold(input.to_vec(), |shape, layer| layer.layer.output_shape(&shape))
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
