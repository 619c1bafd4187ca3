//! Recipes: an architecture with its features and its training settings, from a name or a TOML file.

use super::TrainingConfig;
use crate::files::FileError;
use crate::json::json_value;
use crate::models::Architecture;
use crate::weights::one_line;
use ser_features::{FeatureConfig, PreparationConfig};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};
use std::path::Path;

/// A network, its features, and its training settings.
///
/// ```
/// use ser_models::{Recipe, RecipeFile};
///
/// let file = RecipeFile::parse("short.toml", "arch = 'hybrid'\n[training]\nepochs = 5\n")?;
/// let recipe = Recipe::of(&file)?;
/// assert_eq!((recipe.architecture.name(), recipe.training.epochs), ("hybrid", 5));
/// # Ok::<(), ser_models::RecipeError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Recipe {
    /// The network and its sizes.
    pub architecture: Architecture,
    /// Settings of the preparation.
    pub preparation: PreparationConfig,
    /// Settings of the features.
    pub features: FeatureConfig,
    /// Settings of the training.
    pub training: TrainingConfig,
    /// Number of networks of this architecture to train, 1 or more. Each is trained from its own seed ([`member_seed`]), and all are joined
    /// into one model ([`Checkpoint::join`](crate::Checkpoint::join)).
    #[serde(skip_serializing_if = "is_one")]
    pub members: usize,
}

fn is_one(members: &usize) -> bool {
    *members == 1
}

/// The seed of one of several networks: `seed · members + member` (wrapping), `member` counted from 0 and below `members`. Experiments with
/// the same number of members and different seeds share no network's seed.
pub fn member_seed(seed: u64, members: usize, member: usize) -> u64 {
    seed.wrapping_mul(members as u64).wrapping_add(member as u64)
}

impl Recipe {
    /// Returns the recipe of an architecture with its default preparation and features.
    pub fn new(architecture: Architecture, training: TrainingConfig) -> Self {
        let (preparation, features) = (architecture.preparation(), architecture.features());
        Self { architecture, preparation, features, training, members: 1 }
    }

    /// Returns the recipe of a file that names its architecture. Training settings that the file leaves out are those of
    /// [`TrainingConfig::default`].
    ///
    /// # Errors
    /// As [`Recipe::with`], and if the file names no architecture or an unknown one.
    pub fn of(file: &RecipeFile) -> Result<Self, RecipeError> {
        let architecture = file.architecture()?.ok_or_else(|| file.arch_error("nothing"))?;
        Self::new(architecture, TrainingConfig::default()).with(file)
    }

    /// Changes the settings that the file sets. `arch` is ignored ([`Recipe::of`] reads it). Preparation and features start from what the
    /// changed architecture reads by default; those of this recipe are discarded.
    ///
    /// # Errors
    /// [`RecipeError::Table`] if a key of a table is unknown or a value has the wrong type, [`RecipeError::Members`] if `members` is 0.
    pub fn with(self, file: &RecipeFile) -> Result<Self, RecipeError> {
        let architecture = file.put_over("architecture", &self.architecture)?;
        let base = Self::new(architecture, self.training);
        let members = file.put_over("members", &self.members)?;
        if members == 0 {
            return Err(RecipeError::Members { file: file.file.clone() });
        }
        Ok(Self {
            members,
            preparation: file.put_over("preparation", &base.preparation)?,
            features: file.put_over("features", &base.features)?,
            training: file.put_over("training", &base.training)?,
            architecture: base.architecture,
        })
    }
}

/// Errors of reading a recipe.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecipeError {
    /// The file could not be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// The text is not TOML.
    #[error("{file}: line {line}: {cause}", cause = one_line(.cause.message()))]
    Toml {
        /// The file.
        file: String,
        /// The line, counted from 1.
        line: usize,
        /// The cause, whose message is part of the text.
        #[source]
        cause: toml::de::Error,
    },
    /// A top-level key is unknown.
    #[error("{file}: setting must be one of {}, got `{key}`", RecipeFile::KEYS.join(", "))]
    Key {
        /// The file.
        file: String,
        /// The key.
        key: String,
    },
    /// `arch` is missing, unknown or not a string.
    #[error("{file}: arch must be one of {}, got {given}", Architecture::NAMES.join(", "))]
    Architecture {
        /// The file.
        file: String,
        /// The value given.
        given: String,
    },
    /// `members` is 0.
    #[error("{file}: members must be 1 or more, got 0")]
    Members {
        /// The file.
        file: String,
    },
    /// A table has an unknown key or a value of the wrong type.
    #[error("{file}: {}: {cause}", place(table, key.as_deref()), cause = one_line(.cause))]
    Table {
        /// The file.
        file: String,
        /// The table.
        table: &'static str,
        /// The key, with those of the tables that it is in: `optimizer.beta1`. `None` for the table itself.
        key: Option<String>,
        /// The cause, which is part of the text.
        #[source]
        cause: serde_json::Error,
    },
}

