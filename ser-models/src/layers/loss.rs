//! Softmax and cross-entropy.

use crate::layer::LayerError;
use crate::setting::Settings;
use candle_core::{D, DType, Device, Result as CandleResult, Tensor};

/// Softmax cross-entropy over a batch, with label smoothing and class weights.
///
/// For logits z, targets q (rows that sum to 1), class weights w and smoothing ε:
///
/// `loss = Σ_i Σ_c w_c · ((1 − ε) · q_ic + ε / C) · −log softmax(z_i)_c  /  Σ_i Σ_c w_c · q_ic`
///
/// For targets that are one class each, this is PyTorch's `CrossEntropyLoss(weight, label_smoothing)` with mean
/// reduction; mixed targets come from mixup.
#[derive(Debug, Clone, PartialEq)]
pub struct CrossEntropy {
    class_weights: Vec<f32>,
    label_smoothing: f64,
}

impl CrossEntropy {
    /// Class weights are positive and finite, one per class; label smoothing is 0 or more and below 1.
    ///
    /// # Errors
    /// [`LayerError::Setting`] if a weight or the smoothing is out of its range.
    pub fn new(class_weights: Vec<f32>, label_smoothing: f64) -> Result<Self, LayerError> {
        if let Some(weight) = class_weights.iter().find(|w| !(w.is_finite() && **w > 0.0)) {
            let rule = "positive and finite";
            return Err(LayerError::setting("CrossEntropy", "class_weights", rule, weight));
        }
        Settings("CrossEntropy").zero_or_more_and_below_1("label_smoothing", label_smoothing)?;
        Ok(Self { class_weights, label_smoothing })
    }

    /// The loss of `logits` [batch, classes] for `targets` [batch, classes], whose rows sum to 1, and its gradient for the
    /// logits: `(Σ_c s_ic) · softmax(z_i) − s_i`, where
    /// `s_ic = w_c · ((1 − ε) · q_ic + ε / C) / Σ_i Σ_c w_c · q_ic`.
    ///
    /// If an example was labelled among some of the classes only, `labelled` [batch, classes] is 1 for these and 0 for all others. The
    /// softmax and the smoothing of a row are over its labelled classes, and the gradient of all others is 0. This way corpora with
    /// different sets of emotions can train one network: a happy clip from a corpus without the label surprised is no evidence against
    /// surprised. `None` means that every example was labelled among all classes. Where a target is not 0, its class must be labelled.
    /// Each row needs at least one 1. All tensors must have one element type.
    ///
    /// # Errors
    /// [`LayerError::InputShape`] if the shapes differ or don't fit the class weights.
    pub fn loss_and_gradient(
        &self,
        logits: &Tensor,
        targets: &Tensor,
        labelled: Option<&Tensor>,
    ) -> Result<(f64, Tensor), LayerError> {
        let shares = self.shares(logits, targets, labelled)?;
        let logits = match labelled {
            None => logits.detach(),
            // Logits of unlabelled classes are far below all others, but finite, so that their product with a share of 0 is 0.
            Some(labelled) => (logits.detach() * labelled)?.add(&labelled.affine(1e30, -1e30)?)?,
        };
        let logarithms = log_softmax(&logits)?;
        let loss = (&logarithms * &shares)?.sum_all()?.neg()?.to_dtype(DType::F64)?.to_scalar()?;
        let gradient = (logarithms.exp()?.broadcast_mul(&shares.sum_keepdim(D::Minus1)?)? - shares)?;
        Ok((loss, gradient))
    }

    /// The loss, a scalar that Candle differentiates, of `logits` [batch, classes] for `targets` [batch, classes], whose rows sum to 1.
    ///
    /// # Errors
    /// [`LayerError::InputShape`] if the shapes differ or don't fit the class weights.
    pub fn loss(&self, logits: &Tensor, targets: &Tensor) -> Result<Tensor, LayerError> {
        let shares = self.shares(logits, targets, None)?;
        Ok((log_softmax(logits)? * shares)?.sum_all()?.neg()?)
    }

