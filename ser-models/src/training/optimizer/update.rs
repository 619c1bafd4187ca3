//! One step of an optimiser.

use super::config::{Framework, OptimizerConfig};

/// The constants of one step, in the precision of the weights.
#[derive(Debug, Clone, Copy)]
pub(super) enum Update {
    Sgd { rate: f32, momentum: f32, nesterov: bool, decay: f32 },
    Adam { rate: f32, beta1: f32, beta2: f32, eps: f32, root: f32, decay: f32, shrink: f32 },
    RmsProp { rate: f32, rho: f32, eps: f32, momentum: f32, decay: f32, framework: Framework },
}

impl Update {
    /// Computes the constants of step `step`. The first is step 1.
    pub(super) fn new(config: &OptimizerConfig, step: u64, learning_rate: f64) -> Self {
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

    /// Updates weights by their gradient and their two state values.
    pub(super) fn apply(&self, weights: &mut [f32], gradient: &[f32], first: &mut [f32], second: &mut [f32]) {
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
