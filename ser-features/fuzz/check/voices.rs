//! Pitch and voice.

use ndarray::Array1;
use ser_features::{
    FormantConfig, Formants, Pyin, PyinConfig, SpectralBalance, SpectralBalanceConfig, VoiceQuality,
    VoiceQualityFrames,
};

use super::draw::Draw;
use super::{LOUDEST, holds, made};

fn pyin_config(draw: &mut Draw<'_>) -> PyinConfig {
    PyinConfig {
        sample_rate: draw.sample_rate(),
        fmin: draw.real(30.0..=500.0),
        fmax: draw.real(200.0..=4_000.0),
        frame_length: draw.size(2..=1_200),
        hop_length: draw.size(100..=800),
        n_thresholds: draw.size(1..=100),
        beta_parameters: (draw.within(0..=20) as u32, draw.within(0..=20) as u32),
        boltzmann_parameter: draw.real(0.1..=4.0),
        resolution: draw.real(0.05..=1.0),
        max_transition_rate: draw.real(0.0..=40.0),
        switch_prob: draw.real(0.001..=0.5),
        no_trough_prob: draw.real(0.0..=1.0),
        center: !draw.flag(),
    }
}

pub fn pitch(draw: &mut Draw<'_>) -> Option<()> {
    let mut plan = made(Pyin::new(pyin_config(draw)))?;
    let samples = draw.samples(3_000);
    let track = plan.process(&samples);
    let probability = holds(&samples, track.clone().map(|track| track.voiced_probability))?;
    assert!(probability.iter().all(|x| (0.0..=1.0).contains(x)));
    let track = track.ok()?;
    assert!(track.f0.iter().zip(&track.voiced).all(|(f0, &voiced)| voiced == (*f0 > 0.0)));
    Some(())
}

pub fn quality(draw: &mut Draw<'_>) -> Option<()> {
    let mut plan = made(VoiceQuality::new(pyin_config(draw)))?;
    let samples = draw.samples(3_000);
    let found = plan.process(&samples);
    type Part = fn(VoiceQualityFrames) -> Array1<f32>;
    let parts: [Part; 3] = [|found| found.jitter, |found| found.shimmer_db, |found| found.hnr];
    for part in parts {
        holds(&samples, found.clone().map(part))?;
    }
    let found = found.ok()?;
    let whole = [found.jitter_local, found.shimmer_local, found.shimmer_local_db];
    assert!(whole.iter().all(|x| x.is_finite() && *x >= 0.0));
    Some(())
}

pub fn formants(draw: &mut Draw<'_>) -> Option<()> {
    let config = FormantConfig {
        sample_rate: draw.sample_rate(),
        n_formants: draw.size(1..=6),
        max_frequency: draw.within(900..=8_000) as u32,
        window_length: draw.real(0.005..=0.05),
        hop_length: draw.size(100..=2_000),
        preemphasis_from: draw.real(10.0..=500.0),
    };
    let (rows, top) = (config.n_formants, config.max_frequency as f32);
    // Resampling between such rates takes longer than a fuzzer has time for.
    if config.sample_rate > 50_000 || config.sample_rate < 900 {
        return None;
    }
    let mut plan = made(Formants::new(config))?;
    let samples = draw.samples(1_500);
    let found = plan.process(&samples);
    let frequency = holds(&samples, found.clone().map(|found| found.frequency))?;
    assert_eq!(frequency.nrows(), rows);
    let loudest = samples.iter().fold(0.0, |loudest: f32, x| loudest.max(x.abs()));
    assert!(loudest > LOUDEST || frequency.iter().all(|hz| (0.0..=top).contains(hz)));
    holds(&samples, found.map(|found| found.bandwidth))?;
    Some(())
}

pub fn balance(draw: &mut Draw<'_>) -> Option<()> {
    let config = SpectralBalanceConfig { sample_rate: draw.sample_rate(), stft: draw.stft() };
    let mut plan = made(SpectralBalance::new(config))?;
    let samples = draw.samples(3_000);
    let found = plan.process(&samples);
    holds(&samples, found.clone().map(|found| found.alpha_ratio))?;
    holds(&samples, found.clone().map(|found| found.hammarberg_index))?;
    holds(&samples, found.clone().map(|found| found.slope_0_500))?;
    holds(&samples, found.map(|found| found.slope_500_1500))?;
    Some(())
}
