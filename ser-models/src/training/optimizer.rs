//! Optimisers as PyTorch and Keras define them.

use crate::parameters::{Parameter, Parameters};
use candle_core::backprop::GradStore;
use candle_core::{CpuStorage, InplaceOp2, Layout, Result as CandleResult, Var, bail};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::sync::{Mutex, PoisonError};

/// The framework whose formula an optimiser follows. PyTorch and Keras differ in the place of eps, and in whether momentum accumulates
/// gradients (PyTorch) or steps (Keras).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Framework {
    /// As in PyTorch 2.
    #[default]
    PyTorch,
    /// As in Keras 3.
    Keras,
}

/// An optimiser and its settings, all but the learning rate.
///
/// With gradient g, weight w, learning rate η and decay λ; weight decay is added to the gradient (`g += λ · w`) except in AdamW.
///
/// Settings that a file leaves out have PyTorch's defaults.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum OptimizerConfig {
    /// `b = momentum · b + g; w −= η · b`, or `w −= η · (g + momentum · b)` by Nesterov. Keras's is the same while the
    /// learning rate is constant.
    Sgd {
        /// 0 or more and below 1.
        #[serde(default)]
        momentum: f64,
        /// Whether to look ahead as Nesterov.
        #[serde(default)]
        nesterov: bool,
        /// 0 or more.
        #[serde(default)]
        weight_decay: f64,
    },
    /// Kingma and Ba 2015. With `m̂ = m / (1 − beta1^t)` and `v̂ = v / (1 − beta2^t)`: `w −= η · m̂ / (√v̂ + eps)` in
    /// PyTorch; in Keras eps is divided by `√(1 − beta2^t)`.
    Adam {
        /// Decay of the mean m, 0 or more and below 1.
        #[serde(default = "defaults::beta1")]
        beta1: f64,
        /// Decay of the mean square v, 0 or more and below 1.
        #[serde(default = "defaults::beta2")]
        beta2: f64,
        /// Positive.
        #[serde(default = "defaults::eps")]
        eps: f64,
        /// 0 or more.
        #[serde(default)]
        weight_decay: f64,
        /// Decides the place of eps.
        #[serde(default)]
        framework: Framework,
    },
    /// Adam in PyTorch's form with decoupled decay (Loshchilov and Hutter 2019): `w −= η · λ · w` before each step.
    #[serde(alias = "adamw")]
    AdamW {
        /// Decay of the mean, 0 or more and below 1.
        #[serde(default = "defaults::beta1")]
        beta1: f64,
        /// Decay of the mean square, 0 or more and below 1.
        #[serde(default = "defaults::beta2")]
        beta2: f64,
        /// Positive.
        #[serde(default = "defaults::eps")]
        eps: f64,
        /// 0 or more.
        #[serde(default = "defaults::adamw_decay")]
        weight_decay: f64,
    },
    /// `v = rho · v + (1 − rho) · g²`, then in PyTorch `b = momentum · b + g / (√v + eps); w −= η · b`, in Keras `b =
    /// momentum · b + η · g / √(v + eps); w −= b`.
    #[serde(alias = "rmsprop")]
    RmsProp {
        /// Decay of the mean square, 0 or more and below 1. PyTorch calls it alpha.
        #[serde(default = "defaults::rho")]
        rho: f64,
        /// Positive.
        #[serde(default = "defaults::eps")]
        eps: f64,
        /// 0 or more and below 1.
        #[serde(default)]
        momentum: f64,
        /// 0 or more.
        #[serde(default)]
        weight_decay: f64,
        /// Decides the place of eps, and what momentum accumulates.
        #[serde(default)]
        framework: Framework,
    },
}

/// PyTorch's defaults.
mod defaults {
    pub(super) fn beta1() -> f64 {
        0.9
    }

    pub(super) fn beta2() -> f64 {
        0.999
    }

    pub(super) fn eps() -> f64 {
        1e-8
    }

    pub(super) fn rho() -> f64 {
        0.99
    }

    pub(super) fn adamw_decay() -> f64 {
        0.01
    }
}

