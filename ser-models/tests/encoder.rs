//! Whisper's encoder against transformers 5.24.0 on PyTorch 2.15.0, by `golden/make_encoder_goldens.py`.

use crate::common::encoder::{Tensors, file, numbers, small};
use crate::common::{Golden, difference, infer};
use candle_core::{DType, Device, Tensor};
use half::f16;
use safetensors::tensor::Dtype;
use ser_models::FileError;
use ser_models::Parameters;
use ser_models::encoder::{EncoderBlocks, EncoderError, WhisperEncoder, quantize};
use ser_models::layers::{Init, Padded, TransformerBlock};
use std::path::PathBuf;

fn mel(bands: usize, frames: usize, seed: usize) -> Tensor {
    let values = numbers(&[bands, frames], seed).iter().map(|x| 2.0 * x).collect();
    Tensor::from_vec(values, (1, bands, frames), &Device::Cpu).unwrap()
}

fn encoder() -> WhisperEncoder {
    WhisperEncoder::from_bytes(&file(&small(), Dtype::F32), 2).unwrap()
}

/// Returns one clip's outputs [layers, frames, width].
fn outputs(encoder: &WhisperEncoder, mel: &Tensor) -> Tensor {
    let layers = encoder.encode(&mel.into()).unwrap();
    Tensor::cat(&layers.into_iter().map(Padded::into_values).collect::<Vec<_>>(), 0).unwrap()
}

fn base() -> Option<PathBuf> {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../../shared/data/whisper-base-encoder/whisper-base-encoder-4-blocks.f16.safetensors"
    );
    let path = PathBuf::from(path);
    if !path.exists() {
        println!("skipped: {} is not there", path.display());
        return None;
    }
    Some(path)
}

#[test]
fn a_small_encoder_equals_transformers() {
    let (golden, encoder) = (Golden::load("encoder.safetensors"), encoder());
    assert_eq!((encoder.n_mels(), encoder.width(), encoder.layers(), encoder.max_frames()), (8, 128, 3, 40));
    for frames in [1, 8, 13, 40] {
        let expected = golden.get(&format!("small.{frames}"));
        // The outputs reach 25.
        let error = difference(&outputs(&encoder, &mel(8, frames, 100 + frames)), expected);
        assert!(error < 1e-3, "{frames} frames: off by {error}");
    }
}

#[test]
fn a_block_that_is_trained_computes_what_a_frozen_one_does() {
    let (tensors, encoder) = (small(), encoder());
    let clips: Vec<Tensor> = [101, 102, 103].map(|seed| mel(8, 40, seed)).into();
    let mels = Padded::new(Tensor::cat(&clips, 0).unwrap(), Some(vec![40, 13, 1])).unwrap();
    let outputs = encoder.encode(&mels).unwrap();
    for number in 0..2 {
        let parameters = Parameters::new(0, DType::F32);
        let block = TransformerBlock::new(128, 2, 96, Init::Zeros, &parameters.scope("block")).unwrap();
        for parameter in parameters.iter() {
            let name = parameter.name().replace("block.", &format!("layers.{number}."));
            let (shape, values) = &tensors[&name];
            let values = Tensor::from_slice(values, &shape[..], &Device::Cpu).unwrap();
            parameter.var().set(&values).unwrap();
        }
        // The outputs reach 25.
        let error = difference(&infer(&block, &outputs[number]), outputs[number + 1].values());
        assert!(error < 1e-4, "block {number}: off by {error}");
    }
    let refused = |numbers| match EncoderBlocks::from_bytes(&file(&small(), Dtype::F32), numbers) {
        Err(error @ EncoderError::Blocks { .. }) => error.to_string(),
        other => panic!("{other:?}"),
    };
    assert_eq!(refused(1..3), "encoder in memory: blocks must be 1 to 2, got 3");
    assert_eq!(refused(1..1), "encoder in memory: blocks must be 1 to 2, got 0");
}

