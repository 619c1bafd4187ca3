//! What must hold for any configuration and any samples.

mod draw;
mod fronts;
mod rhythm;
mod sounds;
mod spectra;
mod streams;
mod tonal;
mod voices;

use std::fmt::Debug;

use draw::Draw;
use ndarray::{Array1, Array2};
use num_complex::Complex;
use ser_features::{
    Alignment, ConfigError, Delta, DeltaConfig, Feature, FeatureConfig, FeatureExtractor, Functional, Hpss,
    HpssConfig, Preemphasis, PreemphasisConfig, Preparation, PreparationConfig, Resampler, Rms, RmsConfig,
    SignalError, StreamingDelta, StreamingPreemphasis, StreamingResampler, Trim, TrimConfig, Yin, YinConfig,
    YinFrame, ZeroCrossingConfig, ZeroCrossingRate, amplitude_to_db, check_speech, power_to_db,
};
use spectra::decibel_config;

/// Runs one plan on one signal, both made from bytes, and panics where something does not hold.
pub fn check(bytes: &[u8]) {
    let mut draw = Draw::new(bytes);
    // What a plan refuses is done with.
    _ = match draw.case(40) {
        0 => spectra::stft(&mut draw),
        1 => spectra::mel(&mut draw),
        2 => spectra::mfcc(&mut draw),
        3 => spectra::chroma(&mut draw),
        4 => spectra::contrast(&mut draw),
        5 => spectra::rows(&mut draw),
        6 => zero_crossings(&mut draw),
        7 => yin(&mut draw),
        8 => level(&mut draw),
        9 => emphasis(&mut draw),
        10 => tonal::pitches(&mut draw),
        11 => tonal::separation(&mut draw),
        12 => tonal::constant_q(&mut draw),
        13 => tonal::chroma_cqt(&mut draw),
        14 => preparation(&mut draw),
        15 => resampling(&mut draw),
        16 => matrices(&mut draw),
        17..=19 => extraction(&mut draw),
        20 => fronts::log_mel(&mut draw),
        21 => fronts::kaldi(&mut draw),
        22 => fronts::whisper(&mut draw),
        23 => voices::pitch(&mut draw),
        24 => voices::quality(&mut draw),
        25 => voices::formants(&mut draw),
        26 => voices::balance(&mut draw),
        27 => rhythm::energies(&mut draw),
        28 => rhythm::prediction(&mut draw),
        29 => rhythm::onsets(&mut draw),
        30 => sounds::griffin_lim(&mut draw),
        31 => sounds::mel_inverse(&mut draw),
        32 => sounds::stretched(&mut draw),
        33 => sounds::band(&mut draw),
        _ => streams::stream(&mut draw),
    };
}

/// The plan, where the configuration is not refused; then the refusal says something.
pub fn made<T>(plan: Result<T, ConfigError>) -> Option<T> {
    plan.inspect_err(|error| assert!(error.to_string().len() > 10)).ok()
}

/// How loud a signal may be for its features to be finite.
const LOUDEST: f32 = 1e6;

/// What a plan gives for samples: an error for what is not finite or too short, else something of the frames it announces, with nothing
/// in it that is not finite.
fn holds<T: Debug + Parts>(samples: &[f32], result: Result<T, SignalError>) -> Option<T> {
    let broken = samples.iter().position(|x| !x.is_finite());
    let loudest = samples.iter().fold(0.0, |loudest: f32, x| loudest.max(x.abs()));
    match (result, broken) {
        (Err(error), _) if samples.is_empty() => assert_eq!(error, SignalError::Empty),
        (Err(error), Some(at)) => {
            assert!(matches!(error, SignalError::NotFinite { index, .. } if index == at), "{error}");
        }
        (Err(SignalError::TooShort { minimum, given }), None) => {
            assert!(given == samples.len() && minimum > given);
        }
        (Err(SignalError::Silent { .. }), None) => {}
        (Err(SignalError::TooLoud { .. }), None) if loudest > LOUDEST => {}
        (Err(error), None) => panic!("{error} of {} samples", samples.len()),
        (Ok(value), None) if !samples.is_empty() => {
            assert!(loudest > LOUDEST || value.is_finite(), "{value:?}");
            return Some(value);
        }
        (Ok(value), _) => panic!("{value:?} of samples that are no signal"),
    }
    None
}

