//! The named tensors of a model.

mod scope;

pub use scope::Scope;

use crate::generator::Generator;
use crate::init::candle_values;
use crate::memory::Memory;
use crate::weights::{Values, Weights, WeightsError};
use candle_core::{DType, Device, Result as CandleResult, Shape, Tensor, Var};
use candle_nn::VarBuilder;
use candle_nn::var_builder::SimpleBackend;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The metadata of a file that [`Parameters::to_bytes`] writes.
const METADATA: &str = "{\"kind\":\"parameters\"}";

/// The largest number of elements of a model's new tensors together, 1 GiB in `f32` (up to 4 GiB while they are drawn), so that no setting
/// can use all memory.
const MAX_ELEMENTS: usize = 1 << 28;

/// The largest number of tensors of a model, so that no number of layers can take all time.
const MAX_TENSORS: usize = 1 << 14;

/// The name of a tensor that does not exist. For it, a builder over [`Parameters`] returns 64 random bits from the seed, as two `u32`.
const SEED: &str = "seed of first values";

/// One named tensor of a model: a weight, which training updates, or a running statistic, which it only records.
///
/// Clones share the tensor.
#[derive(Debug, Clone)]
pub struct Parameter {
    name: String,
    var: Var,
    trainable: bool,
}

impl Parameter {
    /// The tensor's name, unique within a model, e.g. `conv1d_1.weight`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The variable. Its content changes in training; clones share it.
    pub fn var(&self) -> &Var {
        &self.var
    }

    /// Whether an optimiser updates the tensor.
    pub fn is_trainable(&self) -> bool {
        self.trainable
    }
}

/// The named tensors of a model in the order in which its layers made them, in CPU memory, and the source of initial values and the element
/// type of new tensors. There are at most 2¹⁴ tensors; new ones have at most 2²⁸ elements together.
///
/// Candle's `VarMap` returns its variables in hash order, which differs from run to run. Here the order is fixed.
///
/// Layers of `candle-nn` make their tensors here through [`Parameters::var_builder`].
#[derive(Debug)]
pub struct Parameters {
    contents: Arc<Mutex<Contents>>,
    /// The prefix of new names.
    prefix: String,
    dtype: DType,
    memory: Memory,
}

#[derive(Debug)]
struct Contents {
    entries: Vec<Parameter>,
    /// Number of elements of all entries together.
    elements: usize,
    origin: Origin,
}

/// The source of initial values.
#[derive(Debug)]
enum Origin {
    /// Drawn from each layer's [`Init`].
    Seeded(Box<Generator>),
    /// Given by name. Contains the tensors that no layer has taken yet.
    Given(Weights),
}

/// Errors of making a tensor.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ParameterError {
    /// Two tensors of a model would have the same name.
    #[error("parameters: name must be unique in its model, got {name} twice")]
    Name {
        /// The name.
        name: String,
    },
    /// A model would have too many tensors.
    #[error("parameters: tensors must be at most {MAX_TENSORS}, got one more, {name}")]
    Count {
        /// The name of the next tensor.
        name: String,
    },
    /// A model's new tensors would be too large together.
    #[error("parameters: elements must be at most {MAX_ELEMENTS}, got {made} and those of {name}, {shape:?}")]
    Size {
        /// Number of elements of the existing tensors.
        made: usize,
        /// The name of the next tensor.
        name: String,
        /// The shape of the next tensor.
        shape: Vec<usize>,
    },
    /// A given tensor does not fit the layer.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// An operation on tensors failed.
    #[error(transparent)]
    Candle(#[from] candle_core::Error),
}

impl Parameters {
    /// An empty list. Initial values come from `seed`. `dtype` must be `F32`, or `F64` with the cargo feature `f64`; with another one the
    /// forward pass of layers is [`LayerError::ElementType`](crate::layers::LayerError::ElementType).
    pub fn new(seed: u64, dtype: DType) -> Self {
        Self::of(Origin::Seeded(Box::new(Generator::new(seed))), dtype)
    }

    /// Makes an empty list whose values are `weights`, of `F32`. A layer whose tensors are missing or have another shape allocates nothing.
    pub(crate) fn given(weights: Weights) -> Self {
        Self::of(Origin::Given(weights), DType::F32)
    }

    fn of(origin: Origin, dtype: DType) -> Self {
        let contents = Contents { entries: Vec::new(), elements: 0, origin };
        let contents = Arc::new(Mutex::new(contents));
        Self { contents, prefix: String::new(), dtype, memory: Memory::default() }
    }

    fn contents(&self) -> MutexGuard<'_, Contents> {
        self.contents.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Checks that all given tensors were taken.
    pub(crate) fn check_all_taken(&self) -> Result<(), WeightsError> {
        match &self.contents().origin {
            Origin::Given(left) => left.check_names([].into_iter()),
            Origin::Seeded(_) => Ok(()),
        }
    }

