//! Batches equal what one clip after the other gives.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::prelude::*;
use ser_features::{
    BATCH_WINDOW, ConfigError, Feature, FeatureConfig, FeatureExtractor, SignalError, extract_batch,
    map_batch, map_batch_into,
};

/// Clips of many lengths; every fifth is bad.
fn clips() -> Vec<Vec<f32>> {
    (0..23)
        .map(|i| {
            let mut clip: Vec<f32> =
                (0..1 + 700 * i).map(|n| (n as f32 * (0.02 + 0.001 * i as f32)).sin()).collect();
            if i % 5 == 3 {
                // Not NaN: an error with it equals no other.
                clip[i] = f32::INFINITY;
            }
            clip
        })
        .collect()
}

#[test]
fn a_batch_equals_one_clip_after_the_other_bit_for_bit() {
    let (config, clips) = (FeatureConfig::default(), clips());
    let mut extractor = FeatureExtractor::new(config.clone()).unwrap();
    let one_by_one: Vec<_> = clips.iter().map(|clip| extractor.extract(clip)).collect();
    assert_eq!(extract_batch(&config, &clips).unwrap(), one_by_one);
    assert_eq!(one_by_one[8], Err(SignalError::NotFinite { index: 8, value: f32::INFINITY }));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_batch_equals_one_clip_after_the_other(
        clips in prop::collection::vec(prop::collection::vec(-1.0f32..1.0, 0..3_000), 0..8),
    ) {
        let config = FeatureConfig { features: vec![Feature::Mfcc, Feature::Contrast], ..Default::default() };
        let mut extractor = FeatureExtractor::new(config.clone()).unwrap();
        let one_by_one: Vec<_> = clips.iter().map(|clip| extractor.extract(clip)).collect();
        prop_assert_eq!(extract_batch(&config, &clips).unwrap(), one_by_one);
    }
}

#[cfg(feature = "parallel")]
#[test]
fn the_number_of_threads_changes_nothing_and_bounds_the_plans() {
    let (config, clips) = (FeatureConfig { features: vec![Feature::Mfcc], ..Default::default() }, clips());
    let expected = extract_batch(&config, &clips).unwrap();
    for threads in [1, 2, 5] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        assert_eq!(pool.install(|| extract_batch(&config, &clips)).unwrap(), expected);

        let plans = AtomicUsize::new(0);
        let plan = || Ok::<_, ConfigError>(plans.fetch_add(1, Ordering::Relaxed));
        let positions = pool.install(|| map_batch(&[(); 500], plan, |_, at, ()| at)).unwrap();
        assert_eq!(positions, (0..500).collect::<Vec<_>>());
        assert!(plans.into_inner() <= threads);
    }
}

#[test]
fn a_plan_that_cannot_be_made_is_an_error_even_without_clips() {
    let config = FeatureConfig { n_mels: 0, ..Default::default() };
    assert!(extract_batch::<Vec<f32>>(&config, &[]).is_err());
    let made = AtomicUsize::new(0);
    let none: Vec<usize> =
        map_batch(&[], || Ok::<_, ConfigError>(made.fetch_add(1, Ordering::Relaxed)), |_, _, x: &usize| *x)
            .unwrap();
    assert_eq!((none, made.into_inner()), (vec![], 1));
}

#[test]
fn a_batch_into_a_sink_is_in_order_bounded_and_can_be_cancelled() {
    let plan = || Ok::<_, ConfigError>(());
    let (taken, mut given) = (AtomicUsize::new(0), Vec::new());
    let threads = if cfg!(feature = "parallel") { rayon::current_num_threads() } else { 1 };
    let items = (0..1_000).inspect(|_| _ = taken.fetch_add(1, Ordering::Relaxed));
    let all = map_batch_into(
        items,
        plan,
        |(), at, item| (at, 2 * item),
        |position, result| {
            assert_eq!(result, (position, 2 * position));
            assert!(taken.load(Ordering::Relaxed) <= position + BATCH_WINDOW * threads);
            given.push(position);
            if position < 300 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        },
    );
    assert_eq!((all, given), (Ok(false), (0..=300).collect()));
    assert!(taken.into_inner() < 301 + BATCH_WINDOW * threads);

    let none = map_batch_into(std::iter::empty::<u8>(), plan, |(), _, x| x, |_, _| ControlFlow::Continue(()));
    assert_eq!(none, Ok(true));
    let refused =
        map_batch_into([1], || Err::<(), _>("no plan"), |(), _, x| x, |_, _| ControlFlow::Continue(()));
    assert_eq!(refused, Err("no plan"));
}

#[cfg(feature = "parallel")]
#[test]
fn a_batch_into_a_sink_runs_on_the_threads_of_a_pool() {
    for threads in [1, 2, 5] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let (plans, mut given) = (AtomicUsize::new(0), Vec::new());
        let plan = || Ok::<_, ConfigError>(plans.fetch_add(1, Ordering::Relaxed));
        let all = pool.install(|| {
            map_batch_into(
                0..500,
                plan,
                |_, _, item| item,
                |position, item| {
                    given.push((position, item));
                    ControlFlow::Continue(())
                },
            )
        });
        assert_eq!(all, Ok(true));
        assert!(given.into_iter().eq((0..500).map(|i| (i, i))));
        assert!(plans.into_inner() <= threads);
    }
}

#[cfg(feature = "parallel")]
#[test]
fn a_panic_ends_a_batch_into_a_sink() {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let worked = AtomicUsize::new(0);
    let run = || {
        pool.install(|| {
            let each = |(): &mut (), at, _| {
                assert!(at != 0, "the first item fails");
                worked.fetch_add(1, Ordering::Relaxed);
            };
            map_batch_into(0..16, || Ok::<_, ConfigError>(()), each, |_, ()| ControlFlow::Continue(()))
        })
    };
    assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)).is_err());
    assert_eq!(worked.into_inner(), 0);
}
