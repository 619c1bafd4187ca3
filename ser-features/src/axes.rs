//! Axes of matrices: frequencies and times.

use crate::mel::MelScale;

/// Frequency of each bin of a transform in Hz, `k · sample_rate / n_fft` for `k` from 0 to `n_fft / 2`, as `librosa.fft_frequencies`.
///
/// ```
/// assert_eq!(ser_features::fft_frequencies(16_000, 8), [0.0, 2_000.0, 4_000.0, 6_000.0, 8_000.0]);
/// ```
pub fn fft_frequencies(sample_rate: u32, n_fft: usize) -> Vec<f64> {
    (0..n_fft / 2 + 1).map(|k| k as f64 * f64::from(sample_rate) / n_fft.max(1) as f64).collect()
}

/// `n_mels` frequencies in Hz, from `fmin` to `fmax`, equally far apart on the scale, as `librosa.mel_frequencies`.
///
/// The triangles of [`mel_filter_bank`](crate::mel_filter_bank) with `n_mels` bands have their corners at `n_mels + 2` of them.
///
/// ```
/// use ser_features::{MelScale, mel_frequencies};
///
/// assert_eq!(mel_frequencies(4, 0.0, 600.0, MelScale::Slaney), [0.0, 200.0, 400.0, 600.0]);
/// ```
pub fn mel_frequencies(n_mels: usize, fmin: f64, fmax: f64, scale: MelScale) -> Vec<f64> {
    let (low, high) = (scale.to_mel(fmin), scale.to_mel(fmax));
    let step = (high - low) / n_mels.saturating_sub(1).max(1) as f64;
    (0..n_mels).map(|n| scale.to_hz(low + n as f64 * step)).collect()
}

/// Times of frames in seconds from the signal's start, `t · hop_length / sample_rate`, as `librosa.frames_to_time`. Where frames are
/// centred, these are their centres.
///
/// ```
/// use ser_features::frames_to_time;
///
/// assert_eq!(frames_to_time([0, 1, 100], 16_000, 160), [0.0, 0.01, 1.0]);
/// ```
pub fn frames_to_time(
    frames: impl IntoIterator<Item = usize>,
    sample_rate: u32,
    hop_length: usize,
) -> Vec<f64> {
    let time = |t: usize| t as f64 * hop_length as f64 / f64::from(sample_rate.max(1));
    frames.into_iter().map(time).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn corners_are_those_of_librosa() {
        // librosa.mel_frequencies(5, fmin=100, fmax=8000, htk=...) of librosa 0.11.0.
        for (scale, want) in [
            (MelScale::Slaney, [100.0, 829.094_007_87, 1_778.279_410_04, 3_771.768_190_16, 8_000.0]),
            (MelScale::Htk, [100.0, 752.771_473_19, 1_938.181_191_65, 4_090.842_970_44, 8_000.0]),
        ] {
            let got = mel_frequencies(5, 100.0, 8_000.0, scale);
            assert!(got.iter().zip(want).all(|(a, b)| (a - b).abs() < 1e-7), "{got:?}");
        }
        assert_eq!(mel_frequencies(1, 50.0, 99.0, MelScale::Slaney), [50.0]);
        assert_eq!(
            (mel_frequencies(0, 0.0, 1.0, MelScale::Htk).len(), fft_frequencies(8, 1)),
            (0, vec![0.0])
        );
    }
}
