//! Bilinear resizing.

use ndarray::{Array2, ArrayView2};

/// Resizes a matrix [rows, frames] by bilinear interpolation, as PyTorch's `interpolate(mode="bilinear", align_corners=False)`. Pixels are
/// areas, so output `i` of `n` reads the input at `(i + 0.5) · size / n − 0.5`, clamped to the range from the first to the last. There is
/// no low-pass filter before shrinking. Sizes are 1 or more.
pub(super) fn resize(matrix: ArrayView2<'_, f32>, rows: usize, frames: usize) -> Array2<f32> {
    let (vertical, horizontal) = (taps(matrix.nrows(), rows), taps(matrix.ncols(), frames));
    Array2::from_shape_fn((rows, frames), |(row, frame)| {
        let ((top, bottom, down), (left, right, along)) = (vertical[row], horizontal[frame]);
        let between = |a: f32, b: f32, share: f64| f64::from(a) * (1.0 - share) + f64::from(b) * share;
        let upper = between(matrix[[top, left]], matrix[[top, right]], along);
        let lower = between(matrix[[bottom, left]], matrix[[bottom, right]], along);
        (upper * (1.0 - down) + lower * down) as f32
    })
}

/// Returns for each of `to` outputs the two inputs between which it is, and the second one's share.
fn taps(from: usize, to: usize) -> Vec<(usize, usize, f64)> {
    let scale = from as f64 / to as f64;
    let tap = |i: usize| {
        let at = ((i as f64 + 0.5) * scale - 0.5).max(0.0);
        let first = (at as usize).min(from - 1);
        let second = (first + 1).min(from - 1);
        (first, second, if second == first { 0.0 } else { at - first as f64 })
    };
    (0..to).map(tap).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::{Device, safetensors};
    use ndarray::array;

    #[test]
    fn sizes_up_and_down_are_those_of_pytorch() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/resize.safetensors");
        let golden = safetensors::load(path, &Device::Cpu).unwrap();
        let matrix = |name: &str| {
            let rows = golden[name].to_vec2::<f32>().unwrap();
            let shape = (rows.len(), rows[0].len());
            Array2::from_shape_vec(shape, rows.concat()).unwrap()
        };
        let x = matrix("x");
        for name in golden.keys().filter(|name| *name != "x") {
            let expected = matrix(name);
            let resized = resize(x.view(), expected.nrows(), expected.ncols());
            let error = (resized - &expected).iter().fold(0.0, |most: f32, e| most.max(e.abs()));
            assert!(error < 1e-5, "{name}: off by {error}");
        }
        assert!(golden.len() > 5);
    }

    #[test]
    fn the_same_size_changes_nothing_and_one_pixel_becomes_all() {
        let x = array![[1.0, 2.0, -3.0], [0.5, 0.0, 9.0]];
        assert_eq!(resize(x.view(), 2, 3), x);
        assert_eq!(resize(array![[7.0]].view(), 2, 3), array![[7.0; 3], [7.0; 3]]);
        assert_eq!(resize(array![[1.0, 3.0]].view(), 1, 1), array![[2.0]]);
    }
}
