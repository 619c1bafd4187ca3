//! Data sets for training and evaluation.

mod and;
mod corpora;
mod error;
mod fingerprint;

pub use error::DatasetError;

use super::{ModelInput, frames_of};
use crate::layer::{Padded, elements};
use candle_core::{Device, Tensor};
use corpora::Corpora;
use ndarray::{Array, Array2, Axis, Dimension, IxDyn};
use ser_features::{FeatureConfig, PreparationConfig};
use serde_json::Value;
use std::collections::HashSet;
use std::sync::Arc;

/// Inputs with their classes and the ids of their clips.
///
/// ```
/// use ndarray::array;
/// use ser_models::training::Dataset;
///
/// let inputs = array![[0.1f32, 0.2], [0.3, 0.4], [0.5, 0.6]];
/// let all = Dataset::new(inputs, vec![0, 1, 1], ["Calm", "Happy"], ["a", "b", "c"])?;
/// let train = all.select(&[0, 2])?;
/// assert_eq!(train.len(), 2);
/// assert_eq!(train.ids(), ["a", "c"]);
/// # Ok::<(), ser_models::training::DatasetError>(())
/// ```
///
/// Inputs with two or more axes of their own have frames along the last one. If clips were padded to one number of frames, set the number
/// of valid frames of each clip with [`Dataset::with_frames`].
#[derive(Debug, Clone)]
pub struct Dataset {
    inputs: Padded,
    labels: Vec<usize>,
    label_names: Vec<String>,
    ids: Vec<String>,
    corpora: Option<Corpora>,
    soft_labels: Option<Array2<f32>>,
    audio: Option<Audio>,
    encoding: Option<Value>,
}

/// The clips of the inputs, and how the inputs are made from them.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Audio {
    pub(crate) samples: Vec<Arc<[f32]>>,
    pub(crate) preparation: PreparationConfig,
    pub(crate) features: FeatureConfig,
}

impl Dataset {
    /// `inputs` [clips, …], not normalised; for each clip its class, an index into `label_names`, and its id.
    ///
    /// # Errors
    /// If there are no clips or their inputs have no elements, lengths differ, a label is out of range, a name or an id occurs twice, or a
    /// number is not finite.
    pub fn new<D: Dimension>(
        inputs: Array<f32, D>,
        labels: Vec<usize>,
        label_names: impl IntoIterator<Item = impl Into<String>>,
        ids: impl IntoIterator<Item = impl Into<String>>,
    ) -> Result<Self, DatasetError> {
        let inputs = inputs.into_dyn();
        let label_names: Vec<String> = label_names.into_iter().map(Into::into).collect();
        let ids: Vec<String> = ids.into_iter().map(Into::into).collect();
        if inputs.ndim() == 0 || inputs.is_empty() {
            return Err(DatasetError::Empty);
        }
        let clips = inputs.len_of(Axis(0));
        check_count("labels", clips, labels.len())?;
        check_count("ids", clips, ids.len())?;
        if let Some(name) = first_repeated(&label_names) {
            return Err(DatasetError::LabelName { name: name.to_owned() });
        }
        if let Some(id) = first_repeated(&ids) {
            return Err(DatasetError::Id { id: id.to_owned() });
        }
        let classes = label_names.len();
        for ((clip, &label), id) in inputs.outer_iter().zip(&labels).zip(&ids) {
            if label >= classes {
                return Err(DatasetError::Label { id: id.clone(), label, classes });
            }
            if let Some((element, given)) = clip.iter().copied().enumerate().find(|(_, x)| !x.is_finite()) {
                return Err(DatasetError::NotFinite { id: id.clone(), element, given });
            }
        }
        let shape = inputs.shape().to_vec();
        let values: Vec<f32> = if inputs.is_standard_layout() {
            let count = inputs.len();
            let (mut values, start) = inputs.into_raw_vec_and_offset();
            values.drain(..start.unwrap_or(0));
            values.truncate(count);
            values
        } else {
            inputs.iter().copied().collect()
        };
        // The values are counted, so this does not fail.
        let inputs = Tensor::from_vec(values, shape, &Device::Cpu).map_err(|_| DatasetError::Empty)?.into();
        let (corpora, soft_labels, audio, encoding) = (None, None, None, None);
        Ok(Self { inputs, labels, label_names, ids, corpora, soft_labels, audio, encoding })
    }