    /// Returns a scope for a layer's tensors: their names begin with `name` and a dot.
    pub fn scope(&self, name: impl Into<String>) -> Scope<'_> {
        Scope::new(self, self.prefixed(&name.into()))
    }

    fn prefixed(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// Returns a handle on the same list. Tensors that it makes get names that begin with `prefix`.
    pub(crate) fn within(&self, prefix: &str) -> Self {
        let (contents, memory) = (self.contents.clone(), self.memory.clone());
        Self { contents, prefix: self.prefixed(prefix), dtype: self.dtype, memory }
    }

    /// Returns a builder for the layers of `candle-nn`: `candle_nn::linear(64, 4, parameters.var_builder().pp("head"))` makes `head.weight`
    /// and `head.bias` here, in the order of the calls and with values drawn from the seed. An existing name returns its tensor, as in
    /// Candle's `VarMap`. A tensor whose name begins with `running_`, as those of `candle_nn::BatchNorm`, is a statistic; all others are
    /// weights.
    pub fn var_builder(&self) -> VarBuilder<'_> {
        VarBuilder::from_backend(Box::new(self), self.dtype, Device::Cpu)
    }

    /// All tensors, in the order of the layers.
    pub fn iter(&self) -> impl Iterator<Item = Parameter> + use<> {
        self.contents().entries.clone().into_iter()
    }

    /// The tensor of this name.
    pub fn get(&self, name: &str) -> Option<Parameter> {
        self.contents().entries.iter().find(|p| p.name == name).cloned()
    }

    /// The number of elements that an optimiser updates.
    pub fn trainable_count(&self) -> usize {
        self.iter().filter(Parameter::is_trainable).map(|p| p.var.elem_count()).sum()
    }

    /// The element type of the tensors.
    pub(crate) fn dtype(&self) -> DType {
        self.dtype
    }

    /// Returns the values of all tensors as a safetensors file of `f32`, for networks that no [`Architecture`](crate::models::Architecture)
    /// describes. [`Parameters::load`] reads it. The same values give the same bytes.
    ///
    /// # Errors
    /// If an operation on tensors fails.
    pub fn to_bytes(&self) -> Result<Vec<u8>, ParameterError> {
        Ok(self.values()?.to_safetensors(METADATA)?)
    }

    /// Sets all tensors to the values of a file that [`Parameters::to_bytes`] wrote. Build the network first, then load.
    ///
    /// ```
    /// use candle_core::DType;
    /// use ser_models::Parameters;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let build = |seed| {
    ///     let parameters = Parameters::new(seed, DType::F32);
    ///     let head = candle_nn::linear(8, 4, parameters.var_builder().pp("head"))?;
    ///     Ok::<_, candle_core::Error>((parameters, head))
    /// };
    /// let (trained, _) = build(1)?;
    /// let (parameters, head) = build(2)?;
    /// parameters.load(&trained.to_bytes()?)?;
    /// let weight = trained.get("head.weight").unwrap();
    /// assert_eq!(head.weight().to_vec2::<f32>()?, weight.var().to_vec2::<f32>()?);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ParameterError::Weights`] if the file is damaged, or its tensors differ from these in name or shape or are not finite. No tensor
    /// is changed in that case.
    pub fn load(&self, bytes: &[u8]) -> Result<(), ParameterError> {
        let (weights, metadata) = Weights::from_safetensors(bytes)?;
        weights.check_digest(&metadata)?;
        self.check(&weights)?;
        Ok(self.set_values(&weights)?)
    }

    /// Copies all values.
    pub(crate) fn values(&self) -> CandleResult<Weights> {
        let values = |parameter: Parameter| {
            let tensor = parameter.var.as_detached_tensor();
            let values = tensor.to_dtype(DType::F32)?.flatten_all()?.to_vec1::<f32>()?;
            Ok((parameter.name, Values { shape: tensor.dims().to_vec(), values }))
        };
        Ok(Weights(self.iter().map(values).collect::<CandleResult<_>>()?))
    }

    /// Sets the tensors in `weights` to their values, which must have been checked.
    pub(crate) fn set_values(&self, weights: &Weights) -> CandleResult<()> {
        self.iter().try_for_each(|parameter| {
            let Some(Values { shape, values }) = weights.0.get(&parameter.name) else { return Ok(()) };
            let tensor = Tensor::from_slice(values, &**shape, &Device::Cpu)?;
            parameter.var.set(&tensor.to_dtype(self.dtype)?)
        })
    }

    /// Checks that `weights` has exactly these tensors, finite and of the right shapes.
    pub(crate) fn check(&self, weights: &Weights) -> Result<(), WeightsError> {
        let contents = self.contents();
        contents.entries.iter().try_for_each(|p| weights.find(&p.name, p.var.dims()).map(|_| ()))?;
        weights.check_names(contents.entries.iter().map(Parameter::name))
    }

    fn add(
        &self,
        name: String,
        shape: &[usize],
        values: impl FnOnce(&mut Generator) -> Vec<f64>,
        trainable: bool,
    ) -> Result<Var, ParameterError> {
        let mut contents = self.contents();
        if contents.entries.iter().any(|p| p.name == name) {
            return Err(ParameterError::Name { name });
        }
        if contents.entries.len() >= MAX_TENSORS {
            return Err(ParameterError::Count { name });
        }
        let made = contents.elements;
        let tensor = match &mut contents.origin {
            Origin::Seeded(generator) => {
                check_size(made, &name, shape)?;
                Tensor::from_vec(values(generator), shape, &Device::Cpu)?
            }
            Origin::Given(weights) => Tensor::from_vec(weights.take(&name, shape)?, shape, &Device::Cpu)?,
        };
        let var = Var::from_tensor(&tensor.to_dtype(self.dtype)?)?;
        contents.elements += var.elem_count();
        contents.entries.push(Parameter { name, var: var.clone(), trainable });
        Ok(var)
    }
}

