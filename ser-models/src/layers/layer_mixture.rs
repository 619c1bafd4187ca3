//! A learned mean of several layers' outputs.

use super::Init;
use crate::kernels::{Real, softmax, softmax_gradient, sum_pairs};
use crate::layer::{
    Forward, Layer, LayerError, Mode, Padded, add_gradient, checked_shape, elements, for_element_type, tensor,
};
use crate::parameters::Scope;
use crate::setting::Settings;
use candle_core::Var;

/// The mean of the outputs of an encoder's layers with trained weights:
///
/// `y = Σ_l α_l · x_l`, `α = softmax(weight)` (the scalar mix of Peters et al., *Deep contextualized word representations*,
/// 2018, without the trained factor γ).
///
/// Input [batch, layers · features, …], the features of one layer after those of another; output [batch, features / parts, …] (`parts` of
/// [`LayerMixture::new`]). Initially all mixed layers have the same weight.
#[derive(Debug)]
pub struct LayerMixture {
    weight: Var,
    layers: usize,
    /// Layers before the first that is mixed.
    skipped: usize,
    /// Number of equal parts of each layer's features, of which the first is mixed.
    parts: usize,
}

impl LayerMixture {
    /// Mixes the layers after the first `skipped` of `layers`, and of each layer's features only the first of `parts` equal parts. If the
    /// features are means followed by deviations over time, 2 parts select the means. The output is [batch, features / parts, …]. Makes
    /// `weight` of shape (layers − skipped), which starts at zero.
    ///
    /// # Errors
    /// [`LayerError::Setting`] if no layer or no part is left;
    /// [`LayerError::Parameter`] if a tensor cannot be made, e.g. because its name is taken.
    pub fn new(layers: usize, skipped: usize, parts: usize, scope: &Scope<'_>) -> Result<Self, LayerError> {
        if layers <= skipped {
            let rule = format!("more than are skipped, {skipped}");
            return Err(LayerError::setting("LayerMixture", "layers", rule, layers));
        }
        Settings("LayerMixture").one_or_more([("parts", parts)])?;
        Ok(Self { weight: scope.weight("weight", &[layers - skipped], Init::Zeros)?, layers, skipped, parts })
    }

    fn mix<T: Real>(&self, x: &Padded, mode: &Mode<'_>) -> Result<Forward, LayerError> {
        let Self { layers, skipped, parts, .. } = *self;
        let values = x.values().contiguous()?;
        let mut dims = x.dims().to_vec();
        dims[1] /= layers * parts;
        // Of each layer only the first numbers are mixed, beginning after the skipped layers.
        let size: usize = dims[1..].iter().product();
        let layer = size * parts;
        let (y, alphas) = {
            let (x, weight) = (elements(&values)?, elements(&self.weight)?);
            let mut alphas = weight.slice::<T>()?.to_vec();
            softmax(&mut alphas);
            let mut y = vec![T::ZERO; dims[0] * size];
            for (y, x) in y.chunks_exact_mut(size).zip(x.slice::<T>()?.chunks_exact(layers * layer)) {
                for (x, alpha) in x.chunks_exact(layer).skip(skipped).zip(&alphas) {
                    y.iter_mut().zip(x).for_each(|(y, x)| *y += *alpha * *x);
                }
            }
            (tensor(y, dims)?, alphas)
        };
        let weight = self.weight.clone();
        Ok(Forward::of(mode.is_training(), x.with_values(y), move |dy, input_wanted, gradients| {
            let dy = dy.contiguous()?;
            let dims = values.dims().to_vec();
            let (dx, dweight) = {
                let (x, dy) = (elements(&values)?, elements(&dy)?);
                let (x, dy) = (x.slice::<T>()?, dy.slice::<T>()?);
                let mut dalphas = vec![T::ZERO; alphas.len()];
                for (x, dy) in x.chunks_exact(layers * layer).zip(dy.chunks_exact(size)) {
                    for (dalpha, x) in dalphas.iter_mut().zip(x.chunks_exact(layer).skip(skipped)) {
                        *dalpha += sum_pairs(dy, &x[..size], |dy, x| dy * x);
                    }
                }
                let mut dweight = dalphas;
                softmax_gradient(&alphas, &mut dweight);
                let dx = input_wanted.then(|| {
                    let mut dx = vec![T::ZERO; x.len()];
                    for (dx, dy) in dx.chunks_exact_mut(layers * layer).zip(dy.chunks_exact(size)) {
                        for (dx, alpha) in dx.chunks_exact_mut(layer).skip(skipped).zip(&alphas) {
                            dx.iter_mut().zip(dy).for_each(|(dx, dy)| *dx = *alpha * *dy);
                        }
                    }
                    dx
                });
                (dx, dweight)
            };
            add_gradient(gradients, &weight, tensor(dweight, layers - skipped)?)?;
            dx.map(|dx| tensor(dx, dims)).transpose()
        }))
    }
}

