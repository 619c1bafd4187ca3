//! Energies, prediction and rhythm.

use ser_features::{
    LogMelConfig, MelSpectrogram, OnsetConfig, OnsetStrength, Pcen, PcenConfig, SignalError, StreamingPcen,
    Tempo, TempoConfig, Tempogram, TempogramConfig, lpc,
};

use super::draw::Draw;
use super::spectra::{decibel_config, mel_config};
use super::{LOUDEST, Parts, holds, made};

pub fn energies(draw: &mut Draw<'_>) -> Option<()> {
    let config = PcenConfig {
        sample_rate: draw.sample_rate(),
        hop_length: draw.size(1..=800),
        gain: draw.real(0.0..=1.0),
        bias: draw.real(0.0..=10.0),
        power: draw.real(0.0..=1.0),
        time_constant: draw.real(0.01..=1.0),
        eps: draw.real(1e-9..=1e-3),
        b: draw.option(|draw| draw.real(0.0..=1.0)),
        max_size: draw.size(1..=5),
    };
    // Without gain and with a high power, energies overflow.
    let mild = config.power <= 1.0 && config.eps >= 1e-12;
    let plan = made(Pcen::new(config.clone()))?;
    let mut mel = made(MelSpectrogram::new(mel_config(draw)))?;
    let samples = draw.samples(2_000);
    let mel = holds(&samples, mel.process(&samples))?;
    let loudest = samples.iter().fold(0.0, |loudest: f32, x| loudest.max(x.abs()));
    match plan.process(mel.view()) {
        Ok(normalised) => {
            assert!(!mild || loudest > LOUDEST || normalised.is_finite());
            let mut stream = StreamingPcen::new(config).expect("the same configuration has a plan");
            let mut frames = Vec::new();
            for piece in [mel.ncols() / 3, mel.ncols()] {
                let part = mel.slice(ndarray::s![.., frames.len() / mel.nrows()..piece]);
                let new = stream.push(part).expect("the whole has no bad energy");
                frames.extend(new.columns().into_iter().flatten().map(|x| x.to_bits()));
            }
            assert!(normalised.columns().into_iter().flatten().map(|x| x.to_bits()).eq(frames));
        }
        Err(error) => assert!(loudest > LOUDEST, "{error}"),
    }
    Some(())
}

pub fn prediction(draw: &mut Draw<'_>) -> Option<()> {
    let order = draw.size(0..=30);
    let samples = draw.samples(1_000);
    let loudest = samples.iter().fold(0.0, |loudest: f32, x| loudest.max(x.abs()));
    match lpc(&samples, order) {
        Ok(coefficients) => {
            assert_eq!((coefficients.len(), coefficients[0]), (order + 1, 1.0));
            assert!(loudest > LOUDEST || coefficients.iter().all(|a| a.is_finite()));
        }
        Err(SignalError::TooShort { minimum, given }) => assert!(given < minimum && given == samples.len()),
        Err(_) => assert!(samples.is_empty() || !samples.iter().all(|x| x.abs() <= LOUDEST)),
    }
    Some(())
}

pub fn onsets(draw: &mut Draw<'_>) -> Option<()> {
    let log_mel =
        LogMelConfig { mel: mel_config(draw), log: ser_features::LogScale::Decibel(decibel_config(draw)) };
    let (lag, max_size) = (draw.size(1..=5), draw.size(1..=5));
    let (detrend, center) = (draw.flag(), !draw.flag());
    let onset = OnsetConfig { log_mel, lag, max_size, detrend, center };
    match draw.case(3) {
        0 => {
            let mut plan = made(OnsetStrength::new(onset))?;
            let samples = draw.samples(3_000);
            let strength = holds(&samples, plan.process(&samples))?;
            assert!(detrend || strength.iter().all(|&x| x >= 0.0 || x.is_nan()));
        }
        1 => {
            let (win_length, window, center) = (draw.size(1..=60), draw.window(), !draw.flag());
            let mut plan = made(Tempogram::new(TempogramConfig { onset, win_length, window, center }))?;
            let samples = draw.samples(3_000);
            match plan.process(&samples) {
                Err(SignalError::TooFewFrames { minimum, given }) => assert!(!center && given < minimum),
                // Loud samples or a wild reference leave no finite strength.
                Err(SignalError::NotFinite { .. }) => {}
                tempogram => {
                    let tempogram = holds(&samples, tempogram)?;
                    assert_eq!(tempogram.nrows(), win_length);
                    assert!(tempogram.iter().all(|x| x.abs() <= 1.0 + 1e-5));
                }
            }
        }
        _ => {
            let config = TempoConfig {
                onset,
                start_bpm: draw.real(30.0..=300.0),
                std_bpm: draw.real(0.1..=3.0),
                ac_size: draw.real(0.01..=2.0),
                max_tempo: draw.option(|draw| draw.real(30.0..=400.0)),
            };
            // Up to 3,000 frames are transformed. Longer transforms would take the time of thousands of other inputs.
            let mel = &config.onset.log_mel.mel;
            if config.ac_size * f64::from(mel.sample_rate) > 4096.0 * mel.stft.hop_length as f64 {
                return None;
            }
            let mut plan = made(Tempo::new(config))?;
            let samples = draw.samples(3_000);
            match plan.estimate(&samples) {
                Err(SignalError::NotFinite { .. }) => {}
                bpm => assert!(holds(&samples, bpm)? > 0.0),
            }
        }
    }
    Some(())
}
