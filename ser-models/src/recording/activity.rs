//! The level of a stream within the band of voices, frame by frame.

use ser_features::{
    MIN_SPEECH_SECONDS, MelConfig, MelNorm, SAMPLE_RATES, SignalError, StftConfig, StreamingMel,
};

/// The default level below which a frame counts as silence, in dB relative to full scale.
pub const SILENCE_DB: f32 = -50.0;

/// The lowest level that is reported, in dB relative to full scale: that of digital silence.
pub const LOWEST_DB: f32 = -120.0;

/// Frames below this level are silent in every recording: the level of [`MIN_SPEECH_PEAK`](ser_features::MIN_SPEECH_PEAK), in dB.
pub(crate) const SILENT_DB: f32 = -80.0;

/// The frequency band of voices in Hz. Hum and wind are below it, hiss is above it.
const BAND: (f64, f64) = (80.0, 8_000.0);

/// The error of a sample rate outside [`SAMPLE_RATES`].
pub(super) fn refused_rate(given: u32) -> SignalError {
    SignalError::SampleRate { minimum: *SAMPLE_RATES.start(), maximum: *SAMPLE_RATES.end(), given }
}

/// Measures the level of each frame of a stream within 80 to 8,000 Hz, in dB relative to full scale. A sine of amplitude 1 has a
/// root mean square of −3 dB. A frame is 50 to 100 ms long; the next one starts a quarter of a frame later.
#[derive(Debug)]
pub struct Activity {
    mel: StreamingMel,
    sample_rate: u32,
    hop_length: usize,
    /// The factor from the power of a frame's bands to the mean square of its samples.
    scale: f32,
}

impl Activity {
    /// Plans the frames of a stream at `sample_rate` Hz, within [`SAMPLE_RATES`].
    ///
    /// # Errors
    /// [`SignalError::SampleRate`] for any other rate.
    pub fn new(sample_rate: u32) -> Result<Self, SignalError> {
        let refused = refused_rate(sample_rate);
        if !SAMPLE_RATES.contains(&sample_rate) {
            return Err(refused);
        }
        let n_fft = (sample_rate as usize / 20).next_power_of_two();
        let hop_length = n_fft / 4;
        let mel = StreamingMel::new(MelConfig {
            sample_rate,
            stft: StftConfig { n_fft, hop_length, ..StftConfig::default() },
            n_mels: 8,
            fmin: BAND.0,
            fmax: Some(BAND.1.min(f64::from(sample_rate) / 2.0)),
            norm: MelNorm::None,
            ..MelConfig::default()
        });
        // The plan is valid at every supported rate.
        let mel = mel.map_err(|_| refused)?;
        // Parseval: the powers of all bins sum to n_fft times the sum of the windowed samples' squares. Only half of the bins are computed,
        // and the squares of a Hann window have a mean of 3/8.
        let scale = 2.0 / (n_fft as f32 * n_fft as f32 * 0.375);
        Ok(Self { mel, sample_rate, hop_length, scale })
    }

    /// The time from one frame to the next in seconds.
    pub fn frame_seconds(&self) -> f64 {
        self.hop_length as f64 / f64::from(self.sample_rate)
    }

    /// Processes the next samples, mono, and returns the levels in dB of the frames that they complete.
    ///
    /// # Errors
    /// If a sample is not finite. The stream then continues as if these samples had not been passed.
    pub fn push(&mut self, samples: &[f32]) -> Result<Vec<f32>, SignalError> {
        let frames = self.mel.push(samples)?;
        Ok(frames.columns().into_iter().map(|bands| decibel(bands.sum() * self.scale)).collect())
    }
}

fn decibel(mean_square: f32) -> f32 {
    (10.0 * mean_square.max(f32::MIN_POSITIVE).log10()).max(LOWEST_DB)
}

/// Returns the seconds of a window's frames at `silence_db` or above.
pub(super) fn sounding_seconds<'a>(
    levels: impl IntoIterator<Item = &'a f32>,
    frame_seconds: f64,
    silence_db: f32,
) -> f64 {
    let sounding = levels.into_iter().filter(|&&level| level >= silence_db).count();
    sounding as f64 * frame_seconds
}

/// Whether less than [`MIN_SPEECH_SECONDS`] of a clip are at `silence_db` or above. The threshold is fixed: unlike
/// [`TimelineConfig::silence_db`](crate::TimelineConfig::silence_db) it is not lowered for quiet recordings. An empty clip is silent.
/// `samples` are mono at `sample_rate` Hz.
///
/// # Errors
/// If a sample is not finite, or the rate is outside [`SAMPLE_RATES`].
pub fn is_silent(samples: &[f32], sample_rate: u32, silence_db: f32) -> Result<bool, SignalError> {
    let mut activity = Activity::new(sample_rate)?;
    let levels = activity.push(samples)?;
    Ok(sounding_seconds(&levels, activity.frame_seconds(), silence_db) < MIN_SPEECH_SECONDS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sine(hertz: f32, amplitude: f32, sample_rate: u32, seconds: f32) -> Vec<f32> {
        let step = std::f32::consts::TAU * hertz / sample_rate as f32;
        (0..(seconds * sample_rate as f32) as usize).map(|n| amplitude * (n as f32 * step).sin()).collect()
    }

    #[test]
    fn levels_are_those_of_the_samples_within_the_band() {
        for sample_rate in [8_000, 16_000, 22_050, 44_100, 48_000, 96_000] {
            let level = |hertz, amplitude| {
                let mut activity = Activity::new(sample_rate).unwrap();
                let levels = activity.push(&sine(hertz, amplitude, sample_rate, 1.0)).unwrap();
                levels[levels.len() / 2]
            };
            // The root mean square of a sine is −3 dB.
            assert!((level(700.0, 1.0) + 3.0).abs() < 1.5, "{sample_rate}: {}", level(700.0, 1.0));
            assert!((level(700.0, 0.01) + 43.0).abs() < 1.5, "{sample_rate}: {}", level(700.0, 0.01));
            // 50 Hz is mains hum.
            assert!(level(50.0, 0.02) < SILENCE_DB, "{sample_rate}: {}", level(50.0, 0.02));
        }
    }

    #[test]
    fn a_window_is_silence_until_a_syllable_sounds() {
        let rate = 16_000;
        let mut window = vec![0.0; 3 * rate as usize];
        assert!(is_silent(&window, rate, SILENCE_DB).unwrap());
        window[9_000..10_000].copy_from_slice(&sine(300.0, 0.3, rate, 0.0625));
        assert!(is_silent(&window, rate, SILENCE_DB).unwrap(), "a click");
        window[20_000..28_000].copy_from_slice(&sine(300.0, 0.3, rate, 0.5));
        assert!(!is_silent(&window, rate, SILENCE_DB).unwrap());
        assert!(is_silent(&window, rate, 0.0).unwrap(), "as the caller says");
    }

    #[test]
    fn what_cannot_be_heard_is_an_error() {
        assert!(is_silent(&[0.0; 100], 100, SILENCE_DB).is_err());
        assert!(is_silent(&[0.0; 100], u32::MAX, SILENCE_DB).is_err());
        assert!(is_silent(&[f32::NAN; 100], 16_000, SILENCE_DB).is_err());
        assert!(is_silent(&[], 16_000, SILENCE_DB).unwrap());
    }
}
