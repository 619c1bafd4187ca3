//! One recurrent layer over a batch of whole sequences, with its gradients.
//!
//! The frames of all clips are stored one after another without padding ("packed": the frames of clip 1, of clip 2, …), so that nothing is
//! computed for padding. The input's part of every gate is one product over all frames, and so are the gradients of input and weights. Only
//! the state's part is computed step by step, in small products with a [`PackedMatrix`]. The clips are split among the threads, each of
//! which runs through time independently.

mod steps;

use super::packed_matrix::PackedMatrix;
use super::{Matrix, Real, matmul_parallel};
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;
use std::borrow::Cow;
use steps::{lstm_step, lstm_step_backward, tanh_step, tanh_step_backward};

/// With fewer multiplications, splitting the clips among threads costs more than it saves.
const WORTH_SPLITTING: usize = 1 << 21;

/// The kind of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cell {
    /// `h = tanh(a)`.
    Tanh,
    /// Long short-term memory.
    Lstm,
}

impl Cell {
    /// Number of rows of the weight for each unit.
    pub(crate) fn gates(self) -> usize {
        match self {
            Self::Tanh => 1,
            Self::Lstm => 4,
        }
    }
}

/// All sizes of one recurrent layer in one direction.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Recurrence {
    pub(crate) cell: Cell,
    pub(crate) inputs: usize,
    pub(crate) units: usize,
    /// Number of frames of each clip with its padding.
    pub(crate) time: usize,
    /// Number of valid frames of each clip, 1..=time.
    pub(crate) lengths: Vec<usize>,
    /// Whether each clip is read from its last frame to its first.
    pub(crate) reverse: bool,
    /// Whether the output has the states of all frames, or only the one after the last step.
    pub(crate) sequence: bool,
}

/// Values of the forward pass that the gradients need, packed.
#[derive(Debug)]
pub(crate) struct Saved<T> {
    /// The gates after their activations, [frames, gates · units].
    gates: Vec<T>,
    /// The state before each step, [frames, units].
    previous: Vec<T>,
    /// The cell after each step, [frames, units]; empty for [`Cell::Tanh`].
    cells: Vec<T>,
}

/// The gradients of one layer.
#[derive(Debug)]
pub(crate) struct RecurrenceGradients<T> {
    /// The gradient for the input, if requested.
    pub(crate) dx: Option<Vec<T>>,
    pub(crate) dweight: Vec<T>,
    pub(crate) dbias: Vec<T>,
}

impl Recurrence {
    fn width(&self) -> usize {
        self.cell.gates() * self.units
    }

    fn frames(&self) -> usize {
        self.lengths.iter().sum()
    }

    fn row(&self) -> usize {
        self.inputs + self.units
    }

    /// The output's shape.
    pub(crate) fn shape(&self) -> Vec<usize> {
        let batch = self.lengths.len();
        if self.sequence { vec![batch, self.time, self.units] } else { vec![batch, self.units] }
    }

    /// Number of elements of one clip's output.
    fn out_size(&self) -> usize {
        if self.sequence { self.time * self.units } else { self.units }
    }

    /// Returns the frame of a clip that a step reads.
    fn frame(&self, step: usize, length: usize) -> usize {
        if self.reverse { length - 1 - step } else { step }
    }

    fn is_padded(&self) -> bool {
        self.lengths.iter().any(|length| *length != self.time)
    }

