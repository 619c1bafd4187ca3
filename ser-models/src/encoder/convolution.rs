//! A convolution over time, computed as products with the weights of each tap.

use super::file::File;
use super::{EncoderError, GAP};
use crate::kernels::{Finish, Frames, FrozenMatrix, Rows};

/// Taps of both convolutions.
const TAPS: usize = 3;

/// A convolution of kernel 3 with a frame of zeros at both ends, and GELU.
#[derive(Debug)]
pub(super) struct Convolution {
    /// Weights [width, channels] of each tap. The first one also has the bias.
    taps: Vec<FrozenMatrix>,
    channels: usize,
    stride: usize,
}

impl Convolution {
    pub(super) fn read(
        file: &File<'_>,
        name: &str,
        (width, channels): (usize, usize),
        stride: usize,
    ) -> Result<Self, EncoderError> {
        let weights = file.frozen(&format!("{name}.weight"), &[width, channels, TAPS])?;
        let bias = file.values(&format!("{name}.bias"), &[width])?;
        let tap = |tap: usize| {
            let bias = if tap == 0 { bias.clone() } else { vec![0.0; width] };
            FrozenMatrix::new(&weights.every(TAPS, tap), &bias, channels)
        };
        Ok(Self { taps: (0..TAPS).map(tap).collect(), channels, stride })
    }

    /// The layout of the input's frames in memory.
    pub(super) fn input(&self) -> Frames {
        Frames { width: self.channels, stride: self.channels + GAP }
    }

    /// Computes as many output frames as `out` has. The input `x` has a frame of zeros at both ends.
    pub(super) fn forward(&self, x: &[f32], out: &mut [f32], out_stride: usize) {
        let frame = self.input().stride;
        for (number, tap) in self.taps.iter().enumerate() {
            let rows = Rows { data: &x[number * frame..], stride: self.stride * frame };
            let finish = Finish { add: number > 0, gelu: number + 1 == TAPS };
            tap.product(rows, out, out_stride, finish);
        }
    }
}
