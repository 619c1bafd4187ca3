//! Files that are compiled into the examples, so that they run without other files.

/// A sample clip: 4.3 seconds of synthetic speech, WAV, 22,050 Hz, 16 bit, mono.
pub const SAMPLE_WAV: &[u8] = include_bytes!("../assets/sample.wav");

/// The bundled model; its card is `models/moods.md`.
pub const MODEL: &[u8] = include_bytes!("../../models/moods.safetensors");
