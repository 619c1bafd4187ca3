//! What follows a convolution or a normalisation, on one plane (a channel of an example) while it lies in the cache.
//!
//! The gradient needs one byte for each element that comes out: the tap of the pooling window that won, or that nothing
//! goes back because ReLU or dropout silenced it.

use super::{PoolShape, Real};

/// The code of an element whose gradient goes nowhere.
const DEAD: u8 = u8::MAX;

/// One step.
#[derive(Debug)]
pub(crate) enum Act {
    /// `x · scale + shift`, a pair for each channel: a batch normalisation in inference.
    Affine(Vec<(f64, f64)>),
    /// `max(x, 0)`.
    Relu,
    /// Dropout: what is kept of every `run` neighbouring elements, and by what that is multiplied.
    Drop { kept: Vec<bool>, run: usize, scale: f64 },
    /// The largest value of each window, of less than 255 taps. At most one in a chain.
    Pool(PoolShape),
}

/// Steps one after another.
#[derive(Debug, Default)]
pub(crate) struct Chain(pub(crate) Vec<Act>);

impl Chain {
    /// The most taps of a pooling window that a code can tell apart.
    pub(crate) const TAPS: usize = DEAD as usize - 1;

    pub(crate) fn pool(&self) -> Option<&PoolShape> {
        self.0.iter().find_map(|act| if let Act::Pool(shape) = act { Some(shape) } else { None })
    }

    /// Elements that come out of a plane of so many.
    pub(crate) fn output(&self, plane: usize) -> usize {
        self.pool().map_or(plane, PoolShape::out_plane)
    }

    /// From the elements `x` of a plane, which change, to `y`; without pooling `x` is empty and `y` changes in place.
    /// Codes are written if there are any. `plane` counts all planes, `channel` those of one example.
    #[inline(always)]
    pub(crate) fn forward<T: Real>(
        &self,
        (plane, channel): (usize, usize),
        x: &mut [T],
        y: &mut [T],
        codes: &mut [u8],
    ) {
        let mut pooled = self.pool().is_none();
        let (mut silenced, mut dropped) = (false, None);
        if pooled {
            codes.fill(0);
        }
        for act in &self.0 {
            let values = if pooled { &mut *y } else { &mut *x };
            match act {
                Act::Affine(pairs) => {
                    let (scale, shift) = (T::from_f64(pairs[channel].0), T::from_f64(pairs[channel].1));
                    values.iter_mut().for_each(|x| *x = *x * scale + shift);
                }
                Act::Relu => {
                    // A NaN fails the comparison and is handed on.
                    values.iter_mut().for_each(|x| *x = if *x < T::ZERO { T::ZERO } else { *x });
                    silenced = true;
                }
                Act::Drop { kept, run, scale } => {
                    let scale = T::from_f64(*scale);
                    if *run == 1 {
                        let kept = &kept[plane * values.len()..][..values.len()];
                        for (x, kept) in values.iter_mut().zip(kept) {
                            *x = if *kept { *x * scale } else { T::ZERO };
                        }
                        if pooled {
                            for (code, kept) in codes.iter_mut().zip(kept) {
                                *code = if *kept { *code } else { DEAD };
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
                Act::Pool(shape) => {
                    if codes.is_empty() {
                        shape.max_plane(x, y);
                    } else {
                        shape.max_plane_with_codes(x, y, codes);
                    }
                    if let Some(kept) = dropped {
                        shape.for_each_code(codes, |code, at| {
                            if !kept[at] {
                                *code = DEAD;
                            }
                        });
                    }
                    pooled = true;
                }
            }
        }
        if silenced {
            for (code, y) in codes.iter_mut().zip(&*y) {
                *code = if *y <= T::ZERO { DEAD } else { *code };
            }
        }
    }

    /// By what the gradients of what is alive are multiplied.
    fn scale(&self) -> f64 {
        self.0.iter().map(|act| if let Act::Drop { scale, .. } = act { *scale } else { 1.0 }).product()
    }

    /// The gradient for a plane from that of the output and its codes.
    #[inline(always)]
    pub(crate) fn backward<T: Real>(&self, codes: &[u8], dy: &[T], dx: &mut [T]) {
        let scale = T::from_f64(self.scale());
        if let Some(shape) = self.pool() {
            dx.fill(T::ZERO);
            shape.scatter(codes, dy, dx, scale);
        } else if codes.is_empty() {
            dx.copy_from_slice(dy);
        } else {
            for ((dx, dy), code) in dx.iter_mut().zip(dy).zip(codes) {
                *dx = if *code == DEAD { T::ZERO } else { *dy * scale };
            }
        }
    }
}
