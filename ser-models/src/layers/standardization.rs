//! Normalisation by constants, within a network.

use super::Init;
use crate::kernels::{Real, map2};
use crate::layer::{
    Forward, Layer, LayerError, Mode, Padded, checked_shape, elements, for_element_type, tensor,
};
use crate::parameters::Scope;
use candle_core::Var;

/// Applies [`Normalization`](crate::training::Normalization) to features that the network itself computes: the logarithm if the floor is
/// above 0, then `(x − mean) / std`. Training does not change the constants.
///
/// Input and output [batch, features] or [batch, features, time]. Padding is zero afterwards.
#[derive(Debug)]
pub(crate) struct Standardization {
    floor: Var,
    mean: Var,
    std: Var,
    features: usize,
}

impl Standardization {
    /// Makes `floor` (zeros), `mean` (zeros) and `std` (ones), each of shape (features).
    pub(crate) fn new(features: usize, scope: &Scope<'_>) -> Result<Self, LayerError> {
        let make = |name, init| scope.statistic(name, &[features], init);
        let (floor, mean) = (make("floor", Init::Zeros)?, make("mean", Init::Zeros)?);
        Ok(Self { floor, mean, std: make("std", Init::Ones)?, features })
    }

    fn standardize<T: Real>(&self, x: &Padded, mode: &Mode<'_>) -> Result<Forward, LayerError> {
        let values = x.values().contiguous()?;
        let dims = values.dims().to_vec();
        let time = dims.get(2).copied().unwrap_or(1);
        x.check("Standardization", time)?;
        // `y` gets the values, `slopes` their derivatives.
        let (mut y, mut slopes) = (vec![T::ZERO; values.elem_count()], vec![T::ZERO; values.elem_count()]);
        {
            let (x_values, floor) = (elements(&values)?, elements(&self.floor)?);
            let (mean, std) = (elements(&self.mean)?, elements(&self.std)?);
            let (floor, mean, std) = (floor.slice::<T>()?, mean.slice::<T>()?, std.slice::<T>()?);
            let rows = x_values.slice::<T>()?.chunks_exact(time).enumerate();
            let outputs = y.chunks_exact_mut(time).zip(slopes.chunks_exact_mut(time));
            let lengths = x.lengths_of(time);
            for ((row, x), (y, slopes)) in rows.zip(outputs) {
                let (feature, length) = (row % self.features, lengths[row / self.features]);
                let (floor, mean, inverse) = (floor[feature], mean[feature], T::ONE / std[feature]);
                for ((x, y), slope) in x[..length].iter().zip(y).zip(slopes) {
                    let (value, of_value) = match *x > floor {
                        _ if floor <= T::ZERO => (*x, T::ONE),
                        true => (T::from_f64(x.to_f64().ln()), T::ONE / *x),
                        false => (T::from_f64(floor.to_f64().ln()), T::ZERO),
                    };
                    (*y, *slope) = ((value - mean) * inverse, of_value * inverse);
                }
            }
        }
        let output = x.with_values(tensor(y, dims.clone())?);
        Ok(Forward::of(mode.is_training(), output, move |dy, _, _| {
            let dy = dy.contiguous()?;
            let dx = map2(elements(&dy)?.slice::<T>()?, &slopes, |dy, slope| dy * slope);
            Ok(Some(tensor(dx, dims)?))
        }))
    }
}

impl Layer for Standardization {
    fn forward(&self, x: &Padded, mode: &mut Mode<'_>) -> Result<Forward, LayerError> {
        checked_shape(self, x)?;
        for_element_type!(x.values(), self.standardize(x, mode))
    }

    fn output_shape(&self, input: &[usize]) -> Result<Vec<usize>, LayerError> {
        match *input {
            [features] if features == self.features => Ok(input.to_vec()),
            [features, time] if features == self.features && time > 0 => Ok(input.to_vec()),
            _ => {
                let expected = format!("[{0}] or [{0}, time]", self.features);
                Err(LayerError::input_shape("Standardization", expected, input))
            }
        }
    }

    fn kind(&self) -> &'static str {
        "Standardization"
    }

    fn statistics(&self) -> Vec<&Var> {
        vec![&self.floor, &self.mean, &self.std]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Parameters;
    use crate::layers::gradient_check::{answer, check_layer, input, padded, values, variable};
    use candle_core::{DType, Device, Tensor};

    fn standardization(constants: [[f64; 3]; 3]) -> Standardization {
        let parameters = Parameters::new(0, DType::F64);
        let layer = Standardization::new(3, &parameters.scope("standardization")).unwrap();
        for (var, values) in layer.statistics().into_iter().zip(constants) {
            var.set(&Tensor::new(&values, &Device::Cpu).unwrap()).unwrap();
        }
        layer
    }

    #[test]
    fn values_and_gradients_are_correct() {
        let layer = standardization([[0.0, 0.25, 1e-3], [1.0, -1.0, 0.5], [2.0, 0.5, 1.5]]);
        for (shape, lengths) in [(&[4, 3][..], None), (&[2, 3, 5], None), (&[2, 3, 5], Some(&[5, 2][..]))] {
            let x = variable(shape, 4);
            check_layer("standardization", &layer, &x, lengths);
        }
        let x = Tensor::new(&[[5.0, 0.1, 2.0], [-3.0, 1.0, 0.0]], &Device::Cpu).unwrap();
        let expected =
            [2.0, (0.25f64.ln() + 1.0) / 0.5, (2f64.ln() - 0.5) / 1.5, -2.0, 2.0, (1e-3f64.ln() - 0.5) / 1.5];
        let given = values(&answer(&layer, x));
        assert!(given.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-14), "{given:?}");
    }

    #[test]
    fn padding_becomes_zero() {
        let layer = standardization([[0.0; 3], [1.0; 3], [2.0; 3]]);
        let y = values(&answer(&layer, padded(&input(&[2, 3, 4], 4), Some(&[4, 1]))));
        for row in y[12..].chunks(4) {
            assert!(row[0] != 0.0 && row[1..] == [0.0; 3]);
        }
        assert!(layer.output_shape(&[4]).is_err() && layer.output_shape(&[3, 2, 2]).is_err());
    }
}
