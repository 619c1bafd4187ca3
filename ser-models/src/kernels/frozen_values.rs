//! Weights that never change, in the element type in which they came.

use half::f16;

/// Weights [columns, depth] in row-major order, as a file has them: each row gives one column of a product.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum FrozenValues {
    /// As they are.
    F32(Vec<f32>),
    /// Half precision.
    F16(Vec<f16>),
    /// Whole numbers, and for each row what they are multiplied by.
    I8(Vec<i8>, Vec<f32>),
}

impl FrozenValues {
    /// Their number.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::F32(values) => values.len(),
            Self::F16(values) => values.len(),
            Self::I8(values, _) => values.len(),
        }
    }

    /// In `f32`.
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

    /// Every `step`-th element from `first` on: of weights [rows, channels, taps] those of one tap.
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

    /// These rows and then those of the other; in `f32` where their types differ.
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
