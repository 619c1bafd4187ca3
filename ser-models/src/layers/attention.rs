//! Attention over time.

use super::Init;
use super::recurrent::{check_frames, check_sequences};
use crate::kernels::{
    Matrix, Real, STATISTICS_EPS, add_to_rows, matmul_parallel, softmax, softmax_gradient, sum_pairs, tanh,
};
use crate::layer::{
    Forward, Layer, LayerError, Mode, Padded, add_gradient, elements, for_element_type, tensor,
};
use crate::parameters::Scope;
use crate::setting::Settings;
use candle_core::Var;

/// Additive self-attention pooling over time (Bahdanau, Cho and Bengio, *Neural machine translation by jointly learning to align and translate*,
/// 2015; Lin et al., *A structured self-attentive sentence embedding*, 2017): the mean of the frames, weighted by the softmax of their scores,
///
/// `score_t = vector · tanh(weight · x_t + bias)`, `α = softmax(score)` over the valid frames, `y = Σ_t α_t · x_t`.
///
/// Input [batch, time, features], output [batch, features]; with deviations (Okabe, Koshinaka and Shinoda, *Attentive statistics pooling for
/// deep speaker embedding*, 2018) [batch, 2 · features]: after the means `√(Σ_t α_t · (x_t − y)² + 10⁻⁵)`.
#[derive(Debug)]
pub struct AttentionPool {
    weight: Var,
    bias: Var,
    vector: Var,
    features: usize,
    units: usize,
    deviations: bool,
}

impl AttentionPool {
    /// Makes `weight` of shape (units, features), `bias` (units), which starts at zero, and `vector` (1, units).
    ///
    /// # Errors
    /// [`LayerError::Setting`] if a size is 0;
    /// [`LayerError::Parameter`] if a tensor cannot be made, e.g. because its name is taken.
    pub fn new(features: usize, units: usize, init: Init, scope: &Scope<'_>) -> Result<Self, LayerError> {
        Settings("AttentionPool").one_or_more([("features", features), ("units", units)])?;
        let weight = scope.weight("weight", &[units, features], init)?;
        let bias = scope.weight("bias", &[units], Init::Zeros)?;
        let vector = scope.weight("vector", &[1, units], init)?;
        Ok(Self { weight, bias, vector, features, units, deviations: false })
    }

    /// Appends the weighted standard deviations to the means (attentive statistics pooling): the output has 2 · features elements.
    #[must_use]
    pub fn with_deviations(self) -> Self {
        Self { deviations: true, ..self }
    }

    /// Number of output features.
    fn outputs(&self) -> usize {
        if self.deviations { 2 * self.features } else { self.features }
    }

