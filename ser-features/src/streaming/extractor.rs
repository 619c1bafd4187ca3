//! Several features of a signal that arrives in pieces, from one transform.

use ndarray::{Array2, ArrayView2, Axis};

use super::queue::FrameQueue;
use crate::contrast::{ContrastBands, ContrastConfig};
use crate::error::{ConfigError, SignalError};
use crate::extractor::{Plan, mel_config};
use crate::features::{Feature, FeatureConfig, Source};
use crate::framing::Framing;
use crate::matrix::reshape;
use crate::mel::MelFilterBank;
use crate::spectrogram::Spectrum;
use crate::stft::{Stft, StftConfig};

/// Computes several features of a stream from one shared transform: pieces of any length go in, each frame comes out as soon as its last
/// sample is there, with its number and time.
///
/// The frames are those of [`FeatureExtractor`](crate::FeatureExtractor) for the whole signal, bit for bit; contrast is that of
/// [`SpectralContrast`](crate::SpectralContrast) without `top_db`.
///
/// [`new`](Self::new) refuses chroma with an estimated tuning, MFCC and logarithmic mel with a `top_db`, and these features: tonnetz, the
/// deltas of the MFCC, fundamental frequency, voiced probability, jitter, shimmer, harmonics-to-noise ratio, and the formants' frequencies
/// and bandwidth.
///
/// ```
/// use ser_features::{Feature, FeatureConfig, StreamingExtractor};
///
/// let features = vec![Feature::Mfcc, Feature::Centroid, Feature::Rms];
/// let config = FeatureConfig { features, top_db: None, sample_rate: 16_000, ..Default::default() };
/// let mut extractor = StreamingExtractor::new(config)?;
///
/// let recording: Vec<f32> = (0..16_000).map(|n| 0.3 * (0.05 * n as f32).sin()).collect();
/// for piece in recording.chunks(1_600) {
///     let frames = extractor.push(piece)?;
///     for (i, frame) in frames.stack().columns().into_iter().enumerate() {
///         println!("frame {} at {:.3} s: {} values", frames.first() + i, frames.time(i), frame.len());
///     }
/// }
/// let last = extractor.finish()?;
/// assert_eq!((last.first(), last.len()), (30, 2));
/// assert_eq!(last.get(Feature::Rms).map(|rms| rms.dim()), Some((1, 2)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct StreamingExtractor {
    config: FeatureConfig,
    queue: FrameQueue,
    stft: Stft,
    mel: Option<MelFilterBank>,
    /// One for each configured feature, in that order.
    plans: Vec<Plan>,
    frame: Vec<f32>,
    mel_row: Vec<f32>,
    row: Vec<f32>,
    /// `[new frames, rows]`.
    out: Array2<f32>,
    values: Vec<f32>,
}

/// Frames that a push to a [`StreamingExtractor`] or its `finish` completed.
#[derive(Debug, Clone, Copy)]
pub struct StreamedFrames<'a> {
    first: usize,
    config: &'a FeatureConfig,
    stack: ArrayView2<'a, f32>,
}

impl<'a> StreamedFrames<'a> {
    /// Number of the first frame, counted from the stream's start.
    pub fn first(&self) -> usize {
        self.first
    }

    /// Number of frames.
    pub fn len(&self) -> usize {
        self.stack.ncols()
    }

    /// Whether no frame was completed.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Time of a frame's centre from the stream's start in seconds; `i` counts from the first of these frames.
    pub fn time(&self, i: usize) -> f64 {
        (self.first + i) as f64 * self.config.hop_length as f64 / f64::from(self.config.sample_rate)
    }

    /// All features on top of each other, `[total rows, frames]`, in the configured order.
    pub fn stack(&self) -> ArrayView2<'a, f32> {
        self.stack
    }

    /// One feature, `[rows, frames]`; `None` when it was not configured.
    pub fn get(&self, feature: Feature) -> Option<ArrayView2<'a, f32>> {
        let at = self.config.features.iter().position(|&other| other == feature)?;
        let start: usize = self.config.features[..at].iter().map(|&before| self.config.rows(before)).sum();
        let (_, from_start) = self.stack.split_at(Axis(0), start);
        Some(from_start.split_at(Axis(0), self.config.rows(feature)).0)
    }
}

