//! Settings of optimisers.

use crate::setting::{Checked, TRAINING};
use serde::{Deserialize, Serialize};

/// The framework whose formula an optimiser follows. PyTorch and Keras differ in the place of eps, and in whether momentum accumulates
/// gradients (PyTorch) or steps (Keras).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Framework {
    /// As in PyTorch 2.
    #[default]
    PyTorch,
    /// As in Keras 3, except that weight decay is added to the gradient, as PyTorch does (Keras shrinks the weight by η · λ before the
    /// step).
    Keras,
}

/// An optimiser and its settings without the learning rate.
///
/// In the formulas, g is the gradient, w a weight, η the learning rate and λ the weight decay. Weight decay is added to the gradient (`g +=
/// λ · w`) except in AdamW.
///
/// Settings that a file leaves out have PyTorch's defaults.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum OptimizerConfig {
    /// `b = momentum · b + g; w −= η · b`, or `w −= η · (g + momentum · b)` with Nesterov momentum. Keras's form is the same while the
    /// learning rate is constant.
    Sgd {
        /// 0 or more and below 1.
        #[serde(default)]
        momentum: f64,
        /// Whether to use Nesterov momentum.
        #[serde(default)]
        nesterov: bool,
        /// 0 or more.
        #[serde(default)]
        weight_decay: f64,
    },
    /// Kingma and Ba, *Adam: a method for stochastic optimization*, 2015. With `m̂ = m / (1 − beta1^t)` and `v̂ = v / (1 − beta2^t)`: `w −= η
    /// · m̂ / (√v̂ + eps)` in PyTorch; in Keras eps is divided by `√(1 − beta2^t)`.
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
    /// Adam in PyTorch's form with decoupled decay (Loshchilov and Hutter, *Decoupled weight decay regularization*, 2019): `w −= η · λ · w`
    /// before each step.
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
        /// Decides the place of eps, and whether momentum accumulates gradients or steps.
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
    /// The names that [`OptimizerConfig::named`] accepts.
    pub const NAMES: [&'static str; 6] = ["sgd", "adam", "adam-keras", "adamw", "rmsprop", "rmsprop-keras"];

    /// Returns an optimiser by its name, one of [`OptimizerConfig::NAMES`], with the defaults of PyTorch or Keras. `sgd` has momentum 0.9,
    /// `adamw` decay 0.01.
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

    /// Checks the settings.
    pub(crate) fn check(&self) -> Checked {
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
        for (setting, decay) in decays {
            TRAINING.zero_or_more_and_below_1(setting, decay)?;
        }
        TRAINING.positive("optimizer.eps", eps)?;
        TRAINING.zero_or_more("optimizer.weight_decay", weight_decay)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
