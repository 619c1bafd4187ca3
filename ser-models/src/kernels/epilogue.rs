//! The steps after a convolution or a normalisation, on one plane (a channel of an example) while it is in the cache.
//!
//! The gradient needs one byte for each output element, its argmax: the tap with the largest value in the pooling window, or a mark that
//! the gradient is zero because of ReLU, dropout or padding.

use super::{PoolShape, Real, vectorized};

/// The argmax of an element without a gradient.
const NO_GRADIENT: u8 = u8::MAX;

/// One step of an epilogue.
#[derive(Debug)]
pub(crate) enum Step {
    /// `x · scale + shift`, a pair for each channel: a batch normalisation in inference.
    Affine(Vec<(f64, f64)>),
    /// `max(x, 0)`.
    Relu,
    /// Dropout: which of the groups of `run` consecutive elements are kept, and the factor of these.
    Drop { kept: Vec<bool>, run: usize, scale: f64 },
    /// The largest value of each window, of less than 255 taps. There is at most one such step in an epilogue.
    Pool(PoolShape),
    /// Zeros after the valid columns of each example, which has `channels` planes with rows of `width`. Must be the last step.
    Mask { lengths: Vec<usize>, channels: usize, width: usize },
}

/// A sequence of steps.
#[derive(Debug, Default)]
pub(crate) struct Epilogue(pub(crate) Vec<Step>);

impl Epilogue {
    /// The largest number of taps of a pooling window whose argmax fits into one byte.
    pub(crate) const TAPS: usize = NO_GRADIENT as usize - 1;

    pub(crate) fn pool(&self) -> Option<&PoolShape> {
        self.0.iter().find_map(|step| if let Step::Pool(shape) = step { Some(shape) } else { None })
    }

    /// Returns the number of output elements for a plane of this size.
    pub(crate) fn output(&self, plane: usize) -> usize {
        self.pool().map_or(plane, PoolShape::out_plane)
    }

    /// Computes `y` from the elements `z` of a plane, as [`Self::forward`]. `z` is empty if the elements are already in `y`.
    pub(crate) fn finish<T: Real>(&self, at: (usize, usize), z: &mut [T], y: &mut [T], argmax: &mut [u8]) {
        vectorized(
            #[inline(always)]
            || {
                if self.pool().is_none() && !z.is_empty() {
                    y.copy_from_slice(z);
                }
                self.forward(at, z, y, argmax);
            },
        );
    }

    /// Computes `y` from the elements `x` of a plane, which are overwritten. Without pooling `x` is not read, and `y` changes in place.
    /// Writes argmax if `argmax` is not empty. `plane` counts all planes, `channel` those of one example.
    #[inline(always)]
    pub(crate) fn forward<T: Real>(
        &self,
        (plane, channel): (usize, usize),
        x: &mut [T],
        y: &mut [T],
        argmax: &mut [u8],
    ) {
        if let (true, Some(pool)) = (argmax.is_empty(), self.pool_first()) {
            if pool.reverses(channel) {
                x.iter_mut().for_each(|x| *x = T::ZERO - *x);
            }
            pool.shape.max_plane(x, y);
            return pool.steps((plane, channel), y);
        }
        let mut pooled = self.pool().is_none();
        let (mut silenced, mut dropped) = (false, None);
        if pooled {
            argmax.fill(0);
        }
        for step in &self.0 {
            let values = if pooled { &mut *y } else { &mut *x };
            match step {
                Step::Affine(pairs) => scale_and_shift(pairs[channel], values),
                Step::Relu => {
                    cut(values);
                    silenced = true;
                }
                Step::Drop { kept, run, scale } => {
                    let scale = T::from_f64(*scale);
                    if *run == 1 {
                        let kept = &kept[plane * values.len()..][..values.len()];
                        for (x, kept) in values.iter_mut().zip(kept) {
                            *x = if *kept { *x * scale } else { T::ZERO };
                        }
                        if pooled {
                            for (winner, kept) in argmax.iter_mut().zip(kept) {
                                *winner = if *kept { *winner } else { NO_GRADIENT };
                            }
                        } else {
                            dropped = Some(kept);
                        }
                    } else if kept[plane] {
                        values.iter_mut().for_each(|x| *x *= scale);
                    } else {
                        values.fill(T::ZERO);
                        silenced = true;
                    }
                }
                Step::Pool(shape) => {
                    if argmax.is_empty() {
                        shape.max_plane(x, y);
                    } else {
                        shape.max_plane_with_argmax(x, y, argmax);
                    }
                    if let Some(kept) = dropped {
                        shape.for_each_argmax(argmax, |winner, at| {
                            if !kept[at] {
                                *winner = NO_GRADIENT;
                            }
                        });
                    }
                    pooled = true;
                }
                Step::Mask { lengths, channels, width } => {
                    let valid = lengths[plane / channels];
                    mask(valid, *width, y);
                    argmax.chunks_mut(*width).for_each(|row| row[valid..].fill(NO_GRADIENT));
                }
            }
        }
        if silenced {
            for (winner, y) in argmax.iter_mut().zip(&*y) {
                *winner = if *y <= T::ZERO { NO_GRADIENT } else { *winner };
            }
        }
    }

