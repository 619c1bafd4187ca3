//! What several test files need.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

use candle_core::{DType, Device, Tensor};
use std::collections::HashMap;

/// The tensors of a golden file.
pub struct Golden(HashMap<String, Tensor>);

impl Golden {
    pub fn load(name: &str) -> Self {
        let path = format!("{}/tests/golden/{name}", env!("CARGO_MANIFEST_DIR"));
        Self(candle_core::safetensors::load(path, &Device::Cpu).unwrap())
    }

    pub fn get(&self, name: &str) -> &Tensor {
        self.0.get(name).unwrap_or_else(|| panic!("no golden tensor {name}"))
    }

    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }
}

/// The largest difference of two tensors of one shape.
pub fn difference(a: &Tensor, b: &Tensor) -> f64 {
    assert_eq!(a.dims(), b.dims());
    let flat = |t: &Tensor| t.to_dtype(DType::F64).unwrap().flatten_all().unwrap().to_vec1::<f64>().unwrap();
    flat(a).iter().zip(flat(b)).fold(0.0, |most, (a, b)| {
        let error = (a - b).abs();
        if error.is_nan() { f64::INFINITY } else { error.max(most) }
    })
}
