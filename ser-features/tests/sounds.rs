//! Sounds that come out, and spectra that are found again, against librosa 0.11.0.

use std::f64::consts::TAU;

use crate::support::{Golden, Report, Signal, columns, difference_below, largest_error, signals};
use crate::voice::stored;
use ndarray::{Array2, Axis};
use num_complex::Complex;
use ser_features::{
    GriffinLim, GriffinLimConfig, MelConfig, MelSpectrogram, MelToStft, PitchShift, Precision, Spectrogram,
    Spectrum, Stft, StftConfig, TimeStretch, Yin, YinConfig, phase_vocoder,
};

fn speech_stft() -> StftConfig {
    StftConfig { n_fft: 512, hop_length: 128, ..Default::default() }
}

#[test]
fn the_phase_vocoder_equals_librosa() {
    let split = |x: Array2<Complex<f32>>| ndarray::concatenate![Axis(0), x.mapv(|x| x.re), x.mapv(|x| x.im)];
    for (feature, rate) in [("vocoder_slow", 0.7), ("vocoder_fast", 1.3)] {
        // An angle of what is hardly there is rounding noise: only where everything sounds are phases comparable.
        let golden = Golden::open("voice");
        let mut report = Report::new(feature, 1e-5);
        for signal in stored(&golden, feature)
            .into_iter()
            .filter(|s| ["noise", "speech", "faint"].contains(&s.name.as_str()))
        {
            let key = format!("{}/{feature}", signal.name);
            let config = StftConfig { precision: Precision::Double, ..speech_stft() };
            let spectrum = Stft::new(config).unwrap().process(&signal.samples).unwrap();
            let got = split(phase_vocoder(spectrum.view(), rate).unwrap());
            let shape_max = golden.vector(&format!("{key}_shape_max"));
            assert_eq!(got.ncols(), shape_max[0] as usize);
            let got = columns(got.view(), &golden.indices(&format!("{key}_frames")));
            report.add(&signal.name, largest_error(&got, &golden.matrix(&key)) / f64::from(shape_max[1]));
        }
        report.finish(3);
    }
}

/// Compares stored samples of signals; errors are in parts of librosa's peak.
fn compare_sound(
    feature: &'static str,
    tolerance: f64,
    names: &[&str],
    compute: impl Fn(&Signal) -> Vec<f32>,
) {
    let golden = Golden::open("voice");
    let mut report = Report::new(feature, tolerance);
    for signal in stored(&golden, feature).into_iter().filter(|s| names.contains(&s.name.as_str())) {
        let key = format!("{}/{feature}", signal.name);
        let (got, shape_max) = (compute(&signal), golden.vector(&format!("{key}_shape_max")));
        assert_eq!(got.len(), shape_max[0] as usize, "{key}");
        let at = golden.indices(&format!("{key}_frames"));
        let want = golden.vector(&key);
        let errors = at.iter().zip(&want).map(|(&at, want)| f64::from((got[at] - want).abs()));
        report.add(&signal.name, errors.fold(0.0, f64::max) / f64::from(shape_max[1]));
    }
    report.finish(names.len());
}

#[test]
fn time_stretching_equals_librosa() {
    for (feature, rate) in [("time_stretch_fast", 1.25), ("time_stretch_slow", 0.8)] {
        compare_sound(feature, 1e-5, &["sine", "noise", "speech", "vowel"], |s| {
            let config = StftConfig { precision: Precision::Double, ..Default::default() };
            TimeStretch::new(config, rate).unwrap().process(&s.samples).unwrap()
        });
    }
}

#[test]
fn shifted_pitches_equal_librosa() {
    for (feature, n_steps, bins_per_octave) in [("pitch_shift_up", 4.0, 12), ("pitch_shift_down", -5.5, 24)] {
        let shifted = |s: &Signal| {
            let config = StftConfig { precision: Precision::Double, ..Default::default() };
            PitchShift::new(config, n_steps, bins_per_octave).unwrap().process(&s.samples).unwrap()
        };
        compare_sound(feature, 5e-3, &["sine", "speech", "vowel"], shifted);
        // As loud from 0.91 of the Nyquist frequency on, where both filters fall, as below.
        compare_sound(feature, 2e-2, &["noise"], shifted);
    }
}

#[test]
fn griffin_lim_equals_librosa() {
    for (feature, n_iter, momentum) in [("griffinlim", 8, 0.99), ("griffinlim_plain", 3, 0.0)] {
        compare_sound(feature, 2e-4, &["noise", "speech", "vowel", "faint"], |s| {
            let magnitude =
                Spectrogram::new(speech_stft(), Spectrum::Magnitude).unwrap().process(&s.samples).unwrap();
            let config = GriffinLimConfig { stft: speech_stft(), n_iter, momentum, seed: None };
            GriffinLim::new(config).unwrap().process(magnitude.view(), Some(s.samples.len())).unwrap()
        });
    }
}

#[test]
fn a_shifted_pitch_is_so_many_semitones_higher() {
    let rate = 22_050.0;
    let tone: Vec<f32> = (0..44_100)
        .map(|n| (1..6).map(|k| (TAU * 200.0 * f64::from(k * n) / rate).sin() / 5.0).sum::<f64>() as f32)
        .collect();
    for n_steps in [-7.0, 4.5, 12.0] {
        let shifted = PitchShift::new(StftConfig::default(), n_steps, 12).unwrap().process(&tone).unwrap();
        assert_eq!(shifted.len(), tone.len());
        let f0 = Yin::new(YinConfig::default()).unwrap().process(&shifted).unwrap();
        let want = 200.0 * 2.0_f32.powf(n_steps as f32 / 12.0);
        assert!((f0[40] / want - 1.0).abs() < 2e-3, "{n_steps}: {} is not {want}", f0[40]);
    }
    let same = PitchShift::new(StftConfig::default(), 0.0, 12).unwrap().process(&tone).unwrap();
    assert!(difference_below(0.9, &same[4_000..40_000], &tone[4_000..40_000]) < -60.0);
}

#[test]
fn found_spectra_have_the_same_mel_bands() {
    let golden = Golden::open("voice");
    for signal in signals().into_iter().filter(|s| ["speech", "noise", "vowel"].contains(&s.name.as_str())) {
        for spectrum in [Spectrum::Power, Spectrum::Magnitude] {
            let config =
                MelConfig { sample_rate: signal.sample_rate, spectrum, n_mels: 80, ..Default::default() };
            let samples = &signal.samples[..20_000.min(signal.samples.len())];
            let mel = MelSpectrogram::new(config.clone()).unwrap().process(samples).unwrap();
            let magnitude = MelToStft::new(config.clone()).unwrap().process(mel.view()).unwrap();
            assert!(magnitude.iter().all(|&x| x >= 0.0));
            let found = if spectrum == Spectrum::Power { magnitude.mapv(|x| x * x) } else { magnitude };
            let again = MelSpectrogram::new(config).unwrap().process_spectrogram(found.view()).unwrap();
            let energy = |x: &Array2<f32>| x.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>();
            let error = (energy(&(&again - &mel)) / energy(&mel)).sqrt();
            // What librosa's own spectra of the same bands are off by.
            let theirs = golden.vector(&format!("{}/mel_to_stft_error", signal.name));
            let theirs = f64::from(theirs[usize::from(spectrum == Spectrum::Magnitude)]);
            println!("{} {spectrum:?}: {error:.1e}, librosa {theirs:.1e}", signal.name);
            assert!(error < 2e-3 && error <= theirs.max(1e-5), "{}: {error}", signal.name);
        }
    }
}
