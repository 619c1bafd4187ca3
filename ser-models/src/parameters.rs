//! The named tensors of a model.

use crate::generator::Generator;
use crate::layers::{Init, LayerError};
use crate::weights::{Weights, WeightsError};
use candle_core::{DType, Device, Tensor, Var};

/// One named tensor of a model: a weight that training moves, or a running statistic that it only records.
#[derive(Debug, Clone)]
pub struct Parameter {
    name: String,
    var: Var,
    trainable: bool,
}

impl Parameter {
    /// Its name, unique within a model, e.g. `conv1d_1.weight`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The variable itself. Its content changes in training; clones share it.
    pub fn var(&self) -> &Var {
        &self.var
    }

    /// Whether an optimiser moves it.
    pub fn is_trainable(&self) -> bool {
        self.trainable
    }
}

/// The named tensors of a model in the order in which its layers made them, and what new ones are made from: initial
/// values, an element type and a device.
///
/// Candle's `VarMap` gives its variables in hash order, which differs from run to run; here the order is fixed.
#[derive(Debug)]
pub struct Parameters {
    entries: Vec<Parameter>,
    /// What new names begin with.
    prefix: String,
    origin: Origin,
    dtype: DType,
    device: Device,
}

/// Where first values come from.
#[derive(Debug)]
enum Origin {
    /// Drawn as each layer's [`Init`] says.
    Seeded(Box<Generator>),
    /// Given by name.
    Given(Weights),
}

impl Parameters {
    /// An empty list whose initial values come from `seed`, of `F32` or `F64`, on a device.
    pub fn new(seed: u64, dtype: DType, device: &Device) -> Self {
        let origin = Origin::Seeded(Box::new(Generator::new(seed)));
        Self { entries: Vec::new(), prefix: String::new(), origin, dtype, device: device.clone() }
    }

    /// An empty list whose values are `weights`, of `F32` on the CPU. Nothing is allocated for a layer whose tensors are
    /// not there in its very shape.
    pub(crate) fn given(weights: Weights) -> Self {
        let origin = Origin::Given(weights);
        Self { entries: Vec::new(), prefix: String::new(), origin, dtype: DType::F32, device: Device::Cpu }
    }

    /// Checks that no given tensor is left over.
    pub(crate) fn check_all_taken(&self) -> Result<(), WeightsError> {
        match &self.origin {
            Origin::Given(weights) => weights.check_names(self),
            Origin::Seeded(_) => Ok(()),
        }
    }

    /// The place for a layer's tensors: their names begin with `name` and a dot.
    pub fn scope(&mut self, name: impl Into<String>) -> Scope<'_> {
        let prefix = self.prefix.clone() + &name.into();
        Scope { parameters: self, prefix }
    }

    /// What `make` makes gets names that begin with `prefix`.
    pub(crate) fn within<T>(&mut self, prefix: &str, make: impl FnOnce(&mut Self) -> T) -> T {
        let outer = self.prefix.clone();
        self.prefix.push_str(prefix);
        let made = make(self);
        self.prefix = outer;
        made
    }

    /// All tensors, in the order of the layers.
    pub fn iter(&self) -> std::slice::Iter<'_, Parameter> {
        self.entries.iter()
    }

    /// The tensor of this name.
    pub fn get(&self, name: &str) -> Option<&Parameter> {
        self.entries.iter().find(|p| p.name == name)
    }

    /// How many numbers an optimiser moves.
    pub fn trainable_count(&self) -> usize {
        self.iter().filter(|p| p.trainable).map(|p| p.var.elem_count()).sum()
    }

    /// The device that the tensors lie on.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// The element type of the tensors.
    pub fn dtype(&self) -> DType {
        self.dtype
    }
}

/// The place of one layer's tensors among a model's [`Parameters`].
#[derive(Debug)]
pub struct Scope<'a> {
    parameters: &'a mut Parameters,
    prefix: String,
}

impl Scope<'_> {
    /// A scope within this one.
    pub fn scope(&mut self, name: &str) -> Scope<'_> {
        Scope { prefix: format!("{}.{name}", self.prefix), parameters: self.parameters }
    }

    /// Makes a weight that training moves.
    ///
    /// # Errors
    /// [`LayerError::Setting`] if the name is taken.
    pub fn weight(&mut self, name: &str, shape: &[usize], init: Init) -> Result<Var, LayerError> {
        self.add(name, shape, |generator| init.values(shape, generator), true)
    }

    /// Makes a weight that training moves, whose parts begin in different ways; `values` draws them in row-major order.
    pub(crate) fn packed_weight(
        &mut self,
        name: &str,
        shape: &[usize],
        values: impl FnOnce(&mut Generator) -> Vec<f64>,
    ) -> Result<Var, LayerError> {
        self.add(name, shape, values, true)
    }

    /// Makes a tensor that training does not move by gradients, such as a running statistic.
    ///
    /// # Errors
    /// [`LayerError::Setting`] if the name is taken.
    pub fn statistic(&mut self, name: &str, shape: &[usize], init: Init) -> Result<Var, LayerError> {
        self.add(name, shape, |generator| init.values(shape, generator), false)
    }

    fn add(
        &mut self,
        name: &str,
        shape: &[usize],
        values: impl FnOnce(&mut Generator) -> Vec<f64>,
        trainable: bool,
    ) -> Result<Var, LayerError> {
        let name = format!("{}.{name}", self.prefix);
        if self.parameters.get(&name).is_some() {
            return Err(LayerError::Setting {
                layer: self.prefix.clone(),
                setting: "name",
                rule: "must be unique in its model",
                given: name,
            });
        }
        let tensor = match &mut self.parameters.origin {
            Origin::Seeded(generator) => Tensor::from_vec(values(generator), shape, &Device::Cpu)?,
            Origin::Given(weights) => {
                Tensor::from_slice(&weights.find(&name, shape)?.values, shape, &Device::Cpu)?
            }
        };
        let tensor = tensor.to_dtype(self.parameters.dtype)?.to_device(&self.parameters.device)?;
        let var = Var::from_tensor(&tensor)?;
        self.parameters.entries.push(Parameter { name, var: var.clone(), trainable });
        Ok(var)
    }
}
