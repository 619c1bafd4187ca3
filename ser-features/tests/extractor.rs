//! Several features of one signal: against librosa 0.11.0, and against each feature's own plan.

use std::ops::Range;

use crate::support::{Golden, Report, signals};
use ser_features::{
    BandwidthConfig, CentroidConfig, Chroma, ChromaConfig, ChromaCqtConfig, ContrastConfig, Cqt, CqtConfig,
    Delta, DeltaConfig, Feature, FeatureConfig, FeatureExtractor, FlatnessConfig, FormantConfig, Formants,
    HarmonicPercussive, HpssConfig, LogMel, LogMelConfig, MelConfig, MelSpectrogram, Mfcc, MfccConfig,
    Precision, Preparation, PreparationConfig, Pyin, PyinConfig, Rms, RolloffConfig, SignalError,
    SpectralBalance, SpectralBalanceConfig, SpectralBandwidth, SpectralCentroid, SpectralContrast,
    SpectralFlatness, SpectralRolloff, Spectrum, StftConfig, Tonnetz, VoiceQuality, ZeroCrossingRate,
};

/// Pure tones, sweeps and digital silence leave parts of the constant-Q spectrum to rounding noise, which tonnetz then measures: only
/// signals with something everywhere say whether it is right.
const RICH: [&str; 5] = ["faint", "melody", "noise", "short", "speech"];
const RICH_WHEN_PREPARED: [&str; 2] = ["melody", "speech"];

#[test]
fn the_vector_of_193_means_equals_librosas() {
    let golden = Golden::open("tonal");
    let mut mfcc = Report::new("vector mfcc", 0.005);
    let mut chroma = Report::new("vector chroma", 1e-3);
    let mut mel = Report::new("vector mel", 1e-5);
    let mut contrast = Report::new("vector contrast", 1e-4);
    let mut tonnetz = Report::new("vector tonnetz", 2e-3);
    for signal in signals() {
        let sample_rate = signal.sample_rate;
        let config = FeatureConfig { sample_rate, ..Default::default() };
        if !golden.has(&format!("{}/issa193", signal.name)) {
            assert!(FeatureExtractor::new(config).is_err(), "librosa refuses {} too", signal.name);
            continue;
        }
        let mut extractor = FeatureExtractor::new(config).unwrap();
        let preparation = PreparationConfig { sample_rate, ..Default::default() };
        let prepared = Preparation::new(preparation).unwrap().process(&signal.samples, sample_rate).unwrap();
        for (recipe, samples, rich) in [
            ("issa193", &signal.samples, &RICH[..]),
            ("issa193_prepared", &prepared, &RICH_WHEN_PREPARED[..]),
        ] {
            let name = format!("{}/{recipe}", signal.name);
            let want = golden.vector(&name);
            let got = extractor.extract(samples).unwrap().vector();
            let error = |entries: Range<usize>| {
                entries.map(|i| f64::from((got[i] - want[i]).abs())).fold(0.0, f64::max)
            };
            mfcc.add(&name, error(0..40));
            // A click's spectrum is flat: the last bit of a magnitude decides where its pitches are.
            if signal.name != "clicks" {
                chroma.add(&name, error(40..52));
            }
            let loudest = want[52..180].iter().fold(1e-30, |a: f32, &b| a.max(b));
            mel.add(&name, error(52..180) / f64::from(loudest));
            contrast.add(&name, error(180..187));
            if rich.contains(&signal.name.as_str()) {
                tonnetz.add(&name, error(187..193));
            }
        }
    }
    mfcc.finish(24);
    chroma.finish(22);
    mel.finish(24);
    contrast.finish(24);
    tonnetz.finish(7);
}

fn speech() -> Vec<f32> {
    signals().into_iter().find(|signal| signal.name == "speech").unwrap().samples
}