    /// Returns the factors of the negative log-probabilities, [batch, classes].
    fn shares(
        &self,
        logits: &Tensor,
        targets: &Tensor,
        labelled: Option<&Tensor>,
    ) -> Result<Tensor, LayerError> {
        let classes = self.class_weights.len();
        for tensor in [Some(logits), Some(targets), labelled].into_iter().flatten() {
            if !matches!(tensor.dims(), [batch, c] if *c == classes && *batch == logits.dims()[0]) {
                let expected = format!("[{classes}] in logits and in as many targets");
                return Err(LayerError::input_shape("CrossEntropy", expected, tensor.dims()));
            }
        }
        let weights = Tensor::new(&*self.class_weights, logits.device())?.to_dtype(logits.dtype())?;
        let kept = 1.0 - self.label_smoothing;
        let smoothed = match labelled {
            None => targets.affine(kept, self.label_smoothing / classes as f64)?,
            Some(labelled) => {
                let spread = labelled.broadcast_div(&labelled.sum_keepdim(D::Minus1)?)?;
                (targets.affine(kept, 0.0)? + spread.affine(self.label_smoothing, 0.0)?)?
            }
        };
        let total = targets.broadcast_mul(&weights)?.sum_all()?;
        Ok(smoothed.broadcast_mul(&weights)?.broadcast_div(&total)?)
    }

    /// Targets [batch, classes] with a 1 at each label.
    ///
    /// # Errors
    /// [`LayerError::Label`] if a label is not one of the classes.
    pub fn targets(&self, labels: &[usize], dtype: DType) -> Result<Tensor, LayerError> {
        let classes = self.class_weights.len();
        let targets = one_hot(labels, classes)?;
        Ok(Tensor::from_vec(targets, (labels.len(), classes), &Device::Cpu)?.to_dtype(dtype)?)
    }
}

/// Returns a row for each label with a 1 at its class, else zeros: [batch, classes] in row-major order.
pub(crate) fn one_hot(labels: &[usize], classes: usize) -> Result<Vec<f32>, LayerError> {
    let mut rows = vec![0.0; labels.len() * classes];
    for (row, &label) in rows.chunks_exact_mut(classes.max(1)).zip(labels) {
        *row.get_mut(label).ok_or(LayerError::Label { label, classes })? = 1.0;
    }
    Ok(rows)
}

/// `log softmax` over the last axis. The largest logit is subtracted first, as a constant: this changes neither values nor gradients.
fn log_softmax(logits: &Tensor) -> CandleResult<Tensor> {
    let shifted = logits.broadcast_sub(&logits.detach().max_keepdim(D::Minus1)?)?;
    shifted.broadcast_sub(&shifted.exp()?.sum_keepdim(D::Minus1)?.log()?)
}