    /// Returns the form of this epilogue that pools first, without argmax. It exists if only affine steps and ReLU, which are monotonic,
    /// come before the pooling and only masks after it.
    pub(crate) fn pool_first(&self) -> Option<PoolFirst<'_>> {
        let at = self.0.iter().position(|step| matches!(step, Step::Pool(_)))?;
        let (before, rest) = self.0.split_at(at);
        let [Step::Pool(shape), masks @ ..] = rest else { return None };
        let is_monotonic = before.iter().all(|step| matches!(step, Step::Affine(_) | Step::Relu));
        let fits = is_monotonic && masks.iter().all(|step| matches!(step, Step::Mask { .. }));
        fits.then_some(PoolFirst { before, shape, masks })
    }

    /// The factor of all gradients that are not zero.
    fn scale(&self) -> f64 {
        self.0.iter().map(|step| if let Step::Drop { scale, .. } = step { *scale } else { 1.0 }).product()
    }

    /// Computes the gradient for a plane from that for the output and its argmax.
    #[inline(always)]
    pub(crate) fn backward<T: Real>(&self, argmax: &[u8], dy: &[T], dx: &mut [T]) {
        let scale = T::from_f64(self.scale());
        if let Some(shape) = self.pool() {
            dx.fill(T::ZERO);
            shape.scatter(argmax, dy, dx, scale);
        } else if argmax.is_empty() {
            dx.copy_from_slice(dy);
        } else {
            for ((dx, dy), winner) in dx.iter_mut().zip(dy).zip(argmax) {
                *dx = if *winner == NO_GRADIENT { T::ZERO } else { *dy * scale };
            }
        }
    }
}

/// Splits `argmax` into `count` parts of `length`, the last of which may be shorter. Returns empty parts if there is no argmax.
pub(super) fn split(argmax: &[u8], length: usize, count: usize) -> Vec<&[u8]> {
    match argmax.is_empty() {
        true => vec![&[]; count],
        false => argmax.chunks(length).collect(),
    }
}

/// Like [`split`], for a mutable slice.
pub(super) fn split_mut(argmax: &mut [u8], length: usize, count: usize) -> Vec<&mut [u8]> {
    match argmax.is_empty() {
        true => (0..count).map(|_| &mut [][..]).collect(),
        false => argmax.chunks_mut(length).collect(),
    }
}

/// Pooling before the steps that precede it, so that these run on its output only. If these steps reverse the order of numbers, the numbers
/// are pooled with opposite signs.
#[derive(Debug)]
pub(crate) struct PoolFirst<'a> {
    before: &'a [Step],
    pub(crate) shape: &'a PoolShape,
    masks: &'a [Step],
}

impl PoolFirst<'_> {
    /// Whether numbers of this channel must be pooled with opposite signs.
    pub(crate) fn reverses(&self, channel: usize) -> bool {
        let negative = |step: &&Step| matches!(step, Step::Affine(pairs) if pairs[channel].0 < 0.0);
        self.before.iter().filter(negative).count() % 2 == 1
    }

    /// Applies all steps except pooling to a plane of pooled numbers.
    #[inline(always)]
    pub(crate) fn steps<T: Real>(&self, (plane, channel): (usize, usize), y: &mut [T]) {
        if self.reverses(channel) {
            y.iter_mut().for_each(|y| *y = T::ZERO - *y);
        }
        for step in self.before {
            match step {
                Step::Affine(pairs) => scale_and_shift(pairs[channel], y),
                _ => cut(y),
            }
        }
        for step in self.masks {
            if let Step::Mask { lengths, channels, width } = step {
                mask(lengths[plane / channels], *width, y);
            }
        }
    }
}

#[inline(always)]
fn scale_and_shift<T: Real>((scale, shift): (f64, f64), values: &mut [T]) {
    let (scale, shift) = (T::from_f64(scale), T::from_f64(shift));
    values.iter_mut().for_each(|x| *x = *x * scale + shift);
}

/// Applies ReLU. A NaN fails the comparison and stays NaN.
#[inline(always)]
fn cut<T: Real>(values: &mut [T]) {
    values.iter_mut().for_each(|x| *x = if *x < T::ZERO { T::ZERO } else { *x });
}

/// Sets the columns after the valid ones to zero.
#[inline(always)]
fn mask<T: Real>(valid: usize, width: usize, y: &mut [T]) {
    y.chunks_exact_mut(width).for_each(|row| row[valid..].fill(T::ZERO));
}

#[cfg(test)]
mod tests {
    use super::super::{Padding, Window};
    use super::*;

    #[test]
    fn pooling_first_changes_no_bit() {
        let over = |kernel, length| {
            Window { kernel, stride: kernel, dilation: 1, padding: Padding::Valid }.over(length).unwrap()
        };
        let numbers = |n: usize| (0..n).map(|i| (i as f32 * 0.7).sin() * 3.0).collect::<Vec<f32>>();
        for windows in [[over(2, 6), over(2, 9)], [over(2, 6), over(1, 9)], [over(3, 6), over(3, 9)]] {
            let shape = PoolShape { windows };
            let affine = || Step::Affine(vec![(-0.7, 0.3), (1.3, -0.4), (0.0, 0.2)]);
            let orders = [vec![affine(), Step::Relu], vec![Step::Relu, affine()], vec![affine(), affine()]];
            for (mut steps, is_masked) in orders.into_iter().zip([false, true, true]) {
                steps.push(Step::Pool(shape));
                if is_masked {
                    steps.push(Step::Mask { lengths: vec![2], channels: 3, width: windows[1].output });
                }
                let epilogue = Epilogue(steps);
                assert!(epilogue.pool_first().is_some());
                for channel in 0..3 {
                    let pooled = |argmax: &mut [u8]| {
                        let mut y = vec![0.0; shape.out_plane()];
                        epilogue.forward((channel, channel), &mut numbers(54), &mut y, argmax);
                        y
                    };
                    let bits = |y: Vec<f32>| y.into_iter().map(f32::to_bits).collect::<Vec<_>>();
                    let last = pooled(&mut vec![0; shape.out_plane()]);
                    assert_eq!(bits(pooled(&mut [])), bits(last), "{epilogue:?}");
                }
            }
        }
    }
}