#[test]
fn each_feature_is_what_its_own_plan_computes() {
    let speech = speech();
    let config = FeatureConfig { features: Feature::ALL.to_vec(), ..Default::default() };
    let features = FeatureExtractor::new(config.clone()).unwrap().extract(&speech).unwrap();
    assert_eq!(features.stack().dim(), (420, config.n_frames(speech.len())));
    let stft = || StftConfig { precision: Precision::Double, ..Default::default() };
    let mel = || MelConfig { stft: stft(), ..Default::default() };
    let mfcc = MfccConfig { mel: mel(), n_mfcc: 40, ..Default::default() };
    let coefficients = Mfcc::new(mfcc.clone()).unwrap().process(&speech).unwrap();
    let track = Pyin::new(PyinConfig::default()).unwrap().process(&speech).unwrap();
    assert!(track.voiced.iter().any(|voiced| *voiced) && !track.voiced.iter().all(|voiced| *voiced));
    let f0 = track.f0.mapv(|f0| if f0.is_nan() { 0.0 } else { f0 });
    let chroma = ChromaConfig { stft: stft(), spectrum: Spectrum::Magnitude, ..Default::default() };
    let contrast = ContrastConfig { stft: stft(), ..Default::default() };
    let harmonic = HarmonicPercussive::new(stft(), HpssConfig::default()).unwrap().harmonic(&speech).unwrap();
    for (feature, alone) in [
        (Feature::Mfcc, Mfcc::new(mfcc).unwrap().process(&speech)),
        (Feature::Chroma, Chroma::new(chroma).unwrap().process(&speech)),
        (Feature::Mel, MelSpectrogram::new(mel()).unwrap().process(&speech)),
        (Feature::Contrast, SpectralContrast::new(contrast).unwrap().process(&speech)),
        (Feature::Tonnetz, Tonnetz::new(Default::default()).unwrap().process(&harmonic)),
        (
            Feature::LogMel,
            LogMel::new(LogMelConfig { mel: mel(), ..Default::default() }).unwrap().process(&speech),
        ),
        (Feature::MfccDelta, Delta::new(DeltaConfig::default()).unwrap().process(coefficients.view())),
        (
            Feature::MfccDelta2,
            Delta::new(DeltaConfig { order: 2, ..Default::default() }).unwrap().process(coefficients.view()),
        ),
    ] {
        assert_eq!(features.get(feature), Some(&alone.unwrap()), "{feature}");
    }
    let quality = VoiceQuality::new(PyinConfig::default()).unwrap().process(&speech).unwrap();
    assert!(quality.jitter.iter().any(|&x| x > 0.0) && quality.hnr.iter().any(|&x| x > 0.0));
    let formants = Formants::new(FormantConfig::default()).unwrap().process(&speech).unwrap();
    let balance = SpectralBalanceConfig { stft: stft(), ..Default::default() };
    let balance = SpectralBalance::new(balance).unwrap().process(&speech).unwrap();
    for (feature, alone) in [
        (Feature::AlphaRatio, balance.alpha_ratio),
        (Feature::HammarbergIndex, balance.hammarberg_index),
        (Feature::Slope0To500, balance.slope_0_500),
        (Feature::Slope500To1500, balance.slope_500_1500),
    ] {
        // Of squared magnitudes here, of powers there.
        let error =
            features[feature].iter().zip(&alone).fold(0.0, |worst: f32, (a, b)| worst.max((a - b).abs()));
        assert!(error < 1e-3, "{feature}: {error}");
    }
    let centroid = CentroidConfig { stft: stft(), ..Default::default() };
    let bandwidth = BandwidthConfig { stft: stft(), ..Default::default() };
    let rolloff = RolloffConfig { stft: stft(), ..Default::default() };
    let flatness = FlatnessConfig { stft: stft(), ..Default::default() };
    for (feature, alone) in [
        (Feature::Centroid, SpectralCentroid::new(centroid).unwrap().process(&speech)),
        (Feature::Bandwidth, SpectralBandwidth::new(bandwidth).unwrap().process(&speech)),
        (Feature::Rolloff, SpectralRolloff::new(rolloff).unwrap().process(&speech)),
        (Feature::Flatness, SpectralFlatness::new(flatness).unwrap().process(&speech)),
        (Feature::ZeroCrossingRate, ZeroCrossingRate::new(Default::default()).unwrap().process(&speech)),
        (Feature::Rms, Rms::new(Default::default()).unwrap().process(&speech)),
        (Feature::F0, Ok(f0)),
        (Feature::VoicedProbability, Ok(track.voiced_probability)),
        (Feature::Jitter, Ok(quality.jitter)),
        (Feature::Shimmer, Ok(quality.shimmer_db)),
        (Feature::Hnr, Ok(quality.hnr)),
        (Feature::F1, Ok(formants.frequency.row(0).to_owned())),
        (Feature::F2, Ok(formants.frequency.row(1).to_owned())),
        (Feature::F3, Ok(formants.frequency.row(2).to_owned())),
        (Feature::F1Bandwidth, Ok(formants.bandwidth.row(0).to_owned())),
    ] {
        let alone = alone.unwrap().insert_axis(ndarray::Axis(0));
        assert_eq!(features.get(feature), Some(&alone), "{feature}");
    }
}

