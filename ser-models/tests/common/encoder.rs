//! A small encoder whose weights follow a formula, the same as in `golden/make_encoder_goldens.py`.

use half::f16;
use safetensors::tensor::{Dtype, TensorView};
use std::collections::BTreeMap;

/// Returns numbers by the script's formula.
pub fn numbers(shape: &[usize], seed: usize) -> Vec<f32> {
    let whole = (0..shape.iter().product::<usize>()).map(|i| (i * 7919 + seed * 104_729) % 2003);
    whole.map(|x| (x as f64 / 2003.0 - 0.5) as f32).collect()
}

/// Shapes and values by name.
pub type Tensors = BTreeMap<String, (Vec<usize>, Vec<f32>)>;

/// The sizes of an encoder.
#[derive(Clone, Copy)]
pub struct Sizes {
    pub width: usize,
    pub hidden: usize,
    pub bands: usize,
    pub positions: usize,
    pub blocks: usize,
}

/// Returns the script's small encoder.
pub fn small() -> Tensors {
    encoder(Sizes { width: 128, hidden: 96, bands: 8, positions: 20, blocks: 2 })
}

/// Makes an encoder of these sizes.
pub fn encoder(sizes: Sizes) -> Tensors {
    let Sizes { width, hidden, bands, positions, blocks } = sizes;
    let mut shapes = BTreeMap::new();
    let mut add = |name: &str, shape: &[usize]| drop(shapes.insert(name.to_owned(), shape.to_vec()));
    for (number, channels) in [(1, bands), (2, width)] {
        add(&format!("conv{number}.weight"), &[width, channels, 3]);
        add(&format!("conv{number}.bias"), &[width]);
    }
    add("embed_positions.weight", &[positions, width]);
    for block in 0..blocks {
        let mut add = |name: &str, shape: &[usize]| add(&format!("layers.{block}.{name}"), shape);
        for part in ["q_proj", "k_proj", "v_proj", "out_proj"] {
            add(&format!("self_attn.{part}.weight"), &[width, width]);
            if part != "k_proj" {
                add(&format!("self_attn.{part}.bias"), &[width]);
            }
        }
        for norm in ["self_attn_layer_norm", "final_layer_norm"] {
            add(&format!("{norm}.weight"), &[width]);
            add(&format!("{norm}.bias"), &[width]);
        }
        for (part, outputs, inputs) in [("fc1", hidden, width), ("fc2", width, hidden)] {
            add(&format!("{part}.weight"), &[outputs, inputs]);
            add(&format!("{part}.bias"), &[outputs]);
        }
    }
    let tensor = |(seed, (name, shape)): (usize, (String, Vec<usize>))| {
        let begin = if name.ends_with("layer_norm.weight") { 1.0 } else { 0.0 };
        let values = numbers(&shape, seed).iter().map(|x| begin + 0.5 * x).collect();
        (name, (shape, values))
    };
    shapes.into_iter().enumerate().map(tensor).collect()
}

/// Returns the file of these tensors.
pub fn file(tensors: &Tensors, dtype: Dtype) -> Vec<u8> {
    let bytes = |values: &[f32]| -> Vec<u8> {
        match dtype {
            Dtype::F16 => values.iter().flat_map(|x| f16::from_f32(*x).to_le_bytes()).collect(),
            _ => values.iter().flat_map(|x| x.to_le_bytes()).collect(),
        }
    };
    let data: Vec<_> = tensors.iter().map(|(name, (shape, x))| (name, shape.clone(), bytes(x))).collect();
    let views = data
        .iter()
        .map(|(name, shape, bytes)| (*name, TensorView::new(dtype, shape.clone(), bytes).unwrap()));
    safetensors::serialize(views, None).unwrap()
}
