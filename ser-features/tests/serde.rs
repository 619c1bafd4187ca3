//! Configurations as JSON, the way a checkpoint keeps them.

use std::fmt::Debug;
use std::path::Path;

use ser_features::{
    BandwidthConfig, CentroidConfig, ChromaConfig, ChromaCqtConfig, ContrastConfig, CqtConfig, DecibelConfig,
    DeltaConfig, Feature, FeatureConfig, FlatnessConfig, FormantConfig, Functional, GriffinLimConfig,
    HpssConfig, KaldiFbankConfig, KaldiFrameConfig, KaldiMelConfig, KaldiMfccConfig, LogMelConfig, LogScale,
    MelConfig, MfccConfig, OnsetConfig, PadMode, PcenConfig, PreemphasisConfig, PreparationConfig,
    PyinConfig, Reference, RmsConfig, RolloffConfig, SpectralBalanceConfig, StftConfig, TempoConfig,
    TempogramConfig, TrimConfig, TuningConfig, WhisperConfig, Window, YinConfig, ZeroCrossingConfig,
};
use serde::{Serialize, de::DeserializeOwned};

/// Reads JSON as a checkpoint does, by way of a value, which holds numbers as `f64`.
fn by_value<T: DeserializeOwned>(json: &str) -> serde_json::Result<T> {
    serde_json::from_value(serde_json::from_str(json)?)
}

/// Compares a configuration with what comes back from JSON, and returns its type's name. Numbers beyond the range of `f32` in place of each
/// of its numbers are refused, or survive too.
fn survives<T: Serialize + DeserializeOwned + PartialEq + Debug>(config: T) -> &'static str {
    let json = serde_json::to_string(&config).unwrap();
    assert_eq!(serde_json::from_str::<T>(&json).unwrap(), config, "{json}");
    let number = |c: char| c.is_ascii_digit() || "+-.eE".contains(c);
    let starts = json.match_indices([':', '[', ',']).map(|(at, _)| at + 1);
    for start in starts.filter(|&at| json[at..].starts_with(|c: char| c.is_ascii_digit() || c == '-')) {
        let end = json[start..].find(|c| !number(c)).map_or(json.len(), |length| start + length);
        for huge in ["1e300", "-1e300"] {
            let text = [&json[..start], huge, &json[end..]].concat();
            let Ok(read) = by_value::<T>(&text) else { continue };
            let again = serde_json::to_string(&read).unwrap();
            assert_eq!(serde_json::from_str::<T>(&again).unwrap(), read, "{text} is written as {again}");
        }
    }
    std::any::type_name::<T>().rsplit("::").next().unwrap()
}

/// The configurations that the sources declare.
fn declared(folder: &Path, names: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            declared(&path, names);
            continue;
        }
        let source = std::fs::read_to_string(path).unwrap();
        let structs = source
            .lines()
            .filter_map(|line| line.strip_prefix("pub struct ")?.split([' ', '(', '<', ';']).next());
        names.extend(structs.filter(|name| name.ends_with("Config")).map(String::from));
    }
}

