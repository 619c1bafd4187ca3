//! A trained model in one self-describing file.

use crate::classifier::Classifier;
use crate::encoder::WhisperEncoder;
use crate::files::{FileError, open_weights, read_file, save_file};
use crate::input::{InputError, Normalization};
use crate::json::is_default;
use crate::layers::LayerError;
use crate::models::{Architecture, Model};
use crate::parameters::{ParameterError, Parameters};
use crate::readout::Readout;
use crate::setting::{Checked, SettingError, Settings};
use crate::weights::{Weights, one_line};
use ser_features::{ConfigError, FeatureConfig, Preparation, PreparationConfig};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use twox_hash::XxHash3_128;

/// The format of the files that this version reads and writes.
const FORMAT: u64 = 3;
/// The name of such a file in errors.
const KIND: &str = "a checkpoint";
/// The name in errors of bytes that come from no file.
pub(crate) const IN_MEMORY: &str = "checkpoint in memory";

/// A trained model with everything that is needed to use it, and its origin.
///
/// The file format is safetensors: the model's tensors under their own names, everything else as JSON under the only metadata key
/// `ser-models`. The last field of the JSON is a SHA-256 of all the rest. The same content gives the same bytes.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Checkpoint {
    /// The version of this crate that trained the model.
    pub crate_version: String,
    /// The network and its sizes.
    pub architecture: Architecture,
    /// The classes, in the order of the network's outputs.
    pub labels: Vec<String>,
    /// Settings of the probabilities of an answer.
    pub readout: Readout,
    /// Settings of the preparation.
    pub preparation: PreparationConfig,
    /// Settings of the clips' features.
    pub features: FeatureConfig,
    /// Constants of the inputs' normalisation.
    pub normalization: Normalization,
    /// The clips of each part of the split.
    pub split: SplitRecord,
    /// Settings and results of the training.
    pub training: TrainingRecord,
    /// One record for each further model that [`Checkpoint::join`] added, in their order; empty unless joined.
    pub joined: Vec<TrainingRecord>,
    pub(crate) weights: Weights,
}

/// The clips of each part of the split.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SplitRecord {
    /// Protocol of the split in words, e.g. `stratified 80/20`.
    pub protocol: String,
    /// The seed of the split.
    pub seed: u64,
    /// Ids of the training clips.
    pub train: Vec<String>,
    /// Ids of the validation clips, which selected the epoch.
    pub validation: Vec<String>,
    /// Ids of the test clips. They had no influence on the model, so measure it on these.
    pub test: Vec<String>,
}

/// Settings and results of a training run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TrainingRecord {
    /// The seed of the run.
    pub seed: u64,
    /// The settings of the run's [`TrainingConfig`](crate::training::TrainingConfig) as JSON. The model can be used even if this version
    /// does not have all of them.
    pub config: serde_json::Value,
    /// The settings of the [`EncodingConfig`](crate::training::EncodingConfig) that made the training part's inputs and its augmented copies,
    /// as JSON; `None` if the network reads no encoder, or an older version trained it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoding: Option<serde_json::Value>,
    /// Number of epochs that were run.
    pub epochs: usize,
    /// The epoch whose weights these are, counted from 1.
    pub epoch: usize,
    /// Figures of that epoch by name: `train_loss`, `train_accuracy`, and with a validation part `validation_loss`,
    /// `validation_accuracy`, `validation_uar` and `validation_macro_f1`. A caller may add more; all must be finite.
    pub metrics: BTreeMap<String, f64>,
}

/// Facts about the data that a checkpoint records and a [`Trainer`](crate::training::Trainer) does not have.
#[derive(Debug, Clone, PartialEq)]
pub struct CheckpointSource {
    /// Settings of the clips' preparation.
    pub preparation: PreparationConfig,
    /// Settings of the clips' features.
    pub features: FeatureConfig,
    /// Protocol of the split in words, e.g. `stratified 80/20`.
    pub protocol: String,
    /// The seed of the split.
    pub split_seed: u64,
    /// Ids of the clips that were set aside for testing. May be empty.
    pub test: Vec<String>,
}

