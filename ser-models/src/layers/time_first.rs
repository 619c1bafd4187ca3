//! Rearrangement of channels to frames.

use crate::kernels::{ForEachItem, Real};
use crate::layer::{
    Forward, Layer, LayerError, Mode, Padded, checked_shape, elements, for_element_type, tensor,
};
use rayon::prelude::*;

/// Puts time before features, for recurrent layers after convolutions: [batch, channels, …, time] becomes [batch, time,
/// channels · …], every frame's features flattened in row-major order (Keras's `TimeDistributed(Flatten())`). Of frames
/// [batch, time, features] it makes [batch, features, time] again.
#[derive(Debug, Clone, Copy)]
pub struct TimeFirst;

impl Layer for TimeFirst {
    fn forward(&self, x: &Padded, mode: &mut Mode<'_>) -> Result<Forward, LayerError> {
        checked_shape(self, x)?;
        for_element_type!(x.values(), transpose(x, mode))
    }

    fn output_shape(&self, input: &[usize]) -> Result<Vec<usize>, LayerError> {
        match input {
            [features @ .., time] if !features.is_empty() => {
                let features = features.iter().fold(1, |product: usize, size| product.saturating_mul(*size));
                Ok(vec![*time, features])
            }
            _ => Err(LayerError::input_shape("TimeFirst", "[channels, …, time]", input)),
        }
    }

    fn kind(&self) -> &'static str {
        "TimeFirst"
    }
}

fn transpose<T: Real>(x: &Padded, mode: &Mode<'_>) -> Result<Forward, LayerError> {
    let values = x.values().contiguous()?;
    let dims = x.dims().to_vec();
    let (batch, columns) = (dims[0], dims[dims.len() - 1]);
    let rows = dims[1..dims.len() - 1].iter().product();
    let y = transpose_examples::<T>(elements(&values)?.slice()?, rows, columns);
    let output = x.with_values(tensor(y, (batch, columns, rows))?);
    Ok(Forward::of(mode.is_training(), output, move |dy, _, _| {
        let dy = dy.contiguous()?;
        Ok(Some(tensor(transpose_examples::<T>(elements(&dy)?.slice()?, columns, rows), dims)?))
    }))
}

/// Transposes each example's matrix, in squares that fit into the cache.
fn transpose_examples<T: Real>(x: &[T], rows: usize, columns: usize) -> Vec<T> {
    const SQUARE: usize = 16;
    let mut y = vec![T::ZERO; x.len()];
    let size = (rows * columns).max(1);
    y.par_chunks_mut(size).zip(x.par_chunks(size)).with_min_len((1 << 15) / size + 1).for_each_item(&|(
        y,
        x,
    )| {
        for top in (0..rows).step_by(SQUARE) {
            for left in (0..columns).step_by(SQUARE) {
                for column in left..(left + SQUARE).min(columns) {
                    let to = &mut y[column * rows + top..column * rows + (top + SQUARE).min(rows)];
                    for (to, from) in to.iter_mut().zip(x[top * columns + column..].iter().step_by(columns)) {
                        *to = *from;
                    }
                }
            }
        }
    });
    y
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::gradient_check::{answer, check_layer, variable};

    #[test]
    fn frames_keep_their_order_and_gradients_are_correct() {
        for shape in [&[2, 3, 5][..], &[3, 2, 3, 7], &[1, 19, 33]] {
            let x = variable(shape, 4);
            let y = answer(&TimeFirst, x.as_tensor());
            let expected = x.flatten(1, shape.len() - 2).unwrap().transpose(1, 2).unwrap();
            assert_eq!(y.to_vec3::<f64>().unwrap(), expected.to_vec3::<f64>().unwrap());
            assert_eq!(y.dims()[1..], TimeFirst.output_shape(&shape[1..]).unwrap());
            if x.elem_count() < 100 {
                check_layer("time steps", &TimeFirst, &x, None);
            }
        }
        assert!(TimeFirst.output_shape(&[5]).is_err());
    }
}
