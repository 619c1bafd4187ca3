//! Concatenation of two data sets.

use super::corpora::Corpora;
use super::{Audio, Dataset, DatasetError, first_repeated};
use crate::layer::Padded;
use ndarray::{Axis, concatenate};

impl Dataset {
    /// The clips of this set, then those of another one with the same classes and inputs of the same shape: for example labelled clips, and
    /// clips that only soft labels describe ([`Dataset::with_soft_labels`]). Valid frames, corpora, soft labels and samples must be in both
    /// sets or in neither. The preparation and features of samples, and an encoding, must be the same.
    ///
    /// # Errors
    /// [`DatasetError::Other`] if the sets do not fit together, [`DatasetError::Id`] if both have a clip of one id.
    pub fn and(&self, other: &Self) -> Result<Self, DatasetError> {
        for ((what, expected), (_, given)) in self.facts().into_iter().zip(other.facts()) {
            if expected != given {
                return Err(DatasetError::Other { what, expected, given });
            }
        }
        let ids = [&self.ids[..], &other.ids].concat();
        if let Some(id) = first_repeated(&ids) {
            return Err(DatasetError::Id { id: id.to_owned() });
        }
        // The shapes are equal, and neither set is empty.
        let inputs = Padded::together(&[self.inputs.clone(), other.inputs.clone()]);
        let inputs = inputs.ok().flatten().ok_or(DatasetError::Empty)?;
        let soft_labels = both(&self.soft_labels, &other.soft_labels)
            .map(|(first, second)| concatenate(Axis(0), &[first.view(), second.view()]))
            .transpose()
            .map_err(|_| DatasetError::Empty)?;
        Ok(Self {
            inputs,
            labels: [&self.labels[..], &other.labels].concat(),
            label_names: self.label_names.clone(),
            ids,
            corpora: both(&self.corpora, &other.corpora).map(|(first, second)| first.and(second)),
            soft_labels,
            audio: both(&self.audio, &other.audio).map(|(first, second)| Audio {
                samples: first.samples.iter().chain(&second.samples).cloned().collect(),
                ..first.clone()
            }),
            encoding: self.encoding.clone(),
        })
    }

    /// Returns the properties, by name, that two sets must have in common.
    fn facts(&self) -> [(&'static str, String); 7] {
        let known = |is_known: bool| if is_known { "given" } else { "none" }.to_owned();
        let samples = self.audio.as_ref().map(|Audio { preparation, features, .. }| {
            format!("given, with {preparation:?} and {features:?}")
        });
        [
            ("classes", self.label_names.join(", ")),
            ("the shape of inputs", format!("{:?}", &self.inputs.dims()[1..])),
            ("valid frames", known(self.inputs.lengths().is_some())),
            ("corpora", known(self.corpora.is_some())),
            ("soft labels", known(self.soft_labels.is_some())),
            ("samples", samples.unwrap_or_else(|| known(false))),
            ("encoding", self.encoding.as_ref().map_or_else(|| known(false), ToString::to_string)),
        ]
    }
}

impl Corpora {
    /// Returns the corpora of the clips of two sets. Corpora with the same name are one.
    fn and(&self, other: &Self) -> Self {
        let names = |corpora: &Self| {
            corpora.of.iter().map(|corpus| corpora.names[*corpus].clone()).collect::<Vec<_>>()
        };
        Self::of_clips(names(self).into_iter().chain(names(other)))
    }
}

/// Returns both values if both exist.
fn both<'a, T>(first: &'a Option<T>, second: &'a Option<T>) -> Option<(&'a T, &'a T)> {
    first.as_ref().zip(second.as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array2, array};
    use ser_features::{FeatureConfig, PreparationConfig};

    /// Makes a data set with a clip for each id. The clip's only input and its only sample are its number.
    fn set(ids: &[&str], numbers: &[f32], corpus: &str) -> Dataset {
        let inputs = Array2::from_shape_vec((ids.len(), 1), numbers.to_vec()).unwrap();
        let samples = numbers.iter().map(|x| vec![*x]).collect();
        let set = Dataset::new(inputs, vec![0; ids.len()], ["a", "b"], ids.to_vec()).unwrap();
        let set = set.with_audio(samples, PreparationConfig::default(), FeatureConfig::default()).unwrap();
        set.with_corpora(vec![corpus; ids.len()]).unwrap()
    }

    #[test]
    fn both_sets_are_one_after_the_other() {
        let first = set(&["x", "y"], &[1.0, 2.0], "one").with_soft_labels(array![[1.0, 0.0], [0.5, 0.5]]);
        let second = set(&["z"], &[3.0], "two").with_soft_labels(array![[0.25, 0.75]]);
        let both = first.unwrap().and(&second.unwrap()).unwrap();
        assert_eq!((both.ids(), both.labels()), (&["x", "y", "z"].map(String::from)[..], &[0, 0, 0][..]));
        assert_eq!(both.inputs().values().to_vec2::<f32>().unwrap(), [[1.0], [2.0], [3.0]]);
        assert_eq!(both.soft_labels(), Some(&array![[1.0, 0.0], [0.5, 0.5], [0.25, 0.75]]));
        assert_eq!((both.corpus_names(), both.corpus(2)), (&["one", "two"].map(String::from)[..], 1));
        assert_eq!(*both.audio().unwrap().samples[2], [3.0]);
        let of_one_name = set(&["x"], &[1.0], "one").and(&set(&["y"], &[2.0], "one")).unwrap();
        assert_eq!((of_one_name.corpus_names(), of_one_name.corpus(1)), (&["one".to_owned()][..], 0));
        let parts = both.select(&[0, 1]).unwrap().and(&both.select(&[2]).unwrap()).unwrap();
        assert_eq!(parts.fingerprint(), both.fingerprint());
    }

    #[test]
    fn valid_frames_are_those_of_both() {
        let padded = |id: &str, frames| {
            let set = Dataset::new(ndarray::Array3::zeros((1, 2, 4)), vec![0], ["a"], [id]).unwrap();
            set.with_frames(vec![frames]).unwrap()
        };
        let both = padded("x", 3).and(&padded("y", 2)).unwrap();
        assert_eq!(both.inputs().lengths(), Some(&[3, 2][..]));
    }

    #[test]
    fn sets_that_do_not_fit_together_are_refused() {
        let first = || set(&["x"], &[1.0], "one");
        let message = |other: Dataset| first().and(&other).unwrap_err().to_string();
        let plain = |columns, names: [&str; 2]| {
            Dataset::new(Array2::zeros((1, columns)), vec![0], names, ["y"]).unwrap()
        };
        let must = "must be those of the other set";
        assert_eq!(message(plain(1, ["a", "c"])), format!("dataset: classes {must}, a, b, got a, c"));
        assert_eq!(
            message(plain(2, ["a", "b"])),
            format!("dataset: the shape of inputs {must}, [1], got [2]")
        );
        assert_eq!(message(plain(1, ["a", "b"])), format!("dataset: corpora {must}, given, got none"));
        let without_samples = plain(1, ["a", "b"]).with_corpora(["one"]).unwrap();
        assert!(message(without_samples).starts_with(&format!("dataset: samples {must}, given, with ")));
        let soft = set(&["y"], &[1.0], "one").with_soft_labels(array![[1.0, 0.0]]).unwrap();
        assert_eq!(message(soft), format!("dataset: soft labels {must}, none, got given"));
        assert_eq!(message(first()), "dataset: ids of clips must differ, got x twice");
    }
}
