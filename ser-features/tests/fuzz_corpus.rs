//! What the fuzzer found worth keeping holds in every test run.

// A crate of its own in the fuzz target, whose items have no other users.
#[path = "../fuzz/check/mod.rs"]
#[allow(unreachable_pub)]
mod check;

#[test]
fn all_of_the_corpus_holds() {
    let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/corpus/plans");
    let mut count = 0;
    for entry in std::fs::read_dir(corpus).unwrap() {
        let path = entry.unwrap().path();
        println!("{}", path.display());
        check::check(&std::fs::read(&path).unwrap());
        count += 1;
    }
    assert!(count >= 24, "only {count} inputs");
}
