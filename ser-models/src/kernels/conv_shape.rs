//! The sizes of a convolution, and code that its algorithms share.

use super::epilogue::split;
use super::window::Placed;
use super::{Epilogue, ForEachItem, Real};
use crate::memory::Memory;
use rayon::prelude::*;

/// The smallest number of parts that a batch is split into, so that several threads have work.
pub(super) const UNITS: usize = 4;
/// Batches with fewer clips are split within clips.
pub(super) const SMALL: usize = 4;
/// The number of parts of a batch, each with its own sum of weight gradients.
pub(super) const PARTS: usize = 8;

/// All sizes of one convolution.
#[derive(Debug, Clone)]
pub(crate) struct ConvShape {
    pub(crate) batch: usize,
    pub(crate) in_channels: usize,
    pub(crate) out_channels: usize,
    /// The windows over the rows and the columns of an image.
    pub(crate) windows: [Placed; 2],
    /// Whether a backward pass may follow.
    pub(crate) training: bool,
    /// The source of scratch memory.
    pub(crate) memory: Memory,
}

impl ConvShape {
    pub(super) fn in_plane(&self) -> usize {
        self.windows[0].input * self.windows[1].input
    }

    pub(super) fn out_plane(&self) -> usize {
        self.windows[0].output * self.windows[1].output
    }

    pub(super) fn in_size(&self) -> usize {
        self.in_channels * self.in_plane()
    }

    pub(super) fn out_size(&self) -> usize {
        self.out_channels * self.out_plane()
    }

    /// Number of taps of the window.
    pub(super) fn taps(&self) -> usize {
        self.windows[0].kernel * self.windows[1].kernel
    }

    /// Length of a row of the weight matrix.
    pub(super) fn depth(&self) -> usize {
        self.in_channels * self.taps()
    }

    /// Returns the gradients for weights and biases, summed over parts of `part` clips. `gradients` gets x and ∂y of a part, its argmax,
    /// and a slice for its ∂x if that is wanted.
    pub(super) fn add_parts<T: Real>(
        &self,
        part: usize,
        epilogue: &Epilogue,
        [x, dy]: [&[T]; 2],
        argmax: &[u8],
        dx: Option<&mut [T]>,
        gradients: impl Fn([&[T]; 2], &[u8], Option<&mut [T]>) -> [Vec<T>; 2] + Sync,
    ) -> [Vec<T>; 2] {
        let (in_size, parts) = (part * self.in_size(), self.batch.div_ceil(part));
        let out_size = part * self.out_channels * epilogue.output(self.out_plane());
        let dx: Vec<Option<&mut [T]>> = match dx {
            Some(dx) => dx.chunks_mut(in_size).map(Some).collect(),
            None => (0..parts).map(|_| None).collect(),
        };
        let inputs = x.par_chunks(in_size).zip(dy.par_chunks(out_size));
        let parts = inputs.zip(split(argmax, out_size, parts)).zip(dx);
        add_sums(parts.map(|(((x, dy), argmax), dx)| gradients([x, dy], argmax, dx)).collect())
    }
}

/// Returns the sums over all parts of a batch.
fn add_sums<T: Real>(parts: Vec<[Vec<T>; 2]>) -> [Vec<T>; 2] {
    const BLOCK: usize = 1 << 13;
    let mut parts = parts.into_iter();
    let mut totals = parts.next().unwrap_or_default();
    let parts: Vec<[Vec<T>; 2]> = parts.collect();
    for (i, total) in totals.iter_mut().enumerate() {
        total.par_chunks_mut(BLOCK).enumerate().for_each_item(&|(block, total)| {
            for part in &parts {
                let part = &part[i][block * BLOCK..][..total.len()];
                total.iter_mut().zip(part).for_each(|(total, part)| *total += *part);
            }
        });
    }
    totals
}