/// Checks that a model with `made` elements may get a tensor of this shape.
fn check_size(made: usize, name: &str, shape: &[usize]) -> Result<(), ParameterError> {
    let elements = shape.iter().try_fold(1usize, |product, size| product.checked_mul(*size));
    match elements.and_then(|elements| elements.checked_add(made)) {
        Some(..=MAX_ELEMENTS) => Ok(()),
        _ => Err(ParameterError::Size { made, name: name.to_owned(), shape: shape.to_vec() }),
    }
}

/// The interface through which `candle-nn` requests tensors.
impl SimpleBackend for &Parameters {
    fn get(
        &self,
        shape: Shape,
        name: &str,
        init: candle_nn::Init,
        _: DType,
        _: &Device,
    ) -> CandleResult<Tensor> {
        let name = &self.prefixed(name);
        if let Some(parameter) = Parameters::get(self, name) {
            if parameter.var.shape() != &shape {
                let (expected, got) = (shape, parameter.var.shape().clone());
                return Err(candle_core::Error::UnexpectedShape { msg: name.to_owned(), expected, got });
            }
            return Ok(parameter.var.as_tensor().clone());
        }
        let values = |generator: &mut Generator| candle_values(init, shape.dims(), generator);
        let trainable = !name.rsplit('.').next().is_some_and(|name| name.starts_with("running_"));
        match self.add(name.to_owned(), shape.dims(), values, trainable) {
            Ok(var) => Ok(var.into_inner()),
            Err(ParameterError::Candle(error)) => Err(error),
            Err(error) => Err(candle_core::Error::wrap(error)),
        }
    }

    fn get_unchecked(&self, name: &str, _: DType, _: &Device) -> CandleResult<Tensor> {
        if let (true, Origin::Seeded(generator)) = (name.ends_with(SEED), &mut self.contents().origin) {
            return Tensor::new(&[generator.bits(), generator.bits()], &Device::Cpu);
        }
        match Parameters::get(self, &self.prefixed(name)) {
            Some(parameter) => Ok(parameter.var.into_inner()),
            None => Err(candle_core::Error::CannotFindTensor { path: name.to_owned() }),
        }
    }

    fn contains_tensor(&self, name: &str) -> bool {
        Parameters::get(self, &self.prefixed(name)).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::init::Init;

    #[test]
    fn tensors_that_no_memory_holds_are_refused() {
        let parameters = Parameters::new(0, DType::F32);
        parameters.scope("a").weight("weight", &[4], Init::Zeros).unwrap();
        let refused = |shape: &[usize]| {
            let ours = parameters.scope("b").weight("weight", shape, Init::Zeros).unwrap_err().to_string();
            let candles = parameters.var_builder().pp("b").get(shape, "weight").unwrap_err().to_string();
            assert!(candles.contains(&ours), "{candles}");
            // A scope over Candle's own map must not request such a tensor either.
            let map = candle_nn::VarMap::new();
            let scope = Scope::from(VarBuilder::from_varmap(&map, DType::F32, &Device::Cpu).pp("b"));
            let theirs = scope.weight("weight", shape, Init::Zeros).unwrap_err().to_string();
            assert_eq!(theirs, ours.replace("got 4", "got 0"));
            ours
        };
        assert_eq!(
            refused(&[1 << 14, (1 << 14) + 1]),
            "parameters: elements must be at most 268435456, got 4 and those of b.weight, [16384, 16385]"
        );
        // The product of these sizes would wrap to 0.
        refused(&[1 << 32, 1 << 32]);
        refused(&[usize::MAX, 3]);
    }

    #[test]
    fn the_elements_of_all_tensors_count() {
        let of = |made| check_size(made, "x", &[1 << 14, 1 << 13]).is_ok();
        assert!(of(0) && of(1 << 27) && !of((1 << 27) + 1) && !of(usize::MAX));
    }
}
