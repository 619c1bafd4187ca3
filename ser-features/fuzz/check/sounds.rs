//! What gives signals or spectra back.

use ser_features::{
    BandPass, GriffinLim, GriffinLimConfig, MelSpectrogram, MelToStft, PitchShift, SignalError, Spectrogram,
    Spectrum, TimeStretch,
};

use super::draw::Draw;
use super::spectra::mel_config;
use super::{LOUDEST, Parts, holds, made};

pub fn griffin_lim(draw: &mut Draw<'_>) -> Option<()> {
    let config = GriffinLimConfig {
        stft: draw.stft(),
        n_iter: draw.size(0..=4),
        momentum: draw.single(0.0..=1.0),
        seed: draw.option(|draw| draw.byte().into()),
    };
    let mut spectrogram = made(Spectrogram::new(config.stft.clone(), Spectrum::Magnitude))?;
    let mut plan = made(GriffinLim::new(config))?;
    let length = draw.option(|draw| draw.within(0..=3_000));
    let samples = draw.samples(2_000);
    let magnitude = holds(&samples, spectrogram.process(&samples))?;
    let quiet = samples.iter().all(|x| x.abs() <= LOUDEST);
    match plan.process(magnitude.view(), length) {
        Ok(signal) => assert!(!quiet || signal.is_finite() && signal.len() == length.unwrap_or(signal.len())),
        // Another length has other frames; no length leaves no signal of a single centred frame.
        Err(SignalError::TooFewFrames { .. } | SignalError::Empty | SignalError::TooShort { .. }) => {}
        // Windows that hardly overlap divide by next to nothing.
        Err(SignalError::TooLoud { .. } | SignalError::NotFinite { .. }) => {}
        Err(error) => panic!("{error}"),
    }
    Some(())
}

pub fn mel_inverse(draw: &mut Draw<'_>) -> Option<()> {
    let config = mel_config(draw);
    let plan = made(MelToStft::new(config.clone()))?;
    let mut mel = made(MelSpectrogram::new(config.clone()))?;
    let samples = draw.samples(600);
    let mel = holds(&samples, mel.process(&samples))?;
    if samples.iter().all(|x| x.abs() <= LOUDEST) {
        let found = plan.process(mel.view()).expect("the bands are the filters' own");
        assert_eq!(found.dim(), (config.stft.n_bins(), mel.ncols()));
        assert!(found.iter().all(|x| x.is_finite() && *x >= 0.0));
    }
    Some(())
}

pub fn band(draw: &mut Draw<'_>) -> Option<()> {
    let mut plan = BandPass::new(draw.sample_rate());
    let (low, high) = (draw.real(0.0..=30_000.0), draw.real(0.0..=30_000.0));
    for _ in 0..2 {
        let samples = draw.samples(2_000);
        let part = holds(&samples, plan.process(&samples, low..high))?;
        assert_eq!(part.len(), samples.len());
    }
    Some(())
}

pub fn stretched(draw: &mut Draw<'_>) -> Option<()> {
    let stft = draw.stft();
    if draw.flag() {
        let rate = draw.real(0.3..=3.0);
        let mut plan = made(TimeStretch::new(stft, rate))?;
        if rate < 0.1 {
            return None;
        }
        let samples = draw.samples(2_000);
        let stretched = holds(&samples, plan.process(&samples))?;
        assert_eq!(stretched.len(), (samples.len() as f64 / rate).round_ties_even() as usize);
        return Some(());
    }
    let (n_steps, bins_per_octave) = (draw.real(-12.0..=12.0), draw.within(1..=100));
    let mut plan = made(PitchShift::new(stft, n_steps, bins_per_octave))?;
    // A plan of more than an octave is right, but slow.
    if n_steps.abs() > bins_per_octave as f64 {
        return None;
    }
    let samples = draw.samples(2_000);
    match plan.process(&samples) {
        // One sample may become none.
        Err(SignalError::Empty) => assert!(samples.len() < 2),
        shifted => assert_eq!(holds(&samples, shifted)?.len(), samples.len()),
    }
    Some(())
}