/// Errors of making, writing and reading a checkpoint.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// The file could not be written or read, or is damaged.
    #[error(transparent)]
    File(#[from] FileError),
    /// The file names an architecture that this version does not have.
    #[error("{file}: architecture must be one of {known:?}, got {given:?}")]
    Architecture {
        /// The file.
        file: String,
        /// The architecture's name.
        given: String,
        /// The known names.
        known: Vec<&'static str>,
    },
    /// The checkpoint has another network than the caller expects.
    #[error("checkpoint: architecture must be {expected:?}, got {given:?}")]
    AnotherArchitecture {
        /// The kind of network in the checkpoint.
        given: &'static str,
        /// The kind that was expected.
        expected: String,
    },
    /// The network's encoder is missing, another one was given, or one was given to a network that reads features.
    #[error("{file}: encoder must be {expected}, got {given}")]
    Encoder {
        /// The file.
        file: String,
        /// The encoder that the network was trained with.
        expected: String,
        /// The encoder given.
        given: String,
    },
    /// Two parts of the checkpoint contradict each other.
    #[error("{file}: {cause}")]
    Inconsistent {
        /// The file.
        file: String,
        /// The rule that is broken.
        #[source]
        cause: SettingError,
    },
    /// The features do not fit the model's input.
    #[error("{file}: {cause}")]
    Input {
        /// The file.
        file: String,
        /// The cause.
        #[source]
        cause: InputError,
    },
    /// A setting of the preparation or of the features is out of its range.
    #[error("{file}: {cause}")]
    Front {
        /// The file.
        file: String,
        /// The cause.
        #[source]
        cause: ConfigError,
    },
    /// The architecture's sizes do not fit together.
    #[error("{file}: {cause}")]
    Layer {
        /// The file.
        file: String,
        /// The cause.
        #[source]
        cause: LayerError,
    },
}

/// The fields of a checkpoint in the file's metadata, in the order in which they are written. Tensors are stored separately.
#[derive(Serialize, Deserialize)]
#[serde(remote = "Checkpoint")]
struct Metadata {
    crate_version: String,
    architecture: Architecture,
    labels: Vec<String>,
    #[serde(default, skip_serializing_if = "is_default")]
    readout: Readout,
    preparation: PreparationConfig,
    features: FeatureConfig,
    normalization: Normalization,
    split: SplitRecord,
    training: TrainingRecord,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    joined: Vec<TrainingRecord>,
    #[serde(skip)]
    weights: Weights,
}

/// The JSON under the metadata key.
#[derive(Serialize)]
struct Header<'a> {
    format: u64,
    #[serde(flatten, serialize_with = "Metadata::serialize")]
    checkpoint: &'a Checkpoint,
}

