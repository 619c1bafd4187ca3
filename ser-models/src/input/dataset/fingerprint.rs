//! Fingerprints of sets of examples.

use super::corpora::Corpora;
use super::{Audio, Dataset};
use crate::layer::elements;
use sha2::{Digest, Sha256};

impl Dataset {
    /// A hexadecimal SHA-256 of the set: class names, ids, labels, valid frames, the bits of all inputs, corpora, soft labels, and samples
    /// with their preparation and features. The settings of an encoding are not part of it.
    pub fn fingerprint(&self) -> String {
        let mut hash = Sha256::new();
        let mut text = |items: &[String]| {
            hash.update((items.len() as u64).to_le_bytes());
            for item in items {
                hash.update((item.len() as u64).to_le_bytes());
                hash.update(item);
            }
        };
        text(&self.label_names);
        text(&self.ids);
        let frames = self.inputs.lengths().into_iter().flatten();
        for size in self.inputs.dims().iter().chain(&self.labels).chain(frames) {
            hash.update((*size as u64).to_le_bytes());
        }
        // `Dataset::new` and `select` make contiguous tensors of `f32`, so this does not fail.
        if let Ok(inputs) = elements(self.inputs.values()) {
            inputs.slice::<f32>().unwrap_or_default().iter().for_each(|x| hash.update(x.to_le_bytes()));
        }
        if let Some(Corpora { names, of }) = &self.corpora {
            hash.update(serde_json::to_vec(&(names, of)).unwrap_or_default());
        }
        if let Some(labels) = &self.soft_labels {
            hash.update(b"soft labels");
            labels.iter().for_each(|p| hash.update(p.to_le_bytes()));
        }
        if let Some(Audio { samples, preparation, features }) = &self.audio {
            hash.update(serde_json::to_vec(&(preparation, features)).unwrap_or_default());
            for clip in samples {
                hash.update((clip.len() as u64).to_le_bytes());
                clip.iter().for_each(|x| hash.update(x.to_le_bytes()));
            }
        }
        hex::encode(hash.finalize())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn the_fingerprint_tells_sets_apart() {
        let inputs = || array![[1.0f32, 2.0], [3.0, 4.0]];
        let set = |inputs, labels: &[usize], names: &[&str], ids: &[&str]| {
            Dataset::new(inputs, labels.to_vec(), names.to_vec(), ids.to_vec()).unwrap().fingerprint()
        };
        let first = set(inputs(), &[0, 1], &["a", "b"], &["x", "y"]);
        assert_eq!(first, set(inputs(), &[0, 1], &["a", "b"], &["x", "y"]));
        assert_eq!(first.len(), 64);
        let others = [
            set(inputs() + 1e-6, &[0, 1], &["a", "b"], &["x", "y"]),
            set(inputs(), &[1, 1], &["a", "b"], &["x", "y"]),
            set(inputs(), &[0, 1], &["a", "c"], &["x", "y"]),
            set(inputs(), &[0, 1], &["a", "b"], &["x", "z"]),
            set(inputs(), &[0, 1], &["a", "b"], &["xy", ""]),
        ];
        assert!(others.iter().all(|other| *other != first));
    }
}
