//! Settings of unknown origin ask for sizes of any kind: each is refused, or planned in little time and memory.

use ser_features::{
    Feature, FeatureConfig, FeatureExtractor, KaldiMelConfig, KaldiMfcc, KaldiMfccConfig, MelConfig,
};
use ser_features::{MelNorm, MelScale, StftConfig, mel_filter_bank};

/// The processor time of this thread in seconds, where Linux tells it.
fn processor_time() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    Some(text.split(' ').next()?.parse::<f64>().ok()? / 1e9)
}

/// The longest processor time that planning may take, in seconds: tests without optimisation take three times as long.
const LONGEST: f64 = if cfg!(debug_assertions) { 3.0 } else { 1.0 };

/// Every feature at the sizes of a configuration, each refused or planned within a second.
fn plans_quickly(change: impl Fn(&mut FeatureConfig)) {
    for feature in Feature::ALL {
        let mut config = FeatureConfig::new(22_050, [feature]);
        change(&mut config);
        let before = processor_time();
        let made = FeatureExtractor::new(config.clone()).map(drop);
        if let (Some(before), Some(after)) = (before, processor_time()) {
            let spent = after - before;
            assert!(spent < LONGEST, "{spent:.1} s for {config:?}, {made:?}");
        }
    }
}

#[test]
fn sizes_at_their_limits_are_planned_within_a_second() {
    // The last is a prime, whose transform takes the most.
    for n_fft in [1, 2, 1 << 19, 1 << 20, 1_048_573] {
        plans_quickly(|config| config.n_fft = n_fft);
    }
    for n_mels in [1 << 12, 1 << 14, 1 << 16, 1 << 20, usize::MAX] {
        plans_quickly(|config| config.n_mels = n_mels);
        plans_quickly(|config| (config.n_mels, config.n_fft) = (n_mels, 64));
        plans_quickly(|config| (config.n_mels, config.n_mfcc) = (n_mels, n_mels));
        plans_quickly(|config| (config.n_mels, config.n_mfcc, config.n_fft) = (n_mels, 64, 64));
    }
    for hop_length in [1, 1 << 20, usize::MAX] {
        plans_quickly(|config| config.hop_length = hop_length);
    }
    for sample_rate in [1, 1_000, 384_000, u32::MAX] {
        plans_quickly(|config| config.sample_rate = sample_rate);
    }
}

#[test]
fn tables_that_are_too_large_are_refused() {
    let refusal = |n_mels, n_mfcc| {
        let config = FeatureConfig { n_mels, n_mfcc, ..FeatureConfig::new(22_050, [Feature::Mfcc]) };
        FeatureExtractor::new(config).unwrap_err().to_string()
    };
    let rule = "config: n_mels must be so small that its table has at most 33554432 values, got 65536";
    assert_eq!(refusal(65_536, 13), rule);
    let rule = "config: n_mfcc must be so small that its table has at most 4194304 cosines, got 2049";
    assert_eq!(refusal(2_048, 2_048 + 1), "config: n_mfcc must be at most n_mels, 2048, got 2049");
    assert_eq!(refusal(2_049, 2_049), rule);
    let mel = KaldiMelConfig { num_bins: 4_096, ..Default::default() };
    let kaldi = KaldiMfccConfig { mel, num_ceps: 1_025, ..Default::default() };
    let rule = "config: num_ceps must be so small that its table has at most 4194304 cosines, got 1025";
    assert_eq!(KaldiMfcc::new(kaldi).unwrap_err().to_string(), rule);
}

/// The definition, at every bin.
#[test]
fn mel_filters_are_those_of_the_definition_over_all_bins() {
    for (n_mels, n_fft, scale, norm, fmin) in [
        (1, 16, MelScale::Slaney, MelNorm::Slaney, 0.0),
        (128, 2_048, MelScale::Slaney, MelNorm::Slaney, 0.0),
        (40, 401, MelScale::Htk, MelNorm::None, 123.4),
        (5_000, 512, MelScale::Slaney, MelNorm::Slaney, 20.0),
        (20_000, 64, MelScale::Htk, MelNorm::Slaney, 0.0),
    ] {
        let config = MelConfig {
            n_mels,
            scale,
            norm,
            fmin,
            stft: StftConfig { n_fft, ..Default::default() },
            ..Default::default()
        };
        let rate = f64::from(config.sample_rate);
        let lowest = scale.to_mel(fmin);
        let step = (scale.to_mel(rate / 2.0) - lowest) / (n_mels + 1) as f64;
        let edge = |i: usize| scale.to_hz(lowest + step * i as f64);
        let bank = mel_filter_bank(&config).unwrap();
        for ((band, bin), &weight) in bank.indexed_iter() {
            let (low, centre, high) = (edge(band), edge(band + 1), edge(band + 2));
            let hz = bin as f64 * rate / n_fft as f64;
            let triangle = ((hz - low) / (centre - low)).min((high - hz) / (high - centre)).max(0.0);
            let height = if norm == MelNorm::Slaney { 2.0 / (high - low) } else { 1.0 };
            assert_eq!(weight, (triangle * height) as f32, "band {band}, bin {bin} of {config:?}");
        }
    }
}
