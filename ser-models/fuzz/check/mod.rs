//! Properties that must hold for any bytes that are read as a file of this crate.

use candle_core::{DType, Device, Tensor};
use ndarray::Array2;
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use ser_models::encoder::WhisperEncoder;
use ser_models::models::{Cnn1dConfig, ConvBlock};
use ser_models::training::{
    Dataset, EarlyStopping, EncodedClips, EncodedError, EncodingConfig, Event, Trainer, TrainingConfig,
    TrainingError,
};
use ser_models::{
    Checkpoint, CheckpointError, FileError, Recipe, RecipeFile, Recognizer, VoiceProfile, WeightsError,
};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashMap};
use std::error::Error;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};

/// The largest number of elements of the tensors that are made for a checkpoint or an encoder. A checkpoint gets at most 100 tensors.
const MOST: usize = 1 << 17;

/// Checks that an error is one line that begins with the file's name.
fn refused(error: &dyn Error, file: &str) {
    let text = error.to_string();
    assert!(text.starts_with(file) && !text.contains('\n'), "{text}");
}

/// Checks a checkpoint. Bytes that begin with a brace are the fields of its metadata, for [`with_tensors`].
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

/// Returns a file with these fields in its metadata, the tensors of the network, and a valid digest, so that all code of the reader is
/// reached. Returns `None` if the network needs more than [`MOST`] elements.
pub fn with_tensors(fields: &str) -> Option<Vec<u8>> {
    with_all(fields, |file| match Checkpoint::from_bytes(file) {
        Err(CheckpointError::File(error)) => missing(error),
        _ => None,
    })
}

/// Returns name and shape of the tensor that a file lacks.
fn missing(error: FileError) -> Option<(String, Vec<usize>)> {
    match error {
        FileError::Weights { cause: WeightsError::Missing { name, expected }, .. } => Some((name, expected)),
        _ => None,
    }
}