    fn pool<T: Real>(&self, x: &Padded, mode: &Mode<'_>) -> Result<Forward, LayerError> {
        let (batch, time, features) = x.values().dims3()?;
        let (rows, units, outputs) = (batch * time, self.units, self.outputs());
        let lengths = x.lengths_of(time);
        let x = x.values().contiguous()?;
        let (weight, bias, vector) = (self.weight.clone(), self.bias.clone(), self.vector.clone());
        let (y, hidden, alphas) = {
            let (x, weight) = (elements(&x)?, elements(&weight)?);
            let (bias, vector) = (elements(&bias)?, elements(&vector)?);
            let (x, bias, vector) = (x.slice::<T>()?, bias.slice::<T>()?, vector.slice::<T>()?);
            let weight = Matrix::new(weight.slice::<T>()?, units, features);
            let mut hidden = matmul_parallel(Matrix::new(x, rows, features), weight.transposed());
            add_to_rows(&mut hidden, bias);
            tanh(&mut hidden);
            let mut alphas: Vec<T> =
                hidden.chunks_exact(units).map(|h| sum_pairs(h, vector, |h, v| h * v)).collect();
            let mut y = vec![T::ZERO; batch * outputs];
            let examples = alphas.chunks_exact_mut(time).zip(&lengths);
            let pooled = y.chunks_exact_mut(outputs).zip(x.chunks_exact(time * features));
            for ((alphas, length), (y, x)) in examples.zip(pooled) {
                let (valid, padding) = alphas.split_at_mut(*length);
                softmax(valid);
                padding.fill(T::ZERO);
                let (mean, deviation) = y.split_at_mut(features);
                for (alpha, x) in alphas.iter().zip(x.chunks_exact(features)) {
                    mean.iter_mut().zip(x).for_each(|(y, x)| *y += *alpha * *x);
                }
                if deviation.is_empty() {
                    continue;
                }
                for (alpha, x) in alphas.iter().zip(x.chunks_exact(features)) {
                    for ((deviation, x), mean) in deviation.iter_mut().zip(x).zip(&*mean) {
                        *deviation += *alpha * (*x - *mean) * (*x - *mean);
                    }
                }
                deviation.iter_mut().for_each(|x| *x = T::from_f64((x.to_f64() + STATISTICS_EPS).sqrt()));
            }
            (tensor(y, (batch, outputs))?, hidden, alphas)
        };
        let pooled = y.clone();
        Ok(Forward::of(mode.is_training(), y, move |dy, input_wanted, gradients| {
            let dy = dy.contiguous()?;
            let (dx, dweight, dbias, dvector) = {
                let (x, dy, pooled) = (elements(&x)?, elements(&dy)?, elements(&pooled)?);
                let (weight, vector) = (elements(&weight)?, elements(&vector)?);
                let (x, vector) = (x.slice::<T>()?, vector.slice::<T>()?);
                let (dy, pooled) = (dy.slice::<T>()?, pooled.slice::<T>()?);
                let (first, second) = by_power(dy, pooled, features, outputs);
                // The gradient for an alpha is the product of `first` with x_t plus that of `second` with x_t². The gradient for a score is
                // α_t · (dα_t − Σ_s α_s · dα_s).
                let mut dscores = vec![T::ZERO; rows];
                let examples = dscores.chunks_exact_mut(time).zip(alphas.chunks_exact(time));
                for (clip, (dscores, alphas)) in examples.enumerate() {
                    let x = &x[clip * time * features..][..time * features];
                    for (dscore, x) in dscores.iter_mut().zip(x.chunks_exact(features)) {
                        let first = &first[clip * features..][..features];
                        *dscore = sum_pairs(first, x, |weight, x| weight * x);
                        if let Some(second) = &second {
                            let second = &second[clip * features..][..features];
                            *dscore += sum_pairs(second, x, |weight, x| weight * x * x);
                        }
                    }
                    softmax_gradient(alphas, dscores);
                }
                let mut dvector = vec![T::ZERO; units];
                let mut dbias = vec![T::ZERO; units];
                // The hidden values are replaced by the gradients for the inputs of their tanh.
                let mut dhidden = hidden;
                for (row, dscore) in dhidden.chunks_exact_mut(units).zip(&dscores) {
                    for (((h, vector), dvector), dbias) in
                        row.iter_mut().zip(vector).zip(&mut dvector).zip(&mut dbias)
                    {
                        *dvector += *dscore * *h;
                        *h = *dscore * *vector * (T::ONE - *h * *h);
                        *dbias += *h;
                    }
                }
                let dhidden = Matrix::new(&dhidden, rows, units);
                let dweight = matmul_parallel(dhidden.transposed(), Matrix::new(x, rows, features));
                let dx = if input_wanted {
                    let weight = Matrix::new(weight.slice()?, units, features);
                    let mut dx = matmul_parallel(dhidden, weight);
                    let frames = dx.chunks_exact_mut(features).zip(x.chunks_exact(features)).zip(&alphas);
                    for (frame, ((dx, x), alpha)) in frames.enumerate() {
                        let first = &first[frame / time * features..][..features];
                        dx.iter_mut().zip(first).for_each(|(dx, weight)| *dx += *alpha * *weight);
                        if let Some(second) = &second {
                            let second = &second[frame / time * features..][..features];
                            let twice = *alpha + *alpha;
                            for ((dx, x), weight) in dx.iter_mut().zip(x).zip(second) {
                                *dx += twice * *weight * *x;
                            }
                        }
                    }
                    Some(dx)
                } else {
                    None
                };
                (dx, dweight, dbias, dvector)
            };
            add_gradient(gradients, &weight, tensor(dweight, (units, features))?)?;
            add_gradient(gradients, &bias, tensor(dbias, units)?)?;
            add_gradient(gradients, &vector, tensor(dvector, (1, units))?)?;
            dx.map(|dx| tensor(dx, (batch, time, features))).transpose()
        }))
    }
}

/// The gradients for the weighted sums of each feature and of its square, each [batch, features]. The second one exists only with
/// deviations. A variance is Σ α · x² − mean², so that the mean gets another gradient through it.
fn by_power<T: Real>(dy: &[T], y: &[T], features: usize, outputs: usize) -> (Vec<T>, Option<Vec<T>>) {
    if outputs == features {
        return (dy.to_vec(), None);
    }
    let half = T::from_f64(0.5);
    let (mut first, mut second) = (Vec::new(), Vec::new());
    for (dy, y) in dy.chunks_exact(outputs).zip(y.chunks_exact(outputs)) {
        let ((dmean, ddeviation), (mean, deviation)) = (dy.split_at(features), y.split_at(features));
        let squares = ddeviation.iter().zip(deviation).map(|(dy, y)| half * *dy / *y);
        second.extend(squares);
        let squares = &second[second.len() - features..];
        let two = T::from_f64(2.0);
        first.extend(
            dmean.iter().zip(squares).zip(mean).map(|((dy, square), mean)| *dy - two * *square * *mean),
        );
    }
    (first, Some(second))
}

