//! Times for the comparisons in `reference/`, whose other side is Python. All other benchmarks are criterion's, in `benches/`.

use std::time::{Duration, Instant};

/// Durations of calls in milliseconds: as many as fit into `limit`, three at least, after `warm_up` calls that are not counted.
///
/// # Errors
/// The first error of `call`.
pub fn times(
    warm_up: usize,
    limit: Duration,
    mut call: impl FnMut() -> anyhow::Result<()>,
) -> anyhow::Result<Vec<f64>> {
    for _ in 0..warm_up {
        call()?;
    }
    let (begin, mut times) = (Instant::now(), Vec::new());
    while times.len() < 3 || begin.elapsed() < limit {
        let start = Instant::now();
        call()?;
        times.push(start.elapsed().as_secs_f64() * 1e3);
    }
    Ok(times)
}

/// The median of the times: the upper of the two middle ones if their number is even, NaN without any.
pub fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn three_calls_are_timed_at_least_and_warm_ups_are_not() {
        let mut calls = 0;
        let call = || {
            calls += 1;
            Ok(())
        };
        assert_eq!(times(2, Duration::ZERO, call).unwrap().len(), 3);
        assert_eq!(calls, 5);
        assert!(times(0, Duration::ZERO, || anyhow::bail!("no")).is_err());
    }

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![4.0, 1.0]), 4.0);
        assert!(median(vec![]).is_nan());
    }
}