#[test]
fn clips_of_a_batch_are_computed_for_their_valid_frames_alone() {
    let (golden, encoder) = (Golden::load("encoder.safetensors"), encoder());
    let lengths = [13, 40, 1, 8];
    // The values after a clip are not zero.
    let clips = lengths.map(|frames| {
        let clip = mel(8, frames, 100 + frames);
        let noise = Tensor::full(7f32, (1, 8, 40 - frames), &Device::Cpu).unwrap();
        if frames < 40 { Tensor::cat(&[clip, noise], 2).unwrap() } else { clip }
    });
    let batch = Padded::new(Tensor::cat(&clips, 0).unwrap(), Some(lengths.to_vec())).unwrap();
    let layers = encoder.encode(&batch).unwrap();
    let statistics = encoder.statistics(&batch).unwrap().into_values();
    assert_eq!(statistics.dims(), [4, 3 * 2 * 128]);
    for (layer, output) in layers.iter().enumerate() {
        assert_eq!((output.dims(), output.lengths()), (&[4, 20, 128][..], Some(&[7, 20, 1, 4][..])));
        for (clip, frames) in lengths.iter().enumerate() {
            let own = WhisperEncoder::output_frames(*frames);
            let values = output.values().get(clip).unwrap();
            let valid = values.narrow(0, 0, own).unwrap();
            let expected = golden.get(&format!("small.{frames}")).get(layer).unwrap();
            assert!(difference(&valid, &expected) < 1e-3);
            if own < 20 {
                let rest = values.narrow(0, own, 20 - own).unwrap();
                assert_eq!(difference(&rest, &rest.zeros_like().unwrap()), 0.0);
            }
            let wide = valid.to_dtype(DType::F64).unwrap();
            let mean = wide.mean_keepdim(0).unwrap();
            let variance = wide.broadcast_sub(&mean).unwrap().sqr().unwrap().mean_keepdim(0).unwrap();
            let deviation = (variance + 1e-5).unwrap().sqrt().unwrap();
            let expected = Tensor::cat(&[mean, deviation], 1).unwrap().squeeze(0).unwrap();
            let given = statistics.get(clip).unwrap().narrow(0, layer * 256, 256).unwrap();
            assert!(difference(&given, &expected) < 1e-4);
        }
    }
}

#[test]
fn the_base_encoder_equals_transformers_within_a_thousandth() {
    let (Some(path), golden) = (base(), Golden::load("encoder.safetensors")) else { return };
    let encoder = WhisperEncoder::load(&path, 4).unwrap();
    let error = difference(&outputs(&encoder, &mel(80, 25, 125)), golden.get("base.25"));
    println!("base encoder, 25 frames: off by {error:e}");
    assert!(error < 1e-3, "off by {error}");
    let statistics = |encoder: &WhisperEncoder| {
        let statistics = encoder.statistics(&mel(80, 300, 400).into()).unwrap().into_values();
        statistics.reshape((encoder.layers(), 2, 512)).unwrap()
    };
    let expected = Tensor::stack(&[golden.get("base.300.mean"), golden.get("base.300.std")], 1).unwrap();
    let error = difference(&statistics(&encoder), &expected);
    println!("base encoder, statistics of 300 frames: off by {error:e}");
    assert!(error < 1e-3, "off by {error}");

    let three = WhisperEncoder::load(&path, 3).unwrap();
    assert_eq!(difference(&statistics(&three), &statistics(&encoder).narrow(0, 0, 4).unwrap()), 0.0);

    let bytes = quantize(&std::fs::read(&path).unwrap()).unwrap();
    assert!(bytes.len() < 15_600_000, "{} bytes", bytes.len());
    let small = WhisperEncoder::from_bytes(&bytes, 4).unwrap();
    let error = difference(&statistics(&small), &expected);
    println!("base encoder in eight bits, {} bytes: off by {error:e}", bytes.len());
    assert!(error < 0.1, "off by {error}");
}

#[test]
fn the_type_that_weights_are_kept_in_changes_nothing_but_the_rounding() {
    let rounded: Tensors = small()
        .into_iter()
        .map(|(name, (shape, x))| (name, (shape, x.iter().map(|x| f16::from_f32(*x).to_f32()).collect())))
        .collect();
    let outputs = |bytes: &[u8]| outputs(&WhisperEncoder::from_bytes(bytes, 2).unwrap(), &mel(8, 40, 140));
    let expected = outputs(&file(&rounded, Dtype::F32));
    let halves = file(&rounded, Dtype::F16);
    assert_eq!(difference(&outputs(&halves), &expected), 0.0);

    let bytes = quantize(&halves).unwrap();
    assert_eq!(quantize(&halves).unwrap(), bytes);
    let view = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let mut dequantized = rounded.clone();
    let mut weights = 0;
    for (name, (shape, values)) in &mut dequantized {
        let tensor = view.tensor(name).unwrap();
        if tensor.dtype() != Dtype::I8 {
            assert!(shape.len() == 1 || name == "embed_positions.weight", "{name}");
            continue;
        }
        weights += 1;
        let scales = view.tensor(&format!("{name}_scale")).unwrap();
        let scales: Vec<f32> = scales.data().as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
        let row = values.len() / shape[0];
        for (i, (value, whole)) in values.iter_mut().zip(tensor.data()).enumerate() {
            let given = f32::from(whole.cast_signed()) * scales[i / row];
            assert!((given - *value).abs() <= 0.501 * scales[i / row], "{name}: {given} for {value}");
            *value = given;
        }
    }
    assert_eq!(weights, 2 + 2 * 6);
    // Rows are rounded to 8 bits too.
    let expected = outputs(&file(&dequantized, Dtype::F32));
    let mean = |x: &Tensor| x.abs().unwrap().mean_all().unwrap().to_scalar::<f32>().unwrap();
    let error = mean(&(outputs(&bytes) - &expected).unwrap()) / mean(&expected);
    println!("small encoder in eight bits: off by {error:e} of the mean size");
    assert!(error < 0.03, "{error}");
}