/// A signal whose magnitudes are too many to be kept is transformed again, and its harmonic part beside the rest.
#[test]
fn a_long_signal_has_the_features_of_a_short_one() {
    let samples: Vec<f32> = speech().iter().cycle().take(300_000).copied().collect();
    let features = [Feature::Chroma, Feature::Contrast, Feature::Tonnetz, Feature::Mfcc, Feature::Rolloff];
    let config = FeatureConfig { hop_length: 64, ..FeatureConfig::new(22_050, features) };
    let stft = || StftConfig { precision: Precision::Double, ..StftConfig::new(2_048, 64) };
    let mut extractor = FeatureExtractor::new(config).unwrap();
    let of_long = extractor.extract(&samples).unwrap();
    let chroma = ChromaConfig { stft: stft(), spectrum: Spectrum::Magnitude, ..Default::default() };
    let contrast = ContrastConfig { stft: stft(), ..Default::default() };
    let tonnetz = ChromaCqtConfig { hop_length: 64, ..Default::default() };
    let mfcc = MfccConfig::new(40, MelConfig { stft: stft(), ..Default::default() });
    let rolloff = RolloffConfig { stft: stft(), ..Default::default() };
    let harmonic =
        HarmonicPercussive::new(stft(), HpssConfig::default()).unwrap().harmonic(&samples).unwrap();
    for (feature, alone) in [
        (Feature::Chroma, Chroma::new(chroma).unwrap().process(&samples)),
        (Feature::Contrast, SpectralContrast::new(contrast).unwrap().process(&samples)),
        (Feature::Tonnetz, Tonnetz::new(tonnetz).unwrap().process(&harmonic)),
        (Feature::Mfcc, Mfcc::new(mfcc).unwrap().process(&samples)),
        (
            Feature::Rolloff,
            SpectralRolloff::new(rolloff)
                .unwrap()
                .process(&samples)
                .map(|row| row.insert_axis(ndarray::Axis(0))),
        ),
    ] {
        assert!(of_long.get(feature) == Some(&alone.unwrap()), "{feature}");
    }
    // The plan keeps nothing of it.
    let short = extractor.extract(&samples[..30_000]).unwrap();
    assert_eq!(
        short,
        FeatureExtractor::new(extractor.config().clone()).unwrap().extract(&samples[..30_000]).unwrap()
    );
}

#[test]
fn any_choice_of_features_gives_the_same_matrices_in_its_own_order() {
    let speech = speech();
    let all = FeatureConfig { features: Feature::ALL.to_vec(), ..Default::default() };
    let all = FeatureExtractor::new(all).unwrap().extract(&speech).unwrap();
    for chosen in [
        vec![Feature::Contrast],
        vec![Feature::Mel],
        vec![Feature::Tonnetz, Feature::Mfcc],
        vec![Feature::Mel, Feature::Chroma, Feature::Mfcc],
        vec![Feature::Rms, Feature::Mel, Feature::Flatness],
        vec![Feature::Centroid],
        vec![Feature::F0, Feature::LogMel],
        vec![Feature::MfccDelta2],
    ] {
        let config = FeatureConfig { features: chosen.clone(), ..Default::default() };
        let rows = config.total_rows();
        let mut extractor = FeatureExtractor::new(config).unwrap();
        // A second run must not see anything of the first.
        extractor.extract(&speech[20_000..]).unwrap();
        let got = extractor.extract(&speech).unwrap();
        let mut again = all.clone();
        extractor.extract_into(&speech, &mut again).unwrap();
        assert_eq!(again, got);
        let order: Vec<Feature> = got.iter().map(|(feature, _)| feature).collect();
        assert_eq!(order, chosen);
        assert_eq!(got.stack().dim(), (rows, 186));
        assert_eq!(got.vector().len(), rows);
        for feature in chosen {
            assert_eq!(got.get(feature), all.get(feature), "{feature}");
        }
    }
}