/// Results that may hold NaN or infinity.
pub trait Parts {
    fn is_finite(&self) -> bool;
}

impl Parts for Array2<f32> {
    fn is_finite(&self) -> bool {
        self.iter().all(|x| x.is_finite())
    }
}

impl Parts for Array1<f32> {
    fn is_finite(&self) -> bool {
        self.iter().all(|x| x.is_finite())
    }
}

impl Parts for Array2<Complex<f32>> {
    fn is_finite(&self) -> bool {
        self.iter().all(|x| x.is_finite())
    }
}

impl Parts for Vec<f32> {
    fn is_finite(&self) -> bool {
        self.iter().all(|x| x.is_finite())
    }
}

impl Parts for f64 {
    fn is_finite(&self) -> bool {
        f64::is_finite(*self)
    }
}

impl Parts for () {
    fn is_finite(&self) -> bool {
        true
    }
}

fn zero_crossings(draw: &mut Draw<'_>) -> Option<()> {
    let config = ZeroCrossingConfig {
        frame_length: draw.size(1..=600),
        hop_length: draw.size(1..=800),
        center: !draw.flag(),
        threshold: draw.real(0.0..=0.1),
        zero_pos: !draw.flag(),
    };
    let mut plan = made(ZeroCrossingRate::new(config.clone()))?;
    let samples = draw.samples(4_000);
    let rate = holds(&samples, plan.process(&samples))?;
    streams::row::<ZeroCrossingRate>(config, &samples, rate.iter().copied());
    assert!(rate.iter().all(|x| (0.0..=1.0).contains(x)));
    Some(())
}

fn yin(draw: &mut Draw<'_>) -> Option<()> {
    let config = YinConfig {
        sample_rate: draw.sample_rate(),
        fmin: draw.real(30.0..=500.0),
        fmax: draw.real(200.0..=4_000.0),
        frame_length: draw.size(2..=1_500),
        hop_length: draw.size(100..=800),
        trough_threshold: draw.real(0.0..=1.0),
        center: !draw.flag(),
    };
    let mut plan = made(Yin::new(config.clone()))?;
    let samples = draw.samples(4_000);
    let frequencies = holds(&samples, plan.process(&samples))?;
    assert!(frequencies.iter().all(|&f| f > 0.0));
    let frames = plan.analyze(&samples).expect("what has a pitch has an aperiodicity");
    assert!(frames.f0 == frequencies && frames.aperiodicity.iter().all(|&x| x >= 0.0));
    let whole = frames.f0.iter().zip(&frames.aperiodicity);
    streams::row::<Yin>(config, &samples, whole.map(|(&f0, &aperiodicity)| YinFrame { f0, aperiodicity }));
    Some(())
}

fn level(draw: &mut Draw<'_>) -> Option<()> {
    let (frame_length, hop_length) = (draw.size(1..=600), draw.size(1..=800));
    let (center, top_db) = (!draw.flag(), draw.single(1.0..=100.0));
    let samples = draw.samples(4_000);
    let config = RmsConfig { frame_length, hop_length, center };
    if let Some(levels) =
        made(Rms::new(config.clone())).and_then(|rms| holds(&samples, rms.process(&samples)))
    {
        streams::row::<Rms>(config, &samples, levels.iter().copied());
    }
    let trim = made(Trim::new(TrimConfig { top_db, frame_length, hop_length }))?;
    let kept = trim.trim(&samples).ok()?;
    assert!(kept.start <= kept.end && kept.end <= samples.len());
    let parts = trim.split(&samples).expect("what can be trimmed can be split");
    assert!(parts.windows(2).all(|pair| pair[0].end < pair[1].start));
    assert!(parts.iter().all(|part| kept.start <= part.start && part.end <= kept.end));
    Some(())
}

