//! The largest value and the mean of whole channels.

use super::{Kind, Pooling};
use crate::layer::{Backward, Forward, Layer, LayerError, Mode, Padded, checked_shape};
use crate::layers::Padding;

/// The largest value of each channel: input [batch, channels, …] with one or more further axes, output [batch,
/// channels]. Its gradient goes to the first of equal values. For padded clips, only valid frames (last axis) count.
#[derive(Debug, Clone, Copy)]
pub struct GlobalMaxPool;

/// The mean of each channel: input [batch, channels, …] with one or more further axes, output [batch, channels]. For padded clips, only
/// valid frames (last axis) count.
#[derive(Debug, Clone, Copy)]
pub struct GlobalAvgPool;

macro_rules! global {
    ($($layer:ident $name:literal $kind:expr),*) => {$(
        impl Layer for $layer {
            fn forward(&self, x: &Padded, mode: &mut Mode<'_>) -> Result<Forward, LayerError> {
                checked_shape(self, x)?;
                global($name, $kind, x, mode)
            }

            fn output_shape(&self, input: &[usize]) -> Result<Vec<usize>, LayerError> {
                global_shape($name, input)
            }

            fn kind(&self) -> &'static str {
                $name
            }
        }
    )*};
}

global!(GlobalMaxPool "GlobalMaxPool" Kind::Max, GlobalAvgPool "GlobalAvgPool" Kind::Mean);

fn global_shape(layer: &'static str, input: &[usize]) -> Result<Vec<usize>, LayerError> {
    if input.len() < 2 || input.contains(&0) {
        return Err(LayerError::input_shape(layer, "[channels, length, …]", input));
    }
    Ok(vec![input[0]])
}

/// Pools with one window over the whole of each channel.
fn global(layer: &'static str, kind: Kind, x: &Padded, mode: &mut Mode<'_>) -> Result<Forward, LayerError> {
    let dims = x.dims().to_vec();
    let (batch, channels, frames) = (dims[0], dims[1], dims[dims.len() - 1]);
    let rows = dims[2..dims.len() - 1].iter().product();
    let images = x.with_values(x.values().reshape((batch, channels, rows, frames))?);
    let window = Pooling::new(layer, kind, [rows, frames], [1; 2], Padding::Valid)?;
    let window = Pooling { valid_only: true, ..window };
    let (output, backward) = window.forward(&images, mode)?.into_parts();
    let output = output.into_values().flatten_from(1)?;
    let of_vectors = |backward: Backward| -> Backward {
        Box::new(move |dy, input_wanted, gradients| {
            let dx = backward(&dy.reshape((batch, channels, 1, 1))?, input_wanted, gradients)?;
            Ok(dx.map(|dx| dx.reshape(dims)).transpose()?)
        })
    };
    Ok(Forward::from_parts(output, backward.map(of_vectors)))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{agree, composition};
    use super::*;
    use crate::layers::gradient_check::{answer, check_layer, values, variable};
    use candle_core::{Device, Tensor};

    #[test]
    fn gradients_are_correct_over_whole_channels() {
        for shape in [&[2, 3, 7][..], &[2, 3, 5, 3]] {
            let x = variable(shape, 4);
            for (kind, layer) in [(Kind::Max, &GlobalMaxPool as &dyn Layer), (Kind::Mean, &GlobalAvgPool)] {
                check_layer("global pooling", layer, &x, None);
                check_layer("global pooling of padded clips", layer, &x, Some(&[3, 2]));
                let sequence = x.flatten_from(2).unwrap();
                let length = sequence.dim(2).unwrap();
                let whole = Pooling::new("global", kind, [length], [1], Padding::Valid).unwrap();
                assert!(agree(&answer(layer, x.as_tensor()), &composition(&whole, &sequence)));
            }
        }
        let x = Tensor::new(&[[[1.0f64, 2.0, 6.0], [-4.0, -2.0, -9.0]]], &Device::Cpu).unwrap();
        let answer = |layer: &dyn Layer| values(&answer(layer, &x));
        assert_eq!(answer(&GlobalMaxPool), [6.0, -2.0]);
        assert!((answer(&GlobalAvgPool)[0] - 3.0).abs() < 1e-15);
        assert_eq!(GlobalAvgPool.output_shape(&[4, 3, 5]).unwrap(), [4]);
        let error = GlobalMaxPool.output_shape(&[4]).unwrap_err().to_string();
        assert_eq!(error, "GlobalMaxPool: each example must have shape [channels, length, …], got [4]");
    }
}