/// Returns a file with these fields and with all tensors that `missing` reports for it, one after another.
fn with_all(fields: &str, missing: impl Fn(&[u8]) -> Option<(String, Vec<usize>)>) -> Option<Vec<u8>> {
    let fields = fields.trim_end().strip_suffix('}').unwrap_or(fields);
    let mut tensors = BTreeMap::new();
    let mut total = 0;
    loop {
        let file = sealed(fields, &tensors);
        let Some((name, expected)) = missing(&file) else { return Some(file) };
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
    // Slow settings are skipped, because the fuzzer's time is better spent on others.
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

/// Tensors by name, each with its shape and values.
type Tensors = BTreeMap<String, (Vec<usize>, Vec<f32>)>;

/// Returns a file with these fields and tensors, and the digest of both.
fn sealed(fields: &str, tensors: &Tensors) -> Vec<u8> {
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

/// Checks an encoder. Bytes that begin with a brace are the file's header, to which the tensors' values are added.
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

/// Checks a voice profile.
pub fn profile(bytes: &[u8]) {
    match VoiceProfile::from_json(bytes, "fuzz") {
        Err(error) => refused(&error, "fuzz: "),
        Ok(profile) => {
            let twice = profile.and(&profile).expect("both are of one encoder");
            assert!(twice.clips() >= profile.clips());
        }
    }
}

/// Checks training settings.
pub fn recipe(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    match RecipeFile::parse("fuzz", &text).and_then(|file| Recipe::of(&file)) {
        Err(error) => refused(&error, "fuzz: "),
        Ok(recipe) => assert!(recipe.members > 0 && !recipe.architecture.name().is_empty()),
    }
}

/// Writes a file in a folder of its own, which is removed when the first of the pair is dropped.
fn file_of(bytes: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let path = folder.path().join("file");
    std::fs::write(&path, bytes).expect("a file can be written");
    (folder, path)
}

/// An encoder of the smallest sizes.
static ENCODER: LazyLock<Arc<WhisperEncoder>> = LazyLock::new(|| {
    let file = with_values(include_bytes!("../corpus/encoder/f32.json"));
    Arc::new(WhisperEncoder::from_bytes(&file, 1).expect("an encoder"))
});

/// Checks a file of encoded clips. Bytes that begin with a brace are the fields of the metadata, with `ENCODER` for the encoder's digest.
/// The tensor is added.
pub fn encoded(bytes: &[u8]) {
    let clips = [vec![0.1; 400]];
    let kept = |path: &PathBuf| {
        EncodedClips::kept(path, &ENCODER, EncodingConfig::default(), vec!["a".to_owned()], &clips)
    };
    let whole = match std::str::from_utf8(bytes).ok().filter(|text| text.starts_with('{')) {
        None => Some(bytes.to_vec()),
        Some(fields) => with_all(&fields.replace("ENCODER", ENCODER.digest()), |file| {
            let (_folder, path) = file_of(file);
            match kept(&path) {
                Err(EncodedError::File(error)) => missing(error),
                _ => None,
            }
        }),
    };
    let Some(whole) = whole else { return };
    let (_folder, path) = file_of(&whole);
    match kept(&path) {
        Err(error) => refused(&error, &path.display().to_string()),
        Ok(encoded) => assert!(kept(&path).expect("what was written can be read") == encoded),
    }
}

/// Makes a trainer for three epochs of two steps, with the smallest network that has statistics.
fn trainer() -> Trainer {
    let part = |first: usize| {
        let inputs = Array2::from_shape_fn((4, 6), |(clip, i)| ((clip + first) * (i + 2) % 7) as f32);
        let ids = (first..first + 4).map(|clip| clip.to_string());
        Dataset::new(inputs, vec![0, 1, 0, 1], ["x", "y"], ids).expect("a data set")
    };
    let architecture =
        Cnn1dConfig { features: 6, blocks: vec![ConvBlock::new(2, 3, 2, 0.0)], ..Cnn1dConfig::default() };
    let config = TrainingConfig {
        epochs: 3,
        batch_size: 2,
        ema_decay: Some(0.9),
        early_stopping: Some(EarlyStopping { patience: 2 }),
        ..TrainingConfig::default()
    };
    Trainer::new(config, architecture.into(), &part(0), Some(&part(4)), 0).expect("settings in range")
}

/// The state of [`trainer`] after its first epoch: the run's identity as JSON, and the tensors.
static FIRST_EPOCH: LazyLock<(String, Tensors)> = LazyLock::new(|| {
    let (_folder, path) = file_of(&[]);
    let stop = AtomicBool::new(false);
    let mut trainer = trainer();
    trainer.keep_state(&path);
    let end = |event: &Event<'_>| stop.store(matches!(event, Event::Epoch(_)), Ordering::Relaxed);
    trainer.run(end, &stop).expect("an epoch");
    let file = std::fs::read(&path).expect("a state");
    let (_, header) = SafeTensors::read_metadata(&file).expect("a header");
    let metadata = header.metadata().as_ref().and_then(|all| all.get("ser-models")).expect("metadata");
    let metadata: serde_json::Value = serde_json::from_str(metadata).expect("JSON");
    let values = |bytes: &[u8]| {
        bytes.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect::<Vec<f32>>()
    };
    let tensors = SafeTensors::deserialize(&file).expect("tensors").tensors();
    let tensors =
        tensors.into_iter().map(|(name, view)| (name, (view.shape().to_vec(), values(view.data()))));
    (metadata["run"].to_string(), tensors.collect())
});

/// Returns a trainer that resumes from a state. Bytes that begin with a brace are the fields `optimizer_steps` and `history` of its
/// metadata. The identity of the run and the tensors after its first epoch are added. The folder has the state file, which the trainer
/// continues to write.
pub fn resumed(bytes: &[u8]) -> Result<(tempfile::TempDir, Trainer), TrainingError> {
    let (run, tensors) = &*FIRST_EPOCH;
    let whole = match std::str::from_utf8(bytes).ok().and_then(|text| text.strip_prefix('{')) {
        Some(fields) => {
            let fields = fields.trim_end().strip_suffix('}').unwrap_or(fields);
            sealed(&format!("{{\"format\":3,\"run\":{run},{fields}"), tensors)
        }
        None => bytes.to_vec(),
    };
    let (folder, path) = file_of(&whole);
    let mut trainer = trainer();
    match trainer.resume(&path) {
        Ok(()) => Ok((folder, trainer)),
        Err(error) => {
            refused(&error, &path.display().to_string());
            Err(error)
        }
    }
}

/// Checks that a training state is either rejected in one line, or the run completes.
pub fn state(bytes: &[u8]) {
    if let Ok((_folder, mut trainer)) = resumed(bytes) {
        trainer.run(|_| {}, &AtomicBool::new(false)).expect("the epochs that are left");
        assert!(trainer.history().epochs.len() <= 3);
    }
}