#[test]
fn every_configuration_survives_json() {
    let top_db = Some(f32::INFINITY);
    let mut tried = vec![
        survives(PreparationConfig { trim_top_db: None, length: None, ..Default::default() }),
        survives(FeatureConfig {
            features: vec![Feature::Tonnetz, Feature::Mel],
            tuning: Some(0.1),
            top_db,
            ..Default::default()
        }),
        survives(StftConfig { win_length: Some(400), pad_mode: PadMode::Reflect, ..Default::default() }),
        survives(StftConfig { window: Window::Custom(vec![0.1, 1.0, 0.3]), n_fft: 3, ..Default::default() }),
        survives(LogMelConfig { log: LogScale::Ln { floor: 1e-7 }, ..Default::default() }),
        survives(LogMelConfig::default()),
        survives(WhisperConfig { n_mels: 128 }),
        survives(KaldiFrameConfig::default()),
        survives(KaldiMelConfig::default()),
        survives(KaldiFbankConfig { use_energy: true, ..Default::default() }),
        survives(KaldiMfccConfig { num_ceps: 20, ..Default::default() }),
        survives(MelConfig { fmax: Some(8000.0), ..Default::default() }),
        survives(MfccConfig::default()),
        survives(DecibelConfig { reference: Reference::Max, top_db, ..Default::default() }),
        survives(ChromaConfig { octwidth: Some(f64::INFINITY), ..Default::default() }),
        survives(ChromaConfig { octwidth: None, ..Default::default() }),
        survives(ChromaCqtConfig { tuning: Some(0.2), threshold: f32::INFINITY, ..Default::default() }),
        survives(ContrastConfig { top_db, ..Default::default() }),
        survives(ContrastConfig { top_db: None, ..Default::default() }),
        survives(CqtConfig::default()),
        survives(HpssConfig { power: f32::INFINITY, ..Default::default() }),
        survives(HpssConfig::default()),
        survives(TuningConfig { fmax: f64::INFINITY, ..Default::default() }),
        survives(DeltaConfig::default()),
        survives(RmsConfig::default()),
        survives(TrimConfig::default()),
        survives(CentroidConfig { sample_rate: 16_000, ..Default::default() }),
        survives(BandwidthConfig { p: 1.5, ..Default::default() }),
        survives(RolloffConfig { roll_percent: 0.5, ..Default::default() }),
        survives(FlatnessConfig { power: 1.0, ..Default::default() }),
        survives(ZeroCrossingConfig { zero_pos: false, ..Default::default() }),
        survives(YinConfig { hop_length: 160, trough_threshold: f64::INFINITY, ..Default::default() }),
        survives(PreemphasisConfig { coef: 0.95 }),
        survives(PyinConfig { hop_length: 160, ..Default::default() }),
        survives(PcenConfig { b: Some(0.1), ..Default::default() }),
        survives(OnsetConfig { lag: 2, ..Default::default() }),
        survives(TempogramConfig { win_length: 100, ..Default::default() }),
        survives(TempoConfig { max_tempo: None, ..Default::default() }),
        survives(GriffinLimConfig { seed: Some(7), ..Default::default() }),
        survives(FormantConfig { max_frequency: 5_000, ..Default::default() }),
        survives(SpectralBalanceConfig { sample_rate: 16_000, ..Default::default() }),
        survives(HpssConfig { kernel_harmonic: 17, ..Default::default() }),
    ];
    survives(vec![Functional::Mean, Functional::Percentile(10.0)]);
    tried.sort_unstable();
    tried.dedup();
    let mut declared_names = Vec::new();
    declared(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../src"), &mut declared_names);
    declared_names.sort();
    assert_eq!(tried, declared_names);
}

#[test]
fn only_infinity_has_a_name() {
    let error = serde_json::from_str::<HpssConfig>(r#"{"power": "much"}"#).unwrap_err().to_string();
    assert!(error.contains("must be a number or \"inf\", got \"much\""), "{error}");
}

#[test]
fn a_number_that_rounds_to_infinity_is_refused() {
    for json in [r#"{"trim_top_db": 1e300}"#, r#"{"trim_top_db": -1e39}"#] {
        let error = by_value::<PreparationConfig>(json).unwrap_err().to_string();
        assert!(error.contains("a number must be finite and within ±3.4e38, got more"), "{error}");
    }
    for json in [r#"{"power": 1e300}"#, r#"{"power": "-inf"}"#] {
        assert!(by_value::<HpssConfig>(json).is_err(), "{json}");
    }
    let config: PreparationConfig = by_value(r#"{"trim_top_db": 3e38}"#).unwrap();
    assert_eq!(config.trim_top_db, Some(3e38));
}

#[test]
fn names_are_the_documented_ones() {
    let json = serde_json::to_value(FeatureConfig::default()).unwrap();
    assert_eq!(json["features"], serde_json::json!(["mfcc", "chroma", "mel", "contrast", "tonnetz"]));
    assert_eq!(json["precision"], "double");
    for feature in Feature::ALL {
        assert_eq!(serde_json::to_value(feature).unwrap(), feature.as_str());
    }
}

#[test]
fn what_is_missing_has_its_default_and_what_is_unknown_is_refused() {
    let config: FeatureConfig = serde_json::from_str(r#"{"n_mels": 64}"#).unwrap();
    assert_eq!(config, FeatureConfig { n_mels: 64, ..Default::default() });
    let error = serde_json::from_str::<FeatureConfig>(r#"{"n_mel": 64}"#).unwrap_err().to_string();
    assert!(error.contains("unknown field `n_mel`"), "{error}");
}
