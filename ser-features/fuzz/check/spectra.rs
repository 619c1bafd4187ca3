//! The transform, and what is made of its spectra.

use ser_features::{
    BandwidthConfig, CentroidConfig, Chroma, ChromaConfig, ContrastConfig, DecibelConfig, FlatnessConfig,
    Istft, MelConfig, MelNorm, MelScale, MelSpectrogram, Mfcc, MfccConfig, Reference, RolloffConfig,
    SpectralBandwidth, SpectralCentroid, SpectralContrast, SpectralFlatness, SpectralRolloff, Spectrogram,
    Stft,
};

use super::draw::Draw;
use super::{holds, made};

pub fn stft(draw: &mut Draw<'_>) -> Option<()> {
    let config = draw.stft();
    _ = config.n_frames(4_000);
    let (mut stft, mut istft) = (made(Stft::new(config.clone()))?, made(Istft::new(config.clone()))?);
    let length = draw.option(|draw| draw.within(0..=5_000));
    let spectrum = draw.spectrum();
    let samples = draw.samples(4_000);
    let complex = holds(&samples, stft.process(&samples))?;
    assert_eq!(complex.dim(), (config.n_bins(), config.n_frames(samples.len())));
    let again = istft.process(complex.view(), length).expect("the frames are the transform's own");
    assert_eq!(again.len(), length.unwrap_or(again.len()));
    let mut spectrogram = Spectrogram::new(config, spectrum).expect("the transform stands");
    let values = holds(&samples, spectrogram.process(&samples))?;
    assert_eq!(values.dim(), complex.dim());
    Some(())
}

pub fn mel_config(draw: &mut Draw<'_>) -> MelConfig {
    MelConfig {
        stft: draw.stft(),
        sample_rate: draw.sample_rate(),
        spectrum: draw.spectrum(),
        n_mels: draw.size(1..=140),
        fmin: draw.real(0.0..=500.0),
        fmax: draw.option(|draw| draw.real(400.0..=25_000.0)),
        scale: if draw.flag() { MelScale::Htk } else { MelScale::Slaney },
        norm: if draw.flag() { MelNorm::None } else { MelNorm::Slaney },
    }
}

pub fn decibel_config(draw: &mut Draw<'_>) -> DecibelConfig {
    DecibelConfig {
        reference: if draw.flag() { Reference::Max } else { Reference::Value(draw.single(0.0..=2.0)) },
        amin: draw.single(1e-12..=1e-3),
        top_db: draw.option(|draw| draw.single(0.0..=120.0)),
    }
}

pub fn mfcc_config(draw: &mut Draw<'_>) -> MfccConfig {
    MfccConfig {
        mel: mel_config(draw),
        decibel: decibel_config(draw),
        n_mfcc: draw.size(1..=40),
        lifter: draw.real(0.0..=40.0),
    }
}

pub fn chroma_config(draw: &mut Draw<'_>) -> ChromaConfig {
    ChromaConfig {
        stft: draw.stft(),
        sample_rate: draw.sample_rate(),
        spectrum: draw.spectrum(),
        n_chroma: draw.size(1..=40),
        tuning: draw.option(|draw| draw.real(-0.5..=0.5)),
        ctroct: draw.real(-1.0..=9.0),
        octwidth: draw.option(|draw| draw.real(0.1..=4.0)),
    }
}

pub fn contrast_config(draw: &mut Draw<'_>) -> ContrastConfig {
    ContrastConfig {
        stft: draw.stft(),
        sample_rate: draw.sample_rate(),
        fmin: draw.real(50.0..=1_000.0),
        n_bands: draw.size(1..=7),
        quantile: draw.real(0.0..=1.0),
        linear: draw.flag(),
        top_db: draw.option(|draw| draw.single(0.0..=120.0)),
    }
}

pub fn mel(draw: &mut Draw<'_>) -> Option<()> {
    let config = mel_config(draw);
    let mut plan = made(MelSpectrogram::new(config.clone()))?;
    let samples = draw.samples(4_000);
    let mel = holds(&samples, plan.process(&samples))?;
    assert_eq!(mel.dim(), (config.n_mels, config.stft.n_frames(samples.len())));
    assert!(mel.iter().all(|&x| x >= 0.0 || x.is_nan()));
    Some(())
}

pub fn mfcc(draw: &mut Draw<'_>) -> Option<()> {
    let config = mfcc_config(draw);
    let mut plan = made(Mfcc::new(config.clone()))?;
    let samples = draw.samples(4_000);
    let mfcc = holds(&samples, plan.process(&samples))?;
    assert_eq!(mfcc.dim(), (config.n_mfcc, config.mel.stft.n_frames(samples.len())));
    Some(())
}

pub fn chroma(draw: &mut Draw<'_>) -> Option<()> {
    let config = chroma_config(draw);
    let mut plan = made(Chroma::new(config.clone()))?;
    let samples = draw.samples(4_000);
    let chroma = holds(&samples, plan.process(&samples))?;
    assert_eq!(chroma.dim(), (config.n_chroma, config.stft.n_frames(samples.len())));
    Some(())
}

pub fn contrast(draw: &mut Draw<'_>) -> Option<()> {
    let config = contrast_config(draw);
    let mut plan = made(SpectralContrast::new(config.clone()))?;
    let samples = draw.samples(4_000);
    let contrast = holds(&samples, plan.process(&samples))?;
    assert_eq!(contrast.dim(), (config.n_bands + 1, config.stft.n_frames(samples.len())));
    Some(())
}

pub fn rows(draw: &mut Draw<'_>) -> Option<()> {
    let (stft, sample_rate) = (draw.stft(), draw.sample_rate());
    let n_frames = |samples: &[f32]| stft.n_frames(samples.len());
    match draw.case(4) {
        0 => {
            let mut plan = made(SpectralCentroid::new(CentroidConfig { sample_rate, stft: stft.clone() }))?;
            let samples = draw.samples(4_000);
            assert_eq!(holds(&samples, plan.process(&samples))?.len(), n_frames(&samples));
        }
        1 => {
            let (p, norm) = (draw.real(1.0..=4.0), draw.flag());
            let config = BandwidthConfig { sample_rate, stft: stft.clone(), p, norm };
            let mut plan = made(SpectralBandwidth::new(config))?;
            let samples = draw.samples(4_000);
            assert_eq!(holds(&samples, plan.process(&samples))?.len(), n_frames(&samples));
        }
        2 => {
            let roll_percent = draw.single(0.0..=1.0);
            let config = RolloffConfig { sample_rate, stft: stft.clone(), roll_percent };
            let mut plan = made(SpectralRolloff::new(config))?;
            let samples = draw.samples(4_000);
            assert_eq!(holds(&samples, plan.process(&samples))?.len(), n_frames(&samples));
        }
        _ => {
            let (amin, power) = (draw.single(1e-12..=1e-3), draw.single(0.5..=4.0));
            let mut plan = made(SpectralFlatness::new(FlatnessConfig { stft: stft.clone(), amin, power }))?;
            let samples = draw.samples(4_000);
            assert_eq!(holds(&samples, plan.process(&samples))?.len(), n_frames(&samples));
        }
    }
    Some(())
}