#[test]
fn any_length_has_one_number_of_frames_in_all_features() {
    let speech = speech();
    let config = FeatureConfig::default();
    let mut extractor = FeatureExtractor::new(config.clone()).unwrap();
    for length in [1, 2, 511, 512, 513, 1023, 1024, 2047, 2048, 2049, 5000, 16_384] {
        let features = extractor.extract(&speech[30_000..30_000 + length]).unwrap();
        for (feature, matrix) in features.iter() {
            assert_eq!(matrix.ncols(), 1 + length / 512, "{feature} of {length} samples");
            assert!(matrix.iter().all(|x| x.is_finite()), "{feature} of {length} samples");
        }
        assert_eq!(features.n_frames(), config.n_frames(length));
    }
}

#[test]
fn all_features_have_the_same_frames_for_any_hop_and_length() {
    for hop_length in [63, 100, 500, 512] {
        let config = FeatureConfig { hop_length, ..Default::default() };
        let mut extractor = FeatureExtractor::new(config.clone()).unwrap();
        for length in [1, 62, 63, 500, 1000, 1023, 1024, 4409] {
            let noise: Vec<f32> =
                (0..length).map(|n: u32| (n.wrapping_mul(2_654_435_761) >> 8) as f32 / 1e8).collect();
            let features = extractor.extract(&noise).unwrap();
            assert_eq!(features.stack().dim(), (193, config.n_frames(noise.len())), "{hop_length} {length}");
        }
    }
}

#[test]
fn tonnetz_has_the_frames_of_the_others_at_any_sample_rate() {
    // Here the constant-Q transform alone has one frame more.
    for (sample_rate, length) in [(44_100, 1_023), (48_000, 1_023), (96_000, 1_021), (192_000, 4_091)] {
        let config = FeatureConfig { sample_rate, n_fft: 4_096, ..Default::default() };
        let mut extractor = FeatureExtractor::new(config.clone()).unwrap();
        let noise: Vec<f32> =
            (0..length).map(|n: u32| (n.wrapping_mul(2_654_435_761) >> 8) as f32 / 1e8).collect();
        let features = extractor.extract(&noise).unwrap();
        assert_eq!(features.stack().dim(), (193, config.n_frames(noise.len())), "{sample_rate} {length}");
    }
    // Where the hop length is odd, no octave is downsampled, and the filters of the highest rates are too long.
    for (sample_rate, hop_length, fits) in [(326_000, 511, true), (384_000, 511, false), (384_000, 514, true)]
    {
        let config =
            FeatureConfig { sample_rate, hop_length, features: vec![Feature::Tonnetz], ..Default::default() };
        assert_eq!(FeatureExtractor::new(config).is_ok(), fits, "{sample_rate} {hop_length}");
    }
}

