//! Files that are compiled into the examples, so that they run without other files.

/// A sample clip: 4.3 seconds of synthetic speech, WAV, 22,050 Hz, 16 bit, mono.
pub const SAMPLE_WAV: &[u8] = include_bytes!("../assets/sample.wav");

/// The bundled model that reads the outputs of [`ENCODER`]; its card is `models/voices.md`.
pub const VOICES: &[u8] = include_bytes!("../../models/voices.safetensors");

/// Settings of the training of the heads of [`VOICES`]: a file for `train --config`.
pub const VOICES_RECIPE: &str = include_str!("../assets/voices.toml");

/// Settings of the training of an encoder's blocks with a head, `tuning.toml`.
pub const TUNING_RECIPE: &str = include_str!("../assets/tuning.toml");

/// Whisper base's convolutions and first four blocks in eight bits (Radford et al. 2022, MIT licence).
pub const ENCODER: &[u8] = include_bytes!("../../models/whisper-base-encoder.safetensors");

/// The bundled small model; its card is `models/moods.md`.
pub const SMALL: &[u8] = include_bytes!("../../models/moods.safetensors");