fn emphasis(draw: &mut Draw<'_>) -> Option<()> {
    let config = PreemphasisConfig { coef: draw.single(0.0..=1.0) };
    let plan = made(Preemphasis::new(config.clone()))?;
    let samples = draw.samples(4_000);
    let filtered = holds(&samples, plan.process(&samples))?;
    assert_eq!(filtered.len(), samples.len());
    let mut stream = StreamingPreemphasis::new(config).expect("the same configuration has a plan");
    let (head, rest) = samples.split_at(samples.len() / 3);
    let mut streamed = stream.push(head).expect("the whole is a signal").to_vec();
    streamed.extend_from_slice(stream.push(rest).expect("the whole is a signal"));
    assert_eq!(streamed, filtered);
    holds(&samples, plan.deemphasis(&samples))?;
    Some(())
}

fn hpss_config(draw: &mut Draw<'_>) -> HpssConfig {
    HpssConfig {
        power: draw.single(0.5..=4.0),
        margin_harmonic: draw.single(1.0..=5.0),
        margin_percussive: draw.single(1.0..=5.0),
        kernel_harmonic: if draw.flag() { draw.size(1..=40) } else { 31 },
        kernel_percussive: if draw.flag() { draw.size(1..=40) } else { 31 },
    }
}

fn preparation(draw: &mut Draw<'_>) -> Option<()> {
    let config = PreparationConfig {
        sample_rate: draw.sample_rate(),
        trim_top_db: draw.option(|draw| draw.single(1.0..=100.0)),
        normalize: draw.flag(),
        length: draw.option(|draw| draw.size(1..=10_000)),
        alignment: if draw.flag() { Alignment::Centre } else { Alignment::Start },
    };
    let mut plan = made(Preparation::new(config.clone()))?;
    let source = draw.sample_rate();
    let samples = draw.samples(2_000);
    match plan.process(&samples, source) {
        Err(SignalError::SampleRate { given, .. }) => assert_eq!(given, source),
        clip => {
            let clip = holds(&samples, clip)?;
            assert_eq!(clip.len(), config.length.unwrap_or(clip.len()));
        }
    }
    holds(&samples, check_speech(&samples, source));
    Some(())
}

fn resampling(draw: &mut Draw<'_>) -> Option<()> {
    let (from, to) = (draw.sample_rate(), draw.sample_rate());
    let ratio = f64::from(to) / f64::from(from);
    let plan = match Resampler::new(from, to) {
        Err(ConfigError::RatioTooFine { .. }) => Resampler::with_ratio(ratio),
        plan => plan,
    };
    let mut plan = made(plan)?;
    let samples = draw.samples(2_000);
    let resampled = holds(&samples, plan.process(&samples))?;
    assert_eq!(resampled.len(), (samples.len() as f64 * ratio).ceil() as usize);
    let mut stream = made(StreamingResampler::new(from, to))?;
    let (piece, rest) = samples.split_at(samples.len() / 3);
    let mut length = 0;
    for piece in [piece, rest] {
        length += stream.push(piece).ok()?.len();
    }
    length += stream.finish().expect("samples were pushed").len();
    assert_eq!(length, resampled.len());
    Some(())
}

