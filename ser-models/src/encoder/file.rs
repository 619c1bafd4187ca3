//! The tensors of an encoder's file.

use super::{EncoderError, HEAD};
use crate::files::FileError;
use crate::kernels::FrozenValues;
use crate::weights::WeightsError;
use half::f16;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use twox_hash::XxHash3_128;

/// The kind of file, for error texts.
pub(super) const KIND: &str = "an encoder";
/// Prefixes of tensor names in files of known exporters.
const PREFIXES: [&str; 3] = ["encoder.", "model.encoder.", ""];
/// Suffix of the name of a weight's scales.
pub(super) const SCALE: &str = "_scale";

/// A safetensors file, read tensor by tensor.
pub(super) struct File<'a> {
    tensors: SafeTensors<'a>,
    bytes: &'a [u8],
    name: String,
    prefix: &'static str,
}

/// Sizes of the encoder, taken from the tensors' shapes.
pub(super) struct Sizes {
    pub(super) n_mels: usize,
    pub(super) width: usize,
    pub(super) hidden: usize,
    pub(super) positions: usize,
    pub(super) blocks: usize,
}

impl<'a> File<'a> {
    pub(super) fn new(bytes: &'a [u8], name: &str) -> Result<Self, EncoderError> {
        let tensors = SafeTensors::deserialize(bytes).map_err(|cause| FileError::not_a(KIND, name, cause))?;
        let has = |prefix: &&str| tensors.tensor(&format!("{prefix}conv1.weight")).is_ok();
        let prefix = PREFIXES.into_iter().find(has).unwrap_or(PREFIXES[0]);
        Ok(Self { tensors, bytes, name: name.to_owned(), prefix })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn digest(&self) -> String {
        format!("{:032x}", XxHash3_128::oneshot(self.bytes))
    }

    /// Returns all sizes.
    pub(super) fn sizes(&self) -> Result<Sizes, EncoderError> {
        let (name, usual) = ("conv1.weight", [512, 80, 3]);
        let (width, n_mels) = match self.view(name, &usual)?.shape() {
            &[width, n_mels, 3] if width > 0 && width % HEAD == 0 && n_mels > 0 => (width, n_mels),
            given => return Err(self.shape_error(name, &usual, given)),
        };
        let (name, usual) = ("embed_positions.weight", [1500, width]);
        let positions = match self.view(name, &usual)?.shape() {
            &[positions, columns] if positions > 0 && columns == width => positions,
            given => return Err(self.shape_error(name, &usual, given)),
        };
        let (name, usual) = ("layers.0.fc1.weight", [4 * width, width]);
        let hidden = match self.view(name, &usual)?.shape() {
            &[hidden, columns] if hidden > 0 && columns == width => hidden,
            given => return Err(self.shape_error(name, &usual, given)),
        };
        let blocks = (0..).take_while(|n| self.view(&format!("layers.{n}.fc1.weight"), &[]).is_ok()).count();
        Ok(Sizes { n_mels, width, hidden, positions, blocks })
    }

    fn shape_error(&self, tensor: &str, expected: &[usize], given: &[usize]) -> EncoderError {
        let (expected, given) = (expected.to_vec(), given.to_vec());
        self.error(WeightsError::Shape { name: self.full(tensor), expected, given })
    }

    fn error(&self, cause: WeightsError) -> EncoderError {
        FileError::weights(&self.name, cause).into()
    }

    fn full(&self, tensor: &str) -> String {
        format!("{}{tensor}", self.prefix)
    }

    fn view(&self, tensor: &str, expected: &[usize]) -> Result<TensorView<'a>, EncoderError> {
        self.tensors.tensor(&self.full(tensor)).map_err(|_| {
            self.error(WeightsError::Missing { name: self.full(tensor), expected: expected.to_vec() })
        })
    }

    /// Returns the values in `f32` of a tensor, which must have this shape.
    pub(super) fn values(&self, tensor: &str, shape: &[usize]) -> Result<Vec<f32>, EncoderError> {
        Ok(self.frozen(tensor, shape)?.to_f32())
    }

    /// Returns the values of a tensor in its own element type. They must have this shape and be finite.
    pub(super) fn frozen(&self, tensor: &str, shape: &[usize]) -> Result<FrozenValues, EncoderError> {
        let view = self.view(tensor, shape)?;
        if view.shape() != shape {
            return Err(self.shape_error(tensor, shape, view.shape()));
        }
        if view.dtype() == Dtype::I8 {
            let scales = self.values(&format!("{tensor}{SCALE}"), &shape[..1])?;
            return Ok(FrozenValues::I8(view.data().iter().map(|b| b.cast_signed()).collect(), scales));
        }
        floats(&view, self.full(tensor), "F32, F16 or I8").map_err(|cause| self.error(cause))
    }
}

/// Returns the values of a tensor of `f32` or `f16`, which must be finite. An error says which types are `expected`.
pub(super) fn floats(
    view: &TensorView<'_>,
    name: String,
    expected: &'static str,
) -> Result<FrozenValues, WeightsError> {
    let bytes = view.data();
    let (values, broken): (_, Option<(usize, f32)>) = match view.dtype() {
        Dtype::F32 => {
            let values: Vec<f32> = bytes.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
            let broken = values.iter().copied().enumerate().find(|(_, x)| !x.is_finite());
            (FrozenValues::F32(values), broken)
        }
        Dtype::F16 => {
            let values: Vec<f16> = bytes.as_chunks().0.iter().map(|b| f16::from_le_bytes(*b)).collect();
            let broken = values.iter().map(|x| x.to_f32()).enumerate().find(|(_, x)| !x.is_finite());
            (FrozenValues::F16(values), broken)
        }
        given => return Err(WeightsError::ElementType { name, expected, given: format!("{given:?}") }),
    };
    match broken {
        Some((element, given)) => Err(WeightsError::NotFinite { name, element, given }),
        None => Ok(values),
    }
}