impl OptimizerConfig {
    /// The names that [`OptimizerConfig::named`] knows.
    pub const NAMES: [&'static str; 6] = ["sgd", "adam", "adam-keras", "adamw", "rmsprop", "rmsprop-keras"];

    /// A ready optimiser by its name, one of [`OptimizerConfig::NAMES`]: with the defaults of PyTorch or Keras, `sgd` with momentum
    /// 0.9, `adamw` with decay 0.01.
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "sgd" => Self::sgd(),
            "adam" => Self::adam(),
            "adam-keras" => Self::adam_keras(),
            "adamw" => Self::adamw(0.01),
            "rmsprop" => Self::rmsprop(),
            "rmsprop-keras" => Self::rmsprop_keras(),
            _ => return None,
        })
    }

    /// Gradient descent with momentum 0.9.
    pub fn sgd() -> Self {
        Self::Sgd { momentum: 0.9, nesterov: false, weight_decay: 0.0 }
    }

    /// Adam with PyTorch's defaults: 0.9, 0.999, 10⁻⁸.
    pub fn adam() -> Self {
        Self::Adam { beta1: 0.9, beta2: 0.999, eps: 1e-8, weight_decay: 0.0, framework: Framework::PyTorch }
    }

    /// Adam with Keras's defaults: 0.9, 0.999, 10⁻⁷.
    pub fn adam_keras() -> Self {
        Self::Adam { beta1: 0.9, beta2: 0.999, eps: 1e-7, weight_decay: 0.0, framework: Framework::Keras }
    }

    /// AdamW with PyTorch's defaults and this decay (PyTorch's is 0.01).
    pub fn adamw(weight_decay: f64) -> Self {
        Self::AdamW { beta1: 0.9, beta2: 0.999, eps: 1e-8, weight_decay }
    }

    /// RMSprop with PyTorch's defaults: 0.99, 10⁻⁸, no momentum.
    pub fn rmsprop() -> Self {
        Self::RmsProp {
            rho: 0.99,
            eps: 1e-8,
            momentum: 0.0,
            weight_decay: 0.0,
            framework: Framework::PyTorch,
        }
    }

    /// RMSprop with Keras's defaults: 0.9, 10⁻⁷, no momentum.
    pub fn rmsprop_keras() -> Self {
        Self::RmsProp { rho: 0.9, eps: 1e-7, momentum: 0.0, weight_decay: 0.0, framework: Framework::Keras }
    }

    /// What is wrong with the settings, if anything: (setting, rule, given).
    pub(crate) fn problem(&self) -> Option<(&'static str, &'static str, String)> {
        let (decays, eps, weight_decay) = match *self {
            Self::Sgd { momentum, weight_decay, .. } => {
                ([("optimizer.momentum", momentum); 2], 1.0, weight_decay)
            }
            Self::Adam { beta1, beta2, eps, weight_decay, .. }
            | Self::AdamW { beta1, beta2, eps, weight_decay } => {
                ([("optimizer.beta1", beta1), ("optimizer.beta2", beta2)], eps, weight_decay)
            }
            Self::RmsProp { rho, momentum, eps, weight_decay, .. } => {
                ([("optimizer.rho", rho), ("optimizer.momentum", momentum)], eps, weight_decay)
            }
        };
        if let Some((setting, value)) = decays.into_iter().find(|(_, value)| !(0.0..1.0).contains(value)) {
            return Some((setting, "must be 0 or more and below 1", value.to_string()));
        }
        if !(eps > 0.0 && eps.is_finite()) {
            return Some(("optimizer.eps", "must be positive", eps.to_string()));
        }
        (!(weight_decay >= 0.0 && weight_decay.is_finite()))
            .then(|| ("optimizer.weight_decay", "must be 0 or more", weight_decay.to_string()))
    }
}

/// An optimiser of a model's trainable parameters, with its state.
///
/// It is a `candle_nn::Optimizer`: [`step`](candle_nn::Optimizer::step) moves every variable that has a gradient, at the
/// learning rate that was [set](candle_nn::Optimizer::set_learning_rate).
#[derive(Debug, Clone)]
pub struct Optimizer {
    config: OptimizerConfig,
    learning_rate: f64,
    steps: u64,
    slots: Vec<Slot>,
}

/// A variable with its name and two running values for each of its elements.
#[derive(Debug, Clone)]
struct Slot {
    name: String,
    var: Var,
    running: [Vec<f32>; 2],
}

impl Optimizer {
    /// A fresh optimiser for a model's trainable parameters.
    pub fn for_parameters(config: OptimizerConfig, learning_rate: f64, parameters: &Parameters) -> Self {
        let trainable = parameters.iter().filter(Parameter::is_trainable);
        let slots = trainable.map(|p| Slot::new(p.name(), p.var())).collect();
        Self { config, learning_rate, steps: 0, slots }
    }

    /// The number of steps taken so far.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// The running values with the names of their parameters.
    pub(crate) fn running(&self) -> impl Iterator<Item = (&str, &[Vec<f32>; 2])> {
        self.slots.iter().map(|slot| (&*slot.name, &slot.running))
    }

    /// Takes over steps and running values; `find` gives the values of a parameter and slot.
    pub(crate) fn restore(
        &mut self,
        steps: u64,
        mut find: impl FnMut(&str, usize) -> Option<Vec<f32>>,
    ) -> bool {
        self.steps = steps;
        self.slots.iter_mut().all(|slot| {
            slot.running.iter_mut().enumerate().all(|(i, running)| match find(&slot.name, i) {
                Some(values) if values.len() == running.len() => {
                    *running = values;
                    true
                }
                _ => false,
            })
        })
    }
}