impl StreamingExtractor {
    /// Checks the configuration and plans every configured feature.
    ///
    /// # Errors
    /// As [`FeatureExtractor::new`](crate::FeatureExtractor::new); [`ConfigError::NeedsWholeSignal`] for MFCC or logarithmic mel with a
    /// `top_db` and for chroma with an estimated tuning; [`ConfigError::NotStreamed`] for features that have no stream.
    pub fn new(config: FeatureConfig) -> Result<Self, ConfigError> {
        config.check()?;
        ConfigError::refuse_zero("n_fft", config.n_fft)?;
        let stft = StftConfig { center: false, ..config.stft() };
        let plans =
            config.features.iter().map(|&feature| plan(feature, &config)).collect::<Result<_, _>>()?;
        let mel = config.features.iter().any(|feature| feature.source() == Source::Mel);
        let rows = config.total_rows();
        Ok(Self {
            queue: FrameQueue::new(Framing::new(config.n_fft, config.hop_length, true)?),
            mel: mel.then(|| MelFilterBank::new(&mel_config(&config))).transpose()?,
            plans,
            frame: vec![0.0; config.n_fft],
            mel_row: vec![0.0; if mel { config.n_mels } else { 0 }],
            row: vec![0.0; stft.n_bins()],
            stft: Stft::new(stft)?,
            out: Array2::default((0, rows)),
            values: Vec::new(),
            config,
        })
    }

    /// The configuration that the plan was made from.
    pub fn config(&self) -> &FeatureConfig {
        &self.config
    }

    /// Latency in samples after a frame's time: half of a transform.
    pub fn latency(&self) -> usize {
        self.queue.latency()
    }

    /// Takes the next samples and gives the frames that they complete: often none, many from a long piece. An empty piece is fine.
    ///
    /// # Errors
    /// When a sample is NaN, infinite or beyond ±1e12; the index counts from the piece's start. The stream ignores such a piece.
    pub fn push(&mut self, samples: &[f32]) -> Result<StreamedFrames<'_>, SignalError> {
        self.queue.push(samples)?;
        Ok(self.give())
    }

    /// Ends the stream and gives its last frames, those that reach beyond its end. The plan is then ready for the next stream.
    ///
    /// # Errors
    /// When no sample was pushed.
    pub fn finish(&mut self) -> Result<StreamedFrames<'_>, SignalError> {
        if let Err(error) = self.queue.end() {
            self.queue.reset();
            return Err(error);
        }
        let first = self.give().first;
        self.queue.reset();
        Ok(StreamedFrames { first, config: &self.config, stack: self.out.t() })
    }

    /// Forgets the stream so far, for the next one.
    pub fn reset(&mut self) {
        self.queue.reset();
    }

    fn give(&mut self) -> StreamedFrames<'_> {
        let first = self.queue.given();
        self.values.clear();
        while let Some((lead, samples)) = self.queue.next_frame() {
            self.frame.fill(0.0);
            self.frame[lead..lead + samples.len()].copy_from_slice(samples);
            let spectrum = self.stft.frame(&self.frame, 0);
            if let Some(mel) = &self.mel {
                Spectrum::Power.fill(&mut self.row, spectrum);
                mel.apply(&self.row, &mut self.mel_row);
            }
            Spectrum::Magnitude.fill(&mut self.row, spectrum);
            for plan in &mut self.plans {
                plan.stream(lead, samples, &self.row, &self.mel_row, &mut self.values);
            }
        }
        reshape(&mut self.out, self.queue.given() - first, self.config.total_rows());
        self.out.iter_mut().zip(&self.values).for_each(|(out, &x)| *out = x);
        StreamedFrames { first, config: &self.config, stack: self.out.t() }
    }
}

/// The plan of one feature, where it can stream.
fn plan(feature: Feature, config: &FeatureConfig) -> Result<Plan, ConfigError> {
    let refused = |parameter, rule| Err(ConfigError::NeedsWholeSignal { parameter, rule });
    match feature {
        feature if !feature.streams() => Err(ConfigError::NotStreamed { feature: feature.as_str() }),
        Feature::Mfcc | Feature::LogMel if config.top_db.is_some() => refused("top_db", "None"),
        Feature::Chroma if config.tuning.is_none() => refused("tuning", "given"),
        Feature::Contrast => {
            let (sample_rate, stft) = (config.sample_rate, config.stft());
            let contrast = ContrastConfig { sample_rate, stft, top_db: None, ..Default::default() };
            Ok(Plan::Contrast(ContrastBands::new(&contrast)?))
        }
        _ => Plan::new(feature, config),
    }
}
