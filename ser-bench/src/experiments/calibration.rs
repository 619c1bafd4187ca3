//! Calibration of probabilities.

use super::Predictions;

/// Bins of the expected calibration error, of equal width.
const BINS: usize = 15;

/// The expected calibration error, 0 to 1: how far the probability of the answer lies from the share of right answers, the mean over
/// 15 bins of equal width, weighted by their answers; of some models' answers together (Guo et al., *On Calibration of Modern Neural Networks*, 2017).
pub(super) fn expected_calibration_error<'a>(predictions: impl IntoIterator<Item = &'a Predictions>) -> f64 {
    let mut bins = [(0.0, 0.0); BINS];
    let mut all = 0.0;
    for of in predictions {
        for (&truth, (answer, confidence)) in of.truth.iter().zip(of.answers()) {
            let (confidences, right) = &mut bins[((confidence * BINS as f32) as usize).min(BINS - 1)];
            *confidences += f64::from(confidence);
            *right += f64::from(u8::from(answer == truth));
            all += 1.0;
        }
    }
    bins.iter().map(|(confidences, right)| (confidences - right).abs() / all).sum()
}

/// The temperature that probabilities should be softened by (above 1) or sharpened (below 1), so that the true classes of these
/// predictions are as likely as can be: 0.05 to 20. `view` is what is made of the answers after that, such as sums of classes.
pub(crate) fn fit_temperature(predictions: &Predictions, view: impl Fn(Predictions) -> Predictions) -> f64 {
    // Over the logarithm of the temperature the likelihood of a softmax has one peak, but that of sums of classes may have more: the
    // best of a grid, then golden section between its neighbours.
    const RATIO: f64 = 0.618_033_988_749_895;
    const STEPS: usize = 40;
    let loss = |log: f64| mean_loss(&view(with_temperature(predictions, log.exp())));
    let (from, to) = (0.05f64.ln(), 20f64.ln());
    let at = |step: usize| from + (to - from) * step as f64 / STEPS as f64;
    let losses: Vec<f64> = (0..=STEPS).map(|step| loss(at(step))).collect();
    let best = (0..=STEPS).min_by(|&a, &b| losses[a].total_cmp(&losses[b])).unwrap_or_default();
    let (mut low, mut high) = (at(best.saturating_sub(1)), at((best + 1).min(STEPS)));
    for _ in 0..40 {
        let (a, b) = (high - RATIO * (high - low), low + RATIO * (high - low));
        if loss(a) <= loss(b) {
            high = b;
        } else {
            low = a;
        }
    }
    f64::midpoint(low, high).exp()
}

/// The predictions with each logit divided by a temperature.
pub(crate) fn with_temperature(predictions: &Predictions, temperature: f64) -> Predictions {
    let mut scaled = predictions.clone();
    for mut row in scaled.probabilities.outer_iter_mut() {
        let logits: Vec<f64> = row.iter().map(|p| f64::from(p.max(1e-30)).ln() / temperature).collect();
        let largest = logits.iter().copied().fold(f64::MIN, f64::max);
        let sum: f64 = logits.iter().map(|logit| (logit - largest).exp()).sum();
        row.iter_mut().zip(logits).for_each(|(p, logit)| *p = ((logit - largest).exp() / sum) as f32);
    }
    scaled
}

/// Confident answers: those whose probability reaches a threshold.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Sure {
    /// The threshold, rounded up to hundredths; 1 where none is low enough.
    pub(crate) confidence: f64,
    /// The share of confident answers.
    pub(crate) share: f64,
    /// The accuracy of the confident answers.
    pub(crate) right: f64,
}

/// The lowest threshold at which a share of `right` of the confident answers is correct.
pub(crate) fn sure_from<'a>(predictions: impl IntoIterator<Item = &'a Predictions>, right: f64) -> Sure {
    let predictions: Vec<&Predictions> = predictions.into_iter().collect();
    // In hundredths, so that a file has a short number.
    let at = |hundredth| sure_at(&predictions, f64::from(hundredth) / 100.0);
    (0..=100).map(at).find(|sure| sure.share > 0.0 && sure.right >= right).unwrap_or_else(|| at(100))
}