impl Layer for AttentionPool {
    fn forward(&self, x: &Padded, mode: &mut Mode<'_>) -> Result<Forward, LayerError> {
        check_sequences("AttentionPool", x, self.features)?;
        for_element_type!(x.values(), self.pool(x, mode))
    }

    fn output_shape(&self, input: &[usize]) -> Result<Vec<usize>, LayerError> {
        check_frames("AttentionPool", input, self.features)?;
        Ok(vec![self.outputs()])
    }

    fn kind(&self) -> &'static str {
        "AttentionPool"
    }

    fn weights(&self) -> Vec<&Var> {
        vec![&self.weight, &self.bias, &self.vector]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Parameters;
    use crate::layers::gradient_check::{
        answer, check, check_layer, difference, input, padded, train, variable,
    };
    use crate::layers::reference;
    use candle_core::{DType, Tensor};

    fn pool(features: usize, units: usize) -> AttentionPool {
        let parameters = Parameters::new(3, DType::F64);
        AttentionPool::new(features, units, Init::GlorotUniform, &parameters.scope("pool")).unwrap()
    }

    #[test]
    fn gradients_are_correct_with_and_without_padding() {
        let pool = pool(4, 3);
        pool.bias.set(&input(&[3], 8)).unwrap();
        let x = variable(&[3, 5, 4], 4);
        for lengths in [None, Some(&[5, 2, 1][..])] {
            check_layer("attention", &pool, &x, lengths);
            let weights = [&pool.weight, &pool.bias, &pool.vector].map(|var| var.as_tensor());
            let composition = || reference::attention(&x, lengths, weights).unwrap();
            check("attention, reference", &[&x, &pool.vector], composition);
            assert!(difference(&train(&pool, padded(&x, lengths), 0), &composition()) < 1e-14);
        }
    }

    #[test]
    fn deviations_and_their_gradients_are_correct() {
        let pool = pool(4, 3).with_deviations();
        let x = variable(&[3, 5, 4], 4);
        for lengths in [None, Some(&[5, 2, 1][..])] {
            check_layer("attentive statistics", &pool, &x, lengths);
            let weights = [&pool.weight, &pool.bias, &pool.vector].map(|var| var.as_tensor());
            let mean = reference::attention(&x, lengths, weights).unwrap();
            let y = train(&pool, padded(&x, lengths), 0);
            assert_eq!(y.dims(), [3, 8]);
            assert!(difference(&y.narrow(1, 0, 4).unwrap(), &mean) < 1e-14);
        }
        // With a vector of zeros all frames have the same weight.
        pool.vector.set(&pool.vector.zeros_like().unwrap()).unwrap();
        let lengths = Some(&[5, 2, 1][..]);
        let given = answer(&pool, padded(&x, lengths)).to_vec2::<f64>().unwrap();
        for (clip, length) in [5, 2, 1].into_iter().enumerate() {
            let valid = x.get(clip).unwrap().narrow(0, 0, length).unwrap();
            let mean = valid.mean_keepdim(0).unwrap();
            let variance = valid.broadcast_sub(&mean).unwrap().sqr().unwrap().mean_keepdim(0).unwrap();
            let deviation = (variance + 1e-5).unwrap().sqrt().unwrap();
            let expected = Tensor::cat(&[mean, deviation], 1).unwrap().to_vec2::<f64>().unwrap();
            assert!(given[clip].iter().zip(&expected[0]).all(|(a, b)| (a - b).abs() < 1e-14));
        }
        assert_eq!(pool.output_shape(&[6, 4]).unwrap(), [8]);
    }

    #[test]
    fn padding_does_not_count() {
        let pool = pool(4, 3);
        let x = input(&[2, 6, 4], 4);
        let masked = answer(&pool, padded(&x, Some(&[3, 3])));
        let cut = answer(&pool, x.narrow(1, 0, 3).unwrap());
        assert!(difference(&masked, &cut) < 1e-14);
        let beyond = Padded::of(x, Some(vec![3, 7]));
        assert!(pool.forward(&beyond, &mut Mode::Inference).is_err());
        assert!(pool.output_shape(&[6, 5]).is_err());
    }
}
