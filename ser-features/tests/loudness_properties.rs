//! Properties of results when a signal is scaled: sounds are scaled too, logarithms change by a constant, and pitch, voice quality and
//! linear prediction don't change. The scales are powers of two, so that scaled samples are exact.

use proptest::prelude::*;
use ser_features::{
    BandPass, FormantConfig, Formants, GriffinLim, GriffinLimConfig, KaldiFbank, KaldiFbankConfig, KaldiMfcc,
    KaldiMfccConfig, LogMel, LogMelConfig, LogScale, MelConfig, MelSpectrogram, MelToStft, OnsetConfig,
    OnsetStrength, PitchShift, Pyin, PyinConfig, SpectralBalance, SpectralBalanceConfig, Spectrogram,
    Spectrum, StftConfig, Tempogram, TempogramConfig, TimeStretch, VoiceQuality, WhisperConfig, WhisperMel,
    Yin, YinConfig, lpc,
};

/// Noise and tones over each other, never faint.
fn signal() -> impl Strategy<Value = Vec<f32>> {
    (prop::collection::vec(-0.2_f32..0.2, 3_000..6_000), 0.01_f32..1.5).prop_map(|(noise, step)| {
        noise.into_iter().enumerate().map(|(n, x)| x + 0.5 * (step * n as f32).sin()).collect()
    })
}

fn scaled(x: &[f32], gain: f32) -> Vec<f32> {
    x.iter().map(|x| gain * x).collect()
}

/// The largest difference, in parts of the largest value.
fn difference(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    let largest = a.iter().chain(b).fold(f32::MIN_POSITIVE, |largest, x| largest.max(x.abs()));
    a.iter().zip(b).fold(0.0, |worst: f32, (a, b)| worst.max((a - b).abs())) / largest
}