    /// A data set of inputs made by [`ModelInput::of`], with their valid frames.
    ///
    /// # Errors
    /// As [`Dataset::new`]; [`DatasetError::InputSize`] if a clip has another number of values than the input's shape or is not contiguous
    /// `f32`, [`DatasetError::Count`] if the input is padded and a clip lacks its valid frames.
    pub fn of_clips(
        input: ModelInput,
        clips: impl IntoIterator<Item = Padded>,
        labels: Vec<usize>,
        label_names: impl IntoIterator<Item = impl Into<String>>,
        ids: impl IntoIterator<Item = impl Into<String>>,
    ) -> Result<Self, DatasetError> {
        let shape = input.shape();
        let size = input.elements();
        let (mut values, mut frames) = (Vec::new(), Vec::with_capacity(labels.len()));
        let mut count = 0;
        for clip in clips {
            let given = clip.values().elem_count();
            let elements = elements(clip.values()).ok();
            let elements = elements.as_ref().and_then(|elements| elements.slice::<f32>().ok());
            let Some(elements) = elements.filter(|_| Some(given) == size) else {
                return Err(DatasetError::InputSize { clip: count, shape, given });
            };
            if count == 0 {
                values.reserve(labels.len().saturating_mul(given));
            }
            values.extend_from_slice(elements);
            frames.extend(clip.lengths().into_iter().flatten());
            count += 1;
        }
        let dims: Vec<usize> = std::iter::once(count).chain(shape).collect();
        // Every clip's values were counted, so this does not fail.
        let inputs = Array::from_shape_vec(IxDyn(&dims), values).map_err(|_| DatasetError::Empty)?;
        let data = Self::new(inputs, labels, label_names, ids)?;
        if input.is_padded() { data.with_frames(frames) } else { Ok(data) }
    }

    /// Sets the number of valid frames of each clip. The frames after them are padding, which normalisation leaves at zero and sequence
    /// models don't read.
    ///
    /// # Errors
    /// If there is not one number for each clip, or a number is outside 1 to the frames of the inputs (their last axis).
    pub fn with_frames(mut self, frames: Vec<usize>) -> Result<Self, DatasetError> {
        check_count("numbers of frames", self.len(), frames.len())?;
        let most = frames_of(&self.inputs.dims()[1..]);
        if let Some(clip) = frames.iter().position(|n| !(1..=most).contains(n)) {
            return Err(DatasetError::Frames { id: self.ids[clip].clone(), most, given: frames[clip] });
        }
        self.inputs = Padded::of(self.inputs.into_values(), Some(frames));
        Ok(self)
    }

    /// Sets the corpus of each clip. A corpus labels the classes that its clips have; the loss of its clips ignores all other classes. A
    /// corpus with a single class counts as labelling all classes, because a softmax over one class has no gradient. Balanced batches
    /// ([`Sampling::Balanced`](crate::training::Sampling::Balanced)) draw from each corpus by its share.
    ///
    /// # Errors
    /// If there is not one name for each clip.
    pub fn with_corpora(
        mut self,
        corpora: impl IntoIterator<Item = impl Into<String>>,
    ) -> Result<Self, DatasetError> {
        let corpora = Corpora::of_clips(corpora.into_iter().map(Into::into));
        check_count("corpora", self.len(), corpora.of.len())?;
        self.corpora = Some(corpora);
        Ok(self)
    }

