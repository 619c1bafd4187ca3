//! What is trained, and how: an architecture with its features and its settings, from a name or a file.
//!
//! What the report leaves open is in [`TrainingConfig::default`] and in this crate's `recipes`, chosen on validation parts.

use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail};
use ser_data::{Shares, Split, SplitError, stratified};
use ser_features::{FeatureConfig, PreparationConfig};
use ser_models::models::Architecture;
use ser_models::training::TrainingConfig;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use crate::corpus::{Corpus, CorpusOptions, LabelSet};

/// The name of [`split`] in checkpoints and tables.
pub const PROTOCOL: &str = "stratified 80/20";

/// Four fifths of each class to train, one fifth to test. `validation` is the share of all clips that is taken out of the
/// training part to choose the epoch; with 0 the last epoch is taken, and all four fifths train.
///
/// # Errors
/// If the share is none, or there are too few clips.
pub fn split(corpus: &Corpus, validation: f64, seed: u64) -> Result<Split, SplitError> {
    stratified(&corpus.label_names(), &corpus.groups, Shares { validation, test: 0.2 }, seed)
}

/// A network, what it hears of a clip, and how it is trained.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Recipe {
    /// The network and its sizes.
    pub architecture: Architecture,
    /// How clips are prepared.
    pub preparation: PreparationConfig,
    /// Which features are taken.
    pub features: FeatureConfig,
    /// How it is trained.
    pub training: TrainingConfig,
}

impl Recipe {
    /// An architecture with the preparation and the features that it reads by default.
    pub fn new(architecture: Architecture, training: TrainingConfig) -> Self {
        let (preparation, features) = (architecture.preparation(), architecture.features());
        Self { architecture, preparation, features, training }
    }

    /// How a corpus must be read for it; no clip may be left out.
    ///
    /// # Errors
    /// If the features do not give the network's input.
    pub fn corpus_options(&self, labels: LabelSet, cache: Option<PathBuf>) -> anyhow::Result<CorpusOptions> {
        let input = self.architecture.input();
        input.check(&self.features)?;
        Ok(CorpusOptions {
            labels,
            preparation: self.preparation.clone(),
            features: self.features.clone(),
            input,
            audio: self.training.augmentation.audio.is_on(),
            cache,
            skip_bad: false,
        })
    }

    /// The recipe that a file has whole: its architecture, with [`TrainingConfig::default`] where it says nothing.
    ///
    /// # Errors
    /// As [`Recipe::with`]; if it names no architecture, or none that is known.
    pub fn of(file: &RecipeFile) -> anyhow::Result<Self> {
        let name = file.arch()?.with_context(|| format!("{}: arch must name a network", file.file))?;
        Self::new(named(name)?, TrainingConfig::default()).with(file)
    }

    /// The recipe with the settings of a file put over it. Preparation and features are first what the file's architecture reads by
    /// default.
    ///
    /// # Errors
    /// If a key is unknown, or a value not what it must be: the error names the file's table and the key.
    pub fn with(self, file: &RecipeFile) -> anyhow::Result<Self> {
        let architecture = file.put_over("architecture", &self.architecture)?;
        let base = Self::new(architecture, self.training);
        Ok(Self {
            preparation: file.put_over("preparation", &base.preparation)?,
            features: file.put_over("features", &base.features)?,
            training: file.put_over("training", &base.training)?,
            architecture: base.architecture,
        })
    }
}

/// The architecture of this name, in its ready sizes.
///
/// # Errors
/// If there is none; the error lists those that there are.
pub fn named(arch: &str) -> anyhow::Result<Architecture> {
    let known = || format!("there is no architecture {arch}, known are {}", Architecture::NAMES.join(", "));
    Architecture::named(arch).with_context(known)
}

/// A TOML file with settings: `arch`, and tables `architecture`, `preparation`, `features` and `training` with those fields of
/// [`Recipe`] that differ from the architecture's defaults.
#[derive(Debug, Clone, Default)]
pub struct RecipeFile {
    file: String,
    tables: Map<String, Value>,
}

impl RecipeFile {
    const KEYS: [&'static str; 5] = ["arch", "architecture", "preparation", "features", "training"];

    /// Reads a file.
    ///
    /// # Errors
    /// If it cannot be read, is not TOML, or has an unknown key: the error names the file, and the line or the key.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let file = path.display().to_string();
        let text = std::fs::read_to_string(path).with_context(|| file.clone())?;
        Self::parse(file, &text)
    }

    /// The settings that a file with this name and text has.
    ///
    /// # Errors
    /// As [`RecipeFile::read`].
    pub fn parse(file: impl Into<String>, text: &str) -> anyhow::Result<Self> {
        let file = file.into();
        let tables: Map<String, Value> = toml::from_str(text).map_err(|error| {
            let line = 1 + text[..error.span().map_or(0, |span| span.start)].matches('\n').count();
            anyhow!("{file}: line {line}: {}", error.message())
        })?;
        if let Some(key) = tables.keys().find(|key| !Self::KEYS.contains(&key.as_str())) {
            bail!("{file}: there is no setting `{key}`, known are {}", Self::KEYS.join(", "));
        }
        Ok(Self { file, tables })
    }

