//! Heads in closed form: linear discriminants of the encoder's outputs.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use anyhow::Context;
use candle_core::{Device, Tensor};
use ndarray::{Array1, Array2, ArrayView2, Axis};
use ser_models::Checkpoint;
use ser_models::models::{Architecture, HeadLayers, HeadPooling, WhisperHeadConfig};

use super::VoiceClips;
use super::cholesky::Cholesky;

/// Weight of a clip of each corpus but RAVDESS, relative to a clip of RAVDESS.
const OTHER_CORPORA: f64 = 0.35;

/// Weight of a changed copy, relative to the clean clip.
const COPY: f64 = 0.3;

/// A linear discriminant with one covariance for all emotions, of the means over time of the encoder's outputs side by side.
///
/// A clip is its emotion's mean + its speaker's deviation + a rest, by weighted least squares. The covariance is that of the rests, of the
/// speakers' deviations within their corpora (times `voices`) and of the corpora's mean deviations, plus a multiple of the identity: so
/// directions in which voices and recording chains differ count less.
#[derive(Debug, Clone)]
pub struct Discriminant {
    /// The encoder's outputs that it reads: 0 is that of the convolutions.
    outputs: RangeInclusive<usize>,
    /// The multiple of the identity, in mean variances of the rests.
    ridge: f64,
    /// Weight of the speakers' deviations.
    voices: f64,
}

impl Discriminant {
    /// That of the bundled model, chosen on validation actors and on corpora that were left out together (EXPERIMENTS.md).
    pub fn bundled() -> Self {
        Self { outputs: 1..=4, ridge: 2.0, voices: 0.3 }
    }

    /// Fits it to the clips that `head` learnt from, each clean and in its changed copies, and returns it with all else as in `head`.
    ///
    /// # Errors
    /// If a clip was not encoded or its speaker is not known, or the network of `head` reads no statistics of an encoder.
    pub fn fit(&self, clips: &VoiceClips, train: &[usize], head: &Checkpoint) -> anyhow::Result<Checkpoint> {
        let Architecture::WhisperHead(sizes) = &head.architecture else {
            anyhow::bail!(
                "discriminant: architecture must be whisper-head, got {}",
                head.architecture.name()
            );
        };
        // Of each output first the means, then the deviations.
        let places: Vec<usize> = self
            .outputs
            .clone()
            .flat_map(|output| (0..sizes.width).map(move |i| 2 * output * sizes.width + i))
            .collect();
        let labels = clips.label_names.len();
        let (weight, bias) =
            Clips::of(clips, train, head, &places)?.discriminant(labels, self.ridge, self.voices)?;

        let architecture = Architecture::from(WhisperHeadConfig {
            layers: HeadLayers::Concatenation,
            skipped: 0,
            pooling: HeadPooling::Statistics,
            dense: Vec::new(),
            ..sizes.clone()
        });
        let model = architecture.build(labels, 0)?;
        // Statistics that are not read get no weight.
        let mut weights = Array2::<f32>::zeros((labels, head.normalization.mean.len()));
        for (&place, of_labels) in places.iter().zip(weight.columns()) {
            weights.column_mut(place).assign(&of_labels.mapv(|weight| weight as f32));
        }
        let set = |name: &str, values: Vec<f32>, shape: &[usize]| -> anyhow::Result<()> {
            let parameter = model
                .parameters()
                .get(name)
                .with_context(|| format!("discriminant: tensors must have {name}, got none"))?;
            Ok(parameter.var().set(&Tensor::from_vec(values, shape, &Device::Cpu)?)?)
        };
        set("head.dense_1.weight", weights.iter().copied().collect(), weights.shape())?;
        set("head.dense_1.bias", bias.iter().map(|bias| *bias as f32).collect(), &[labels])?;
        let mut fitted = head.with_network(architecture, model.parameters())?;
        let Self { outputs, ridge, voices } = self;
        fitted.training.config = serde_json::json!({
            "discriminant": { "outputs": [outputs.start(), outputs.end()], "ridge": ridge, "voices": voices }
        });
        fitted.training.metrics.clear();
        Ok(fitted)
    }
}

/// Clips with labels, speakers and weights.
struct Clips {
    /// [clips, numbers]
    values: Array2<f64>,
    labels: Vec<usize>,
    speakers: Vec<usize>,
    /// The corpus of each speaker.
    corpora: Vec<usize>,
    /// Weights of the clips; their sum is 1.
    weights: Array1<f64>,
}

