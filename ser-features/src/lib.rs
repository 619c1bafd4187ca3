#![doc = include_str!("../README.md")]
// docs.rs shows which items need a cargo feature.
#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]

mod axes;
mod band;
mod batch;
mod check;
mod chroma;
mod chroma_cqt;
mod contrast;
mod cqt;
mod decibel;
mod delta;
mod error;
mod exponential;
mod extractor;
mod extremes;
mod features;
mod fourier;
mod framing;
mod functionals;
mod griffin_lim;
mod harmonic_percussive;
mod hpss;
mod istft;
mod kaldi;
mod log_mel;
mod lpc;
mod matrix;
mod median;
mod mel;
mod mel_inverse;
mod mfcc;
#[cfg(feature = "serde")]
mod number;
mod onset;
mod pad;
mod pcen;
mod preemphasis;
mod prepare;
mod projection;
mod pyin;
mod resample;
mod rms;
mod sample;
mod signal;
mod spectral_shape;
mod spectrogram;
mod stft;
mod streaming;
mod tempo;
mod tonnetz;
mod trim;
mod tuning;
mod vector;
mod vocoder;
mod voice;
mod whisper;
mod window;
mod yin;
mod zero_crossing;

pub use axes::{fft_frequencies, frames_to_time, mel_frequencies};
pub use band::BandPass;
pub use batch::{BATCH_WINDOW, extract_batch, map_batch, map_batch_into};
pub use chroma::{Chroma, ChromaConfig, chroma_filter_bank};
pub use chroma_cqt::{ChromaCqt, ChromaCqtConfig};
pub use contrast::{ContrastConfig, SpectralContrast};
pub use cqt::{Cqt, CqtConfig};
pub use decibel::{DecibelConfig, LogScale, Reference, amplitude_to_db, power_to_db};
pub use delta::{Delta, DeltaConfig};
pub use error::{ConfigError, Error, SignalError};
pub use extractor::FeatureExtractor;
pub use features::{Feature, FeatureConfig, Features, UnknownFeature};
pub use functionals::{Functional, UnknownFunctional};
pub use griffin_lim::{GriffinLim, GriffinLimConfig};
pub use harmonic_percussive::HarmonicPercussive;
pub use hpss::{Bin, Hpss, HpssConfig};
pub use istft::Istft;
pub use kaldi::{KaldiFbank, KaldiFbankConfig, KaldiFrameConfig, KaldiMelConfig, KaldiMfcc, KaldiMfccConfig};
pub use log_mel::{LogMel, LogMelConfig};
pub use lpc::lpc;
pub use mel::{MelConfig, MelNorm, MelScale, MelSpectrogram, mel_filter_bank};
pub use mel_inverse::MelToStft;
pub use mfcc::{Mfcc, MfccConfig};
/// The crate of the matrices that this crate takes and returns.
pub use ndarray;
/// The crate of the complex numbers that [`Stft`] returns and [`Istft`] takes.
pub use num_complex;
pub use onset::{OnsetConfig, OnsetStrength};
pub use pad::PadMode;
pub use pcen::{Pcen, PcenConfig};
pub use preemphasis::{Preemphasis, PreemphasisConfig};
pub use prepare::{Alignment, Preparation, PreparationConfig};
pub use pyin::{PitchTrack, Pyin, PyinConfig};
pub use resample::{Resampler, SAMPLE_RATES, StreamingResampler};
pub use rms::{Rms, RmsConfig};
pub use sample::{Sample, to_samples};
pub use signal::{MIN_SPEECH_PEAK, MIN_SPEECH_SECONDS, check_speech, fix_length, normalize, to_mono};
pub use spectral_shape::{
    BandwidthConfig, CentroidConfig, FlatnessConfig, RolloffConfig, SpectralBandwidth, SpectralCentroid,
    SpectralFlatness, SpectralRolloff,
};
pub use spectrogram::{Spectrogram, Spectrum};
pub use stft::{Precision, Stft, StftConfig};
pub use streaming::{
    FrameByFrame, RowByFrame, StreamedFrames, Streaming, StreamingChroma, StreamingContrast, StreamingDelta,
    StreamingExtractor, StreamingLogMel, StreamingMel, StreamingMfcc, StreamingPcen, StreamingPreemphasis,
    StreamingRms, StreamingRow, StreamingStft, StreamingYin, StreamingZeroCrossingRate,
};
pub use tempo::{Tempo, TempoConfig, Tempogram, TempogramConfig};
pub use tonnetz::{Tonnetz, tonnetz};
pub use trim::{Trim, TrimConfig};
pub use tuning::{Pitches, Tuning, TuningConfig, pitch_tuning};
pub use vocoder::{PitchShift, TimeStretch, phase_vocoder};
pub use voice::{
    FormantConfig, FormantFrames, Formants, SpectralBalance, SpectralBalanceConfig, SpectralBalanceFrames,
    VoiceQuality, VoiceQualityFrames,
};
pub use whisper::{WhisperConfig, WhisperMel};
pub use window::Window;
pub use yin::{Yin, YinConfig, YinFrame, YinFrames};

pub use zero_crossing::{ZeroCrossingConfig, ZeroCrossingRate};
