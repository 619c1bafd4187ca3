//! Layer normalisation and attention of a transformer.

use super::functions;
use super::packed_matrix::PackedMatrix;
use super::{ForEachItem, vectorized};
use crate::memory::Memory;
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

/// Rows of frames. Each begins `stride` elements after the one before and has `width` elements.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Frames {
    pub(crate) width: usize,
    pub(crate) stride: usize,
}

/// Layer normalisation (Ba et al. 2016): normalises each row to mean 0 and variance 1, then multiplies by `weight` and adds `bias`.
pub(crate) fn layer_norm(
    x: &[f32],
    y: &mut [f32],
    Frames { width, stride }: Frames,
    (weight, bias): (&[f32], &[f32]),
    eps: f32,
) {
    const ROWS: usize = 32;
    let (weight, bias) = (&weight[..width], &bias[..width]);
    let size = ROWS * stride;
    y.par_chunks_mut(size).zip(x.par_chunks(size)).for_each_item(&|(y, x)| {
        vectorized(
            #[inline(always)]
            || {
                for (x, y) in x.chunks_exact(stride).zip(y.chunks_exact_mut(stride)) {
                    let (x, y) = (&x[..width], &mut y[..width]);
                    let mean = total(x, |x| x) / width as f32;
                    let variance = total(x, |x| (x - mean) * (x - mean)) / width as f32;
                    let scale = 1.0 / (variance + eps).sqrt();
                    for (((y, x), weight), bias) in y.iter_mut().zip(x).zip(weight).zip(bias) {
                        *y = (x - mean) * scale * weight + bias;
                    }
                }
            },
        );
    });
}

/// Returns the sum of `f` of every element, with several accumulators.
#[inline(always)]
fn total(x: &[f32], f: impl Fn(f32) -> f32) -> f32 {
    let mut lanes = [0.0; 32];
    let (chunks, rest) = x.as_chunks::<32>();
    for chunk in chunks {
        for (lane, x) in lanes.iter_mut().zip(chunk) {
            *lane += f(*x);
        }
    }
    let rest = rest.iter().fold(0.0, |sum, x| sum + f(*x));
    lanes.iter().fold(rest, |sum, lane| sum + lane)
}

/// Returns the largest element.
#[inline(always)]
fn largest(x: &[f32]) -> f32 {
    let larger = |a: f32, b: f32| if b > a { b } else { a };
    let mut lanes = [f32::NEG_INFINITY; 32];
    let (chunks, rest) = x.as_chunks::<32>();
    for chunk in chunks {
        for (lane, x) in lanes.iter_mut().zip(chunk) {
            *lane = larger(*lane, *x);
        }
    }
    let rest = rest.iter().copied().fold(f32::NEG_INFINITY, larger);
    lanes.iter().copied().fold(rest, larger)
}

/// Self-attention of one clip's frames with `heads` heads (Vaswani et al. 2017). Each row has queries, keys and values one after another,
/// `width` elements each. For each head it computes `softmax(q · kᵀ / √n) · v`, n = `width` / `heads`. Every head is a separate task, whose
/// scores are computed for a few queries at a time.
pub(crate) fn self_attention(
    qkv: &[f32],
    qkv_stride: usize,
    out: &mut [f32],
    out_frames: Frames,
    heads: usize,
    memory: &Memory,
) {
    let Frames { width, stride } = out_frames;
    let (size, frames) = (width / heads, out.len() / stride);
    let tasks = (0..heads).into_par_iter().map(|head| {
        let mut mixed = memory.buffer::<f32>(frames * size);
        let head = Head { qkv, stride: qkv_stride, width, head, size, frames, out: &mut mixed, memory };
        Arch::new().dispatch(head);
        mixed
    });
    for (head, mixed) in tasks.collect::<Vec<_>>().iter().enumerate() {
        for (row, mixed) in out.chunks_exact_mut(stride).zip(mixed.chunks_exact(size)) {
            row[head * size..][..size].copy_from_slice(mixed);
        }
    }
}

struct Head<'a> {
    qkv: &'a [f32],
    stride: usize,
    width: usize,
    head: usize,
    size: usize,
    frames: usize,
    out: &'a mut [f32],
    memory: &'a Memory,
}

/// Number of queries whose scores are computed together.
const QUERIES: usize = 24;

