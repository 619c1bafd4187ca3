//! Kaldi's front ends.

mod analysis;
mod config;
mod fbank;
mod mfcc;

pub use config::{KaldiFbankConfig, KaldiFrameConfig, KaldiMelConfig, KaldiMfccConfig};
pub use fbank::KaldiFbank;
pub use mfcc::KaldiMfcc;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn configurations_that_cannot_work_are_refused() {
        let of = |frames: KaldiFrameConfig, mel: KaldiMelConfig| {
            KaldiFbank::new(KaldiFbankConfig { frames, mel, ..Default::default() }).err().unwrap().to_string()
        };
        let (frames, mel) = (KaldiFrameConfig::default(), KaldiMelConfig::default());
        for (frame_length_ms, frame_shift_ms) in
            [(0.1, 10.0), (f64::NAN, 10.0), (25.0, 0.0), (1e9, 10.0), (25.0, -1.0)]
        {
            let error =
                of(KaldiFrameConfig { frame_length_ms, frame_shift_ms, ..frames.clone() }, mel.clone());
            assert!(error.starts_with("config: frame_"), "{error}");
        }
        for preemph_coeff in [-0.1, 1.5, f32::NAN] {
            let error = of(KaldiFrameConfig { preemph_coeff, ..frames.clone() }, mel.clone());
            assert!(error.starts_with("config: preemph_coeff must be 0 to 1"), "{error}");
        }
        let error = of(frames.clone(), KaldiMelConfig { high_freq: 9_000.0, ..mel.clone() });
        assert_eq!(error, "config: high_freq must be at most half of the sample rate, 8000 Hz, got 9000 Hz");
        let error = of(frames, KaldiMelConfig { num_bins: 0, ..mel });
        assert_eq!(error, "config: num_bins must be 1 or more, got 0");
        let error = KaldiMfcc::new(KaldiMfccConfig { num_ceps: 24, ..Default::default() }).err().unwrap();
        assert_eq!(error.to_string(), "config: num_ceps must be at most num_bins, 23, got 24");
    }
}
