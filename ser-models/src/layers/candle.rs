//! Conversion between this crate's layers and Candle's graph.
//!
//! Training in this crate builds no graph: each layer has a forward and a backward pass. There are two ways to combine such layers with
//! Candle's graph: [`in_graph`] and the layers' [`Module`] make any layer one operation of the graph, and [`CandleModule`] makes any Candle
//! module a layer.

use super::{
    AttentionPool, AvgPool, BatchNorm, Conv, Dense, Flatten, GlobalAvgPool, GlobalMaxPool, LayerMixture,
    MaxPool, Relu, SimpleRnn, TimeFirst, TransformerBlock,
};
use crate::generator::Generator;
use crate::layer::{Backward, Forward, Layer, LayerError, Mode, Padded, add_gradient, into_storage};
use crate::parameters::{Parameter, Parameters};
use candle_core::backprop::GradStore;
use candle_core::{
    CpuStorage, CustomOp2, Device, Layout, Module, ModuleT, Result as CandleResult, Shape, Tensor, Var, bail,
};
use std::fmt;
use std::sync::{Mutex, PoisonError};

/// A forward pass as one operation of Candle's graph: gradients go through it to `x` and to the layer's weights. In inference mode there is
/// no backward pass, and the output is a constant. The backward pass runs once; a second `backward()` through the same output is an error.
///
/// # Errors
/// As the layer's forward pass.
pub fn in_graph(layer: &dyn Layer, x: &Padded, mode: &mut Mode<'_>) -> Result<Tensor, LayerError> {
    let (output, backward) = layer.forward(x, mode)?.into_parts();
    let Some(backward) = backward else { return Ok(output.into_values().detach()) };
    let weights: Vec<Var> = layer.weights().into_iter().cloned().collect();
    let flat = weights.iter().map(|weight| weight.flatten_all()).collect::<CandleResult<Vec<_>>>()?;
    // An operation has at most three tensors, so the weights are concatenated to one. The backward pass of Candle's `cat` splits their
    // gradient.
    let flat = match flat.is_empty() {
        true => Tensor::zeros(1, x.values().dtype(), &Device::Cpu)?,
        false => Tensor::cat(&flat, 0)?,
    };
    let shape = output.values().shape().clone();
    let op = LayerOp {
        output: into_storage(output.values())?,
        shape,
        weights,
        backward: Mutex::new(Some(backward)),
    };
    Ok(x.values().contiguous()?.apply_op2(&flat, op)?)
}

/// A finished forward pass and its backward pass.
struct LayerOp {
    output: CpuStorage,
    shape: Shape,
    weights: Vec<Var>,
    backward: Mutex<Option<Backward>>,
}