impl Clips {
    /// The clips of a training part, each clean and in its changed copies, normalised as the head's.
    fn of(clips: &VoiceClips, train: &[usize], head: &Checkpoint, places: &[usize]) -> anyhow::Result<Self> {
        let copies = clips.encoded.config().copies;
        let ids: Vec<String> = train.iter().map(|&at| clips.clips[at].id.clone()).collect();
        let labels: Vec<usize> = train.iter().map(|&at| clips.labels[at]).collect();
        let data = clips.encoded.dataset(&ids, &labels, &clips.label_names, copies)?;
        let statistics = data.inputs().values().flatten_from(1)?.to_vec2::<f32>()?;
        let (mean, std) = (&head.normalization.mean, &head.normalization.std);
        let floored = head.normalization.floor.iter().find(|floor| **floor != 0.0);
        if let Some(floor) = floored {
            anyhow::bail!("discriminant: floors of the head's normalization must be 0, got {floor}");
        }
        let normalised = |statistics: &Vec<f32>, at: usize| f64::from((statistics[at] - mean[at]) / std[at]);
        let values = Array2::from_shape_fn((statistics.len(), places.len()), |(row, column)| {
            normalised(&statistics[row], places[column])
        });

        let (mut numbers, mut corpora, mut speakers) = (BTreeMap::new(), Vec::new(), Vec::new());
        let mut names: Vec<&str> = Vec::new();
        for &at in train {
            let clip = &clips.clips[at];
            let speaker = clip
                .speaker
                .as_deref()
                .with_context(|| format!("{}: speaker must be known, got none", clip.id))?;
            let next = numbers.len();
            let number = *numbers.entry((&*clip.corpus, speaker)).or_insert(next);
            if number == next {
                let corpus = names.iter().position(|name| *name == clip.corpus).unwrap_or_else(|| {
                    names.push(&clip.corpus);
                    names.len() - 1
                });
                corpora.push(corpus);
            }
            speakers.push(number);
        }
        let share = |&at: &usize| if clips.clips[at].corpus == "ravdess" { 1.0 } else { OTHER_CORPORA };
        let of = |copy: usize| train.iter().map(move |at| share(at) * if copy == 0 { 1.0 } else { COPY });
        let mut weights: Array1<f64> = (0..=copies).flat_map(of).collect();
        weights /= weights.sum();
        Ok(Self {
            values,
            labels: labels.repeat(1 + copies),
            speakers: speakers.repeat(1 + copies),
            corpora,
            weights,
        })
    }

    /// The weights [labels, numbers] and offsets of the logits. A label without clips is never answered.
    fn discriminant(
        &self,
        labels: usize,
        ridge: f64,
        voices: f64,
    ) -> anyhow::Result<(Array2<f64>, Array1<f64>)> {
        let (means, deviations, rests) = self.parts(labels)?;
        let numbers = self.values.ncols();
        let mut covariance = weighted(rests.view(), self.weights.view().insert_axis(Axis(1)));
        let variance = covariance.diag().sum() / numbers as f64;

        // Speakers are weighted by their clips within a corpus, corpora by their clips.
        let corpora = self.corpora.iter().max().map_or(0, |most| most + 1);
        let mut of_speakers = Array1::<f64>::zeros(self.corpora.len());
        self.speakers.iter().zip(&self.weights).for_each(|(speaker, weight)| of_speakers[*speaker] += weight);
        let mut of_corpora = Array1::<f64>::zeros(corpora);
        let (mut centres, mut speakers) =
            (Array2::<f64>::zeros((corpora, numbers)), Array1::<f64>::zeros(corpora));
        for ((deviation, weight), &corpus) in
            deviations.axis_iter(Axis(0)).zip(&of_speakers).zip(&self.corpora)
        {
            centres.row_mut(corpus).scaled_add(1.0, &deviation);
            speakers[corpus] += 1.0;
            of_corpora[corpus] += weight;
        }
        centres /= &speakers.insert_axis(Axis(1));
        let mut within = deviations;
        for (mut deviation, &corpus) in within.axis_iter_mut(Axis(0)).zip(&self.corpora) {
            deviation -= &centres.row(corpus);
        }
        covariance.scaled_add(voices, &weighted(within.view(), of_speakers.view().insert_axis(Axis(1))));
        let all = of_corpora.dot(&centres);
        centres -= &all;
        covariance += &weighted(centres.view(), of_corpora.view().insert_axis(Axis(1)));
        covariance.diag_mut().mapv_inplace(|x| x + ridge * variance);

        // Halved, because the statistics of a clip are not as independent as a covariance says.
        let weight =
            Cholesky::of(&covariance).with_context(|| self.too_few("covariance"))?.solve(&means) * 0.5;
        let bias = (0..labels).map(|label| {
            if self.labels.contains(&label) { -0.5 * weight.row(label).dot(&means.row(label)) } else { NEVER }
        });
        let bias = bias.collect();
        Ok((weight, bias))
    }

    /// Returns the error for a matrix that cannot be inverted.
    fn too_few(&self, matrix: &str) -> String {
        let [clips, numbers] = [self.values.nrows(), self.values.ncols()];
        format!(
            "discriminant: {matrix} must be positive definite, got too few clips, {clips}, of {numbers} numbers"
        )
    }

