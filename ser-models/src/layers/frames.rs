//! Padded clips among layers that read [batch, …, time].

use super::kernels::{Gradients, Operation, Real, Scaling, apply1, scale};
use super::recurrent::{frame_mask, reversed};
use super::{Layer, LayerError, Mode, TimeSteps};
use candle_core::{D, Result as CandleResult, Shape, Tensor};
use rayon::prelude::*;

/// [batch, …, time] with zeros in place of each clip's padding, so that a convolution sees there what it sees beyond the
/// end of a clip without padding.
pub(crate) fn keep_frames(x: &Tensor, lengths: Option<&[usize]>) -> CandleResult<Tensor> {
    let time = x.dim(D::Minus1)?;
    let Some(lengths) = lengths.filter(|lengths| lengths.iter().any(|length| *length < time)) else {
        return Ok(x.clone());
    };
    if x.device().is_cpu() {
        return scale(x, Keep { time, lengths: lengths.to_vec() });
    }
    keep_composed(x, lengths)
}

/// [`keep_frames`] from Candle's own operations.
pub(crate) fn keep_composed(x: &Tensor, lengths: &[usize]) -> CandleResult<Tensor> {
    let time = x.dim(D::Minus1)?;
    let mut shape = vec![1; x.rank()];
    (shape[0], shape[x.rank() - 1]) = (lengths.len(), time);
    x.broadcast_mul(&frame_mask(lengths, time, x)?.reshape(shape)?)
}

/// The means over each clip's own frames: [batch, channels, time] becomes [batch, channels].
pub(crate) fn mean_of_frames(x: &Tensor, lengths: Option<&[usize]>) -> CandleResult<Tensor> {
    let time = x.dim(2)?;
    let Some(lengths) = lengths else { return x.mean(2) };
    let shares = lengths.iter().map(|length| 1.0 / *length as f64).collect::<Vec<_>>();
    let shares = Tensor::from_vec(shares, (lengths.len(), 1), x.device())?.to_dtype(x.dtype())?;
    let shares = frame_mask(lengths, time, x)?.broadcast_mul(&shares)?;
    x.contiguous()?.matmul(&shares.unsqueeze(2)?)?.squeeze(2)
}

/// [batch, channels, time] with each clip's own frames backward in time, its padding left at the end.
pub(crate) fn turn_frames(x: &Tensor, lengths: Option<&[usize]>) -> Result<Tensor, LayerError> {
    let (batch, _, time) = x.dims3()?;
    let all = vec![time; batch];
    let turned = reversed(&TimeSteps.forward(x, &mut Mode::Inference)?, lengths.unwrap_or(&all))?;
    TimeSteps.forward(&turned, &mut Mode::Inference)
}

/// Each channel's own frames of all clips one after another, as one example: [batch, channels, …, time] becomes [1, channels,
/// frames]. In CPU memory.
pub(crate) fn own_frames(x: &Tensor, lengths: &[usize]) -> CandleResult<Tensor> {
    apply1(x, Pack { shape: x.dims().to_vec(), lengths: lengths.to_vec(), back: false })
}

/// The other way round, to a tensor of this shape, with zeros in place of the padding.
pub(crate) fn spread_frames(packed: &Tensor, shape: &[usize], lengths: &[usize]) -> CandleResult<Tensor> {
    apply1(packed, Pack { shape: shape.to_vec(), lengths: lengths.to_vec(), back: true })
}

/// [`own_frames`], or back.
#[derive(Debug)]
struct Pack {
    /// With the padding.
    shape: Vec<usize>,
    lengths: Vec<usize>,
    back: bool,
}

impl Pack {
    fn apply<T: Real>(&self, x: &[T], back: bool) -> Vec<T> {
        let (channels, time) = (self.shape[1], self.shape[self.shape.len() - 1]);
        let rows: usize = self.shape[2..self.shape.len() - 1].iter().product();
        let frames: usize = self.lengths.iter().sum::<usize>() * rows;
        let padded: usize = self.shape.iter().product();
        let mut y = vec![T::ZERO; if back { padded } else { frames * channels }];
        let mut packed = 0;
        for channel in 0..channels {
            for (clip, length) in self.lengths.iter().enumerate() {
                for row in 0..rows {
                    let own = ((clip * channels + channel) * rows + row) * time;
                    let (from, to) = if back { (packed, own) } else { (own, packed) };
                    y[to..to + length].copy_from_slice(&x[from..from + length]);
                    packed += length;
                }
            }
        }
        y
    }
}

