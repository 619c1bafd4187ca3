//! Scopes of a layer's tensors.

use super::{ParameterError, Parameters, SEED, check_size};
use crate::generator::Generator;
use crate::init::Init;
use crate::memory::Memory;
use candle_core::{Device, Tensor, Var};
use candle_nn::VarBuilder;

/// The scope of one layer's tensors: a name in a model's [`Parameters`], or a `candle_nn::VarBuilder`.
///
/// From a `VarBuilder` a layer takes the tensors that exist. It sets the others to its own initial values. With the builder of
/// [`Parameters`] these are drawn from the seed. With Candle's own builders, such as one over a `VarMap`, they depend only on the tensor's
/// name, because Candle's generator cannot be seeded.
#[derive(Clone)]
pub struct Scope<'a> {
    source: Source<'a>,
    prefix: String,
}

#[derive(Clone)]
enum Source<'a> {
    Parameters(&'a Parameters),
    VarBuilder(VarBuilder<'a>),
}

impl<'a> From<VarBuilder<'a>> for Scope<'a> {
    fn from(builder: VarBuilder<'a>) -> Self {
        Scope { prefix: builder.prefix(), source: Source::VarBuilder(builder) }
    }
}

impl std::fmt::Debug for Scope<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Scope").field(&self.prefix).finish()
    }
}

impl<'a> Scope<'a> {
    pub(super) fn new(parameters: &'a Parameters, prefix: String) -> Self {
        Self { source: Source::Parameters(parameters), prefix }
    }

    /// Returns a scope within this one.
    #[must_use]
    pub fn scope(&self, name: &str) -> Self {
        let source = match &self.source {
            Source::VarBuilder(builder) => Source::VarBuilder(builder.pp(name)),
            parameters => parameters.clone(),
        };
        Scope { source, prefix: format!("{}.{name}", self.prefix) }
    }

    /// Makes a weight that training updates.
    ///
    /// # Errors
    /// [`ParameterError::Name`] if the name is taken, [`ParameterError::Size`] if the tensor is too large; another error if the tensor
    /// cannot be made.
    pub fn weight(&self, name: &str, shape: &[usize], init: Init) -> Result<Var, ParameterError> {
        self.add(name, shape, |generator| init.values(shape, generator), true)
    }

    /// Makes a weight that training updates, whose parts have different initial values. `values` draws them in row-major order.
    pub(crate) fn packed_weight(
        &self,
        name: &str,
        shape: &[usize],
        values: impl FnOnce(&mut Generator) -> Vec<f64>,
    ) -> Result<Var, ParameterError> {
        self.add(name, shape, values, true)
    }

    /// Makes a tensor that is not trained by gradients, such as a running statistic.
    ///
    /// # Errors
    /// As [`Scope::weight`].
    pub fn statistic(&self, name: &str, shape: &[usize], init: Init) -> Result<Var, ParameterError> {
        self.add(name, shape, |generator| init.values(shape, generator), false)
    }

    /// The scratch memory that the layers of the model share.
    pub(crate) fn memory(&self) -> Memory {
        match &self.source {
            Source::Parameters(parameters) => parameters.memory.clone(),
            Source::VarBuilder(_) => Memory::default(),
        }
    }

    fn add(
        &self,
        name: &str,
        shape: &[usize],
        values: impl FnOnce(&mut Generator) -> Vec<f64>,
        trainable: bool,
    ) -> Result<Var, ParameterError> {
        let builder = match &self.source {
            Source::Parameters(parameters) => {
                return parameters.add(format!("{}.{name}", self.prefix), shape, values, trainable);
            }
            Source::VarBuilder(builder) => builder,
        };
        let path = format!("{}.{name}", self.prefix);
        let is_there = builder.contains_tensor(name);
        if !is_there {
            check_size(0, &path, shape)?;
        }
        let var = Var::from_tensor(&builder.get(shape, name)?)?;
        if !is_there {
            let drawn = builder.get_unchecked(SEED).and_then(|seed| seed.to_vec1::<u32>());
            let seed =
                drawn.map_or(path.into_bytes(), |bits| bits.iter().flat_map(|b| b.to_le_bytes()).collect());
            let seed =
                seed.iter().fold(0u64, |seed, byte| seed.wrapping_mul(31).wrapping_add((*byte).into()));
            let values = Tensor::from_vec(values(&mut Generator::new(seed)), shape, &Device::Cpu)?;
            var.set(&values.to_dtype(var.dtype())?.to_device(var.device())?)?;
        }
        Ok(var)
    }
}