impl Layer for LayerMixture {
    fn forward(&self, x: &Padded, mode: &mut Mode<'_>) -> Result<Forward, LayerError> {
        checked_shape(self, x)?;
        for_element_type!(x.values(), self.mix(x, mode))
    }

    fn output_shape(&self, input: &[usize]) -> Result<Vec<usize>, LayerError> {
        match input {
            [rows, rest @ ..]
                if *rows > 0 && rows % (self.layers * self.parts) == 0 && !rest.contains(&0) =>
            {
                Ok([&[rows / (self.layers * self.parts)], rest].concat())
            }
            _ => {
                let expected = format!("[{} · features, …]", self.layers * self.parts);
                Err(LayerError::input_shape("LayerMixture", expected, input))
            }
        }
    }

    fn kind(&self) -> &'static str {
        "LayerMixture"
    }

    fn weights(&self) -> Vec<&Var> {
        vec![&self.weight]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Parameters;
    use crate::layers::gradient_check::{answer, check_layer, difference, input, train, variable};
    use candle_core::DType;

    fn mixture(layers: usize) -> LayerMixture {
        let parameters = Parameters::new(3, DType::F64);
        LayerMixture::new(layers, 0, 1, &parameters.scope("mixture")).unwrap()
    }

    #[test]
    fn gradients_are_correct() {
        let mixture = mixture(3);
        mixture.weight.set(&input(&[3], 8)).unwrap();
        for shape in [&[2, 6][..], &[2, 6, 5], &[3, 3, 2, 4]] {
            let x = variable(shape, 4);
            check_layer("layer mixture", &mixture, &x, None);
            let alphas = crate::layers::softmax(&mixture.weight).unwrap().to_vec1::<f64>().unwrap();
            let features = shape[1] / 3;
            let parts = alphas
                .iter()
                .enumerate()
                .map(|(layer, alpha)| (x.narrow(1, layer * features, features).unwrap() * *alpha).unwrap());
            let expected = parts.reduce(|sum, part| (sum + part).unwrap()).unwrap();
            assert!(difference(&train(&mixture, x.as_tensor(), 0), &expected) < 1e-14);
        }
    }

    #[test]
    fn a_part_of_the_last_layers_is_mixed() {
        let parameters = Parameters::new(3, DType::F64);
        let mixture = LayerMixture::new(3, 1, 2, &parameters.scope("mixture")).unwrap();
        mixture.weight.set(&input(&[2], 8)).unwrap();
        let alphas = crate::layers::softmax(&mixture.weight).unwrap().to_vec1::<f64>().unwrap();
        for shape in [&[2, 12][..], &[2, 12, 5]] {
            let x = variable(shape, 4);
            check_layer("a part of layers", &mixture, &x, None);
            // Features 4 and 5 are the first half of layer 1, features 8 and 9 that of layer 2.
            let part = |at: usize, alpha: f64| (x.narrow(1, at, 2).unwrap() * alpha).unwrap();
            let expected = (part(4, alphas[0]) + part(8, alphas[1])).unwrap();
            assert!(difference(&train(&mixture, x.as_tensor(), 0), &expected) < 1e-14);
        }
        assert!(LayerMixture::new(3, 3, 1, &parameters.scope("none")).is_err());
        assert!(LayerMixture::new(3, 0, 0, &parameters.scope("none")).is_err());
    }

    #[test]
    fn at_first_it_is_a_mean_and_keeps_lengths() {
        let x = input(&[2, 4, 3], 1);
        let expected = ((x.narrow(1, 0, 2).unwrap() + x.narrow(1, 2, 2).unwrap()).unwrap() / 2.0).unwrap();
        assert!(difference(&answer(&mixture(2), x.clone()), &expected) < 1e-15);
        let padded = Padded::new(x, Some(vec![3, 1])).unwrap();
        let pass = mixture(2).forward(&padded, &mut Mode::Inference).unwrap();
        assert_eq!(pass.output().lengths(), Some(&[3, 1][..]));
        assert!(mixture(3).output_shape(&[4, 3]).is_err() && mixture(3).output_shape(&[]).is_err());
        let parameters = Parameters::new(3, DType::F64);
        assert!(LayerMixture::new(0, 0, 1, &parameters.scope("none")).is_err());
    }
}
