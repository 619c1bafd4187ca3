//! Feature vectors of many clips: `issa193 INPUT.safetensors SAMPLE_RATE OUTPUT.safetensors`.
//!
//! INPUT holds one f32 tensor of samples a clip, OUTPUT gets its 193 means under the same name. Clips at another rate than 22,050 Hz
//! are resampled first. `tests/golden/compare_ravdess.py` compares the result with librosa's.

use std::error::Error;
use std::fs;

use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use ser_features::{FeatureConfig, FeatureExtractor, Preparation, PreparationConfig};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [input, sample_rate, output] = &arguments[..] else {
        return Err("usage: issa193 INPUT.safetensors SAMPLE_RATE OUTPUT.safetensors".into());
    };
    let sample_rate = sample_rate.parse()?;
    let bytes = fs::read(input)?;
    let clips = SafeTensors::deserialize(&bytes)?;

    let mut preparation = Preparation::new(PreparationConfig::raw(22_050))?;
    let mut extractor = FeatureExtractor::new(FeatureConfig::default())?;
    let mut vectors = Vec::new();
    for (name, tensor) in clips.tensors() {
        let values: Vec<f32> = tensor.data().as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
        let samples = preparation.process(&values, sample_rate)?;
        let vector = extractor.extract(&samples)?.vector();
        let bytes: Vec<u8> = vector.iter().flat_map(|x| x.to_le_bytes()).collect();
        vectors.push((name, bytes));
    }
    let views = vectors
        .iter()
        .map(|(name, bytes)| Ok((name, TensorView::new(Dtype::F32, vec![bytes.len() / 4], bytes)?)))
        .collect::<Result<Vec<_>, safetensors::SafeTensorError>>()?;
    Ok(safetensors::serialize_to_file(views, None, output.as_ref())?)
}