    /// The emotions' means, the speakers' deviations from them, and the rests.
    fn parts(&self, labels: usize) -> anyhow::Result<(Array2<f64>, Array2<f64>, Array2<f64>)> {
        let unknowns = labels + self.corpora.len();
        let (mut counts, mut sums) = (
            Array2::<f64>::zeros((unknowns, unknowns)),
            Array2::<f64>::zeros((unknowns, self.values.ncols())),
        );
        let rows =
            || self.labels.iter().zip(&self.speakers).map(|(label, speaker)| [*label, labels + speaker]);
        for ((own, weight), values) in rows().zip(&self.weights).zip(self.values.axis_iter(Axis(0))) {
            for a in own {
                own.into_iter().for_each(|b| counts[[a, b]] += weight);
                sums.row_mut(a).scaled_add(*weight, &values);
            }
        }
        // The emotions' means and the speakers' deviations are determined up to a constant, so large deviations are penalised.
        let typical = counts.diag().iter().skip(labels).sum::<f64>() / self.corpora.len() as f64;
        counts.diag_mut().iter_mut().enumerate().for_each(|(at, count)| {
            *count += if at < labels { 1e-9 } else { 1e-3 * typical };
        });
        let effects = Cholesky::of(&counts)
            .with_context(|| self.too_few("weights of labels and speakers"))?
            .solve(&sums.reversed_axes())
            .reversed_axes();
        let mut rests = self.values.clone();
        for (own, mut rest) in rows().zip(rests.axis_iter_mut(Axis(0))) {
            own.into_iter().for_each(|at| rest -= &effects.row(at));
        }
        let (means, deviations) = effects.view().split_at(Axis(0), labels);
        Ok((means.to_owned(), deviations.to_owned(), rests))
    }
}

/// The logit of a label that no clip has.
const NEVER: f64 = -1e4;

/// Σ w · x xᵀ over rows.
fn weighted(rows: ArrayView2<'_, f64>, weights: ArrayView2<'_, f64>) -> Array2<f64> {
    rows.t().dot(&(&rows * &weights))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use ser_models::Generator;

    use super::*;

    /// Clips of two labels that differ by 2 in the first number; speakers of two corpora differ in the second by `of_corpora`.
    fn clips(of_corpora: f64) -> Clips {
        let mut noise = Generator::new(3);
        let mut draw = || (0..12).map(|_| noise.uniform(-0.5, 0.5)).sum::<f64>();
        let (mut values, mut labels, mut speakers) = (Vec::new(), Vec::new(), Vec::new());
        for at in 0..4000 {
            let (label, speaker) = (at % 2, at / 1000);
            let corpus = if speaker < 2 { -1.0 } else { 1.0 };
            values.extend([2.0 * label as f64 + draw(), 0.5 * label as f64 + of_corpora * corpus + draw()]);
            labels.push(label);
            speakers.push(speaker);
        }
        let values = Array2::from_shape_vec((4000, 2), values).unwrap();
        Clips {
            values,
            labels,
            speakers,
            corpora: vec![0, 0, 1, 1],
            weights: Array1::from_elem(4000, 1.0 / 4000.0),
        }
    }

    #[test]
    fn without_differences_of_speakers_it_is_fishers() {
        // Fisher's direction is the difference of the means, over the covariance: 2 and 0.5 over the identity.
        let (weight, bias) = clips(0.0).discriminant(2, 0.0, 0.0).unwrap();
        let direction = 2.0 * (&weight.row(1) - &weight.row(0));
        assert!((direction[0] - 2.0).abs() < 0.3 && (direction[1] - 0.5).abs() < 0.2, "{direction}");
        // The border lies in the middle.
        let middle = ndarray::array![1.0, 0.25];
        let logits = weight.dot(&middle) + bias;
        assert!((logits[0] - logits[1]).abs() < 0.2, "{logits}");
    }

    #[test]
    fn clips_that_are_too_few_are_refused_with_their_number() {
        let mut all = clips(1.0);
        // The second number is the first: the covariance is singular.
        for mut row in all.values.rows_mut() {
            row[1] = 0.0;
        }
        let error = all.discriminant(2, 0.0, 0.3).unwrap_err().to_string();
        assert_eq!(
            error,
            "discriminant: covariance must be positive definite, got too few clips, 4000, of 2 numbers"
        );
    }

    #[test]
    fn what_tells_corpora_apart_counts_less() {
        let share = |of_corpora: f64| {
            let (weight, _) = clips(of_corpora).discriminant(2, 0.0, 0.3).unwrap();
            let direction = &weight.row(1) - &weight.row(0);
            direction[1] / direction[0]
        };
        assert!(share(0.0) > 0.15 && share(5.0) < 0.05, "{} and {}", share(0.0), share(5.0));
    }

    #[test]
    fn a_label_without_clips_is_never_answered() {
        let (weight, bias) = clips(1.0).discriminant(3, 1.0, 0.3).unwrap();
        let logits = weight.dot(&ndarray::array![9.0, 9.0]) + bias;
        assert!(logits[2] < logits[0] - 1e3 && logits[2] < logits[1] - 1e3);
    }
}