/// Probabilities over the last axis: `exp(z_c) / Σ exp(z)`, without overflow. Gradients flow through it, which the fused
/// `candle_nn::ops::softmax_last_dim` does not support.
///
/// # Errors
/// If the tensor has no axis.
pub fn softmax(logits: &Tensor) -> Result<Tensor, LayerError> {
    Ok(log_softmax(logits)?.exp()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::gradient_check::{check, difference, input};
    use candle_core::Var;

    #[test]
    fn gradients_are_correct_with_weights_smoothing_and_mixed_targets() {
        let logits = Var::from_tensor(&(input(&[5, 4], 1) * 3.0).unwrap()).unwrap();
        let targets = softmax(&input(&[5, 4], 2)).unwrap();
        for (weights, smoothing) in
            [(vec![1.0; 4], 0.0), (vec![0.5, 2.0, 1.0, 3.0], 0.1), (vec![1.0; 4], 0.3)]
        {
            let loss = CrossEntropy::new(weights, smoothing).unwrap();
            check("cross-entropy", &[&logits], || loss.loss(&logits, &targets).unwrap());
            let in_graph = loss.loss(&logits, &targets).unwrap();
            let (value, gradient) = loss.loss_and_gradient(&logits, &targets, None).unwrap();
            assert!((value - in_graph.to_scalar::<f64>().unwrap()).abs() < 1e-14);
            let gradients = in_graph.backward().unwrap();
            assert!(difference(&gradient, gradients.get(&logits).unwrap()) < 1e-15);
        }
        check("softmax", &[&logits], || softmax(&logits).unwrap());
    }

    #[test]
    fn classes_that_nobody_labelled_count_nothing() {
        let loss = CrossEntropy::new(vec![1.0; 4], 0.1).unwrap();
        let logits = input(&[2, 4], 3);
        let rows = |rows: &[[f64; 4]; 2]| Tensor::new(rows, &Device::Cpu).unwrap();
        let targets = rows(&[[0.7, 0.0, 0.3, 0.0], [0.0, 1.0, 0.0, 0.0]]);
        // If all classes are labelled, the loss is the plain one.
        let plain = loss.loss_and_gradient(&logits, &targets, None).unwrap();
        let all = loss.loss_and_gradient(&logits, &targets, Some(&rows(&[[1.0; 4]; 2]))).unwrap();
        assert!((plain.0 - all.0).abs() < 1e-14 && difference(&plain.1, &all.1) < 1e-14);
        // If two classes are labelled, the loss is that of a network without the other outputs.
        let labelled = rows(&[[1.0, 0.0, 1.0, 0.0], [0.0, 1.0, 1.0, 0.0]]);
        let (value, gradient) = loss.loss_and_gradient(&logits, &targets, Some(&labelled)).unwrap();
        let of_two = CrossEntropy::new(vec![1.0; 2], 0.1).unwrap();
        let two = |row: usize, a: usize, b: usize| {
            let pick = |x: &Tensor| {
                let row = x.get(row).unwrap().to_vec1::<f64>().unwrap();
                Tensor::new(&[[row[a], row[b]]], &Device::Cpu).unwrap()
            };
            let (loss, gradient) = of_two.loss_and_gradient(&pick(&logits), &pick(&targets), None).unwrap();
            (loss, gradient.to_vec2::<f64>().unwrap()[0].clone())
        };
        let (first, second) = (two(0, 0, 2), two(1, 1, 2));
        assert!((value - (first.0 + second.0) / 2.0).abs() < 1e-14);
        let halves = |g: &[f64]| [g[0] / 2.0, g[1] / 2.0];
        let ([a, b], [c, d]) = (halves(&first.1), halves(&second.1));
        assert!(difference(&gradient, &rows(&[[a, 0.0, b, 0.0], [0.0, c, d, 0.0]])) < 1e-14);
        assert!(loss.loss_and_gradient(&logits, &targets, Some(&input(&[2, 3], 1))).is_err());
    }

    #[test]
    fn huge_logits_do_not_overflow() {
        let logits = Tensor::new(&[[1e30f32, -1e30, 0.0]], &Device::Cpu).unwrap();
        let loss = CrossEntropy::new(vec![1.0; 3], 0.0).unwrap();
        let targets = Tensor::new(&[[1.0f32, 0.0, 0.0]], &Device::Cpu).unwrap();
        assert_eq!(loss.loss(&logits, &targets).unwrap().to_scalar::<f32>().unwrap(), 0.0);
        assert_eq!(softmax(&logits).unwrap().to_vec2::<f32>().unwrap(), [[1.0, 0.0, 0.0]]);
    }

    #[test]
    fn bad_settings_shapes_and_labels_are_refused() {
        assert!(CrossEntropy::new(vec![1.0, 0.0], 0.0).is_err());
        assert!(CrossEntropy::new(vec![1.0, f32::NAN], 0.0).is_err());
        assert!(CrossEntropy::new(vec![1.0, 1.0], 1.0).is_err());
        let loss = CrossEntropy::new(vec![1.0; 3], 0.0).unwrap();
        let (a, b) = (input(&[2, 3], 1), input(&[2, 4], 1));
        assert!(loss.loss(&a, &b).is_err() && loss.loss(&b, &b).is_err());
        assert!(loss.loss(&a, &input(&[1, 3], 1)).is_err());
        let error = loss.targets(&[0, 3], DType::F32).unwrap_err().to_string();
        assert_eq!(error, "CrossEntropy: labels must be below the number of classes, 3, got 3");
    }
}