impl Operation<1> for Pack {
    const NAME: &'static str = "ser-models-own-frames";

    fn output_shape(&self) -> Shape {
        if self.back {
            return self.shape.clone().into();
        }
        let rows: usize = self.shape[2..self.shape.len() - 1].iter().product();
        (1, self.shape[1], self.lengths.iter().sum::<usize>() * rows).into()
    }

    fn forward<T: Real>(&self, [x]: [&[T]; 1]) -> CandleResult<Vec<T>> {
        Ok(self.apply(x, self.back))
    }

    fn backward<T: Real>(
        &self,
        _inputs: [&[T]; 1],
        _y: &[T],
        dy: &[T],
        _wanted: [bool; 1],
    ) -> CandleResult<Gradients<T, 1>> {
        Ok([Some(self.apply(dy, !self.back))])
    }
}

/// The operation on the CPU.
#[derive(Debug)]
struct Keep {
    time: usize,
    lengths: Vec<usize>,
}

impl Scaling for Keep {
    const NAME: &'static str = "ser-models-keep-frames";

    fn apply<T: Real>(&self, x: &[T]) -> Vec<T> {
        let mut y = vec![T::ZERO; x.len()];
        let clip = x.len() / self.lengths.len();
        let clips = y.par_chunks_mut(clip).zip(x.par_chunks(clip)).zip(&self.lengths);
        clips.for_each(|((y, x), length)| {
            for (y, x) in y.chunks_exact_mut(self.time).zip(x.chunks_exact(self.time)) {
                y[..*length].copy_from_slice(&x[..*length]);
            }
        });
        y
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::gradient_check::{check, difference, input};
    use candle_core::Var;

    #[test]
    fn padding_becomes_zero_and_gets_no_gradient() {
        for shape in [&[3, 2, 5][..], &[3, 2, 2, 5]] {
            let x = Var::from_tensor(&input(shape, 4)).unwrap();
            let lengths = [5, 1, 3];
            check("keep", &[&x], || keep_frames(&x, Some(&lengths)).unwrap());
            check("keep, composed", &[&x], || keep_composed(&x, &lengths).unwrap());
            let y = keep_frames(&x, Some(&lengths)).unwrap();
            assert_eq!(difference(&y, &keep_composed(&x, &lengths).unwrap()), 0.0);
            let own = |clip: usize, from: usize, count: usize| {
                let part = y.narrow(0, clip, 1).unwrap().narrow(D::Minus1, from, count).unwrap();
                part.flatten_all().unwrap().to_vec1::<f64>().unwrap()
            };
            assert!(own(1, 1, 4).iter().chain(&own(2, 3, 2)).all(|y| *y == 0.0));
            assert!(own(0, 0, 5).iter().chain(&own(2, 0, 3)).all(|y| *y != 0.0));
        }
    }

    #[test]
    fn means_and_turns_mind_each_clips_own_frames() {
        let x = Var::from_tensor(&input(&[2, 3, 4], 4)).unwrap();
        let lengths = [4, 2];
        check("mean", &[&x], || mean_of_frames(&x, Some(&lengths)).unwrap());
        check("turn", &[&x], || turn_frames(&x, Some(&lengths)).unwrap());
        let at = |t: &Tensor, i: usize, j: usize, k: usize| t.to_vec3::<f64>().unwrap()[i][j][k];
        let mean = mean_of_frames(&x, Some(&lengths)).unwrap().to_vec2::<f64>().unwrap();
        assert!((mean[1][2] - 0.5 * (at(&x, 1, 2, 0) + at(&x, 1, 2, 1))).abs() < 1e-15);
        let turned = turn_frames(&x, Some(&lengths)).unwrap();
        assert_eq!(turned.dims(), x.dims());
        assert_eq!(at(&turned, 0, 1, 0), at(&x, 0, 1, 3));
        assert_eq!(at(&turned, 1, 1, 0), at(&x, 1, 1, 1));
        assert_eq!(at(&turned, 1, 1, 3), at(&x, 1, 1, 3));
    }
}