impl Slot {
    fn new(name: &str, var: &Var) -> Self {
        let zeros = vec![0.0; var.elem_count()];
        Self { name: name.to_owned(), var: var.clone(), running: [zeros.clone(), zeros] }
    }
}

/// An optimiser's settings with its learning rate, as `candle_nn::Optimizer` takes them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OptimizerParams {
    /// The optimiser and its settings.
    pub config: OptimizerConfig,
    /// The learning rate, positive.
    pub learning_rate: f64,
}

impl candle_nn::Optimizer for Optimizer {
    type Config = OptimizerParams;

    fn new(vars: Vec<Var>, OptimizerParams { config, learning_rate }: OptimizerParams) -> CandleResult<Self> {
        let slots =
            vars.iter().enumerate().map(|(number, var)| Slot::new(&number.to_string(), var)).collect();
        Ok(Self { config, learning_rate, steps: 0, slots })
    }

    /// Moves every variable that has a gradient one step.
    ///
    /// # Errors
    /// If the tensors are not of `f32` or do not lie in CPU memory.
    fn step(&mut self, gradients: &GradStore) -> CandleResult<()> {
        self.steps += 1;
        let update = Update::new(&self.config, self.steps, self.learning_rate);
        self.slots.par_iter_mut().try_for_each(|Slot { var, running: [first, second], .. }| {
            let Some(gradient) = gradients.get(var) else { return Ok(()) };
            let slots = Mutex::new((&mut first[..], &mut second[..]));
            var.inplace_op2(&gradient.contiguous()?, &Move { update, slots })
        })
    }

    fn learning_rate(&self) -> f64 {
        self.learning_rate
    }

    fn set_learning_rate(&mut self, learning_rate: f64) {
        self.learning_rate = learning_rate;
    }
}

/// A step on one parameter, where it lies.
struct Move<'a> {
    update: Update,
    /// Its two running values for each weight.
    slots: Mutex<(&'a mut [f32], &'a mut [f32])>,
}

impl InplaceOp2 for Move<'_> {
    fn name(&self) -> &'static str {
        "optimizer"
    }

    fn cpu_fwd(
        &self,
        weights: &mut CpuStorage,
        weights_layout: &Layout,
        gradient: &CpuStorage,
        gradient_layout: &Layout,
    ) -> CandleResult<()> {
        let (CpuStorage::F32(weights), CpuStorage::F32(gradient)) = (weights, gradient) else {
            bail!("an optimiser moves weights of f32")
        };
        let (Some(weights_at), Some(gradient_at)) =
            (weights_layout.contiguous_offsets(), gradient_layout.contiguous_offsets())
        else {
            bail!("an optimiser needs contiguous tensors")
        };
        let weights = &mut weights[weights_at.0..weights_at.1];
        let gradient = &gradient[gradient_at.0..gradient_at.1];
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let (first, second) = &mut *slots;
        self.update.apply(weights, gradient, first, second);
        Ok(())
    }
}

/// The numbers of one step, in the precision of the weights.
#[derive(Debug, Clone, Copy)]
enum Update {
    Sgd { rate: f32, momentum: f32, nesterov: bool, decay: f32 },
    Adam { rate: f32, beta1: f32, beta2: f32, eps: f32, root: f32, decay: f32, shrink: f32 },
    RmsProp { rate: f32, rho: f32, eps: f32, momentum: f32, decay: f32, framework: Framework },
}

impl Update {
    fn new(config: &OptimizerConfig, step: u64, learning_rate: f64) -> Self {
        let adam = |beta1: f64, beta2: f64, eps: f64, framework, decay: f64, shrink: f64| {
            let step = step.min(i32::MAX as u64) as i32;
            let root = (1.0 - beta2.powi(step)).sqrt();
            let eps = if framework == Framework::Keras { eps / root } else { eps };
            Self::Adam {
                rate: (learning_rate / (1.0 - beta1.powi(step))) as f32,
                beta1: beta1 as f32,
                beta2: beta2 as f32,
                eps: eps as f32,
                root: root as f32,
                decay: decay as f32,
                shrink: shrink as f32,
            }
        };
        match *config {
            OptimizerConfig::Sgd { momentum, nesterov, weight_decay } => Self::Sgd {
                rate: learning_rate as f32,
                momentum: momentum as f32,
                nesterov,
                decay: weight_decay as f32,
            },
            OptimizerConfig::Adam { beta1, beta2, eps, weight_decay, framework } => {
                adam(beta1, beta2, eps, framework, weight_decay, 1.0)
            }
            OptimizerConfig::AdamW { beta1, beta2, eps, weight_decay } => {
                adam(beta1, beta2, eps, Framework::PyTorch, 0.0, 1.0 - learning_rate * weight_decay)
            }
            OptimizerConfig::RmsProp { rho, eps, momentum, weight_decay, framework } => Self::RmsProp {
                rate: learning_rate as f32,
                rho: rho as f32,
                eps: eps as f32,
                momentum: momentum as f32,
                decay: weight_decay as f32,
                framework,
            },
        }
    }

