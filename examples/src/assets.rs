//! Files that are compiled into the examples, so that they run without other files.

/// A sample clip: 4.3 seconds of synthetic speech, WAV, 22,050 Hz, 16 bit, mono.
pub const SAMPLE_WAV: &[u8] = include_bytes!("../assets/sample.wav");

/// The bundled model `voices`, which reads the outputs of [`ENCODER`]. Its card is `models/voices.md`.
pub const VOICES: &[u8] = include_bytes!("../../models/voices.safetensors");

/// Settings with which the heads of [`VOICES`] were trained, as a file for `train --config`.
pub const VOICES_RECIPE: &str = include_str!("../assets/voices.toml");

/// Settings for training blocks of an encoder together with a head, `tuning.toml`.
pub const TUNING_RECIPE: &str = include_str!("../assets/tuning.toml");

/// The convolutions and first four blocks of the encoder of Whisper base, quantised to eight bits (Radford et al. 2022, MIT licence).
pub const ENCODER: &[u8] = include_bytes!("../../models/whisper-base-encoder.safetensors");

/// The bundled model `small`. Its card is `models/moods.md`.
pub const SMALL: &[u8] = include_bytes!("../../models/moods.safetensors");