/// A TOML file of settings: `arch`, `members`, and the tables `architecture`, `preparation`, `features` and `training`. A table has those
/// fields of [`Recipe`] that differ from the architecture's defaults. `examples/train.toml` in the repository explains every setting.
#[derive(Debug, Clone, Default)]
pub struct RecipeFile {
    file: String,
    tables: Map<String, Value>,
}

impl RecipeFile {
    const KEYS: [&'static str; 6] =
        ["arch", "members", "architecture", "preparation", "features", "training"];

    /// Reads a file.
    ///
    /// # Errors
    /// [`RecipeError::File`] if it cannot be read, [`RecipeError::Toml`] if it is not TOML, [`RecipeError::Key`] if a key at the top is
    /// unknown. The keys of tables are checked by [`Recipe::of`] and [`Recipe::with`].
    pub fn read(path: impl AsRef<Path>) -> Result<Self, RecipeError> {
        let file = path.as_ref().display().to_string();
        match std::fs::read_to_string(path) {
            Ok(text) => Self::parse(file, &text),
            Err(cause) => Err(FileError::Read { file, cause }.into()),
        }
    }

    /// Parses the text of a file. Errors name the file `file`.
    ///
    /// # Errors
    /// As [`RecipeFile::read`].
    pub fn parse(file: impl Into<String>, text: &str) -> Result<Self, RecipeError> {
        let file = file.into();
        let tables: Map<String, Value> = match toml::from_str::<toml::Table>(text) {
            Ok(tables) => tables.into_iter().map(|(key, value)| (key, json_of(value))).collect(),
            Err(mut cause) => {
                let line = 1 + text[..cause.span().map_or(0, |span| span.start)].matches('\n').count();
                // Without its input, the cause's text does not repeat the line.
                cause.set_input(None);
                return Err(RecipeError::Toml { file, line, cause });
            }
        };
        match tables.keys().find(|key| !Self::KEYS.contains(&key.as_str())) {
            Some(key) => Err(RecipeError::Key { key: one_line(key), file }),
            None => Ok(Self { file, tables }),
        }
    }

    /// Returns the ready configuration that `arch` names, or `None` if the file has no `arch`.
    ///
    /// # Errors
    /// [`RecipeError::Architecture`] if there is no architecture of this name.
    pub fn architecture(&self) -> Result<Option<Architecture>, RecipeError> {
        let Some(value) = self.tables.get("arch") else { return Ok(None) };
        let named = value.as_str().and_then(Architecture::named);
        named.map(Some).ok_or_else(|| self.arch_error(&value.to_string()))
    }

    /// Whether the file sets this key of this table.
    pub fn sets(&self, table: &str, key: &str) -> bool {
        self.tables.get(table).is_some_and(|table| table.get(key).is_some())
    }

    fn arch_error(&self, given: &str) -> RecipeError {
        RecipeError::Architecture { file: self.file.clone(), given: given.to_owned() }
    }

    /// Returns the settings with the values of this table of the file.
    fn put_over<T>(&self, table: &'static str, settings: &T) -> Result<T, RecipeError>
    where
        T: Serialize + DeserializeOwned,
    {
        let error = |key, cause| RecipeError::Table { file: self.file.clone(), table, key, cause };
        let mut value = json_value(settings).map_err(|cause| error(None, cause))?;
        if let Some(over) = self.tables.get(table) {
            put_over(&mut value, over);
        }
        serde_path_to_error::deserialize(value).map_err(|e| {
            let key = e.path().to_string();
            error((key != ".").then_some(key), e.into_inner())
        })
    }
}

/// A table, or a key in it: `[training]`, `[training] optimizer.beta1`.
fn place(table: &str, key: Option<&str>) -> String {
    key.map_or_else(|| format!("[{table}]"), |key| format!("[{table}] {}", one_line(key)))
}

/// A TOML value in JSON, which has no infinity and no NaN: they become text, as settings that may be infinite are written.
fn json_of(value: toml::Value) -> Value {
    match value {
        toml::Value::String(text) => text.into(),
        toml::Value::Integer(number) => number.into(),
        toml::Value::Float(number) if !number.is_finite() => number.to_string().into(),
        toml::Value::Float(number) => number.into(),
        toml::Value::Boolean(flag) => flag.into(),
        toml::Value::Datetime(time) => time.to_string().into(),
        toml::Value::Array(list) => list.into_iter().map(json_of).collect(),
        toml::Value::Table(table) => table.into_iter().map(|(key, value)| (key, json_of(value))).collect(),
    }
}

/// Overrides tables field by field and other values whole. A table with another `name`, such as that of another optimiser, is replaced
/// whole.
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
    use super::*;
    use crate::training::{OptimizerConfig, Schedule};
    use std::error::Error;

    fn read(text: &str) -> Result<RecipeFile, RecipeError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("recipe.toml");
        std::fs::write(&path, text).unwrap();
        RecipeFile::read(&path)
    }

    fn recipe() -> Recipe {
        Recipe::new(Architecture::named("cnn-1d").unwrap(), TrainingConfig::default())
    }

