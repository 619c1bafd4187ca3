//! The values of a model's tensors, separate from the model.

use safetensors::SafeTensorError;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashMap, HashSet};

/// The only metadata key of a file, because safetensors writes several keys in random order.
const METADATA_KEY: &str = "ser-models";
/// The text before and after the digest, at the end of the metadata.
const DIGEST_FIELD: &str = ",\"sha256\":\"";
const DIGEST_END: &str = "\"}";

/// One tensor's shape and values in row-major order.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Values {
    pub(crate) shape: Vec<usize>,
    pub(crate) values: Vec<f32>,
}

/// Tensors by name.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Weights(pub(crate) BTreeMap<String, Values>);

/// Errors of named tensors and of files that hold them.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WeightsError {
    /// A tensor of the model is missing.
    #[error("tensor {name}: shape must be {expected:?}, got no such tensor")]
    Missing {
        /// The tensor.
        name: String,
        /// The tensor's shape in the model.
        expected: Vec<usize>,
    },
    /// The file has a tensor that the model does not have.
    #[error("tensors: names must be those of the model, got {name}")]
    Unexpected {
        /// The tensor.
        name: String,
    },
    /// A tensor has another shape.
    #[error("tensor {name}: shape must be {expected:?}, got {given:?}")]
    Shape {
        /// The tensor.
        name: String,
        /// The tensor's shape in the model.
        expected: Vec<usize>,
        /// The shape found.
        given: Vec<usize>,
    },
    /// A tensor has another element type.
    #[error("tensor {name}: element type must be {expected}, got {given}")]
    ElementType {
        /// The tensor.
        name: String,
        /// The supported types.
        expected: &'static str,
        /// The type found.
        given: String,
    },
    /// A tensor has an element that is NaN or infinite.
    #[error("tensor {name}: element {element} must be finite, got {given}")]
    NotFinite {
        /// The tensor.
        name: String,
        /// The first such element, in row-major order.
        element: usize,
        /// The element's value.
        given: f32,
    },
    /// The bytes are not a complete safetensors file.
    #[error("safetensors: {cause}", cause = one_line(.cause))]
    File {
        /// The cause, which is part of the text.
        #[source]
        cause: SafeTensorError,
    },
    /// The metadata has no key of this crate: another program wrote the file.
    #[error("header: metadata must have the key {METADATA_KEY:?}, got {others} others")]
    Metadata {
        /// The number of other keys.
        others: usize,
    },
    /// The content does not match the file's digest.
    #[error("content: checksum must be {expected:.16}, got {given:.16}: the file is damaged")]
    Digest {
        /// The SHA-256 of the content, in hexadecimal; the text shows its start.
        expected: String,
        /// The digest in the metadata, or `none`.
        given: String,
    },
}

/// Escapes control characters in a text from a file, so that an error stays on one line.
pub(crate) fn one_line(text: impl ToString) -> String {
    let mut line = String::new();
    for c in text.to_string().chars() {
        if c.is_control() { line.extend(c.escape_default()) } else { line.push(c) }
    }
    line
}

impl Weights {
    /// Returns the tensors whose names begin with `prefix`, without the prefix.
    pub(crate) fn part(&self, prefix: &str) -> Self {
        let part = self.0.iter().filter_map(|(name, values)| {
            name.strip_prefix(prefix).map(|name| (name.to_owned(), values.clone()))
        });
        Self(part.collect())
    }

    /// Returns the tensor of this name. Checks its shape, and that it is finite.
    pub(crate) fn find(&self, name: &str, expected: &[usize]) -> Result<&Values, WeightsError> {
        let (name, expected) = (name.to_owned(), expected.to_vec());
        let Some(found) = self.0.get(&name) else { return Err(WeightsError::Missing { name, expected }) };
        if found.shape != expected {
            return Err(WeightsError::Shape { name, expected, given: found.shape.clone() });
        }
        match found.values.iter().copied().enumerate().find(|(_, x)| !x.is_finite()) {
            Some((element, given)) => Err(WeightsError::NotFinite { name, element, given }),
            None => Ok(found),
        }
    }

    /// Removes the tensor of this name and returns its values. Checks its shape, and that it is finite.
    pub(crate) fn take(&mut self, name: &str, expected: &[usize]) -> Result<Vec<f32>, WeightsError> {
        self.find(name, expected)?;
        Ok(self.0.remove(name).map(|taken| taken.values).unwrap_or_default())
    }