fn matrices(draw: &mut Draw<'_>) -> Option<()> {
    let (delta, hpss) =
        (DeltaConfig { width: draw.size(1..=21), order: draw.size(1..=2) }, hpss_config(draw));
    let (decibel, n_rows) = (decibel_config(draw), draw.within(1..=40));
    let mut values = draw.samples(2_000);
    values.truncate(values.len() / n_rows * n_rows);
    let n_columns = values.len() / n_rows;
    let finite = values.iter().all(|x| x.abs() <= LOUDEST);
    let mut matrix = Array2::from_shape_vec((n_rows, n_columns), values).expect("a whole number of rows");

    if let Some(plan) = made(Delta::new(delta.clone())) {
        match plan.process(matrix.view()) {
            Ok(slope) => {
                assert!(!finite || slope.is_finite() && slope.dim() == matrix.dim());
                let mut stream = StreamingDelta::new(delta).expect("the same configuration has a plan");
                let mut frames = Vec::new();
                for column in matrix.columns() {
                    let new =
                        stream.push(column.insert_axis(ndarray::Axis(1))).expect("all have as many rows");
                    frames.extend(new.columns().into_iter().flatten().map(|x| x.to_bits()));
                }
                let last = stream.finish().expect("the whole has frames enough");
                frames.extend(last.columns().into_iter().flatten().map(|x| x.to_bits()));
                assert!(!finite || slope.columns().into_iter().flatten().map(|x| x.to_bits()).eq(frames));
            }
            Err(error) => assert!(matches!(error, SignalError::TooFewFrames { .. }), "{error}"),
        }
    }
    if let Some(mut hpss) = made(Hpss::new(hpss)) {
        match hpss.process(matrix.view()) {
            Ok((harmonic, percussive)) => {
                assert!(!finite || harmonic.is_finite() && percussive.is_finite());
            }
            Err(error) => assert!(!finite || n_columns == 0, "{error}"),
        }
    }
    let mut amplitude = matrix.clone();
    if amplitude_to_db(&mut amplitude, &decibel).is_ok() {
        assert!(!finite || decibel.top_db == Some(f32::INFINITY) || amplitude.is_finite());
    }
    made(power_to_db(&mut matrix, &decibel))?;
    assert!(!finite || matrix.is_finite());
    Some(())
}

fn extraction(draw: &mut Draw<'_>) -> Option<()> {
    let mut features = Vec::new();
    for _ in 0..draw.within(0..=4) {
        features.push(Feature::ALL[usize::from(draw.case(Feature::ALL.len() as u8))]);
    }
    let config = FeatureConfig {
        sample_rate: draw.sample_rate(),
        n_fft: draw.size(1..=2_048),
        hop_length: draw.size(16..=1_024),
        n_mfcc: draw.size(1..=40),
        n_mels: draw.size(1..=140),
        fmin: draw.real(0.0..=500.0),
        fmax: draw.option(|draw| draw.real(400.0..=25_000.0)),
        top_db: draw.option(|draw| draw.single(0.0..=120.0)),
        tuning: draw.option(|draw| draw.real(-0.5..=0.5)),
        features,
        ..Default::default()
    };
    // The chroma of the lowest C that tonnetz looks at.
    if config.features.contains(&Feature::Tonnetz) && tonal::takes_long(config.sample_rate, 32.7) {
        return None;
    }

    let formants = [Feature::F1, Feature::F2, Feature::F3, Feature::F1Bandwidth];
    // Resampling between such rates takes longer than a fuzzer has time for.
    if config.sample_rate > 50_000 && formants.iter().any(|formant| config.features.contains(formant)) {
        return None;
    }

    // Also of a configuration that can't work.
    _ = (config.total_rows(), config.n_frames(4_000));
    let mut plan = made(FeatureExtractor::new(config.clone()))?;
    let samples = draw.samples(4_000);
    let features = match plan.extract(&samples) {
        // The deltas of the MFCC need nine.
        Err(SignalError::TooFewFrames { minimum: 9, given }) => {
            assert_eq!(given, config.n_frames(samples.len()));
            return None;
        }
        other => other,
    };
    let (percent, mut functionals) = (draw.real(0.0..=100.0), None);
    let chosen = [
        Functional::Mean,
        Functional::Std,
        Functional::Skewness,
        Functional::Slope,
        Functional::Percentile(percent),
    ];
    let stack = holds(
        &samples,
        features.map(|features| {
            functionals =
                made(features.functionals(&chosen)).map(|values| (values, features.column_names(&chosen)));
            features.stack()
        }),
    )?;
    if !config.features.contains(&Feature::Contrast) {
        streams::extractor(config.clone(), &samples, &stack);
    }
    assert_eq!(stack.dim(), (config.total_rows(), config.n_frames(samples.len())));
    if let Some((values, names)) = functionals {
        assert_eq!((values.len(), names.len()), (5 * stack.nrows(), 5 * stack.nrows()));
        assert!(samples.iter().any(|x| x.abs() > LOUDEST) || values.is_finite(), "{values}");
    }
    Some(())
}