/// The confident answers at this threshold.
pub(crate) fn sure_at(predictions: &[&Predictions], confidence: f64) -> Sure {
    let (mut all, mut sure, mut correct) = (0usize, 0usize, 0usize);
    for of in predictions {
        for (truth, (answer, p)) in of.truth.iter().zip(of.answers()) {
            let is_sure = f64::from(p) >= confidence;
            all += 1;
            sure += usize::from(is_sure);
            correct += usize::from(is_sure && answer == *truth);
        }
    }
    let share = |n: usize, of: usize| n as f64 / of.max(1) as f64;
    Sure { confidence, share: share(sure, all), right: share(correct, sure) }
}

fn mean_loss(predictions: &Predictions) -> f64 {
    let rows = predictions.truth.iter().zip(predictions.probabilities.outer_iter());
    let sum: f64 = rows.map(|(&truth, row)| -f64::from(row[truth].max(1e-30)).ln()).sum();
    sum / predictions.truth.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;

    use super::*;

    /// Answers that are sure to degree `p`, of which a share is right.
    fn sure(p: f32, right: f64) -> Predictions {
        let n = 1000;
        let truth = (0..n).map(|at| usize::from(at as f64 >= right * n as f64)).collect();
        let probabilities = Array2::from_shape_fn((n, 2), |(_, class)| if class == 0 { p } else { 1.0 - p });
        Predictions {
            labels: vec!["a".into(), "b".into()],
            clips: vec![String::new(); n],
            truth,
            probabilities,
        }
    }

    #[test]
    fn the_error_is_the_distance_between_confidence_and_truth() {
        assert!((expected_calibration_error([&sure(0.9, 0.6)]) - 0.3).abs() < 1e-6);
        assert!(expected_calibration_error([&sure(0.75, 0.75)]) < 1e-6);
        assert!(expected_calibration_error([&sure(1.0, 1.0)]) < 1e-6);
    }

    #[test]
    fn sure_answers_are_right_as_often_as_they_must_be() {
        // Half of the answers of 0.6 are right, and nine in ten of those of 0.8.
        let answers = [sure(0.6, 0.5), sure(0.8, 0.9)];
        let of = |right| sure_from(&answers, right);
        assert_eq!(of(0.9), Sure { confidence: 0.61, share: 0.5, right: 0.9 });
        assert_eq!(of(0.7), Sure { confidence: 0.0, share: 1.0, right: 0.7 });
        assert_eq!(of(0.95), Sure { confidence: 1.0, share: 0.0, right: 0.0 });
    }

    #[test]
    fn answers_are_sure_from_the_threshold_on() {
        // Half of the answers of 0.625 are right, and nine in ten of those of 0.75: numbers that f32 holds exactly.
        let (weak, strong) = (sure(0.625, 0.5), sure(0.75, 0.9));
        let at = |confidence| sure_at(&[&weak, &strong], confidence);
        assert_eq!(at(0.0), Sure { confidence: 0.0, share: 1.0, right: 0.7 });
        assert_eq!(at(0.625), Sure { confidence: 0.625, share: 1.0, right: 0.7 });
        assert_eq!(at(0.63), Sure { confidence: 0.63, share: 0.5, right: 0.9 });
        assert_eq!(at(0.75), Sure { confidence: 0.75, share: 0.5, right: 0.9 });
        assert_eq!(at(0.76), Sure { confidence: 0.76, share: 0.0, right: 0.0 });
        assert_eq!(sure_at(&[], 0.5), Sure { confidence: 0.5, share: 0.0, right: 0.0 });
    }

    #[test]
    fn the_fitted_temperature_makes_probabilities_true() {
        for (p, right) in [(0.95f32, 0.7), (0.6, 0.9), (0.8, 0.8)] {
            let predictions = sure(p, right);
            let temperature = fit_temperature(&predictions, |answers| answers);
            let odds = |p: f64| (p / (1.0 - p)).ln();
            let expected = odds(f64::from(p)) / odds(right);
            assert!((temperature / expected - 1.0).abs() < 1e-3, "{temperature} for {expected}");
            let calibrated = with_temperature(&predictions, temperature);
            assert!(expected_calibration_error([&calibrated]) < 1e-3);
            let sum: f32 = calibrated.probabilities.row(0).sum();
            assert!((sum - 1.0).abs() < 1e-6);
        }
    }
}