    /// Returns [batch, time, inputs] without padding.
    fn pack<'a, T: Real>(&self, x: &'a [T]) -> Cow<'a, [T]> {
        if !self.is_padded() {
            return Cow::Borrowed(x);
        }
        let mut packed = Vec::with_capacity(self.frames() * self.inputs);
        for (x, length) in x.chunks_exact(self.time * self.inputs).zip(&self.lengths) {
            packed.extend_from_slice(&x[..length * self.inputs]);
        }
        Cow::Owned(packed)
    }

    /// The inverse of [`Self::pack`], with zeros as padding.
    fn unpack<T: Real>(&self, packed: Vec<T>) -> Vec<T> {
        if !self.is_padded() {
            return packed;
        }
        let mut x = vec![T::ZERO; self.lengths.len() * self.time * self.inputs];
        let mut rest = &packed[..];
        for (x, length) in x.chunks_exact_mut(self.time * self.inputs).zip(&self.lengths) {
            let (part, others) = rest.split_at(length * self.inputs);
            x[..part.len()].copy_from_slice(part);
            rest = others;
        }
        x
    }

    /// Distributes the clips over one chunk for each used thread. The longest clips come first, so that the clips that have not ended at a
    /// step are the first ones of each chunk.
    fn chunks<C>(&self, clips: impl Iterator<Item = C>) -> Vec<Vec<(usize, C)>> {
        let work = self.frames() * self.width() * self.units;
        let threads = if work < WORTH_SPLITTING { 1 } else { rayon::current_num_threads() };
        let mut clips: Vec<(usize, C)> = self.lengths.iter().copied().zip(clips).collect();
        clips.sort_by_key(|(length, _)| std::cmp::Reverse(*length));
        let n = threads.clamp(1, clips.len().max(1));
        let mut chunks: Vec<Vec<(usize, C)>> = (0..n).map(|_| Vec::new()).collect();
        for (i, clip) in clips.into_iter().enumerate() {
            chunks[i % n].push(clip);
        }
        chunks
    }

    /// Returns the output for `x` [batch, time, inputs], `weight` [gates · units, inputs + units] and `bias` [gates · units], and the
    /// values that the gradients need if requested.
    pub(crate) fn forward<T: Real>(
        &self,
        x: &[T],
        weight: &[T],
        bias: &[T],
        keep: bool,
    ) -> (Vec<T>, Option<Saved<T>>) {
        let (frames, width, units) = (self.frames(), self.width(), self.units);
        let x = self.pack(x);
        let input_weight = Matrix::with_row_stride(weight, width, self.inputs, self.row());
        let mut gates = matmul_parallel(Matrix::new(&x, frames, self.inputs), input_weight.transposed());
        let mut y = vec![T::ZERO; self.lengths.len() * self.out_size()];
        let mut previous = vec![T::ZERO; if keep { frames * units } else { 0 }];
        let mut cells = vec![T::ZERO; if keep && self.cell == Cell::Lstm { frames * units } else { 0 }];
        let clips = self
            .split(&mut gates, width)
            .zip(y.chunks_exact_mut(self.out_size()))
            .zip(self.split(&mut previous, units).zip(self.split(&mut cells, units)))
            .map(|((gates, y), (previous, cells))| Forward { gates, y, previous, cells });
        run(self.chunks(clips), |clips| {
            Arch::new().dispatch(ForwardPass { sizes: self, weight, bias, clips })
        });
        (y, keep.then_some(Saved { gates, previous, cells }))
    }

    /// Splits a packed matrix into each clip's rows. Returns an empty slice for each clip if the matrix is empty.
    fn split<'a, T>(&'a self, packed: &'a mut [T], columns: usize) -> impl Iterator<Item = &'a mut [T]> {
        let kept = if packed.is_empty() { 0 } else { columns };
        let mut rest = packed;
        self.lengths.iter().map(move |length| {
            let (part, others) = std::mem::take(&mut rest).split_at_mut(length * kept);
            rest = others;
            part
        })
    }

    /// Returns the gradients for `x` (if requested), `weight` and `bias` from `dy`, the gradient for the output.
    pub(crate) fn backward<T: Real>(
        &self,
        saved: Saved<T>,
        x: &[T],
        weight: &[T],
        dy: &[T],
        input_wanted: bool,
    ) -> RecurrenceGradients<T> {
        let (frames, width, units) = (self.frames(), self.width(), self.units);
        let Saved { mut gates, previous, mut cells } = saved;
        let mut clip_bias = vec![T::ZERO; self.lengths.len() * width];
        let clips = self
            .split(&mut gates, width)
            .zip(self.split(&mut cells, units))
            .zip(dy.chunks_exact(self.out_size()).zip(clip_bias.chunks_exact_mut(width)))
            .map(|((gates, cells), (dy, bias))| Backward { gates, cells, dy, bias });
        run(self.chunks(clips), |clips| Arch::new().dispatch(BackwardPass { sizes: self, weight, clips }));

        let mut dbias = vec![T::ZERO; width];
        for clip in clip_bias.chunks_exact(width) {
            dbias.iter_mut().zip(clip).for_each(|(total, part)| *total += *part);
        }
        let dgates = Matrix::new(&gates, frames, width);
        let from_input =
            matmul_parallel(dgates.transposed(), Matrix::new(&self.pack(x), frames, self.inputs));
        let from_state = matmul_parallel(dgates.transposed(), Matrix::new(&previous, frames, units));
        let rows = from_input.chunks_exact(self.inputs).zip(from_state.chunks_exact(units));
        let dweight = rows.flat_map(|(input, state)| input.iter().chain(state)).copied().collect();
        let dx = input_wanted.then(|| {
            let weight = Matrix::with_row_stride(weight, width, self.inputs, self.row());
            self.unpack(matmul_parallel(dgates, weight))
        });
        RecurrenceGradients { dx, dweight, dbias }
    }
}

/// Calls `f` for each chunk, on separate threads if there are several.
fn run<C: Send>(chunks: Vec<C>, f: impl Fn(C) + Sync + Send) {
    if chunks.len() == 1 {
        chunks.into_iter().for_each(f);
    } else {
        chunks.into_par_iter().with_max_len(1).for_each(f);
    }
}

/// One clip in the forward pass.
struct Forward<'a, T> {
    /// The input's part of the sums, which is replaced by the gates.
    gates: &'a mut [T],
    y: &'a mut [T],
    previous: &'a mut [T],
    cells: &'a mut [T],
}