    /// Sets soft labels as training targets in place of each clip's class: probabilities [clips, classes], e.g. another model's answers,
    /// mixed with the label or not (Hinton, Vinyals and Dean, *Distilling the knowledge in a neural network*, 2015). They cover all classes,
    /// also those that the clip's corpus does not label. Evaluation still uses the classes.
    ///
    /// # Errors
    /// [`DatasetError::Count`] if there is not one row for each clip, [`DatasetError::SoftLabels`] if a row does not have a number of 0 or
    /// more for each class, or their sum differs from 1 by 10⁻³ or more.
    pub fn with_soft_labels(mut self, probabilities: Array2<f32>) -> Result<Self, DatasetError> {
        let classes = self.label_names.len();
        let usable = |row: &[f32]| {
            row.len() == classes
                && row.iter().all(|p| *p >= 0.0)
                && (row.iter().sum::<f32>() - 1.0).abs() < 1e-3
        };
        let rows: Vec<Vec<f32>> = probabilities.outer_iter().map(|row| row.to_vec()).collect();
        check_count("rows of soft labels", self.len(), rows.len())?;
        if let Some((row, id)) = rows.into_iter().zip(&self.ids).find(|(row, _)| !usable(row)) {
            return Err(DatasetError::SoftLabels { id: id.clone(), classes, given: row });
        }
        self.soft_labels = Some(probabilities);
        Ok(self)
    }

    /// Adds the samples of the clips, so that training can augment the audio ([`AudioAugmentation`](crate::training::AudioAugmentation)):
    /// each clip's samples after `preparation`, from which `features` gave the inputs.
    ///
    /// # Errors
    /// If there are not as many as there are clips, one is empty or not finite, or the rates of preparation and features differ.
    pub fn with_audio(
        mut self,
        samples: Vec<Vec<f32>>,
        preparation: PreparationConfig,
        features: FeatureConfig,
    ) -> Result<Self, DatasetError> {
        check_count("clips of samples", self.len(), samples.len())?;
        for (clip, id) in samples.iter().zip(&self.ids) {
            let broken = clip.iter().enumerate().find(|(_, x)| !x.is_finite());
            let given = match broken {
                Some((sample, x)) => format!("{x} as sample {sample}"),
                None if clip.is_empty() => "none".to_owned(),
                None => continue,
            };
            return Err(DatasetError::Audio { id: id.clone(), given });
        }
        let rates = (preparation.sample_rate, features.sample_rate);
        if rates.0 != rates.1 {
            return Err(DatasetError::SampleRates { preparation: rates.0, features: rates.1 });
        }
        let samples = samples.into_iter().map(Arc::from).collect();
        self.audio = Some(Audio { samples, preparation, features });
        Ok(self)
    }

    /// The clips at these indices, in this order. A corpus of which there is none is left out.
    ///
    /// # Errors
    /// If there are no indices, one does not exist, or one occurs twice.
    pub fn select(&self, indices: &[usize]) -> Result<Self, DatasetError> {
        if indices.is_empty() {
            return Err(DatasetError::Empty);
        }
        if let Some(&index) = indices.iter().find(|i| **i >= self.len()) {
            return Err(DatasetError::Index { clips: self.len(), index });
        }
        let ids: Vec<String> = indices.iter().map(|i| self.ids[*i].clone()).collect();
        if let Some(id) = first_repeated(&ids) {
            return Err(DatasetError::Id { id: id.to_owned() });
        }
        Ok(Self {
            // Every index was checked above.
            inputs: self.inputs.select(indices).map_err(|_| DatasetError::Empty)?,
            labels: indices.iter().map(|i| self.labels[*i]).collect(),
            label_names: self.label_names.clone(),
            ids,
            corpora: self.corpora.as_ref().map(|corpora| corpora.select(indices)),
            soft_labels: self.soft_labels.as_ref().map(|labels| labels.select(Axis(0), indices)),
            audio: self.audio.as_ref().map(|audio| Audio {
                samples: indices.iter().map(|i| audio.samples[*i].clone()).collect(),
                ..audio.clone()
            }),
            encoding: self.encoding.clone(),
        })
    }

    /// Stores the settings of the encoding that made the inputs, as JSON, for the training record.
    pub(crate) fn with_encoding(self, encoding: Option<Value>) -> Self {
        Self { encoding, ..self }
    }