#[test]
fn answers_have_the_same_bits_on_any_number_of_threads() {
    let encoder = encoder();
    let answer = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| outputs(&encoder, &mel(8, 40, 140)))
    };
    let one = answer(1);
    assert!([2, 3, 5].into_iter().all(|threads| difference(&answer(threads), &one) == 0.0));
}

#[test]
fn files_that_do_not_fit_are_refused_with_the_tensor() {
    let refused = |change: &dyn Fn(&mut Tensors)| {
        let mut tensors = small();
        change(&mut tensors);
        WhisperEncoder::from_bytes(&file(&tensors, Dtype::F32), 2).unwrap_err().to_string()
    };
    let reshape = |tensors: &mut Tensors, name: &str, shape: &[usize]| {
        let values = vec![0.0; shape.iter().product()];
        tensors.insert(name.to_owned(), (shape.to_vec(), values));
    };
    let missing = refused(&|tensors| drop(tensors.remove("layers.1.self_attn.q_proj.bias")));
    assert_eq!(
        missing,
        "encoder in memory: tensor layers.1.self_attn.q_proj.bias: shape must be [128], got no such tensor"
    );
    for (name, shape, expected) in [
        ("layers.0.fc2.weight", &[128, 95][..], "tensor layers.0.fc2.weight: shape must be [128, 96]"),
        ("conv1.weight", &[100, 8, 3], "tensor conv1.weight: shape must be "),
        ("conv1.weight", &[0, 8, 3], "tensor conv1.weight: shape must be "),
        ("conv2.weight", &[128, 128, 5], "tensor conv2.weight: shape must be [128, 128, 3]"),
        ("embed_positions.weight", &[20], "tensor embed_positions.weight: shape must be "),
        ("layers.0.fc1.weight", &[0, 128], "tensor layers.0.fc1.weight: shape must be "),
    ] {
        let error = refused(&|tensors| reshape(tensors, name, shape));
        assert!(error.contains(expected), "{error}");
    }
    let nan = refused(&|tensors| tensors.get_mut("layers.0.fc1.bias").unwrap().1[3] = f32::NAN);
    assert_eq!(nan, "encoder in memory: tensor layers.0.fc1.bias: element 3 must be finite, got NaN");

    let bytes = file(&small(), Dtype::F32);
    let error = WhisperEncoder::from_bytes(&bytes, 3).unwrap_err().to_string();
    assert_eq!(error, "encoder in memory: blocks must be 0 to 2, got 3");
    assert_eq!(WhisperEncoder::from_bytes(&bytes, 0).unwrap().layers(), 1, "that of the convolutions");
    assert!(WhisperEncoder::from_bytes(&bytes[..bytes.len() - 1], 2).is_err());
    assert!(matches!(WhisperEncoder::from_bytes(&[], 2), Err(EncoderError::File(FileError::Damaged { .. }))));
    let error = WhisperEncoder::load("none/encoder.safetensors", 2).unwrap_err();
    assert!(error.to_string().starts_with("none/encoder.safetensors: "));
    assert!(std::error::Error::source(&error).is_some_and(|cause| cause.is::<std::io::Error>()));
    assert!(quantize(&bytes[..100]).is_err());
}

#[test]
fn inputs_that_do_not_fit_are_refused() {
    let encoder = encoder();
    let refused = |dims: (usize, usize, usize)| {
        let x = Tensor::zeros(dims, DType::F32, &Device::Cpu).unwrap();
        encoder.encode(&x.into()).unwrap_err().to_string()
    };
    for dims in [(1, 9, 5), (0, 8, 5), (1, 8, 41)] {
        assert!(refused(dims).contains("encoder: mel must have shape [batch, 8, 1 to 40], got"));
    }
    let x = Tensor::zeros((1, 8, 5), DType::F32, &Device::Cpu).unwrap();
    let beyond = Padded::new(x, Some(vec![6]));
    assert!(
        beyond
            .map_or_else(|e| e.to_string(), |x| encoder.statistics(&x).unwrap_err().to_string())
            .contains("lengths")
    );
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(48))]

    /// Most changes are in the header, so that they include names, types and shapes.
    #[test]
    fn damaged_files_are_refused_or_read_but_never_end_the_program(
        place in 0.0f64..1.0, in_header in proptest::bool::weighted(0.8), byte: u8, cut in proptest::option::of(0.0f64..1.0), eight: bool,
    ) {
        let mut bytes = file(&small(), Dtype::F16);
        if eight {
            bytes = quantize(&bytes).unwrap();
        }
        let header = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
        let reach = if in_header { header } else { bytes.len() };
        let at = (place * reach as f64) as usize;
        bytes[at] = byte;
        if let Some(cut) = cut {
            bytes.truncate((cut * bytes.len() as f64) as usize);
        }
        let _ = quantize(&bytes);
        if let Ok(encoder) = WhisperEncoder::from_bytes(&bytes, 2) {
            let _ = encoder.encode(&mel(8, 13, 1).into());
        }
    }
}
