//! The two element types of the layers.

use candle_core::WithDType;

/// `f32`, in which models are trained, or `f64`, in which their gradients are proved.
pub(crate) trait Real: WithDType + std::fmt::Debug {
    /// 0.
    const ZERO: Self;
    /// −∞.
    const NEG_INFINITY: Self;
}

impl Real for f32 {
    const ZERO: Self = 0.0;
    const NEG_INFINITY: Self = f32::NEG_INFINITY;
}

impl Real for f64 {
    const ZERO: Self = 0.0;
    const NEG_INFINITY: Self = f64::NEG_INFINITY;
}