    /// The settings of the encoding that made the inputs, if an encoder did.
    pub(crate) fn encoding(&self) -> Option<&Value> {
        self.encoding.as_ref()
    }

    /// Number of clips, 1 or more.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Always false: a set holds 1 or more clips.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// The inputs [clips, …] with each clip's valid frames where some are padded.
    pub fn inputs(&self) -> &Padded {
        &self.inputs
    }

    /// The clips of the inputs, if they were added.
    pub(crate) fn audio(&self) -> Option<&Audio> {
        self.audio.as_ref()
    }

    /// The soft labels [clips, classes], if set.
    pub fn soft_labels(&self) -> Option<&Array2<f32>> {
        self.soft_labels.as_ref()
    }

    /// The class of each clip, an index into [`Dataset::label_names`].
    pub fn labels(&self) -> &[usize] {
        &self.labels
    }

    /// The names of the classes.
    pub fn label_names(&self) -> &[String] {
        &self.label_names
    }

    /// The id of each clip.
    pub fn ids(&self) -> &[String] {
        &self.ids
    }

    /// The corpora of the clips, in order of first appearance; empty if not set.
    pub fn corpus_names(&self) -> &[String] {
        self.corpora.as_ref().map_or(&[], |corpora| &corpora.names)
    }

    /// The corpus of a clip, an index into [`Dataset::corpus_names`], or 0 if corpora are not set.
    pub(crate) fn corpus(&self, clip: usize) -> usize {
        self.corpora.as_ref().map_or(0, |corpora| corpora.of[clip])
    }

    /// Returns for each clip the classes that its corpus labels, which are all if its clips have the same class. Returns `None` if all
    /// corpora label all classes.
    pub(crate) fn labelled_classes(&self) -> Option<Vec<Arc<[bool]>>> {
        self.corpora.as_ref()?.labelled_classes(&self.labels, self.label_names.len())
    }

    /// Number of clips of each class.
    pub fn class_counts(&self) -> Vec<usize> {
        let mut counts = vec![0; self.label_names.len()];
        self.labels.iter().for_each(|label| counts[*label] += 1);
        counts
    }
}

fn check_count(what: &'static str, clips: usize, given: usize) -> Result<(), DatasetError> {
    if given == clips { Ok(()) } else { Err(DatasetError::Count { what, clips, given }) }
}

