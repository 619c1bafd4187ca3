//! Numbers that distinguish speech from music, tones and noise.

use super::super::activity::refused_rate;
use ndarray::{Array1, Array2, ArrayView1, Axis};
use ser_features::{
    DecibelConfig, MIN_SPEECH_SECONDS, MelConfig, MelSpectrogram, Reference, Resampler, SignalError,
    StftConfig, Yin, YinConfig, power_to_db,
};

/// Number of cues.
pub const CUES: usize = 8;

/// The sample rate in Hz at which cues are computed. It covers everything that telephones transmit.
pub(super) const RATE: u32 = 8_000;

/// Samples from one frame of the pitch to the next: 20 ms.
pub(super) const PITCH_HOP: usize = 160;

/// Samples from one frame of the bands to the next: 10 ms.
pub(super) const HOP: usize = 80;

/// Bands of the mel spectrogram.
const BANDS: usize = 20;

/// Frames this far below the loudest, in dB, have no sound.
const QUIET_DB: f32 = 35.0;

/// Plan of the features from which [`SpeechDetector`](super::SpeechDetector) estimates whether a sound is speech. The ideas are those of Scheirer
/// and Slaney, *Construction and Evaluation of a Robust Multifeature Speech/Music Discriminator* (1997): the pitch of speech glides
/// and breaks off, its energy rises and falls with its syllables about four times a second, and its spectrum changes from sound to
/// sound.
///
/// The sound is resampled to 8,000 Hz. Pitch (70 to 500 Hz) is estimated every 20 ms, 20 mel bands (60 to 3,800 Hz) every 10 ms. A frame
/// sounds if it is less than 35 dB below the loudest. The envelope is the level of all frames, raised to at least 35 dB below the loudest;
/// the other cues are of frames that sound. In order: 0. share of frames whose pitch moves by less than 1/200 octave to the next (tones,
/// music), 1. share of frames whose pitch moves by 1/200 to 1/10 octave (voices), 2. deviation of the pitch in octaves, where it moves by
/// less than 1/10 from frame to frame, 3. share of the envelope's modulation between 2 and 8 Hz (syllables), 4. standard deviation of the
/// envelope in dB, 5. mean change of the spectrum from frame to frame in dB, the level left out, 6. standard deviation of the spectrum over
/// time in dB, the level left out, mean of the bands, 7. standard deviation of the mean spectrum over the bands in dB.
#[derive(Debug)]
pub struct SpeechCues {
    resampler: Resampler,
    yin: Yin,
    mel: MelSpectrogram,
    minimum: usize,
}

/// The input of the cues: powers [BANDS, frames] 10 ms apart, and the pitch in Hz of every other frame.
#[derive(Debug)]
pub(crate) struct CueFrames {
    pub(super) bands: Array2<f32>,
    pub(super) pitch: Vec<f32>,
}

impl SpeechCues {
    /// Plans the transforms for audio at `sample_rate` Hz, within [`SAMPLE_RATES`](ser_features::SAMPLE_RATES).
    ///
    /// # Errors
    /// [`SignalError::SampleRate`] for any other rate.
    pub fn new(sample_rate: u32) -> Result<Self, SignalError> {
        let refused = refused_rate(sample_rate);
        let yin = YinConfig {
            sample_rate: RATE,
            fmin: 70.0,
            fmax: 500.0,
            frame_length: 512,
            hop_length: PITCH_HOP,
            ..YinConfig::default()
        };
        let mel = MelConfig {
            sample_rate: RATE,
            stft: StftConfig { n_fft: 256, hop_length: HOP, ..StftConfig::default() },
            n_mels: BANDS,
            fmin: 60.0,
            fmax: Some(3_800.0),
            ..MelConfig::default()
        };
        let plan = || {
            let minimum = (MIN_SPEECH_SECONDS * f64::from(sample_rate)).ceil() as usize;
            let resampler = Resampler::new(sample_rate, RATE)?;
            Ok::<_, ser_features::ConfigError>(Self {
                resampler,
                yin: Yin::new(yin)?,
                mel: MelSpectrogram::new(mel)?,
                minimum,
            })
        };
        // The plan is valid at every supported rate.
        plan().map_err(|_| refused)
    }

    /// Returns the cues of samples, mono at the plan's rate and 0.25 s or more.
    ///
    /// # Errors
    /// If the samples are not finite or shorter than [`MIN_SPEECH_SECONDS`].
    pub fn of(&mut self, samples: &[f32]) -> Result<[f32; CUES], SignalError> {
        if samples.len() < self.minimum {
            return Err(SignalError::TooShort { minimum: self.minimum, given: samples.len() });
        }
        Ok(self.frames(samples)?.cues())
    }

