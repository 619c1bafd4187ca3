//! Subjects of timings: the subjects of the criterion benchmarks in `benches/` and of the comparisons in `reference/`.

mod encoder;
mod features;
mod models;

pub use encoder::EncoderSubject;
pub use features::{CLIP, FeatureSubject, SAMPLE_RATE, feature_subjects, repeated, sample};
pub use models::{BATCH, ModelSubject, RecognizerSubject};
