//! The values of a model's tensors, apart from the model.

use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashMap, HashSet};

/// The one metadata key of a file: safetensors writes several in random order.
const METADATA_KEY: &str = "ser-models";
/// What stands before and after the digest, at the end of the metadata.
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

/// Errors of named tensors and of their files.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum WeightsError {
    /// A tensor that the model has is not there.
    #[error("tensor {name} of shape {expected:?} is missing")]
    Missing {
        /// The tensor.
        name: String,
        /// The shape that the model gives it.
        expected: Vec<usize>,
    },
    /// The file has a tensor that the model does not have.
    #[error("tensor {name} does not belong to the model")]
    Unexpected {
        /// The tensor.
        name: String,
    },
    /// A tensor has another shape.
    #[error("tensor {name}: shape must be {expected:?}, got {given:?}")]
    Shape {
        /// The tensor.
        name: String,
        /// The shape that the model gives it.
        expected: Vec<usize>,
        /// The shape found.
        given: Vec<usize>,
    },
    /// A tensor has another element type.
    #[error("tensor {name}: element type must be {expected}, got {given}")]
    ElementType {
        /// The tensor.
        name: String,
        /// The types that are read.
        expected: &'static str,
        /// The type found.
        given: String,
    },
    /// A tensor holds NaN or infinity.
    #[error("tensor {name}: element {element} must be finite")]
    NotFinite {
        /// The tensor.
        name: String,
        /// The first such element, in row-major order.
        element: usize,
    },
    /// The bytes are not a whole safetensors file.
    #[error("safetensors finds the file cut short or damaged ({reason})")]
    File {
        /// The error of safetensors.
        reason: String,
    },
    /// The metadata has no key of this crate.
    #[error("ser-models did not write it, its metadata has no key {METADATA_KEY:?}")]
    Metadata,
    /// The content does not match the file's digest.
    #[error("checksum mismatch: the file is corrupted")]
    Digest,
}

/// A text from a file without control characters, so that an error stays one line.
pub(crate) fn one_line(text: &str) -> String {
    let mut line = String::new();
    for c in text.chars() {
        if c.is_control() { line.extend(c.escape_default()) } else { line.push(c) }
    }
    line
}

impl Weights {
    /// The tensors whose names begin with `prefix`, which is taken off.
    pub(crate) fn part(&self, prefix: &str) -> Self {
        let part = self.0.iter().filter_map(|(name, values)| {
            name.strip_prefix(prefix).map(|name| (name.to_owned(), values.clone()))
        });
        Self(part.collect())
    }

    /// The tensor of this name, of this shape and finite.
    pub(crate) fn find(&self, name: &str, expected: &[usize]) -> Result<&Values, WeightsError> {
        let (name, expected) = (name.to_owned(), expected.to_vec());
        let Some(found) = self.0.get(&name) else { return Err(WeightsError::Missing { name, expected }) };
        if found.shape != expected {
            return Err(WeightsError::Shape { name, expected, given: found.shape.clone() });
        }
        match found.values.iter().position(|x| !x.is_finite()) {
            Some(element) => Err(WeightsError::NotFinite { name, element }),
            None => Ok(found),
        }
    }

    /// Takes out the values of the tensor of this name, which is of this shape and finite.
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

    /// A hexadecimal SHA-256 of metadata, names, shapes and values, down to their bits.
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
            // Many at a time: a call for each value takes longer than its four bytes.
            for values in values.chunks(1 << 10) {
                hash.update(values.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>());
            }
        }
        hex::encode(hash.finalize())
    }

    /// A safetensors file: tensors in the order of their names, and as metadata the fields of a JSON object, to which a
    /// digest of everything is added as the last one: a damaged value looks like any other. The same content gives the
    /// same bytes.
    pub(crate) fn to_safetensors(&self, metadata: &str) -> Result<Vec<u8>, WeightsError> {
        let failed = |e: safetensors::SafeTensorError| WeightsError::File { reason: e.to_string() };
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

    /// Checks these tensors and their metadata against the digest that was written with them.
    pub(crate) fn check_digest(&self, metadata: &str) -> Result<(), WeightsError> {
        let sealed = metadata.strip_suffix(DIGEST_END).and_then(|rest| rest.rsplit_once(DIGEST_FIELD));
        match sealed {
            Some((fields, digest)) if digest == self.sha256(fields) => Ok(()),
            _ => Err(WeightsError::Digest),
        }
    }

    /// The tensors and the metadata of a file.
    pub(crate) fn from_safetensors(bytes: &[u8]) -> Result<(Self, String), WeightsError> {
        let failed = |e: safetensors::SafeTensorError| WeightsError::File { reason: e.to_string() };
        let file = SafeTensors::deserialize(bytes).map_err(failed)?;
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(failed)?;
        let metadata = header.metadata().as_ref().and_then(|map| map.get(METADATA_KEY));
        let metadata = metadata.ok_or(WeightsError::Metadata)?.clone();
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