    #[test]
    fn what_may_be_infinite_is_so_in_toml() {
        let file = read("[features]\ntop_db = inf\n").unwrap();
        assert_eq!(recipe().with(&file).unwrap().features.top_db, Some(f32::INFINITY));
    }

    #[test]
    fn a_file_changes_what_it_names_and_nothing_else() {
        let file = read(
            "arch = 'cnn-1d'\n[training]\nepochs = 3\noptimizer = { name = 'adam', beta1 = 0.93 }\n\
             schedule = { warm_up = 0.1 }\naugmentation.audio.snr = [15, 30]\n[features]\nn_fft = 1024\n",
        )
        .unwrap();
        assert_eq!(file.architecture().unwrap(), Architecture::named("cnn-1d"));
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
        let file = read(include_str!("../../../examples/train.toml")).unwrap();
        let changed = recipe().with(&file).unwrap();
        assert_eq!((changed.preparation, changed.features), (recipe().preparation, recipe().features));
        assert_eq!(changed.training.ema_decay, Some(0.99));
        assert_ne!(changed.architecture, recipe().architecture);
        assert!(!changed.training.augmentation.audio.is_on());
        let mut on = include_str!("../../../examples/train.toml").to_owned();
        for key in ["speed", "shift", "gain", "snr", "low_pass", "high_pass", "chain"] {
            on = on.replace(&format!("# {key} = "), &format!("{key} = "));
        }
        let on = recipe().with(&read(&on).unwrap()).unwrap().training.augmentation.audio;
        assert_eq!((on.speed, on.shift, on.snr), (Some([0.9, 1.1]), 0.2, Some([15.0, 30.0])));
        assert_eq!((on.low_pass, on.high_pass), (Some([3e3, 11e3]), Some([20.0, 400.0])));
        assert_eq!((on.chain.reverberation, on.chain.telephone), (Some([0.1, 0.5]), 0.25));
    }

    #[test]
    fn unknown_keys_are_refused_with_file_and_key() {
        let refused = |text: &str| match read(text).and_then(|file| recipe().with(&file)) {
            Ok(_) => panic!("{text}"),
            Err(error) => error.to_string(),
        };
        for (text, expected) in [
            (
                "epochs = 3",
                "setting must be one of arch, members, architecture, preparation, features, training, got `epochs`",
            ),
            ("members = 0", "members must be 1 or more, got 0"),
            ("members = 'two'", "[members]: invalid type"),
            ("[training]\nepoch = 3", "[training] epoch: unknown field `epoch`"),
            (
                "[training.augmentation.audio]\nsnrr = [1, 2]",
                "[training] augmentation.audio.snrr: unknown field `snrr`",
            ),
            (
                "[training]\noptimizer = { beta1 = 0.9, momentum = 0.9 }",
                "[training] optimizer: unknown field `momentum`",
            ),
            (
                "[training]\nschedule = { name = 'cosine', rate = 1 }",
                "[training] schedule: unknown field `rate`",
            ),
            ("[features]\nn_mel = 64", "[features] n_mel: unknown field `n_mel`"),
            ("[training]\nepochs = 'ten'", "[training] epochs: invalid type"),
            ("[architecture]\nfilters = 3", "[architecture]: unknown field `filters`"),
            ("\n[training\nepochs = 3", "line 2: "),
            (
                "[training]\nema_decay = nan",
                "[training] ema_decay: invalid type: string \"NaN\", expected f64",
            ),
            (
                "[training]\nclip_norm = -inf",
                "[training] clip_norm: invalid type: string \"-inf\", expected f64",
            ),
        ] {
            let message = refused(text);
            assert!(message.contains("recipe.toml: ") && message.contains(expected), "{message}");
            assert!(!message.contains('\n'), "{message}");
        }
        for (text, given) in [("arch = 3", "3"), ("arch = 'resnet'", "\"resnet\""), ("", "nothing")] {
            let error = Recipe::of(&read(text).unwrap()).unwrap_err().to_string();
            assert!(error.contains("recipe.toml: arch must be one of cnn-1d, "), "{error}");
            assert!(error.ends_with(&format!(", got {given}")), "{error}");
        }
        let of = |text: &str| read(text).and_then(|file| recipe().with(&file)).unwrap_err();
        // The error's text ends with the cause's text, which does not repeat the position.
        for text in ["[training]\nepochs = 'ten'", "\n[training\nepochs = 3"] {
            let error = of(text);
            let cause = error.source().unwrap().to_string();
            assert!(error.to_string().ends_with(cause.trim_end()), "{error} of {cause}");
        }
        assert!(of("[training]\nepochs = 'ten'").source().unwrap().is::<serde_json::Error>());
        assert!(of("[training").source().unwrap().is::<toml::de::Error>());
        for text in [r#""a\nb" = 1"#, "[training]\n\"a\\nb\" = 1"] {
            let error = of(text).to_string();
            assert!(error.contains(r"`a\nb`") && !error.contains('\n'), "{error}");
        }
        let missing = RecipeFile::read("none/recipe.toml").unwrap_err().to_string();
        assert!(missing.starts_with("none/recipe.toml: "), "{missing}");
    }
}