impl Checkpoint {
    /// Reads a file.
    ///
    /// # Errors
    /// [`CheckpointError::File`] if the file cannot be read, is damaged, has another format, or a tensor is missing, superfluous, of
    /// another shape or type, or not finite; [`CheckpointError::Architecture`] if the architecture is unknown;
    /// [`CheckpointError::Inconsistent`], [`CheckpointError::Input`], [`CheckpointError::Front`] or [`CheckpointError::Layer`] if its parts
    /// contradict each other. Each error names the file, and the tensor if it is about one.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, CheckpointError> {
        let path = path.as_ref();
        Self::read(&read_file(path)?, &path.display().to_string())
    }

    /// Reads the bytes of a file, e.g. of `include_bytes!`.
    ///
    /// # Errors
    /// As [`Checkpoint::load`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CheckpointError> {
        Self::read(bytes, IN_MEMORY)
    }

    fn read(bytes: &[u8], file: &str) -> Result<Self, CheckpointError> {
        let (weights, text, json) = open_weights(bytes, file, KIND, FORMAT)?;
        let given = json["architecture"]["name"].as_str().unwrap_or_default();
        if !Architecture::KINDS.contains(&given) {
            let (given, known) = (given.to_owned(), Architecture::KINDS.to_vec());
            return Err(CheckpointError::Architecture { file: file.to_owned(), given, known });
        }
        let metadata = Metadata::deserialize(json).map_err(|e| FileError::not_a(KIND, file, e))?;
        let checkpoint = Self { weights, ..metadata };
        checkpoint.model(file)?;
        // The digest is checked last, because the errors above are more specific.
        checkpoint.weights.check_digest(&text).map_err(|cause| FileError::not_a(KIND, file, cause))?;
        Ok(checkpoint)
    }

    /// Returns the bytes of the file.
    ///
    /// # Errors
    /// If fields were changed such that they contradict each other.
    pub fn to_bytes(&self) -> Result<Vec<u8>, CheckpointError> {
        self.write(IN_MEMORY)
    }

    /// Returns a hexadecimal digest of the file, 128-bit XXH3, which distinguishes models. It is no protection against forgery.
    ///
    /// # Errors
    /// If the settings cannot be written.
    pub fn digest(&self) -> Result<String, CheckpointError> {
        Ok(format!("{:032x}", XxHash3_128::oneshot(&self.written(IN_MEMORY)?)))
    }

    /// Writes the file atomically: at any moment the path has the old file or the new one.
    ///
    /// # Errors
    /// If the file cannot be written, or fields were changed such that they contradict each other.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), CheckpointError> {
        let path = path.as_ref();
        Ok(save_file(path, &self.write(&path.display().to_string())?)?)
    }

    fn write(&self, file: &str) -> Result<Vec<u8>, CheckpointError> {
        self.model(file)?;
        self.written(file)
    }

    /// Returns the bytes of the file, even if its fields contradict each other.
    fn written(&self, file: &str) -> Result<Vec<u8>, CheckpointError> {
        let metadata = serde_json::to_string(&Header { format: FORMAT, checkpoint: self })
            .map_err(|cause| FileError::not_written(file, cause))?;
        Ok(self.weights.to_safetensors(&metadata).map_err(|cause| FileError::weights(file, cause))?)
    }

    /// Checks that the network is of this kind, one of [`Architecture::KINDS`].
    ///
    /// # Errors
    /// [`CheckpointError::AnotherArchitecture`] with the kind found and the one expected.
    pub fn expect_architecture(&self, kind: &str) -> Result<(), CheckpointError> {
        match self.architecture.name() {
            given if given == kind => Ok(()),
            given => Err(CheckpointError::AnotherArchitecture { given, expected: kind.to_owned() }),
        }
    }

    /// Checks that the network reads the outputs of this encoder.
    ///
    /// # Errors
    /// [`CheckpointError::Encoder`] if the network reads features, or was trained with another encoder.
    pub fn expect_encoder(&self, encoder: &WhisperEncoder) -> Result<(), CheckpointError> {
        self.check_encoder(Some(encoder), IN_MEMORY)
    }

    pub(crate) fn check_encoder(
        &self,
        encoder: Option<&WhisperEncoder>,
        file: &str,
    ) -> Result<(), CheckpointError> {
        let expected = match (self.architecture.encoder(), encoder.map(WhisperEncoder::digest)) {
            (None, None) | (Some(""), Some(_)) => return Ok(()),
            (Some(wanted), Some(given)) if wanted == given => return Ok(()),
            (None, Some(_)) => "none because the network reads features".to_owned(),
            (Some(""), None) => "given, any of its sizes".to_owned(),
            (Some(wanted), None) => format!("given, that with digest {wanted}"),
            (Some(wanted), Some(_)) => format!("that with digest {wanted}"),
        };
        let given = encoder.map_or("none".to_owned(), |e| format!("one with digest {}", e.digest()));
        Err(CheckpointError::Encoder { file: file.to_owned(), expected, given })
    }

    /// Returns a copy with another network, which was trained without a [`Trainer`](crate::training::Trainer). Input, labels, readout,
    /// normalisation and clips stay. `parameters` are those of [`Model::parameters`] with this architecture. The training record is that of
    /// the old network; set [`Checkpoint::training`] to the record of the new one.
    ///
    /// # Errors
    /// [`CheckpointError::Inconsistent`] if the network reads another input, [`FileError::Weights`] in [`CheckpointError::File`] if the
    /// tensors are not exactly the architecture's.
    pub fn with_network(
        &self,
        architecture: Architecture,
        parameters: &Parameters,
    ) -> Result<Self, CheckpointError> {
        let [rule, given] = [self.architecture.input(), architecture.input()];
        let same = Settings("network").require(
            rule == given,
            "input",
            format!("the old network's, {rule:?}"),
            format!("{given:?}"),
        );
        same.map_err(inconsistent(IN_MEMORY))?;
        let failed = |cause: candle_core::Error| CheckpointError::Layer {
            file: IN_MEMORY.to_owned(),
            cause: cause.into(),
        };
        let values = parameters.values().map_err(failed)?;
        let checkpoint = Self { architecture, weights: values, ..self.clone() };
        checkpoint.model(IN_MEMORY)?;
        Ok(checkpoint)
    }

    /// Returns the model with its normalisation and labels, ready to classify.
    ///
    /// # Errors
    /// If fields were changed such that they contradict each other.
    pub fn classifier(&self) -> Result<Classifier, CheckpointError> {
        let model = self.model(IN_MEMORY)?;
        Ok(Classifier::new(model, self.normalization.clone(), self.labels.clone(), self.readout.clone()))
    }

    /// Builds the model. Checks that all parts of the checkpoint fit together.
    pub(crate) fn model(&self, file: &str) -> Result<Model, CheckpointError> {
        let input = |cause| CheckpointError::Input { file: file.to_owned(), cause };
        self.architecture.input().check(&self.features).map_err(input)?;
        self.check_fields().map_err(inconsistent(file))?;
        // JSON would write an infinite level as `null` and read it as none.
        let front = |cause| CheckpointError::Front { file: file.to_owned(), cause };
        Preparation::new(self.preparation.clone()).map_err(front)?;
        let failed = |error| match error {
            LayerError::Parameter(ParameterError::Weights(cause)) => FileError::weights(file, cause).into(),
            cause => CheckpointError::Layer { file: file.to_owned(), cause },
        };
        let parameters = Parameters::given(self.weights.clone());
        let model = self.architecture.build_with(self.labels.len(), parameters).map_err(failed)?;
        model.parameters().check_all_taken().map_err(|cause| FileError::weights(file, cause))?;
        Ok(model)
    }

    /// Checks all fields except the tensors.
    fn check_fields(&self) -> Checked {
        self.normalization.check(self.architecture.input().features())?;
        let mut seen = HashSet::new();
        if let Some(label) = self.labels.iter().find(|label| !seen.insert(*label)) {
            return Err(Settings("metadata").error("labels", "different", format!("{label:?} twice")));
        }
        self.readout.check(&self.labels)?;
        let (rate, given) = (self.preparation.sample_rate, self.features.sample_rate);
        let rule = format!("the preparation's, {rate} Hz");
        Settings("features").require(given == rate, "sample_rate", rule, format!("{given} Hz"))?;
        let figures = self.joined.iter().chain([&self.training]).flat_map(|record| &record.metrics);
        if let Some((name, value)) = figures.into_iter().find(|(_, value)| !value.is_finite()) {
            return Err(Settings("training").error(
                "metrics",
                "finite",
                format!("{value} of {}", one_line(name)),
            ));
        }
        let SplitRecord { train, validation, test, .. } = &self.split;
        let seen: HashSet<&String> = train.iter().chain(validation).collect();
        match test.iter().find(|id| seen.contains(id)) {
            Some(id) => {
                Err(Settings("split").error("clips of the test part", "in no other part", one_line(id)))
            }
            None => Ok(()),
        }
    }
}

/// Returns the error of a file whose parts contradict each other.
pub(crate) fn inconsistent(file: &str) -> impl FnOnce(SettingError) -> CheckpointError {
    move |cause| CheckpointError::Inconsistent { file: file.to_owned(), cause }
}
