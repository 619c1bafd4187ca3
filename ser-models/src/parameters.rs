//! The named tensors of a model.

use crate::generator::Generator;
use crate::layers::{Init, LayerError};
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

/// The named tensors of a model in the order in which its layers made them, and what new ones are made from: a seeded
/// generator, an element type and a device.
///
/// Candle's `VarMap` gives its variables in hash order, which differs from run to run; here the order is fixed.
#[derive(Debug)]
pub struct Parameters {
    entries: Vec<Parameter>,
    generator: Generator,
    dtype: DType,
    device: Device,
}

impl Parameters {
    /// An empty list whose initial values come from `seed`, of `F32` or `F64`, on a device.
    pub fn new(seed: u64, dtype: DType, device: &Device) -> Self {
        Self { entries: Vec::new(), generator: Generator::new(seed), dtype, device: device.clone() }
    }

    /// The place for a layer's tensors: their names begin with `name` and a dot.
    pub fn scope(&mut self, name: impl Into<String>) -> Scope<'_> {
        Scope { parameters: self, prefix: name.into() }
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
        self.add(name, shape, init, true)
    }

    /// Makes a tensor that training does not move by gradients, such as a running statistic.
    ///
    /// # Errors
    /// [`LayerError::Setting`] if the name is taken.
    pub fn statistic(&mut self, name: &str, shape: &[usize], init: Init) -> Result<Var, LayerError> {
        self.add(name, shape, init, false)
    }

    fn add(&mut self, name: &str, shape: &[usize], init: Init, trainable: bool) -> Result<Var, LayerError> {
        let name = format!("{}.{name}", self.prefix);
        if self.parameters.get(&name).is_some() {
            return Err(LayerError::Setting {
                layer: self.prefix.clone(),
                setting: "name",
                rule: "must be unique in its model",
                given: name,
            });
        }
        let values = init.values(shape, &mut self.parameters.generator);
        let tensor = Tensor::from_vec(values, shape, &Device::Cpu)?
            .to_dtype(self.parameters.dtype)?
            .to_device(&self.parameters.device)?;
        let var = Var::from_tensor(&tensor)?;
        self.parameters.entries.push(Parameter { name, var: var.clone(), trainable });
        Ok(var)
    }
}