/// Several clips, from their first step to their last.
struct ForwardPass<'a, T> {
    sizes: &'a Recurrence,
    weight: &'a [T],
    bias: &'a [T],
    clips: Vec<(usize, Forward<'a, T>)>,
}

impl<T: Real> WithSimd for ForwardPass<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { sizes, weight, bias, mut clips } = self;
        let (units, width, rows) = (sizes.units, sizes.width(), clips.len());
        let source = (weight, sizes.row(), sizes.inputs);
        let packed = PackedMatrix::transposed::<S>(source, units, width, rows);
        let mut states = vec![T::ZERO; rows * units];
        let mut cells = states.clone();
        let mut shares = vec![T::ZERO; rows * packed.padded()];
        let steps = clips.first().map_or(0, |(length, _)| *length);
        for step in 0..steps {
            let active = clips.partition_point(|(length, _)| *length > step);
            if step > 0 {
                packed.product(simd, &states[..active * units], &mut shares[..active * packed.padded()]);
            }
            let rows = states.chunks_exact_mut(units).zip(cells.chunks_exact_mut(units));
            let rows = rows.zip(shares.chunks_exact(packed.padded()));
            for ((length, clip), ((state, cell), share)) in clips[..active].iter_mut().zip(rows) {
                let frame = sizes.frame(step, *length);
                let own = frame * units..(frame + 1) * units;
                if !clip.previous.is_empty() {
                    clip.previous[own.clone()].copy_from_slice(state);
                }
                let gates = &mut clip.gates[frame * width..][..width];
                for ((gate, share), bias) in gates.iter_mut().zip(share).zip(bias) {
                    *gate += *share + *bias;
                }
                match sizes.cell {
                    Cell::Tanh => tanh_step::<S, T>(gates, state),
                    Cell::Lstm => lstm_step::<S, T>(gates, cell, state),
                }
                if !clip.cells.is_empty() {
                    clip.cells[own.clone()].copy_from_slice(cell);
                }
                if sizes.sequence {
                    clip.y[own].copy_from_slice(state);
                } else if step + 1 == *length {
                    clip.y.copy_from_slice(state);
                }
            }
        }
    }
}

/// One clip in the backward pass.
struct Backward<'a, T> {
    /// The gates, which are replaced by the gradients for the inputs of their activations.
    gates: &'a mut [T],
    cells: &'a mut [T],
    dy: &'a [T],
    /// The clip's part of the bias's gradient.
    bias: &'a mut [T],
}

/// Several clips, from their last step to their first.
struct BackwardPass<'a, T> {
    sizes: &'a Recurrence,
    weight: &'a [T],
    clips: Vec<(usize, Backward<'a, T>)>,
}

impl<T: Real> WithSimd for BackwardPass<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { sizes, weight, mut clips } = self;
        let (units, width, rows) = (sizes.units, sizes.width(), clips.len());
        let source = (weight, sizes.row(), sizes.inputs);
        let packed = PackedMatrix::new::<S>(source, width, units, rows);
        let mut dstates = vec![T::ZERO; rows * packed.padded()];
        let mut dcells = vec![T::ZERO; rows * units];
        let mut dgates = vec![T::ZERO; rows * width];
        let (start, mut tangents) = (vec![T::ZERO; units], vec![T::ZERO; units]);
        let steps = clips.first().map_or(0, |(length, _)| *length);
        for step in (0..steps).rev() {
            let active = clips.partition_point(|(length, _)| *length > step);
            let rows = dstates.chunks_exact_mut(packed.padded()).zip(dcells.chunks_exact_mut(units));
            let rows = rows.zip(dgates.chunks_exact_mut(width));
            for ((length, clip), ((dstate, dcell), dgate)) in clips[..active].iter_mut().zip(rows) {
                let frame = sizes.frame(step, *length);
                let dstate = &mut dstate[..units];
                let own = |frame: usize| frame * units..(frame + 1) * units;
                if sizes.sequence {
                    add(dstate, &clip.dy[own(frame)]);
                } else if step + 1 == *length {
                    add(dstate, clip.dy);
                }
                let gates = &mut clip.gates[frame * width..][..width];
                match sizes.cell {
                    Cell::Tanh => tanh_step_backward(gates, dstate),
                    Cell::Lstm => {
                        let before =
                            if step == 0 { &start } else { &clip.cells[own(sizes.frame(step - 1, *length))] };
                        for (tangent, cell) in tangents.iter_mut().zip(&clip.cells[own(frame)]) {
                            *tangent = Real::tanh::<S>(*cell);
                        }
                        lstm_step_backward(gates, before, &tangents, dcell, dstate);
                    }
                }
                dgate.copy_from_slice(gates);
                add(clip.bias, gates);
            }
            if step > 0 {
                let dgates = &dgates[..active * width];
                packed.product(simd, dgates, &mut dstates[..active * packed.padded()]);
            }
        }
    }
}

#[inline(always)]
fn add<T: Real>(total: &mut [T], part: &[T]) {
    for (total, part) in total.iter_mut().zip(part) {
        *total += *part;
    }
}