    /// Returns the frames of one or more samples. The first frame is centred on the first sample.
    pub(super) fn frames(&mut self, samples: &[f32]) -> Result<CueFrames, SignalError> {
        let samples = self.resampler.process(samples)?;
        let bands = self.mel.process(&samples)?;
        Ok(CueFrames { bands, pitch: self.yin.process(&samples)?.to_vec() })
    }
}

impl CueFrames {
    /// Computes the cues of the frames.
    pub(super) fn cues(mut self) -> [f32; CUES] {
        let Self { bands, pitch } = &mut self;
        let level = bands.sum_axis(Axis(0)).mapv(|power| 10.0 * power.max(1e-20).log10());
        let decibel = DecibelConfig { reference: Reference::Max, top_db: Some(60.0), ..Default::default() };
        // No setting of this configuration is out of range.
        let Ok(()) = power_to_db(bands, &decibel) else { return [0.0; CUES] };
        let loudest = level.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let sounding: Vec<usize> = (0..level.len()).filter(|&t| level[t] > loudest - QUIET_DB).collect();
        let [steady, gliding, deviation] = pitch_cues(pitch, |frame| {
            level.get(frame * PITCH_HOP / HOP).is_some_and(|level| *level > loudest - QUIET_DB)
        });
        let envelope = level.mapv(|level| level.max(loudest - QUIET_DB));
        let [change, variation, shape] = spectrum_cues(bands, &sounding);
        [steady, gliding, deviation, syllables(envelope.view()), envelope.std(0.0), change, variation, shape]
    }
}

/// Returns the shares of steady and of gliding pitch among the frames with sound, and the deviation of the pitch in both.
fn pitch_cues(pitch: &[f32], sounds: impl Fn(usize) -> bool) -> [f32; 3] {
    let (mut frames, mut steady, mut gliding, mut kept) = (0.0f32, 0.0, 0.0, Vec::new());
    for t in 1..pitch.len() {
        if !(sounds(t - 1) && sounds(t)) {
            continue;
        }
        frames += 1.0;
        let octaves = (pitch[t] / pitch[t - 1]).log2().abs();
        if octaves < 0.1 {
            kept.push(pitch[t].log2());
            if octaves < 0.005 { steady += 1.0 } else { gliding += 1.0 }
        }
    }
    let frames = frames.max(1.0);
    let deviation = if kept.is_empty() { 0.0 } else { Array1::from(kept).std(0.0) };
    [steady / frames, gliding / frames, deviation]
}

/// Returns the share of the envelope's variance between 2 and 8 Hz.
fn syllables(envelope: ArrayView1<'_, f32>) -> f32 {
    let n = envelope.len();
    let mean = envelope.mean().unwrap_or(0.0);
    let total: f32 = envelope.iter().map(|x| (x - mean).powi(2)).sum::<f32>() * n as f32;
    if total <= f32::EPSILON {
        return 0.0;
    }
    let seconds = n as f32 * HOP as f32 / RATE as f32;
    let (lowest, highest) = ((2.0 * seconds).ceil() as usize, (8.0 * seconds).floor() as usize);
    let power_of = |k: usize| {
        let step = std::f32::consts::TAU * k as f32 / n as f32;
        let (mut re, mut im) = (0.0, 0.0);
        for (t, x) in envelope.iter().enumerate() {
            let angle = step * t as f32;
            re += (x - mean) * angle.cos();
            im += (x - mean) * angle.sin();
        }
        re * re + im * im
    };
    // Parseval: each of these frequencies has a counterpart of the same power among the negative ones.
    2.0 * (lowest..=highest.min(n / 2)).map(power_of).sum::<f32>() / total
}

/// Returns change from frame to frame, deviation over time, and deviation of the mean over the bands, without each frame's mean level.
fn spectrum_cues(bands: &Array2<f32>, sounding: &[usize]) -> [f32; 3] {
    let mut shapes = bands.select(Axis(1), sounding);
    for mut frame in shapes.columns_mut() {
        let mean = frame.mean().unwrap_or(0.0);
        frame -= mean;
    }
    let mut change = 0.0;
    for pair in 1..sounding.len() {
        if sounding[pair] == sounding[pair - 1] + 1 {
            let difference = &shapes.column(pair) - &shapes.column(pair - 1);
            change += difference.mapv(f32::abs).mean().unwrap_or(0.0);
        }
    }
    let change = change / (sounding.len().max(2) - 1) as f32;
    let variation = shapes.std_axis(Axis(1), 0.0).mean().unwrap_or(0.0);
    let shape = shapes.mean_axis(Axis(1)).map_or(0.0, |mean| mean.std(0.0));
    [change, variation, shape]
}