    fn apply(&self, weights: &mut [f32], gradient: &[f32], first: &mut [f32], second: &mut [f32]) {
        let state = first.iter_mut().zip(second);
        for ((w, g), (a, b)) in weights.iter_mut().zip(gradient).zip(state) {
            match *self {
                Self::Sgd { rate, momentum, nesterov, decay } => {
                    let g = g + decay * *w;
                    *a = momentum * *a + g;
                    *w -= rate * if nesterov { g + momentum * *a } else { *a };
                }
                Self::Adam { rate, beta1, beta2, eps, root, decay, shrink } => {
                    let g = g + decay * *w;
                    *w *= shrink;
                    *a = beta1 * *a + (1.0 - beta1) * g;
                    *b = beta2 * *b + (1.0 - beta2) * g * g;
                    *w -= rate * *a / (b.sqrt() / root + eps);
                }
                Self::RmsProp { rate, rho, eps, momentum, decay, framework } => {
                    let g = g + decay * *w;
                    *a = rho * *a + (1.0 - rho) * g * g;
                    match framework {
                        Framework::PyTorch => {
                            *b = momentum * *b + g / (a.sqrt() + eps);
                            *w -= rate * *b;
                        }
                        Framework::Keras => {
                            *b = momentum * *b + rate * g / (*a + eps).sqrt();
                            *w -= *b;
                        }
                    }
                }
            }
        }
    }
}

/// Scales all gradients so that their common Euclidean norm is at most `limit`, as PyTorch's `clip_grad_norm_`.
pub(crate) fn clip_gradients(
    parameters: &Parameters,
    gradients: &mut GradStore,
    limit: f64,
) -> CandleResult<()> {
    let trainable: Vec<Var> =
        parameters.iter().filter(Parameter::is_trainable).map(|p| p.var().clone()).collect();
    let mut squares = 0.0;
    for gradient in trainable.iter().filter_map(|var| gradients.get(var)) {
        let values = gradient.flatten_all()?.to_vec1::<f32>()?;
        squares += values.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>();
    }
    let norm = squares.sqrt();
    if norm > limit {
        for var in &trainable {
            if let Some(gradient) = gradients.remove(var) {
                gradients.insert(var, (gradient * (limit / norm))?);
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::Init;
    use candle_core::DType;

    #[test]
    fn names_and_files_give_the_same_defaults() {
        let read = |json: &str| serde_json::from_str::<OptimizerConfig>(json);
        assert_eq!(read(r#"{"name":"adam"}"#).unwrap(), OptimizerConfig::adam());
        assert_eq!(read(r#"{"name":"rmsprop"}"#).unwrap(), OptimizerConfig::rmsprop());
        let adamw = read(r#"{"name":"adamw"}"#).unwrap();
        assert_eq!(Some(adamw), OptimizerConfig::named("adamw"));
        let tim_net = read(r#"{"name":"adam","beta1":0.93,"beta2":0.98}"#).unwrap();
        assert!(matches!(tim_net, OptimizerConfig::Adam { beta1: 0.93, beta2: 0.98, .. }));
        assert!(read(r#"{"name":"adam","beta3":0.5}"#).unwrap_err().to_string().contains("beta3"));
        assert!(OptimizerConfig::NAMES.iter().all(|name| OptimizerConfig::named(name).is_some()));
        assert!(OptimizerConfig::named("lion").is_none());
    }

    #[test]
    fn gradients_are_clipped_to_one_common_norm() {
        let parameters = Parameters::new(0, DType::F32);
        let a = parameters.scope("a").weight("w", &[2], Init::Ones).unwrap();
        let b = parameters.scope("b").weight("w", &[1], Init::Ones).unwrap();
        let loss = ((a.sum_all().unwrap() * 2.0).unwrap() + b.sum_all().unwrap()).unwrap();
        let mut gradients = loss.backward().unwrap();
        // The norm of (2, 2, 1) is 3.
        clip_gradients(&parameters, &mut gradients, 5.0).unwrap();
        assert_eq!(gradients.get(&a).unwrap().to_vec1::<f32>().unwrap(), [2.0, 2.0]);
        clip_gradients(&parameters, &mut gradients, 1.5).unwrap();
        assert_eq!(gradients.get(&a).unwrap().to_vec1::<f32>().unwrap(), [1.0, 1.0]);
        assert_eq!(gradients.get(&b).unwrap().to_vec1::<f32>().unwrap(), [0.5]);
    }
}
