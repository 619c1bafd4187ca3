//! Dense matrix times the vectors of frames.

use crate::vector::vectorized;

/// Outputs that are summed side by side; a wider projection takes several passes.
const LANES: usize = 16;

/// A matrix that maps frames of `inputs` values to `outputs` values. Its memory is laid out such that neighbouring outputs are summed
/// in neighbouring lanes, which needs no reordering of sums to be vectorised.
#[derive(Debug, Clone)]
pub(crate) struct Projection {
    outputs: usize,
    /// Blocks of `LANES` outputs; within each, one array an input.
    blocks: Vec<Vec<[f32; LANES]>>,
}

impl Projection {
    /// From `weight(output, input)`.
    pub(crate) fn new(outputs: usize, inputs: usize, weight: impl Fn(usize, usize) -> f32) -> Self {
        let lanes = |first: usize, input: usize| {
            std::array::from_fn(|i| if first + i < outputs { weight(first + i, input) } else { 0.0 })
        };
        let blocks = (0..outputs)
            .step_by(LANES)
            .map(|first| (0..inputs).map(|input| lanes(first, input)).collect())
            .collect();
        Self { outputs, blocks }
    }

    pub(crate) fn outputs(&self) -> usize {
        self.outputs
    }

    pub(crate) fn apply(&self, frame: &[f32], out: &mut [f32]) {
        debug_assert_eq!(out.len(), self.outputs);
        project(&self.blocks, frame, out);
    }
}

vectorized! {
    fn project(blocks: &[Vec<[f32; LANES]>], frame: &[f32], out: &mut [f32]) {
        for (block, out) in blocks.iter().zip(out.chunks_mut(LANES)) {
            // Two sums in turn halve the wait of each addition for the one before.
            let mut sums = [[0.0_f32; LANES]; 2];
            let mut weights = block.chunks_exact(2);
            let mut inputs = frame.chunks_exact(2);
            for (w, x) in weights.by_ref().zip(inputs.by_ref()) {
                for i in 0..LANES {
                    sums[0][i] += w[0][i] * x[0];
                    sums[1][i] += w[1][i] * x[1];
                }
            }
            for (w, x) in weights.remainder().iter().zip(inputs.remainder()) {
                for i in 0..LANES {
                    sums[0][i] += w[i] * x;
                }
            }
            for (i, out) in out.iter_mut().enumerate() {
                *out = sums[0][i] + sums[1][i];
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_size_gives_the_sums_of_the_definition() {
        let weight = |o: usize, i: usize| (o * 7 + i * 3) as f32 % 5.0 - 2.0;
        for (outputs, inputs) in [(1, 1), (12, 9), (16, 8), (40, 5), (33, 2)] {
            let frame: Vec<f32> = (0..inputs).map(|i| i as f32 - 1.5).collect();
            let mut got = vec![f32::NAN; outputs];
            Projection::new(outputs, inputs, weight).apply(&frame, &mut got);
            for (o, got) in got.iter().enumerate() {
                let want: f32 = frame.iter().enumerate().map(|(i, x)| weight(o, i) * x).sum();
                assert!((got - want).abs() < 1e-4, "{outputs} of {inputs}");
            }
        }
    }
}
