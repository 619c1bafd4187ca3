//! What must hold for any bytes that are read as a file of this crate.

use candle_core::{DType, Device, Tensor};
use safetensors::tensor::{Dtype, TensorView};
use ser_models::encoder::WhisperEncoder;
use ser_models::{
    Checkpoint, CheckpointError, FileError, Recipe, RecipeFile, Recognizer, VoiceProfile, WeightsError,
};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashMap};
use std::error::Error;

/// The most elements of the tensors that are made for a checkpoint or an encoder; a checkpoint gets 100 tensors at most.
const MOST: usize = 1 << 17;

/// An error is one line that names the file.
fn refused(error: &dyn Error, file: &str) {
    let text = error.to_string();
    assert!(text.starts_with(file) && !text.contains('\n'), "{text}");
}

/// A checkpoint. Bytes that begin with a brace are the fields of its metadata, for [`with_tensors`].
pub fn checkpoint(bytes: &[u8]) {
    match std::str::from_utf8(bytes).ok().filter(|text| text.starts_with('{')) {
        Some(fields) => {
            if let Some(file) = with_tensors(fields) {
                answers(&file, Checkpoint::from_bytes(&file));
            }
        }
        None => answers(bytes, Checkpoint::from_bytes(bytes)),
    }
}

/// A file with these fields in its metadata, tensors as the network wants them, and the digest, so that all of the reader is reached. `None`
/// if the network wants more than [`MOST`] elements.
pub fn with_tensors(fields: &str) -> Option<Vec<u8>> {
    let fields = fields.trim_end().strip_suffix('}').unwrap_or(fields);
    let mut tensors = BTreeMap::new();
    let mut total = 0;
    loop {
        let file = sealed(fields, &tensors);
        let Err(CheckpointError::File(FileError::Weights {
            cause: WeightsError::Missing { name, expected },
            ..
        })) = Checkpoint::from_bytes(&file)
        else {
            return Some(file);
        };
        let elements = expected.iter().try_fold(1usize, |product, size| product.checked_mul(*size));
        total = elements.map_or(usize::MAX, |elements| elements.saturating_add(total));
        if total > MOST || tensors.len() == 100 {
            return None;
        }
        let values = (0..elements.unwrap_or(0)).map(|n| (n * 7919 % 61) as f32 / 61.0 - 0.4).collect();
        tensors.insert(name, (expected, values));
    }
}

fn answers(bytes: &[u8], read: Result<Checkpoint, CheckpointError>) {
    let checkpoint = match read {
        Ok(checkpoint) => checkpoint,
        Err(error) => return refused(&error, "checkpoint in memory: "),
    };
    let again = checkpoint.to_bytes().expect("what was read can be written");
    assert!(Checkpoint::from_bytes(&again).expect("what was written can be read") == checkpoint);
    // What takes long is left out: the fuzzer's time is better spent on others.
    let short = checkpoint.preparation.length.is_none_or(|length| length <= 10_000);
    let fine = checkpoint.features.n_fft <= 4_096 && checkpoint.features.hop_length >= 64;
    match Recognizer::from_bytes(bytes) {
        Err(error) => refused(&error, "checkpoint in memory: "),
        Ok(mut recognizer) if short && fine => {
            let voice: Vec<f32> = (0..6_000).map(|n| 0.3 * (n as f32 * n as f32 * 1e-5).sin()).collect();
            drop(recognizer.recognize_window(&voice, 16_000));
        }
        Ok(_) => {}
    }
}

/// A file with these fields and tensors, and the digest of both.
fn sealed(fields: &str, tensors: &BTreeMap<String, (Vec<usize>, Vec<f32>)>) -> Vec<u8> {
    let mut hash = Sha256::new();
    let text = |hash: &mut Sha256, text: &str| {
        hash.update((text.len() as u64).to_le_bytes());
        hash.update(text);
    };
    text(&mut hash, fields);
    let bytes: Vec<(&String, &Vec<usize>, Vec<u8>)> = tensors
        .iter()
        .map(|(name, (shape, values))| (name, shape, values.iter().flat_map(|x| x.to_le_bytes()).collect()))
        .collect();
    for (name, shape, bytes) in &bytes {
        text(&mut hash, name);
        text(&mut hash, &format!("{shape:?}"));
        hash.update(bytes);
    }
    let metadata = format!("{fields},\"sha256\":\"{}\"}}", hex::encode(hash.finalize()));
    let view =
        |shape: &Vec<usize>, bytes| TensorView::new(Dtype::F32, shape.clone(), bytes).expect("shapes fit");
    let views = bytes.iter().map(|(name, shape, bytes)| (name.as_str(), view(shape, bytes)));
    let metadata = HashMap::from([("ser-models".to_owned(), metadata)]);
    safetensors::serialize(views, Some(metadata)).expect("tensors can be written")
}

/// An encoder. Bytes that begin with a brace are the file's header: the tensors' values are added.
pub fn encoder(bytes: &[u8]) {
    let whole = if bytes.starts_with(b"{") { with_values(bytes) } else { bytes.to_vec() };
    match WhisperEncoder::from_bytes(&whole, 1) {
        Err(error) => refused(&error, "encoder in memory: "),
        Ok(encoder) if encoder.width() * encoder.n_mels() <= 1 << 14 => {
            let mel =
                Tensor::zeros((1, encoder.n_mels(), encoder.max_frames().min(4)), DType::F32, &Device::Cpu);
            let layers = encoder.encode(&mel.expect("a tensor").into()).expect("bands and frames fit");
            assert_eq!(layers.len(), encoder.layers());
        }
        Ok(_) => {}
    }
}

fn with_values(header: &[u8]) -> Vec<u8> {
    let tensors: HashMap<String, serde_json::Value> = serde_json::from_slice(header).unwrap_or_default();
    let end = |tensor: &serde_json::Value| tensor["data_offsets"][1].as_u64().unwrap_or(0);
    let length = tensors.values().map(end).max().unwrap_or(0).min(4 * MOST as u64);
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend(header);
    file.extend((0..length).map(|n| (n * 7919 % 61) as u8));
    file
}

/// A voice profile.
pub fn profile(bytes: &[u8]) {
    match VoiceProfile::from_json(bytes, "fuzz") {
        Err(error) => refused(&error, "fuzz: "),
        Ok(profile) => {
            let twice = profile.and(&profile).expect("both are of one encoder");
            assert!(twice.clips() >= profile.clips());
        }
    }
}

/// Training settings.
pub fn recipe(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    match RecipeFile::parse("fuzz", &text).and_then(|file| Recipe::of(&file)) {
        Err(error) => refused(&error, "fuzz: "),
        Ok(recipe) => assert!(recipe.members > 0 && !recipe.architecture.name().is_empty()),
    }
}