fn stft() -> StftConfig {
    StftConfig::new(512, 128)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn sounds_scale_with_the_signal(x in signal(), power_of_two in -3_i32..=3, rate in 0.5_f64..2.0, steps in -7.0_f64..7.0) {
        let gain = 2.0_f32.powi(power_of_two);
        let louder = scaled(&x, gain);
        let mut stretch = TimeStretch::new(stft(), rate).unwrap();
        let soft = scaled(&stretch.process(&x).unwrap(), gain);
        prop_assert!(difference(&soft, &stretch.process(&louder).unwrap()) < 1e-5);
        let mut shift = PitchShift::new(stft(), steps, 12).unwrap();
        let soft = scaled(&shift.process(&x).unwrap(), gain);
        prop_assert!(difference(&soft, &shift.process(&louder).unwrap()) < 1e-5);
        let magnitude = Spectrogram::new(stft(), Spectrum::Magnitude).unwrap().process(&x).unwrap();
        let config = GriffinLimConfig { stft: stft(), n_iter: 3, ..Default::default() };
        let mut inverse = GriffinLim::new(config).unwrap();
        let soft = scaled(&inverse.process(magnitude.view(), None).unwrap(), gain);
        let loud = inverse.process((gain * &magnitude).view(), None).unwrap();
        prop_assert!(difference(&soft, &loud) < 1e-3);
        let mut band = BandPass::new(16_000);
        let soft = scaled(&band.process(&x, 300.0..3_000.0).unwrap(), gain);
        prop_assert!(difference(&soft, &band.process(&louder, 300.0..3_000.0).unwrap()) < 1e-5);
    }

    #[test]
    fn spectra_found_from_mel_bands_scale_with_them(x in signal(), power_of_two in -3_i32..=3) {
        let mel = MelConfig::new(16_000, 40, 512, 128);
        let bands = MelSpectrogram::new(mel.clone()).unwrap().process(&x).unwrap();
        let gain = 2.0_f32.powi(power_of_two);
        let inverse = MelToStft::new(mel).unwrap();
        let soft = gain * inverse.process(bands.view()).unwrap();
        let loud = inverse.process((gain * gain * &bands).view()).unwrap();
        prop_assert!(difference(soft.as_slice().unwrap(), loud.as_slice().unwrap()) < 1e-3);
    }

    #[test]
    fn logarithms_gain_a_constant(x in signal(), power_of_two in -3_i32..=3) {
        let gain = 2.0_f32.powi(power_of_two);
        let louder = scaled(&x, gain);
        let mel = MelConfig::new(16_000, 40, 512, 160);
        let mut log = LogMel::new(LogMelConfig { mel, log: LogScale::Ln { floor: 1e-12 } }).unwrap();
        let mut kaldi = KaldiFbank::new(KaldiFbankConfig::new(16_000, 40)).unwrap();
        let pairs = [
            (log.process(&x).unwrap(), log.process(&louder).unwrap()),
            (kaldi.process(&x).unwrap(), kaldi.process(&louder).unwrap()),
        ];
        for (soft, loud) in pairs {
            prop_assert!(soft.iter().zip(&loud).all(|(a, b)| (a + 2.0 * gain.ln() - b).abs() < 1e-3));
        }
        // Whisper's values are a quarter of a decimal logarithm, at most 2 below the largest.
        let mut whisper = WhisperMel::new(WhisperConfig::default()).unwrap();
        let (soft, loud) = (whisper.process(&x).unwrap(), whisper.process(&louder).unwrap());
        prop_assert!(soft.iter().zip(&loud).all(|(a, b)| (a + 0.5 * gain.log10() - b).abs() < 1e-3));
        // All but the first of Kaldi's coefficients, the energy, leave a constant out.
        let mut mfcc = KaldiMfcc::new(KaldiMfccConfig::default()).unwrap();
        let (soft, loud) = (mfcc.process(&x).unwrap(), mfcc.process(&louder).unwrap());
        for (row, (soft, loud)) in soft.rows().into_iter().zip(loud.rows()).enumerate() {
            let constant = if row == 0 { 2.0 * gain.ln() } else { 0.0 };
            prop_assert!(soft.iter().zip(loud).all(|(a, b)| (a + constant - b).abs() < 1e-3), "row {}", row);
        }
    }

    #[test]
    fn rhythm_and_balance_stay(x in signal(), power_of_two in -3_i32..=3) {
        let louder = scaled(&x, 2.0_f32.powi(power_of_two));
        let mut onset = OnsetStrength::new(OnsetConfig::default()).unwrap();
        let (soft, loud) = (onset.process(&x).unwrap(), onset.process(&louder).unwrap());
        prop_assert!(soft.iter().zip(&loud).all(|(a, b)| (a - b).abs() < 1e-3));
        let mut tempogram = Tempogram::new(TempogramConfig { win_length: 16, ..Default::default() }).unwrap();
        let (soft, loud) = (tempogram.process(&x).unwrap(), tempogram.process(&louder).unwrap());
        prop_assert!(soft.iter().zip(&loud).all(|(a, b)| a.abs() <= 1.0 + 1e-6 && (a - b).abs() < 1e-3));
        let mut balance = SpectralBalance::new(SpectralBalanceConfig::default()).unwrap();
        let (soft, loud) = (balance.process(&x).unwrap(), balance.process(&louder).unwrap());
        for (soft, loud) in [
            (soft.alpha_ratio, loud.alpha_ratio),
            (soft.hammarberg_index, loud.hammarberg_index),
            (soft.slope_0_500, loud.slope_0_500),
            (soft.slope_500_1500, loud.slope_500_1500),
        ] {
            prop_assert!(soft.iter().zip(&loud).all(|(a, b)| a.is_finite() && (a - b).abs() < 1e-2));
        }
    }

    #[test]
    fn pitch_and_voice_stay(x in signal(), power_of_two in -3_i32..=3) {
        let louder = scaled(&x, 2.0_f32.powi(power_of_two));
        let mut yin = Yin::new(YinConfig::default()).unwrap();
        let (soft, loud) = (yin.analyze(&x).unwrap(), yin.analyze(&louder).unwrap());
        prop_assert!(difference(soft.f0.as_slice().unwrap(), loud.f0.as_slice().unwrap()) < 1e-5);
        prop_assert!(soft.aperiodicity.iter().zip(&loud.aperiodicity).all(|(a, b)| (a - b).abs() < 1e-5));
        let mut pyin = Pyin::new(PyinConfig::default()).unwrap();
        let (soft, loud) = (pyin.process(&x).unwrap(), pyin.process(&louder).unwrap());
        prop_assert_eq!(&soft.voiced, &loud.voiced);
        let same = |a: f32, b: f32| a.is_nan() && b.is_nan() || (a - b).abs() <= 1e-5 * a;
        prop_assert!(soft.f0.iter().zip(&loud.f0).all(|(&a, &b)| same(a, b)));
        prop_assert!(soft.voiced_probability.iter().all(|p| (0.0..=1.0).contains(p)));
        prop_assert!(soft.voiced.iter().zip(&soft.f0).all(|(voiced, f0)| *voiced == f0.is_finite()));
        let mut quality = VoiceQuality::new(PyinConfig::default()).unwrap();
        let (soft, loud) = (quality.process(&x).unwrap(), quality.process(&louder).unwrap());
        for (soft, loud) in
            [(&soft.jitter, &loud.jitter), (&soft.shimmer_db, &loud.shimmer_db), (&soft.hnr, &loud.hnr)]
        {
            prop_assert!(soft.iter().zip(loud).all(|(a, b)| a.is_finite() && (a - b).abs() < 1e-3));
        }
    }

    #[test]
    fn prediction_stays_and_reflects_by_at_most_one(x in signal(), power_of_two in -3_i32..=3) {
        let louder = scaled(&x, 2.0_f32.powi(power_of_two));
        let (soft, loud) = (lpc(&x, 12).unwrap(), lpc(&louder, 12).unwrap());
        prop_assert!(soft.iter().zip(&loud).all(|(a, b)| (a - b).abs() < 1e-6));
        // The last coefficient is the last reflection, and Burg's are stable.
        prop_assert!(soft[0] == 1.0 && soft[12].abs() <= 1.0 + 1e-9);
        let mut formants = Formants::new(FormantConfig::default()).unwrap();
        let found = formants.process(&x).unwrap();
        for frame in found.frequency.columns() {
            let heard: Vec<f32> = frame.iter().copied().filter(|&f| f > 0.0).collect();
            prop_assert!(heard.is_sorted() && heard.iter().all(|f| (50.0..=5_500.0).contains(f)), "{:?}", heard);
        }
    }
}
