//! Runs the checks of the fuzz target on its corpus and on random bytes.

// A crate of its own in the fuzz target, whose items have no other users.
#[path = "../fuzz/check/mod.rs"]
#[allow(unreachable_pub)]
mod check;

use proptest::prelude::*;
use proptest::test_runner::RngSeed;

proptest! {
    // The seed is fixed, so that every run has the same bytes. The fuzzer tries others.
    #![proptest_config(ProptestConfig {
        cases: 400,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(18),
        ..ProptestConfig::default()
    })]

    /// Runs each of the 40 cases about ten times: results are finite, have the documented shape, and equal those of streams.
    #[test]
    fn every_plan_holds_for_any_bytes(plan in 0_u8..40, bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        check::check(&[&[plan][..], &bytes].concat());
    }
}

#[test]
fn all_of_the_corpus_holds() {
    let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/corpus/plans");
    let mut count = 0;
    for entry in std::fs::read_dir(corpus).unwrap() {
        let path = entry.unwrap().path();
        println!("{}", path.display());
        check::check(&std::fs::read(&path).unwrap());
        count += 1;
    }
    assert!(count >= 24, "only {count} inputs");
}
