//! Rectified linear unit.

use crate::kernels::{Real, map, map2};
use crate::layer::{
    Forward, Fusion, FusionKind, Layer, LayerError, Mode, Padded, elements, for_element_type, tensor,
};

/// `max(x, 0)`, for an input of any shape. The gradient at 0 is 0, as in PyTorch.
#[derive(Debug, Clone, Copy)]
pub struct Relu;

impl Layer for Relu {
    fn forward(&self, x: &Padded, mode: &mut Mode<'_>) -> Result<Forward, LayerError> {
        for_element_type!(x.values(), rectify(x, mode))
    }

    fn output_shape(&self, input: &[usize]) -> Result<Vec<usize>, LayerError> {
        Ok(input.to_vec())
    }

    fn kind(&self) -> &'static str {
        "Relu"
    }

    fn fusion(&self) -> Fusion<'_> {
        Fusion(FusionKind::Relu)
    }
}

fn rectify<T: Real>(x: &Padded, mode: &Mode<'_>) -> Result<Forward, LayerError> {
    let values = x.values().contiguous()?;
    // A NaN fails the comparison, so it stays NaN.
    let y = map(elements(&values)?.slice()?, |x: T| if x < T::ZERO { T::ZERO } else { x });
    let y = tensor(y, x.dims())?;
    let output = x.with_values(y.clone());
    Ok(Forward::of(mode.is_training(), output, move |dy, _, _| {
        let dy = dy.contiguous()?;
        let (values, gradient) = (elements(&y)?, elements(&dy)?);
        let pass = |y: T, dy: T| if y > T::ZERO { dy } else { T::ZERO };
        Ok(Some(tensor(map2(values.slice()?, gradient.slice()?, pass), y.dims())?))
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::gradient_check::{answer, check_layer, train, variable};
    use candle_core::{Device, Tensor, Var};

    #[test]
    fn gradients_are_correct() {
        check_layer("relu", &Relu, &variable(&[3, 2, 7], 4), None);
    }

    #[test]
    fn the_gradient_at_zero_is_zero() {
        let x = Var::new(&[-1.0f32, 0.0, 2.0], &Device::Cpu).unwrap();
        let y = train(&Relu, x.as_tensor(), 0);
        assert_eq!(y.to_vec1::<f32>().unwrap(), [0.0, 0.0, 2.0]);
        let gradient = y.sum_all().unwrap().backward().unwrap();
        assert_eq!(gradient.get(&x).unwrap().to_vec1::<f32>().unwrap(), [0.0, 0.0, 1.0]);
    }

    #[test]
    fn infinities_are_cut_and_a_nan_stays() {
        let x = Tensor::new(&[f32::NEG_INFINITY, f32::INFINITY, f32::NAN], &Device::Cpu).unwrap();
        let y = answer(&Relu, x).to_vec1::<f32>().unwrap();
        assert_eq!(y[..2], [0.0, f32::INFINITY]);
        assert!(y[2].is_nan());
    }
}