    /// Checks that every tensor is among these names.
    pub(crate) fn check_names<'a>(&self, names: impl Iterator<Item = &'a str>) -> Result<(), WeightsError> {
        let names: HashSet<&str> = names.collect();
        match self.0.keys().find(|name| !names.contains(name.as_str())) {
            Some(name) => Err(WeightsError::Unexpected { name: one_line(name) }),
            None => Ok(()),
        }
    }

    /// Returns the hexadecimal SHA-256 of metadata, names, shapes and values, bit for bit.
    fn sha256(&self, metadata: &str) -> String {
        let mut hash = Sha256::new();
        let text = |hash: &mut Sha256, text: &str| {
            hash.update((text.len() as u64).to_le_bytes());
            hash.update(text);
        };
        text(&mut hash, metadata);
        for (name, Values { shape, values }) in &self.0 {
            text(&mut hash, name);
            text(&mut hash, &format!("{shape:?}"));
            // A call for each value would take longer than hashing its four bytes.
            for values in values.chunks(1 << 10) {
                hash.update(values.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>());
            }
        }
        hex::encode(hash.finalize())
    }

    /// Returns a safetensors file. Tensors are in the order of their names, and the metadata are the fields of a JSON object. A digest of
    /// everything is added as the last field, because a damaged value looks like any other. The same content gives the same bytes.
    pub(crate) fn to_safetensors(&self, metadata: &str) -> Result<Vec<u8>, WeightsError> {
        let failed = |cause| WeightsError::File { cause };
        let bytes: Vec<(&String, &Values, Vec<u8>)> = self
            .0
            .iter()
            .map(|(name, v)| (name, v, v.values.iter().flat_map(|x| x.to_le_bytes()).collect()))
            .collect();
        let views = bytes
            .iter()
            .map(|(name, v, bytes)| Ok((*name, TensorView::new(Dtype::F32, v.shape.clone(), bytes)?)))
            .collect::<Result<Vec<_>, _>>()
            .map_err(failed)?;
        let fields = metadata.strip_suffix('}').unwrap_or(metadata);
        let sealed = format!("{fields}{DIGEST_FIELD}{}{DIGEST_END}", self.sha256(fields));
        let metadata = HashMap::from([(METADATA_KEY.to_owned(), sealed)]);
        safetensors::serialize(views, Some(metadata)).map_err(failed)
    }

    /// Checks these tensors and their metadata against the digest in the metadata.
    pub(crate) fn check_digest(&self, metadata: &str) -> Result<(), WeightsError> {
        let sealed = metadata.strip_suffix(DIGEST_END).and_then(|rest| rest.rsplit_once(DIGEST_FIELD));
        let (fields, given) = sealed.unwrap_or((metadata, "none"));
        let expected = self.sha256(fields);
        if given == expected {
            Ok(())
        } else {
            Err(WeightsError::Digest { expected, given: one_line(given) })
        }
    }

    /// Reads the tensors and the metadata of a file.
    pub(crate) fn from_safetensors(bytes: &[u8]) -> Result<(Self, String), WeightsError> {
        let failed = |cause| WeightsError::File { cause };
        let file = SafeTensors::deserialize(bytes).map_err(failed)?;
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(failed)?;
        let keys = header.metadata().as_ref();
        let metadata = keys.and_then(|keys| keys.get(METADATA_KEY)).cloned();
        let metadata =
            metadata.ok_or_else(|| WeightsError::Metadata { others: keys.map_or(0, HashMap::len) })?;
        let mut weights = BTreeMap::new();
        for (name, view) in file.tensors() {
            if view.dtype() != Dtype::F32 {
                let given = format!("{:?}", view.dtype());
                return Err(WeightsError::ElementType { name: one_line(&name), expected: "F32", given });
            }
            let (chunks, _) = view.data().as_chunks::<4>();
            let values = chunks.iter().map(|b| f32::from_le_bytes(*b)).collect();
            weights.insert(name, Values { shape: view.shape().to_vec(), values });
        }
        Ok((Self(weights), metadata))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_name_tensor_rule_and_value() {
        let values = Values { shape: vec![2], values: vec![0.5, f32::NEG_INFINITY] };
        let weights = Weights(BTreeMap::from([("a".to_owned(), values)]));
        let text = |error: WeightsError| error.to_string();
        assert_eq!(
            text(weights.find("a", &[2]).unwrap_err()),
            "tensor a: element 1 must be finite, got -inf"
        );
        assert_eq!(text(weights.find("a", &[3]).unwrap_err()), "tensor a: shape must be [3], got [2]");
        assert_eq!(
            text(weights.find("b", &[3]).unwrap_err()),
            "tensor b: shape must be [3], got no such tensor"
        );
        assert_eq!(
            text(weights.check_names(["b"].into_iter()).unwrap_err()),
            "tensors: names must be those of the model, got a"
        );
    }

    #[test]
    fn what_safetensors_quotes_of_a_file_stays_on_the_line() {
        let header = r#"{"a":{"dtype":"F\n16","shape":[0],"data_offsets":[0,0]}}"#;
        let file = [&(header.len() as u64).to_le_bytes()[..], header.as_bytes()].concat();
        let text = Weights::from_safetensors(&file).unwrap_err().to_string();
        assert!(text.starts_with("safetensors: ") && text.contains(r"`F\n16`"), "{text}");
    }

    #[test]
    fn a_wrong_checksum_is_told_by_its_beginning() {
        let file = Weights::default().to_safetensors("{\"format\":3}").unwrap();
        let (weights, metadata) = Weights::from_safetensors(&file).unwrap();
        weights.check_digest(&metadata).unwrap();
        let right = weights.sha256("{\"format\":3");
        let error = |metadata: &str| weights.check_digest(metadata).unwrap_err();
        let wrong = "0".repeat(64);
        let WeightsError::Digest { expected, given } = error(&metadata.replace(&right, &wrong)) else {
            panic!()
        };
        assert_eq!((expected, given), (right.clone(), wrong));
        let shown =
            format!("content: checksum must be {}, got line\\nend: the file is damaged", &right[..16]);
        assert_eq!(error(&metadata.replace(&right, "line\nend")).to_string(), shown);
        assert!(error("{}").to_string().ends_with(", got none: the file is damaged"));
    }
}