fn first_repeated(items: &[String]) -> Option<&str> {
    let mut seen = HashSet::new();
    items.iter().find(|item| !seen.insert(item.as_str())).map(String::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::{Device, Tensor};
    use ndarray::{Array2, array};

    fn build(
        inputs: Array2<f32>,
        labels: &[usize],
        names: &[&str],
        ids: &[&str],
    ) -> Result<Dataset, DatasetError> {
        Dataset::new(inputs, labels.to_vec(), names.iter().copied(), ids.iter().copied())
    }

    #[test]
    fn bad_sets_are_refused_with_the_clip_named() {
        let message = |r: Result<Dataset, DatasetError>| r.unwrap_err().to_string();
        let inputs = || array![[1.0f32, 2.0], [3.0, 4.0]];
        assert!(
            message(build(Array2::zeros((0, 2)), &[], &["a"], &[])).contains("examples must be 1 or more")
        );
        assert!(
            message(build(Array2::zeros((2, 0)), &[0, 0], &["a"], &["x", "y"]))
                .contains("examples must be 1 or more")
        );
        assert!(
            message(build(inputs(), &[0], &["a"], &["x", "y"]))
                .contains("labels must be as many as clips, 2, got 1")
        );
        assert_eq!(
            message(build(inputs(), &[0, 2], &["a", "b"], &["x", "y"])),
            "clip y: label must be below the number of classes, 2, got 2"
        );
        assert!(message(build(inputs(), &[0, 1], &["a", "a"], &["x", "y"])).contains("got \"a\" twice"));
        assert!(message(build(inputs(), &[0, 1], &["a", "b"], &["x", "x"])).contains("got x twice"));
        let broken = array![[1.0f32, 2.0], [3.0, f32::NAN]];
        assert_eq!(
            message(build(broken, &[0, 1], &["a", "b"], &["x", "y"])),
            "clip y: element 1 of the input must be finite, got NaN"
        );
        let set = build(inputs(), &[0, 1], &["a", "b"], &["x", "y"]).unwrap();
        assert!(set.select(&[]).is_err() && set.select(&[2]).is_err() && set.select(&[0, 0]).is_err());
    }

    #[test]
    fn frames_are_those_of_the_clips_through_selections() {
        let input = ModelInput::Sequence { rows: 2, frames: 3 };
        let clip = |values: &[f32], frames: Option<usize>| {
            let values = Tensor::from_slice(values, (1, values.len()), &Device::Cpu).unwrap();
            Padded::of(values, frames.map(|frames| vec![frames]))
        };
        let clips = || {
            [clip(&[1.0, 2.0, 0.0, 3.0, 4.0, 0.0], Some(2)), clip(&[5.0, 6.0, 7.0, 8.0, 9.0, 10.0], Some(3))]
        };
        let build = |clips: Vec<Padded>| Dataset::of_clips(input, clips, vec![0, 1], ["a", "b"], ["x", "y"]);
        let set = build(clips().to_vec()).unwrap();
        assert_eq!(set.inputs().dims(), [2, 2, 3]);
        assert_eq!(set.inputs().lengths(), Some(&[2, 3][..]));
        assert_eq!(set.select(&[1]).unwrap().inputs().lengths(), Some(&[3][..]));
        let mut other = clips();
        other[0] = clip(&[1.0, 2.0, 0.0, 3.0, 4.0, 0.0], Some(1));
        assert_ne!(build(other.to_vec()).unwrap().fingerprint(), set.fingerprint());

        let message = |r: Result<Dataset, DatasetError>| r.unwrap_err().to_string();
        let short = clip(&[0.0; 5], None);
        assert_eq!(
            message(build(vec![clips()[0].clone(), short])),
            "input 1: numbers must be 6, as shape [2, 3] holds, got 5"
        );
        assert!(message(build(clips()[..1].to_vec())).contains("labels must be as many as clips, 1, got 2"));
        assert_eq!(
            message(set.clone().with_frames(vec![3])),
            "dataset: numbers of frames must be as many as clips, 2, got 1"
        );
        assert_eq!(message(set.with_frames(vec![3, 4])), "clip y: valid frames must be 1 to 3, got 4");
    }

    #[test]
    fn audio_that_does_not_belong_to_the_inputs_is_refused() {
        let set = || build(array![[1.0f32], [2.0]], &[0, 1], &["a", "b"], &["x", "y"]).unwrap();
        let add = |samples: &[&[f32]], sample_rate| {
            let samples = samples.iter().map(|clip| clip.to_vec()).collect();
            let features = FeatureConfig { sample_rate, ..Default::default() };
            set().with_audio(samples, PreparationConfig::default(), features)
        };
        let message = |r: Result<Dataset, DatasetError>| r.unwrap_err().to_string();
        assert_eq!(
            message(add(&[&[0.1]], 22_050)),
            "dataset: clips of samples must be as many as clips, 2, got 1"
        );
        let rule = "clip y: samples must be 1 or more finite numbers";
        assert_eq!(message(add(&[&[0.1], &[]], 22_050)), format!("{rule}, got none"));
        assert_eq!(message(add(&[&[0.1], &[0.5, f32::NAN]], 22_050)), format!("{rule}, got NaN as sample 1"));
        assert!(
            message(add(&[&[0.1], &[0.2]], 16_000)).contains("the preparation's, 22050 Hz, got 16000 Hz")
        );
        let whole = add(&[&[0.1], &[0.2, 0.3]], 22_050).unwrap();
        let second = whole.select(&[1]).unwrap();
        assert_eq!(*second.audio().unwrap().samples[0], [0.2, 0.3]);
        assert_ne!(whole.fingerprint(), set().fingerprint());
    }
}
