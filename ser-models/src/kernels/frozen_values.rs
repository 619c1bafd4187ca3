//! Constant weights in their original element type.

use half::f16;

/// Weights [columns, depth] in row-major order, as in a file. Each row is the weights of one column of a product.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum FrozenValues {
    /// Single precision.
    F32(Vec<f32>),
    /// Half precision.
    F16(Vec<f16>),
    /// 8-bit integers, and a scale for each row.
    I8(Vec<i8>, Vec<f32>),
}

impl FrozenValues {
    /// Number of weights.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::F32(values) => values.len(),
            Self::F16(values) => values.len(),
            Self::I8(values, _) => values.len(),
        }
    }

    /// Converts the weights to `f32`.
    pub(crate) fn to_f32(&self) -> Vec<f32> {
        match self {
            Self::F32(values) => values.clone(),
            Self::F16(values) => values.iter().map(|x| x.to_f32()).collect(),
            Self::I8(values, scales) => {
                let rows = values.chunks_exact((values.len() / scales.len().max(1)).max(1)).zip(scales);
                rows.flat_map(|(row, scale)| row.iter().map(move |x| f32::from(*x) * scale)).collect()
            }
        }
    }

    /// Returns every `step`-th element beginning with `first`: the weights of one tap from [rows, channels, taps].
    pub(crate) fn every(&self, step: usize, first: usize) -> Self {
        fn pick<T: Copy>(values: &[T], step: usize, first: usize) -> Vec<T> {
            values.iter().skip(first).step_by(step).copied().collect()
        }
        match self {
            Self::F32(values) => Self::F32(pick(values, step, first)),
            Self::F16(values) => Self::F16(pick(values, step, first)),
            Self::I8(values, scales) => Self::I8(pick(values, step, first), scales.clone()),
        }
    }

    /// Appends the rows of `other`. If the types differ, both are converted to `f32`.
    pub(crate) fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::F16(a), Self::F16(b)) => Self::F16([a, b].concat()),
            (Self::I8(a, a_scales), Self::I8(b, b_scales)) => {
                Self::I8([a, b].concat(), [a_scales, b_scales].concat())
            }
            (a, b) => Self::F32([a.to_f32(), b.to_f32()].concat()),
        }
    }
}
