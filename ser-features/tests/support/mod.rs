//! Reads the golden files that `tests/golden/make_goldens.py` makes from librosa 0.11.0.

// Each test file uses its own part of this module, and a test may panic.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

use ndarray::{Array2, ArrayD, ArrayView2, Axis, IxDyn};
use num_complex::Complex;
use realfft::RealFftPlanner;
use safetensors::{Dtype, SafeTensors};

/// One golden file in memory.
pub struct Golden {
    bytes: Vec<u8>,
}

impl Golden {
    /// Opens `tests/golden/NAME.safetensors`.
    pub fn open(name: &str) -> Self {
        let path = format!("{}/golden/{name}.safetensors", env!("CARGO_MANIFEST_DIR"));
        Self { bytes: std::fs::read(&path).unwrap_or_else(|e| panic!("{path}: {e}")) }
    }

    fn tensors(&self) -> SafeTensors<'_> {
        SafeTensors::deserialize(&self.bytes).unwrap()
    }

    /// Whether librosa gave a result of this name.
    pub fn has(&self, name: &str) -> bool {
        self.tensors().tensor(name).is_ok()
    }

    /// Part of each tensor's name before the slash, sorted, each once.
    pub fn groups(&self) -> Vec<String> {
        let mut names: Vec<String> =
            self.tensors().names().iter().filter_map(|n| Some(n.split_once('/')?.0.to_owned())).collect();
        names.sort();
        names.dedup();
        names
    }

    /// Any tensor as f64; what 16-bit integers stand for is divided by 32,768.
    pub fn values(&self, name: &str) -> ArrayD<f64> {
        let tensors = self.tensors();
        let tensor = tensors.tensor(name).unwrap_or_else(|e| panic!("{name}: {e}"));
        let data = tensor.data();
        let values: Vec<f64> = match tensor.dtype() {
            Dtype::F32 => data.as_chunks().0.iter().map(|b| f64::from(f32::from_le_bytes(*b))).collect(),
            Dtype::F64 => data.as_chunks().0.iter().map(|b| f64::from_le_bytes(*b)).collect(),
            Dtype::I64 => data.as_chunks().0.iter().map(|b| i64::from_le_bytes(*b) as f64).collect(),
            Dtype::I16 => {
                data.as_chunks().0.iter().map(|b| f64::from(i16::from_le_bytes(*b)) / 32768.0).collect()
            }
            other => panic!("{name}: unexpected type {other:?}"),
        };
        ArrayD::from_shape_vec(IxDyn(tensor.shape()), values).unwrap()
    }

    /// A vector of f32, which the file holds exactly.
    pub fn vector(&self, name: &str) -> Vec<f32> {
        self.values(name).iter().map(|&x| x as f32).collect()
    }

    /// A single number.
    pub fn scalar(&self, name: &str) -> f64 {
        self.values(name)[[0]]
    }

    /// Indices, or other counts.
    pub fn indices(&self, name: &str) -> Vec<usize> {
        self.values(name).iter().map(|&x| x as usize).collect()
    }

    /// A matrix.
    pub fn matrix(&self, name: &str) -> Array2<f64> {
        self.values(name).into_dimensionality().unwrap()
    }

    /// A complex matrix, stored as `[2, rows, columns]`.
    pub fn complex(&self, name: &str) -> Array2<Complex<f64>> {
        let parts = self.values(name).into_dimensionality::<ndarray::Ix3>().unwrap();
        let (re, im) = (parts.index_axis(Axis(0), 0), parts.index_axis(Axis(0), 1));
        ndarray::Zip::from(re).and(im).map_collect(|&re, &im| Complex::new(re, im))
    }
}

/// One signal of the golden files.
pub struct Signal {
    pub name: String,
    pub samples: Vec<f32>,
    pub sample_rate: u32,
}

/// All signals, by name.
pub fn signals() -> Vec<Signal> {
    let golden = Golden::open("signals");
    golden
        .groups()
        .into_iter()
        .map(|name| Signal {
            samples: golden.vector(&format!("{name}/samples")),
            sample_rate: golden.scalar(&format!("{name}/sample_rate")) as u32,
            name,
        })
        .collect()
}

/// The columns that a golden file holds of a longer matrix.
pub fn columns(matrix: ArrayView2<'_, f32>, frames: &[usize]) -> Array2<f64> {
    matrix.select(Axis(1), frames).mapv(f64::from)
}

/// Largest absolute difference; NaN, or another shape, fails.
pub fn largest_error(got: &Array2<f64>, want: &Array2<f64>) -> f64 {
    assert_eq!(got.dim(), want.dim());
    got.iter().zip(want).fold(0.0, |worst, (a, b)| {
        let error = (a - b).abs();
        assert!(!error.is_nan(), "got {a}, want {b}");
        f64::max(worst, error)
    })
}

/// Reports one feature's error on each signal, and fails where it exceeds the tolerance.
pub struct Report {
    feature: &'static str,
    tolerance: f64,
    failed: Vec<String>,
    compared: usize,
}

impl Report {
    pub fn new(feature: &'static str, tolerance: f64) -> Self {
        Self { feature, tolerance, failed: Vec::new(), compared: 0 }
    }

    pub fn add(&mut self, signal: &str, error: f64) {
        println!("{:<24} {signal:<20} {error:9.2e}", self.feature);
        self.compared += 1;
        if error.is_nan() || error > self.tolerance {
            self.failed.push(format!("{signal} ({error:e})"));
        }
    }

    /// Fails when any signal was beyond the tolerance or fewer than `at_least` were compared.
    pub fn finish(self, at_least: usize) {
        assert!(self.failed.is_empty(), "{} above {:e}: {:?}", self.feature, self.tolerance, self.failed);
        assert!(self.compared >= at_least, "{}: only {} signals compared", self.feature, self.compared);
    }
}

/// Root mean square of the difference of two waveforms below a share of the Nyquist frequency, in dB of the wanted one's own.
pub fn difference_below(limit: f64, got: &[f32], want: &[f32]) -> f64 {
    let energy = |signal: Vec<f32>| -> f64 {
        let mut fft_input: Vec<f64> = signal.iter().map(|&x| f64::from(x)).collect();
        let plan = RealFftPlanner::<f64>::new().plan_fft_forward(fft_input.len());
        let mut spectrum = plan.make_output_vec();
        plan.process(&mut fft_input, &mut spectrum).unwrap();
        let last = (limit * signal.len() as f64 / 2.0) as usize;
        spectrum[..=last].iter().map(|x| x.norm_sqr()).sum()
    };
    let difference = got.iter().zip(want).map(|(a, b)| a - b).collect();
    10.0 * (energy(difference) / energy(want.to_vec())).log10()
}
