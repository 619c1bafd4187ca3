//! Tests the memory of writing a file of features. The test has its own program, because the peak is that of the whole process.

#![allow(clippy::unwrap_used)] // a test may panic

use ser_examples::feature_file::{FeatureFile, Statistics};
use ser_examples::memory::peak_memory;
use ser_features::ndarray::Array2;
use ser_features::{Feature, FeatureConfig, Features};

#[test]
fn memory_does_not_grow_with_the_clips() {
    let folder = tempfile::tempdir().unwrap();
    let config = FeatureConfig::default();
    let parts = Feature::ISSA.map(|feature| (feature, Array2::from_elem((config.rows(feature), 2), 0.5)));
    let clip = Features::from_parts(parts.into()).unwrap();
    let peak_of = |clips: usize| {
        let path = folder.path().join(format!("{clips}.safetensors"));
        let mut file = FeatureFile::create(&path, &[], &config, Statistics::default()).unwrap();
        for number in 0..clips {
            file.add(&format!("Actor_01/03-01-01-01-01-01-{number:05}"), &[], &clip).unwrap();
        }
        let tensors = file.finish(|sha256| Ok(format!("{{\"sha256\":\"{sha256}\"}}"))).unwrap();
        assert_eq!(tensors, 6 * clips);
        peak_memory()
    };
    let (few, many) = (peak_of(1_000), peak_of(10_000));
    let (Some(few), Some(many)) = (few, many) else {
        println!("skipped: peak memory is known on Linux only");
        return;
    };
    println!("{few} bytes for 1,000 clips, {many} for 10,000");
    // The names of the tensors alone would take 2 MB.
    assert!(many < few + (1 << 20), "{few} bytes for 1,000 clips, {many} for 10,000");
}
