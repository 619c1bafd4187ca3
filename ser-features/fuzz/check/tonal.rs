//! Tuning, separation, and what is made of constant-Q transforms.

use ser_features::{
    ChromaCqt, ChromaCqtConfig, Cqt, CqtConfig, HarmonicPercussive, Tonnetz, Tuning, TuningConfig, tonnetz,
};

use super::draw::Draw;
use super::{holds, hpss_config, made};

pub fn pitches(draw: &mut Draw<'_>) -> Option<()> {
    let config = TuningConfig {
        stft: draw.stft(),
        sample_rate: draw.sample_rate(),
        spectrum: draw.spectrum(),
        fmin: draw.real(0.0..=500.0),
        fmax: draw.real(400.0..=25_000.0),
        threshold: draw.single(0.0..=1.0),
        resolution: draw.real(0.001..=0.5),
        bins_per_octave: draw.size(1..=60),
    };
    let mut plan = made(Tuning::new(config))?;
    let samples = draw.samples(4_000);
    let tuning = holds(&samples, plan.estimate(&samples))?;
    assert!((-0.5..=0.5).contains(&tuning));
    let pitches = plan.pitches(&samples).expect("what can be tuned has pitches");
    assert_eq!(pitches.frequencies.dim(), pitches.magnitudes.dim());
    Some(())
}

pub fn separation(draw: &mut Draw<'_>) -> Option<()> {
    let mut plan = made(HarmonicPercussive::new(draw.stft(), hpss_config(draw)))?;
    let percussive = draw.flag();
    let samples = draw.samples(2_000);
    let part = if percussive { plan.percussive(&samples) } else { plan.harmonic(&samples) };
    assert_eq!(holds(&samples, part)?.len(), samples.len());
    Some(())
}

/// Whether filters are so long that they take seconds: allowed, but not to be made again and again.
pub fn takes_long(sample_rate: u32, fmin: f64) -> bool {
    fmin > 0.0 && f64::from(sample_rate) / fmin > 10_000.0
}

pub fn constant_q(draw: &mut Draw<'_>) -> Option<()> {
    let config = CqtConfig {
        sample_rate: draw.sample_rate(),
        hop_length: draw.size(16..=1_500),
        fmin: draw.real(30.0..=900.0),
        n_bins: draw.size(1..=90),
        bins_per_octave: draw.size(1..=30),
        tuning: draw.real(-0.5..=0.5),
        filter_scale: draw.real(0.1..=2.0),
        sparsity: draw.real(0.0..=0.2),
        scale: !draw.flag(),
    };
    if takes_long(config.sample_rate, config.fmin) || config.filter_scale > 10.0 {
        return None;
    }
    let n_bins = config.n_bins;
    let mut plan = made(Cqt::new(config))?;
    let samples = draw.samples(4_000);
    let magnitude = holds(&samples, plan.process(&samples))?;
    assert_eq!(magnitude.nrows(), n_bins);
    let complex = holds(&samples, plan.process_complex(&samples))?;
    assert_eq!(complex.dim(), magnitude.dim());
    Some(())
}

pub fn chroma_cqt(draw: &mut Draw<'_>) -> Option<()> {
    let config = ChromaCqtConfig {
        sample_rate: draw.sample_rate(),
        hop_length: draw.size(64..=1_500),
        fmin: draw.real(60.0..=900.0),
        n_octaves: draw.size(1..=6),
        bins_per_octave: draw.size(1..=3).saturating_mul(12),
        n_chroma: draw.size(1..=24),
        tuning: draw.option(|draw| draw.real(-0.5..=0.5)),
        threshold: draw.single(0.0..=1.0),
    };
    if takes_long(config.sample_rate, config.fmin) {
        return None;
    }
    let n_chroma = config.n_chroma;
    let mut plan = made(Tonnetz::new(config.clone()))?;
    let samples = draw.samples(4_000);
    let centroids = holds(&samples, plan.process(&samples))?;
    let mut plan = ChromaCqt::new(config).expect("tonnetz takes the same configurations");
    let chroma = holds(&samples, plan.process(&samples))?;
    assert_eq!((chroma.nrows(), centroids.dim()), (n_chroma, (6, chroma.ncols())));
    assert_eq!(tonnetz(chroma.view()).dim(), centroids.dim());
    Some(())
}