#[test]
fn configurations_that_cannot_work_are_refused() {
    let refusal = |config| FeatureExtractor::new(config).err().unwrap().to_string();
    let base = FeatureConfig::default();
    assert_eq!(
        refusal(FeatureConfig { features: vec![], ..base.clone() }),
        "config: the number of features must be 1 or more, got 0"
    );
    assert_eq!(
        refusal(FeatureConfig { features: vec![Feature::Mel, Feature::Mel], ..base.clone() }),
        "config: names in features must differ, got mel twice"
    );
    assert_eq!(
        refusal(FeatureConfig { hop_length: 0, ..base.clone() }),
        "config: hop_length must be 1 or more, got 0"
    );
    assert_eq!(refusal(FeatureConfig { n_fft: 0, ..base.clone() }), "config: n_fft must be 1 or more, got 0");
    assert_eq!(
        refusal(FeatureConfig { n_fft: 2047, ..base.clone() }),
        "config: n_fft must be even, with tonnetz, got 2047"
    );
    assert_eq!(
        refusal(FeatureConfig { sample_rate: 0, ..base.clone() }),
        "config: sample_rate must be 1 or more, got 0"
    );
    // The plans underneath call these settings by other names.
    let of = |feature| FeatureConfig { features: vec![feature], ..base.clone() };
    for (config, text) in [
        (FeatureConfig { n_fft: 0, ..of(Feature::Rms) }, "n_fft must be 1 or more, got 0"),
        (FeatureConfig { n_fft: 1 << 21, ..of(Feature::Rms) }, "n_fft must be at most 1048576, got 2097152"),
        (
            FeatureConfig { sample_rate: 4_000, ..of(Feature::F0) },
            "sample_rate must be 4187 Hz or more, with pitch or voice quality, got 4000",
        ),
        (
            FeatureConfig { n_fft: 256, ..of(Feature::Jitter) },
            "n_fft must be longer than a period of 65.4 Hz, with pitch or voice quality, got 256",
        ),
        (
            FeatureConfig { hop_length: 4_000, ..of(Feature::Hnr) },
            "hop_length must be below 0.138 · sample_rate, with pitch or voice quality, got 4000",
        ),
        (
            FeatureConfig { sample_rate: 8_000, ..of(Feature::Tonnetz) },
            "sample_rate must be 8412 Hz or more, with tonnetz, got 8000",
        ),
        (
            FeatureConfig { sample_rate: 384_000, hop_length: 511, ..of(Feature::Tonnetz) },
            "hop_length must be divisible by 2 often enough for the sample rate, with tonnetz, got 511",
        ),
    ] {
        assert_eq!(refusal(config), format!("config: {text}"));
    }
    // What is not asked for need not work: contrast refuses this rate, mel does not.
    let low = FeatureConfig { sample_rate: 8_000, ..base };
    assert!(FeatureExtractor::new(low.clone()).is_err());
    assert!(FeatureExtractor::new(FeatureConfig { features: vec![Feature::Mel], ..low }).is_ok());
}

#[test]
fn signals_that_cannot_work_are_refused() {
    let mut extractor = FeatureExtractor::new(FeatureConfig::default()).unwrap();
    assert_eq!(extractor.extract(&[]), Err(SignalError::Empty));
    let broken = extractor.extract(&[0.1, f32::NAN]);
    assert!(matches!(broken, Err(SignalError::NotFinite { index: 1, value }) if value.is_nan()));
}

#[test]
fn samples_too_loud_for_powers_are_refused_and_those_below_are_not() {
    // Not the very limit: the harmonic part of a signal rises a little above its loudest sample.
    let mut samples: Vec<f32> = (0..22_050).map(|i| 9e11 * (i as f32 * 0.05).sin()).collect();
    let mut extractor = FeatureExtractor::new(FeatureConfig::default()).unwrap();
    assert!(extractor.extract(&samples).unwrap().stack().iter().all(|x| x.is_finite()));
    samples[7_000] = -1e30;
    let error = extractor.extract(&samples).unwrap_err();
    assert_eq!(error, SignalError::TooLoud { index: 7_000, value: -1e30 });
    assert_eq!(
        error.to_string(),
        "signal: sample 7000 must be within ±1e12, where full scale is ±1, got -1e30"
    );
    // What takes no powers takes any finite sample.
    let clip = Preparation::new(PreparationConfig { trim_top_db: None, ..Default::default() }).unwrap();
    assert!({ clip }.process(&samples, 22_050).unwrap().iter().all(|x| x.abs() <= 1.0));
}

#[test]
fn frequencies_of_any_number_of_bins_need_no_memory() {
    let config = CqtConfig { n_bins: usize::MAX, bins_per_octave: 1, ..Default::default() };
    let mut frequencies = config.frequencies();
    assert_eq!(frequencies.len(), usize::MAX);
    assert_eq!(frequencies.nth(1), Some(2.0 * CqtConfig::C1));
    assert!(Cqt::new(config.clone()).is_err());
}
