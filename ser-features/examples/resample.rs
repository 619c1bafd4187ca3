//! Clips at another sample rate: `resample INPUT.safetensors FROM TO OUTPUT.safetensors`.
//!
//! INPUT holds one f32 tensor of samples a clip, OUTPUT gets its samples at the other rate under the same name.
//! `tests/golden/compare_ravdess.py` compares them with soxr's.

use std::error::Error;
use std::fs;

use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use ser_features::Resampler;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [input, from, to, output] = &arguments[..] else {
        return Err("usage: resample INPUT.safetensors FROM TO OUTPUT.safetensors".into());
    };
    let mut resampler = Resampler::new(from.parse()?, to.parse()?)?;
    let bytes = fs::read(input)?;
    let mut clips = Vec::new();
    for (name, tensor) in SafeTensors::deserialize(&bytes)?.tensors() {
        let values: Vec<f32> = tensor.data().as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
        let samples = resampler.process(&values)?;
        clips.push((name, samples.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>()));
    }
    let views = clips
        .iter()
        .map(|(name, bytes)| Ok((name, TensorView::new(Dtype::F32, vec![bytes.len() / 4], bytes)?)))
        .collect::<Result<Vec<_>, safetensors::SafeTensorError>>()?;
    Ok(safetensors::serialize_to_file(views, None, output.as_ref())?)
}
