//! Weights in eight bits.

use super::EncoderError;
use super::file::{KIND, SCALE, floats};
use crate::files::FileError;
use crate::weights::WeightsError;
use safetensors::SafeTensorError;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use std::borrow::Cow;

/// The file of an encoder with the weights of its convolutions and dense layers in `i8`, each row rounded to the nearest of 255 steps
/// between plus and minus its largest absolute value; `NAME_scale` holds the step size of each row. All other tensors and the metadata stay
/// as they are. The quantised weights take a quarter of the bytes of `f32`.
///
/// # Errors
/// [`EncoderError::File`] if the bytes are no safetensors file, or a weight is neither `f32` nor `f16` or not finite.
pub fn quantize(bytes: &[u8]) -> Result<Vec<u8>, EncoderError> {
    let failed = |cause| EncoderError::from(FileError::weights(super::IN_MEMORY, cause));
    let damaged = |cause: SafeTensorError| FileError::not_a(KIND, super::IN_MEMORY, cause);
    let file = SafeTensors::deserialize(bytes).map_err(damaged)?;
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(damaged)?;
    let mut tensors = Vec::new();
    for (name, view) in file.tensors() {
        let shape = view.shape().to_vec();
        if shape.len() < 2 || !name.ends_with(".weight") || name.ends_with("embed_positions.weight") {
            tensors.push((name, view.dtype(), shape, Cow::Borrowed(view.data())));
            continue;
        }
        let values = floats(&view, name.clone(), "F32 or F16").map_err(failed)?.to_f32();
        let mut whole = Vec::with_capacity(values.len());
        let mut scales = Vec::with_capacity(4 * shape[0]);
        for row in values.chunks_exact((values.len() / shape[0].max(1)).max(1)) {
            let largest = row.iter().fold(0f32, |most, x| most.max(x.abs()));
            let scale = if largest > 0.0 { largest / 127.0 } else { 1.0 };
            whole.extend(row.iter().map(|x| (x / scale).round().clamp(-127.0, 127.0) as i8 as u8));
            scales.extend(scale.to_le_bytes());
        }
        tensors.push((format!("{name}{SCALE}"), Dtype::F32, shape[..1].to_vec(), Cow::Owned(scales)));
        tensors.push((name, Dtype::I8, shape, Cow::Owned(whole)));
    }
    tensors.sort_by(|(a, ..), (b, ..)| a.cmp(b));
    let views = tensors
        .iter()
        .map(|(name, dtype, shape, data)| Ok((name, TensorView::new(*dtype, shape.clone(), data)?)))
        .collect::<Result<Vec<_>, _>>();
    views
        .and_then(|views| safetensors::serialize(views, header.metadata().clone()))
        .map_err(|cause| failed(WeightsError::File { cause }))
}