impl WithSimd for Head<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { qkv, stride, width, head, size, frames, out, memory } = self;
        let at = |part: usize| (qkv, stride, part * width + head * size);
        let keys = PackedMatrix::transposed::<S>(at(1), size, frames, QUERIES);
        // The depth is the width of the scores, so that these are multiplied without a copy.
        let values = PackedMatrix::new::<S>(at(2), keys.padded(), size, QUERIES);
        let scale = 1.0 / (size as f32).sqrt();
        let mut queries = memory.buffer::<f32>(QUERIES * size);
        let mut scores = memory.buffer::<f32>(QUERIES * keys.padded());
        let mut mixed = memory.buffer::<f32>(QUERIES * values.padded());
        for (number, out) in out.chunks_mut(QUERIES * size).enumerate() {
            let rows = out.len() / size;
            let (_, _, from) = at(0);
            for (row, query) in queries.chunks_exact_mut(size).take(rows).enumerate() {
                let given = &qkv[(number * QUERIES + row) * stride + from..][..size];
                query.iter_mut().zip(given).for_each(|(to, from)| *to = from * scale);
            }
            let scores = &mut scores[..rows * keys.padded()];
            keys.product(simd, &queries[..rows * size], scores);
            for row in scores.chunks_exact_mut(keys.padded()) {
                let (valid, padding) = row.split_at_mut(frames);
                let most = largest(valid);
                valid.iter_mut().for_each(|x| *x = functions::f32::exp_of_negative::<S>(*x - most));
                let share = 1.0 / total(valid, |x| x);
                valid.iter_mut().for_each(|x| *x *= share);
                padding.fill(0.0);
            }
            let mixed = &mut mixed[..rows * values.padded()];
            values.product(simd, scores, mixed);
            for (out, mixed) in out.chunks_exact_mut(size).zip(mixed.chunks_exact(values.padded())) {
                out.copy_from_slice(&mixed[..size]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::{Device, Module, Tensor};

    fn numbers(n: usize, step: f32) -> Vec<f32> {
        (0..n).map(|i| (i as f32 * step).sin()).collect()
    }

    #[test]
    fn layer_normalisation_is_that_of_candle() {
        let frames = Frames { width: 70, stride: 73 };
        let x: Vec<f32> = numbers(40 * 73, 0.37).iter().map(|x| 3.0 * x + 5.0).collect();
        let (weight, bias) = (numbers(70, 0.9), numbers(70, 1.7));
        let mut y = vec![f32::NAN; x.len()];
        layer_norm(&x, &mut y, frames, (&weight, &bias), 1e-5);
        let tensor =
            |values: &[f32], shape: &[usize]| Tensor::from_slice(values, shape, &Device::Cpu).unwrap();
        let rows: Vec<f32> = x.chunks(73).flat_map(|row| &row[..70]).copied().collect();
        let norm = candle_nn::LayerNorm::new(tensor(&weight, &[70]), tensor(&bias, &[70]), 1e-5);
        let expected = norm.forward(&tensor(&rows, &[40, 70])).unwrap().to_vec2::<f32>().unwrap();
        for (y, expected) in y.chunks(73).zip(&expected) {
            assert!(y.iter().zip(expected).all(|(y, expected)| (y - expected).abs() < 1e-5));
            assert!(y[70..].iter().all(|y| y.is_nan()));
        }
    }

    #[test]
    fn attention_is_softmax_of_products_for_every_number_of_frames() {
        let (heads, size) = (3, 8);
        let width = heads * size;
        for frames in [1, 2, 7, 24, 25, 61] {
            let (qkv_stride, stride) = (3 * width + 5, width + 2);
            // The rows after the clip belong to another clip.
            let qkv: Vec<f32> = numbers(frames * qkv_stride, 0.71).iter().map(|x| 2.0 * x).collect();
            let mut out = vec![0.0; frames * stride];
            self_attention(&qkv, qkv_stride, &mut out, Frames { width, stride }, heads, &Memory::default());
            let at =
                |frame: usize, part: usize, i: usize| f64::from(qkv[frame * qkv_stride + part * width + i]);
            for query in 0..frames {
                for head in 0..heads {
                    let range = head * size..(head + 1) * size;
                    let score = |key| range.clone().map(|i| at(query, 0, i) * at(key, 1, i)).sum::<f64>();
                    let shares: Vec<f64> =
                        (0..frames).map(|key| (score(key) / (size as f64).sqrt()).exp()).collect();
                    let total: f64 = shares.iter().sum();
                    for i in range.clone() {
                        let expected =
                            (0..frames).map(|key| shares[key] * at(key, 2, i)).sum::<f64>() / total;
                        let error = (f64::from(out[query * stride + i]) - expected).abs();
                        assert!(error < 1e-5, "{frames} frames: {error}");
                    }
                }
            }
        }
    }
}
