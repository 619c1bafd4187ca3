//! Operations on samples that need no plan.

use crate::check::check_finite;
use crate::error::SignalError;
use crate::vector::vectorized;

/// Samples whose peaks are taken side by side.
const LANES: usize = 32;

/// Mean of the channels of interleaved samples, as `librosa.to_mono`.
///
/// # Errors
/// When `interleaved` is empty, holds a value that is NaN or infinite (its index counts all channels) or has a length that is no multiple
/// of `channels`, or `channels` is zero.
pub fn to_mono(interleaved: &[f32], channels: usize) -> Result<Vec<f32>, SignalError> {
    check_finite(interleaved)?;
    if channels == 0 || !interleaved.len().is_multiple_of(channels) {
        return Err(SignalError::Channels { samples: interleaved.len(), channels });
    }
    if channels == 1 {
        return Ok(interleaved.to_vec());
    }
    let scale = 1.0 / channels as f32;
    Ok(interleaved.chunks_exact(channels).map(|frame| frame.iter().sum::<f32>() * scale).collect())
}

/// Scales samples so that the largest absolute value is 1, as `librosa.util.normalize`; silence stays silence.
///
/// # Errors
/// When `samples` is empty or holds a value that is NaN or infinite; they are then left as they were.
pub fn normalize(samples: &mut [f32]) -> Result<(), SignalError> {
    check_finite(samples)?;
    let peak = farthest_from(0.0, samples);
    // librosa's threshold: the smallest normal f32.
    if peak >= f32::MIN_POSITIVE {
        samples.iter_mut().for_each(|x| *x /= peak);
    }
    Ok(())
}

/// Cuts samples to `length`, or appends zeros up to it, as `librosa.util.fix_length`.
pub fn fix_length(samples: &mut Vec<f32>, length: usize) {
    samples.resize(length, 0.0);
}

vectorized! {
    fn sum(samples: &[f32]) -> f64 {
        let mut lanes = [0.0_f64; LANES];
        let (chunks, rest) = samples.as_chunks::<LANES>();
        for chunk in chunks {
            for (sum, &x) in lanes.iter_mut().zip(chunk) {
                *sum += f64::from(x);
            }
        }
        lanes.iter().sum::<f64>() + rest.iter().map(|&x| f64::from(x)).sum::<f64>()
    }
}

vectorized! {
    /// Largest distance of samples without NaN from a value.
    fn farthest_from(value: f32, samples: &[f32]) -> f32 {
        let mut lanes = [0.0_f32; LANES];
        let (chunks, rest) = samples.as_chunks::<LANES>();
        for chunk in chunks {
            for (farthest, x) in lanes.iter_mut().zip(chunk) {
                let distance = (x - value).abs();
                *farthest = if distance > *farthest { distance } else { *farthest };
            }
        }
        let farthest = lanes.iter().fold(0.0, |farthest, x| f32::max(farthest, *x));
        rest.iter().fold(farthest, |farthest, x| f32::max(farthest, (x - value).abs()))
    }
}

/// Shortest clip that [`check_speech`] accepts, in seconds: about one syllable.
pub const MIN_SPEECH_SECONDS: f64 = 0.25;

/// Smallest peak that [`check_speech`] accepts, −80 dB of full scale: about three steps of 16-bit samples.
pub const MIN_SPEECH_PEAK: f32 = 1e-4;

/// Checks that a clip can hold speech at all: it is not empty, finite, at least [`MIN_SPEECH_SECONDS`] long, and has a peak of at least
/// [`MIN_SPEECH_PEAK`] around its mean, so that neither silence nor a constant offset passes.
///
/// Feature extraction itself accepts silence and, for most features, a single sample, as librosa does. Call this function before training
/// or recognition.
///
/// # Errors
/// [`SignalError::Empty`], [`SignalError::NotFinite`], [`SignalError::TooShort`] or [`SignalError::Silent`].
pub fn check_speech(samples: &[f32], sample_rate: u32) -> Result<(), SignalError> {
    check_finite(samples)?;
    let minimum = (MIN_SPEECH_SECONDS * f64::from(sample_rate)).ceil() as usize;
    if samples.len() < minimum {
        return Err(SignalError::TooShort { minimum, given: samples.len() });
    }
    let mean = (sum(samples) / samples.len() as f64) as f32;
    let peak = farthest_from(mean, samples);
    if peak < MIN_SPEECH_PEAK {
        return Err(SignalError::Silent { peak });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_are_averaged() {
        assert_eq!(to_mono(&[1.0, 0.0, 0.5, -0.5], 2).unwrap(), [0.5, 0.0]);
        assert_eq!(to_mono(&[0.25, -1.0], 1).unwrap(), [0.25, -1.0]);
    }

    #[test]
    fn odd_samples_are_no_stereo() {
        assert_eq!(to_mono(&[0.0; 5], 2), Err(SignalError::Channels { samples: 5, channels: 2 }));
        assert_eq!(to_mono(&[0.0; 5], 0), Err(SignalError::Channels { samples: 5, channels: 0 }));
        assert_eq!(to_mono(&[], 2), Err(SignalError::Empty));
        assert!(matches!(to_mono(&[0.0, f32::NAN], 2), Err(SignalError::NotFinite { index: 1, .. })));
    }

    #[test]
    fn the_peak_becomes_one_and_silence_stays() {
        let mut samples = [0.1, -0.5, 0.25];
        normalize(&mut samples).unwrap();
        assert_eq!(samples, [0.2, -1.0, 0.5]);
        let mut silence = [0.0; 4];
        normalize(&mut silence).unwrap();
        assert_eq!(silence, [0.0; 4]);
        let mut broken = [0.5, f32::NEG_INFINITY];
        let named = SignalError::NotFinite { index: 1, value: f32::NEG_INFINITY };
        assert_eq!(normalize(&mut broken), Err(named));
        assert_eq!(broken, [0.5, f32::NEG_INFINITY]);
        assert_eq!(normalize(&mut []), Err(SignalError::Empty));
    }

    #[test]
    fn what_cannot_be_speech_is_refused() {
        let speech: Vec<f32> = (0..8000).map(|i| 0.3 * (i as f32 * 0.1).sin()).collect();
        assert_eq!(check_speech(&speech, 16_000), Ok(()));
        assert_eq!(check_speech(&[], 16_000), Err(SignalError::Empty));
        assert_eq!(check_speech(&[0.1; 10], 16_000), Err(SignalError::TooShort { minimum: 4000, given: 10 }));
        assert_eq!(check_speech(&[0.0; 8000], 16_000), Err(SignalError::Silent { peak: 0.0 }));
        assert!(matches!(check_speech(&[0.5; 8000], 16_000), Err(SignalError::Silent { .. })));
        let mut broken = speech;
        broken[99] = f32::NAN;
        assert!(matches!(check_speech(&broken, 16_000), Err(SignalError::NotFinite { index: 99, .. })));
    }
}