    /// The name of the architecture, if there is one.
    ///
    /// # Errors
    /// If it is not text.
    pub fn arch(&self) -> anyhow::Result<Option<&str>> {
        let name = |value: &'_ Value| value.is_string();
        match self.tables.get("arch") {
            Some(value) if !name(value) => bail!("{}: arch must be a name", self.file),
            value => Ok(value.and_then(Value::as_str)),
        }
    }

    /// Settings with this table of the file put over them.
    fn put_over<T: Serialize + DeserializeOwned>(&self, table: &str, settings: &T) -> anyhow::Result<T> {
        let mut value = serde_json::to_value(settings)?;
        if let Some(over) = self.tables.get(table) {
            put_over(&mut value, over);
        }
        serde_json::from_value(value).map_err(|error| anyhow!("{}: [{table}]: {error}", self.file))
    }
}

/// Tables field by field, all else whole; so is a table that is named otherwise, as another optimiser is.
fn put_over(value: &mut Value, over: &Value) {
    let renamed = over.get("name").is_some_and(|name| value.get("name") != Some(name));
    match (value, over) {
        (Value::Object(value), Value::Object(over)) if !renamed => {
            for (key, over) in over {
                put_over(value.entry(key).or_insert(Value::Null), over);
            }
        }
        (value, over) => *value = over.clone(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use ser_models::training::{OptimizerConfig, Schedule};

    fn read(text: &str) -> anyhow::Result<RecipeFile> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("recipe.toml");
        std::fs::write(&path, text)?;
        RecipeFile::read(&path)
    }

    fn recipe() -> Recipe {
        Recipe::new(Architecture::named("cnn-1d").unwrap(), TrainingConfig::default())
    }

    #[test]
    fn a_file_changes_what_it_names_and_nothing_else() {
        let file = read(
            "arch = 'cnn-1d'\n[training]\nepochs = 3\noptimizer = { name = 'adam', beta1 = 0.93 }\n\
             schedule = { warm_up = 0.1 }\naugmentation.audio.snr = [15, 30]\n[features]\nn_fft = 1024\n",
        )
        .unwrap();
        assert_eq!(file.arch().unwrap(), Some("cnn-1d"));
        let changed = recipe().with(&file).unwrap();
        let mut expected = recipe();
        expected.features.n_fft = 1024;
        expected.training.epochs = 3;
        expected.training.schedule = Schedule::Cosine { warm_up: 0.1, minimum: 0.0 };
        expected.training.augmentation.audio.snr = Some([15.0, 30.0]);
        let OptimizerConfig::Adam { beta2, eps, weight_decay, framework, .. } = OptimizerConfig::adam()
        else {
            panic!()
        };
        expected.training.optimizer =
            OptimizerConfig::Adam { beta1: 0.93, beta2, eps, weight_decay, framework };
        assert_eq!(changed, expected);
        assert_eq!(recipe().with(&RecipeFile::default()).unwrap(), recipe());
    }

    #[test]
    fn the_documented_file_is_read_and_differs_from_the_defaults() {
        let file = read(include_str!("../../examples/train.toml")).unwrap();
        let changed = recipe().with(&file).unwrap();
        assert_eq!((changed.preparation, changed.features), (recipe().preparation, recipe().features));
        assert_eq!(changed.training.ema_decay, Some(0.99));
        assert_ne!(changed.architecture, recipe().architecture);
        assert!(!changed.training.augmentation.audio.is_on());
        let mut on = include_str!("../../examples/train.toml").to_owned();
        for key in ["speed", "shift", "gain", "snr", "low_pass", "high_pass"] {
            on = on.replace(&format!("# {key} = "), &format!("{key} = "));
        }
        let on = recipe().with(&read(&on).unwrap()).unwrap().training.augmentation.audio;
        assert_eq!((on.speed, on.shift, on.snr), (Some([0.9, 1.1]), 0.2, Some([15.0, 30.0])));
        assert_eq!((on.low_pass, on.high_pass), (Some([3e3, 11e3]), Some([20.0, 400.0])));
    }

    #[test]
    fn unknown_keys_are_refused_with_file_and_key() {
        let refused = |text: &str| match read(text).and_then(|file| recipe().with(&file)) {
            Ok(_) => panic!("{text}"),
            Err(error) => format!("{error:#}"),
        };
        for (text, expected) in [
            ("epochs = 3", "there is no setting `epochs`"),
            ("[training]\nepoch = 3", "[training]: unknown field `epoch`"),
            ("[training.augmentation.audio]\nsnrr = [1, 2]", "[training]: unknown field `snrr`"),
            (
                "[training]\noptimizer = { beta1 = 0.9, momentum = 0.9 }",
                "[training]: unknown field `momentum`",
            ),
            ("[training]\nschedule = { name = 'cosine', rate = 1 }", "[training]: unknown field `rate`"),
            ("[features]\nn_mel = 64", "[features]: unknown field `n_mel`"),
            ("[training]\nepochs = 'ten'", "[training]: invalid type"),
            ("[architecture]\nfilters = 3", "[architecture]: unknown field `filters`"),
            ("\n[training\nepochs = 3", "line 2: "),
        ] {
            let message = refused(text);
            assert!(message.contains("recipe.toml: ") && message.contains(expected), "{message}");
            assert!(!message.contains('\n'), "{message}");
        }
        let error = read("arch = 3").unwrap().arch().unwrap_err().to_string();
        assert!(error.ends_with("arch must be a name"), "{error}");
    }
}
