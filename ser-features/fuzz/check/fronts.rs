//! Front ends of networks.

use ndarray::Array2;
use ser_features::{
    KaldiFbank, KaldiFbankConfig, KaldiFrameConfig, KaldiMelConfig, KaldiMfcc, KaldiMfccConfig, LogMel,
    LogMelConfig, LogScale, MelSpectrogram, WhisperConfig, WhisperMel,
};

use super::draw::Draw;
use super::spectra::{decibel_config, mel_config};
use super::{holds, made, streams};

pub fn log_mel(draw: &mut Draw<'_>) -> Option<()> {
    let log = match draw.case(3) {
        0 => LogScale::Decibel(decibel_config(draw)),
        1 => LogScale::Log10 { floor: draw.single(1e-12..=1e-3) },
        _ => LogScale::Ln { floor: draw.single(1e-12..=1e-3) },
    };
    let config = LogMelConfig { mel: mel_config(draw), log };
    let own = draw.option(|draw| {
        let shape = (draw.within(0..=20), draw.size(1..=301).min(2_000));
        let weight = draw.single(-1.0..=1.0);
        Array2::from_shape_fn(shape, |(band, bin)| if bin % (band + 2) == 0 { weight } else { 0.0 })
    });
    let samples = draw.samples(4_000);
    let Some(filters) = own else {
        let mut plan = made(LogMel::new(config.clone()))?;
        let values = holds(&samples, plan.process(&samples))?;
        assert_eq!(values.dim(), (config.mel.n_mels, config.mel.stft.n_frames(samples.len())));
        streams::frames::<LogMel>(config, &samples, &values);
        return Some(());
    };
    let mut plan = made(MelSpectrogram::with_filters(config.mel.clone(), filters.view()))?;
    holds(&samples, plan.process(&samples))?;
    let mut plan = made(LogMel::with_filters(config, filters.view()))?;
    assert_eq!(holds(&samples, plan.process(&samples))?.nrows(), filters.nrows());
    Some(())
}

pub fn whisper(draw: &mut Draw<'_>) -> Option<()> {
    let n_mels = draw.size(1..=130);
    let mut plan = made(WhisperMel::new(WhisperConfig { n_mels }))?;
    let samples = draw.samples(4_000);
    let values = holds(&samples, plan.process(&samples))?;
    assert_eq!(values.dim(), (n_mels, samples.len() / 160));
    Some(())
}

pub fn kaldi(draw: &mut Draw<'_>) -> Option<()> {
    let frames = KaldiFrameConfig {
        sample_rate: draw.sample_rate(),
        frame_length_ms: draw.real(0.1..=40.0),
        frame_shift_ms: draw.real(1.0..=20.0),
        preemph_coeff: draw.single(0.0..=1.0),
        remove_dc_offset: draw.flag(),
        window: draw.window(),
        round_to_power_of_two: draw.flag(),
        snip_edges: draw.flag(),
        scale: draw.single(0.0..=32_768.0),
    };
    let mel = KaldiMelConfig {
        num_bins: draw.size(1..=80),
        low_freq: draw.real(0.0..=500.0),
        high_freq: draw.real(-500.0..=8_000.0),
    };
    let (use_energy, raw_energy, energy_floor) = (draw.flag(), draw.flag(), draw.single(0.0..=1.0));
    // Of a high rate and a shift of hardly any sample, there are more frames than a fuzzer has time for.
    if f64::from(frames.sample_rate) * frames.frame_length_ms > 1e8 {
        return None;
    }
    if draw.flag() {
        let (num_ceps, cepstral_lifter) = (draw.size(1..=30), draw.real(0.0..=30.0));
        let config =
            KaldiMfccConfig { frames, mel, num_ceps, cepstral_lifter, use_energy, raw_energy, energy_floor };
        let mut plan = made(KaldiMfcc::new(config))?;
        let samples = draw.samples(2_000);
        assert_eq!(holds(&samples, plan.process(&samples))?.nrows(), num_ceps);
        return Some(());
    }
    let (use_log_fbank, use_power) = (draw.flag(), draw.flag());
    let rows = mel.num_bins.saturating_add(usize::from(use_energy));
    let config =
        KaldiFbankConfig { frames, mel, use_energy, raw_energy, energy_floor, use_log_fbank, use_power };
    let mut plan = made(KaldiFbank::new(config))?;
    let samples = draw.samples(2_000);
    assert_eq!(holds(&samples, plan.process(&samples))?.nrows(), rows);
    Some(())
}