impl CustomOp2 for LayerOp {
    fn name(&self) -> &'static str {
        "layer"
    }

    fn cpu_fwd(
        &self,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
    ) -> CandleResult<(CpuStorage, Shape)> {
        Ok((self.output.clone(), self.shape.clone()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        flat: &Tensor,
        _: &Tensor,
        dy: &Tensor,
    ) -> CandleResult<(Option<Tensor>, Option<Tensor>)> {
        let backward = self.backward.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(backward) = backward else { bail!("a layer's backward pass can be asked for once") };
        let mut gradients = GradStore::default();
        let dx = backward(dy, x.track_op(), &mut gradients).map_err(candle_core::Error::wrap)?;
        let of = |weight: &Var| match gradients.get(weight) {
            Some(gradient) => gradient.flatten_all(),
            None => weight.zeros_like()?.flatten_all(),
        };
        let dflat = self.weights.iter().map(of).collect::<CandleResult<Vec<_>>>()?;
        let dflat = if flat.track_op() { Some(Tensor::cat(&dflat, 0)?) } else { None };
        Ok((dx, dflat))
    }
}

/// Layers whose training and inference are equal are Candle modules. Gradients always pass through them.
macro_rules! module {
    ($($layer:ty),*) => {$(
        impl Module for $layer {
            fn forward(&self, x: &Tensor) -> CandleResult<Tensor> {
                let mode = &mut Mode::Training(&mut Generator::new(0));
                in_graph(self, &x.into(), mode).map_err(candle_core::Error::wrap)
            }
        }
    )*};
}

module!(
    AttentionPool,
    Conv<1>,
    Conv<2>,
    Dense,
    Flatten,
    GlobalAvgPool,
    GlobalMaxPool,
    LayerMixture,
    Relu,
    SimpleRnn,
    TimeFirst,
    TransformerBlock,
    MaxPool<1>,
    MaxPool<2>,
    AvgPool<1>,
    AvgPool<2>
);

impl ModuleT for BatchNorm {
    fn forward_t(&self, x: &Tensor, train: bool) -> CandleResult<Tensor> {
        let mut generator = Generator::new(0);
        let mut mode = if train { Mode::Training(&mut generator) } else { Mode::Inference };
        in_graph(self, &x.into(), &mut mode).map_err(candle_core::Error::wrap)
    }
}

/// Any layer as a Candle `ModuleT`. Random numbers, such as dropout masks, come from a seed. Layers that are no `Module` themselves need it:
/// [`Dropout`](super::Dropout), [`Lstm`](super::Lstm), [`Residual`](super::Residual) and [`Sequential`](super::Sequential).
#[derive(Debug)]
pub struct Seeded<L> {
    layer: L,
    generator: Mutex<Generator>,
}

impl<L: Layer> Seeded<L> {
    /// The layer, with random numbers from `seed`.
    pub fn new(layer: L, seed: u64) -> Self {
        Self { layer, generator: Mutex::new(Generator::new(seed)) }
    }
}

impl<L: Layer> ModuleT for Seeded<L> {
    fn forward_t(&self, x: &Tensor, train: bool) -> CandleResult<Tensor> {
        let mut generator = self.generator.lock().unwrap_or_else(PoisonError::into_inner);
        let mut mode = if train { Mode::Training(&mut generator) } else { Mode::Inference };
        in_graph(&self.layer, &x.into(), &mut mode).map_err(candle_core::Error::wrap)
    }
}

/// A Candle module as a layer. Its backward pass is Candle's own.
///
/// The module gets no information about padding. Valid lengths are passed on if it keeps the number of axes and the last axis, and padded
/// examples are refused otherwise. A module that mixes frames, such as a convolution or an attention, reads the padding after an example's
/// valid frames.
pub struct CandleModule {
    name: String,
    module: Box<dyn ModuleT + Send + Sync>,
    input_shape: Vec<usize>,
    output_shape: Vec<usize>,
    weights: Vec<Var>,
    statistics: Vec<Var>,
}

impl CandleModule {
    /// Makes a layer of `module`, which maps examples of `input_shape` to examples of `output_shape`. Its weights and statistics are the
    /// tensors whose names in `parameters` begin with `name` and a dot; an activation has none. The module is run once on an example of
    /// zeros.
    ///
    /// # Errors
    /// [`LayerError::Setting`] if the module has weights and no tensor has this name, [`LayerError::OutputShape`] if the module's output
    /// has another shape, and errors of the module itself.
    pub fn new(
        module: impl ModuleT + Send + Sync + 'static,
        input_shape: impl Into<Vec<usize>>,
        output_shape: impl Into<Vec<usize>>,
        parameters: &Parameters,
        name: &str,
    ) -> Result<Self, LayerError> {
        let (module, prefix) = (Box::new(module), format!("{name}."));
        let (input_shape, output_shape): (Vec<usize>, Vec<usize>) = (input_shape.into(), output_shape.into());
        let own = parameters.iter().filter(|p| p.name().starts_with(&prefix));
        let (weights, statistics): (Vec<_>, Vec<_>) = own.partition(Parameter::is_trainable);
        let [weights, statistics] =
            [weights, statistics].map(|own| own.into_iter().map(|p| p.var().clone()).collect::<Vec<_>>());
        let example = Tensor::zeros([&[1], &*input_shape].concat(), parameters.dtype(), &Device::Cpu)?;
        let answer = module.forward_t(&example, false)?;
        // Candle tracks operations on weights, but not operations on constants alone.
        if weights.is_empty() && answer.track_op() {
            return Err(LayerError::setting(name, "name", "the beginning of a parameter's name", name));
        }
        let given = answer.dims().get(1..).unwrap_or_default();
        if given != output_shape {
            let (layer, given) = (name.to_owned(), given.to_vec());
            return Err(LayerError::OutputShape { layer, expected: output_shape, given });
        }
        Ok(Self { name: name.to_owned(), module, input_shape, output_shape, weights, statistics })
    }

    /// The module's output `y` for `x`, with the valid lengths of `x`.
    fn with_lengths_of(&self, x: &Padded, y: Tensor) -> Result<Padded, LayerError> {
        let keeps_time = x.dims().len() == y.dims().len() && x.dims().last() == y.dims().last();
        if x.lengths().is_some() && !keeps_time {
            let rule = "without padding where the module changes the number of axes or the last one";
            return Err(LayerError::setting(&self.name, "examples", rule, "padded ones"));
        }
        Ok(x.with_values(y))
    }
}

impl fmt::Debug for CandleModule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, shape) = (&self.name, &self.output_shape);
        f.debug_struct("CandleModule")
            .field("name", name)
            .field("output_shape", shape)
            .finish_non_exhaustive()
    }
}

impl Layer for CandleModule {
    fn forward(&self, x: &Padded, mode: &mut Mode<'_>) -> Result<Forward, LayerError> {
        if !mode.is_training() {
            let y = self.module.forward_t(&x.values().detach(), false)?.detach();
            return Ok(Forward::inference(self.with_lengths_of(x, y)?));
        }
        let padded = x;
        let x = Var::from_tensor(&x.values().detach())?;
        let y = self.module.forward_t(&x, true)?;
        let output = self.with_lengths_of(padded, y.detach())?;
        let weights = self.weights.clone();
        Ok(Forward::training(output, move |dy, input_wanted, gradients| {
            let mut found = (y * dy)?.sum_all()?.backward()?;
            for weight in &weights {
                if let Some(gradient) = found.remove(weight) {
                    add_gradient(gradients, weight, gradient)?;
                }
            }
            match found.remove(&x) {
                Some(dx) if input_wanted => Ok(Some(dx)),
                None if input_wanted => Ok(Some(x.zeros_like()?)),
                _ => Ok(None),
            }
        }))
    }

    fn output_shape(&self, input: &[usize]) -> Result<Vec<usize>, LayerError> {
        if input != self.input_shape {
            return Err(LayerError::input_shape(&self.name, format!("{:?}", self.input_shape), input));
        }
        Ok(self.output_shape.clone())
    }

    fn kind(&self) -> &'static str {
        "CandleModule"
    }

    fn weights(&self) -> Vec<&Var> {
        self.weights.iter().collect()
    }

    fn statistics(&self) -> Vec<&Var> {
        self.statistics.iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::gradient_check::{answer, check, check_layer, difference, input, train, variable};
    use crate::layers::{Dropout, Init, Sequential};
    use candle_core::DType;

    #[test]
    fn gradients_are_correct_where_outputs_go_several_ways_through_layers_and_candles_operations() {
        let x = variable(&[3, 4, 5], 4);
        check("several ways", &[&x], || {
            let once = train(&Relu, x.as_tensor(), 0);
            let transposed = train(&TimeFirst, &once, 0);
            let twice = train(&TimeFirst, &transposed, 0);
            let view = once.narrow(1, 1, 2).unwrap().sqr().unwrap();
            let both = ((&once * &twice).unwrap() + train(&Relu, &twice, 0)).unwrap();
            Tensor::cat(&[both, view], 1).unwrap()
        });
    }

    #[test]
    fn a_layer_that_is_used_twice_gets_the_sum_of_its_gradients() {
        let parameters = Parameters::new(3, DType::F64);
        let dense = Dense::new(4, 4, Init::GlorotUniform, &parameters.scope("dense")).unwrap();
        let x = variable(&[3, 4], 1);
        let mut vars = vec![&x];
        vars.extend(dense.weights());
        check("twice", &vars, || {
            let twice = train(&dense, train(&dense, x.as_tensor(), 0), 0);
            (twice.sqr().unwrap().sum_all().unwrap() + dense.weights()[0].sqr().unwrap().sum_all().unwrap())
                .unwrap()
        });
    }

    #[test]
    fn a_module_of_candles_has_its_own_gradients_within_a_network() {
        let parameters = Parameters::new(3, DType::F64);
        let mut net = Sequential::new([2, 6]);
        net.conv1d(crate::layers::Conv1dConfig::new(3, 3), &parameters).unwrap();
        net.relu().unwrap();
        net.flatten().unwrap();
        let linear = candle_nn::linear(18, 4, parameters.var_builder().pp("head")).unwrap();
        net.module("head", linear, [4], &parameters).unwrap();
        check_layer("mixed", &net, &variable(&[3, 2, 6], 5), None);
        let names: Vec<String> = parameters.iter().map(|p| p.name().to_owned()).collect();
        assert_eq!(names[2..], ["head.weight", "head.bias"]);
        net.module("relu", candle_nn::Activation::Relu, [4], &parameters).unwrap();
        check_layer("mixed, with an activation", &net, &variable(&[3, 2, 6], 5), None);
        let error = net.module("nothing", Relu, [5], &parameters).unwrap_err().to_string();
        assert_eq!(error, "nothing: each example that comes out must have shape [5], got [4]");
    }

    #[test]
    fn layers_are_modules_and_draw_from_a_seed() {
        let x = input(&[4, 50], 1);
        let expected = x.relu().unwrap();
        assert_eq!(difference(&Module::forward(&Relu, &x).unwrap(), &expected), 0.0);
        let seeded = |seed| Seeded::new(Dropout::new(0.5).unwrap(), seed);
        let (one, two) = (seeded(1), seeded(1));
        let first = one.forward_t(&x, true).unwrap();
        assert_eq!(difference(&first, &two.forward_t(&x, true).unwrap()), 0.0);
        assert!(difference(&first, &one.forward_t(&x, true).unwrap()) > 0.0);
        assert_eq!(difference(&one.forward_t(&x, false).unwrap(), &x), 0.0);
        assert_eq!(difference(&answer(&Dropout::new(0.5).unwrap(), &x), &x), 0.0);
    }
}
