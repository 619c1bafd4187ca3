//! Results as figures for people and for programs.

use std::collections::BTreeMap;

use anyhow::Context;
use ser_models::ConfusionMatrix;
use serde::Serialize;

use super::{
    Disturbance, Experiment, Figure, Finished, Folder, Goal, Learner, Predictions, Protocol,
    expected_calibration_error, fit_temperature, sure_from, with_temperature,
};

/// Results of one experiment.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Results {
    /// The experiment's name.
    pub name: String,
    /// The model.
    pub model: String,
    /// The protocol.
    pub protocol: String,
    /// Number of classes.
    pub classes: usize,
    /// Results of others.
    pub reported: String,
    /// Target on test parts; `None` for validation parts.
    pub goal: Option<Goal>,
    /// Whether it was reached; `None` without a goal, and where models are missing.
    pub reached: Option<bool>,
    /// Number of models of the protocol, and of those that are finished.
    pub models: [usize; 2],
    /// Mean and standard deviation of each figure.
    pub accuracy: Spread,
    /// The mean of the classes' recalls.
    pub uar: Spread,
    /// The mean of the classes' F1.
    pub macro_f1: Spread,
    /// Results of each model.
    pub scores: BTreeMap<String, Score>,
    /// All models' answers together.
    pub confusion: ConfusionMatrix,
    /// Calibration of probabilities; `None` where no validation parts were measured.
    pub calibration: Option<Calibration>,
    /// Figures on disturbed recordings: by the disturbance's name, in the order of
    /// [`Disturbance::ALL`]; empty where it was not measured.
    pub robustness: Vec<(String, Robustness)>,
}

/// Calibration of probabilities.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Calibration {
    /// The temperature that was fitted to validation parts, a mean over models.
    pub temperature: f64,
    /// The expected calibration error of the answers, 0 to 1.
    pub before: f64,
    /// The same with each model's probabilities at its temperature; `None` for the validation parts that it was fitted to.
    pub after: Option<f64>,
    /// The least probability, at these temperatures, from which nine in ten answers are right.
    pub confidence: f64,
    /// The share of answers that are as probable, 0 to 1.
    pub sure: f64,
}

/// Figures of disturbed recordings, means over models.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Robustness {
    /// Accuracy: the share of correct answers.
    pub accuracy: f64,
    /// The mean of the classes' recalls.
    pub uar: f64,
    /// Accuracy and UAR with each model's probabilities at its temperature, which changes answers where classes are summed
    /// afterwards; `None` where no validation parts were measured.
    pub calibrated: Option<[f64; 2]>,
}

/// The figures of one model on its test part, 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Score {
    /// Seed of the model.
    pub seed: u64,
    /// Clips of its test part.
    pub clips: u64,
    /// Accuracy: the share of correct answers.
    pub accuracy: f64,
    /// The mean of the classes' recalls.
    pub uar: f64,
    /// The mean of the classes' F1.
    pub macro_f1: f64,
}

/// Mean and sample standard deviation, 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Spread {
    /// The mean.
    pub mean: f64,
    /// The standard deviation; `None` for one value.
    pub deviation: Option<f64>,
}

impl Spread {
    /// The mean and standard deviation of some values.
    pub fn of(values: &[f64]) -> Self {
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        Self { mean, deviation: (values.len() > 1).then(|| (squares / (n - 1.0)).sqrt()) }
    }

    /// In percent with one decimal, `62.3 ± 1.2`, or `62.3` of one value.
    pub fn percent(self) -> String {
        let deviation =
            self.deviation.map_or(String::new(), |deviation| format!(" ± {:.1}", deviation * 100.0));
        format!("{:.1}{deviation}", self.mean * 100.0)
    }
}

impl Results {
    /// The figures of all models of seeds below `seeds` that are done; `None` if none is.
    ///
    /// `validation` is the folder of [`Part::Validation`](super::Part::Validation): with the same recipe, temperatures come from it. A
    /// figure is the mean over models. Its deviation is that over seeds where there are several, each seed's figure being the mean
    /// over its folds; otherwise that over folds or actors.
    ///
    /// # Errors
    /// If a file of predictions is damaged.
    pub fn of(folder: &Folder, validation: &Folder, seeds: u64) -> anyhow::Result<Option<Self>> {
        let experiment = folder.experiment;
        let (folders, validations) = (folder.sources(), validation.sources());
        let finished = models(&experiment, &folders, seeds)?;
        if finished.is_empty() {
            return Ok(None);
        }
        let mut scores = BTreeMap::new();
        let mut confusion = ConfusionMatrix::new(experiment.labels.names());
        for Finished { name, seed, predictions } in &finished {
            let predictions = experiment.view(predictions.clone());
            for (&truth, (answer, _)) in predictions.truth.iter().zip(predictions.answers()) {
                confusion.add(truth, answer);
            }
            scores.insert(name.clone(), Score::of(*seed, &predictions));
        }
        let all = experiment.protocol.folds() * seeds as usize;
        let experiment = Experiment { goal: experiment.goal.filter(|_| folder.is_test()), ..experiment };
        let mut results = Self::over_models(&experiment, all, scores, confusion);
        for source in &folders {
            if !source.is_of(&source.experiment.recipe()?)? {
                // The title names what the experiment's own recipe trains.
                results.model += " (another recipe)";
                break;
            }
        }
        let same =
            folders.iter().zip(&validations).all(|(folder, validation)| folder.has_recipe_of(validation));
        let validated = if same { models(&experiment, &validations, u64::MAX)? } else { Vec::new() };
        let temperatures = temperatures(&experiment, &finished, &validated);
        let calibration = |of: &[f64]| Calibration::of(&experiment, &finished, of, folder.is_test());
        results.calibration = temperatures.as_deref().map(calibration);
        for way in Disturbance::ALL {
            let folders: Vec<Folder> = folders.iter().map(|folder| folder.disturbed(way)).collect();
            let disturbed = models(&experiment, &folders, seeds)?;
            let key = |of| {
                let Finished { name, predictions, .. }: &Finished = of;
                (name, &predictions.clips)
            };
            if disturbed.iter().map(key).eq(finished.iter().map(key)) {
                let of = Robustness::of(&experiment, &disturbed, temperatures.as_deref());
                results.robustness.push((way.name(), of));
            }
        }
        Ok(Some(results))
    }

    fn over_models(
        experiment: &Experiment,
        models: usize,
        scores: BTreeMap<String, Score>,
        confusion: ConfusionMatrix,
    ) -> Self {
        let spread = |figure: fn(&Score) -> f64| {
            let mut seeds: BTreeMap<u64, Vec<f64>> = BTreeMap::new();
            scores.values().for_each(|score| seeds.entry(score.seed).or_default().push(figure(score)));
            match seeds.len() {
                1 => Spread::of(&scores.values().map(figure).collect::<Vec<_>>()),
                _ => Spread::of(&seeds.values().map(|of| Spread::of(of).mean).collect::<Vec<_>>()),
            }
        };
        let (accuracy, uar) = (spread(|score| score.accuracy), spread(|score| score.uar));
        let goal = experiment.goal.filter(|_| scores.len() == models);
        let reached = goal.map(|goal| {
            let figure = match goal.figure {
                Figure::Accuracy => accuracy,
                Figure::Uar => uar,
            };
            figure.mean * 100.0 >= goal.target
        });
        Self {
            name: experiment.name.into(),
            model: experiment.title.into(),
            protocol: experiment.protocol.name(),
            classes: confusion.labels().len(),
            reported: experiment.reported.into(),
            goal: experiment.goal,
            reached,
            models: [models, scores.len()],
            accuracy,
            uar,
            macro_f1: spread(|score| score.macro_f1),
            scores,
            confusion,
            calibration: None,
            robustness: Vec::new(),
        }
    }
}

/// For each model on a test part, the temperature that was fitted to the validation part of the model of the same fold and seed. If all
/// seeds have the same folds, that of another seed is used where its own is missing. `None` if there is no such model.
fn temperatures(experiment: &Experiment, tested: &[Finished], validated: &[Finished]) -> Option<Vec<f64>> {
    let fixed = experiment.protocol == Protocol::SpeakerIndependent;
    let temperature = |of: &Finished| {
        let same_fold = |other: &&Finished| other.fold() == of.fold();
        let chosen = validated.iter().find(|other| other.name == of.name);
        let chosen = chosen.or_else(|| validated.iter().find(same_fold).filter(|_| fixed))?;
        Some(fit_temperature(&chosen.predictions, |answers| experiment.view(answers)))
    };
    tested.iter().map(temperature).collect()
}

impl Calibration {
    /// Of models on test parts, each at its temperature. `apart`: whether the answers are not the ones that the temperatures come from.
    fn of(experiment: &Experiment, tested: &[Finished], temperatures: &[f64], apart: bool) -> Self {
        let (mut plain, mut calibrated) = (Vec::new(), Vec::new());
        for (of, &temperature) in tested.iter().zip(temperatures) {
            plain.push(experiment.view(of.predictions.clone()));
            calibrated.push(experiment.view(with_temperature(&of.predictions, temperature)));
        }
        let sure = sure_from(&calibrated, 0.9);
        Self {
            temperature: Spread::of(temperatures).mean,
            before: expected_calibration_error(&plain),
            after: apart.then(|| expected_calibration_error(&calibrated)),
            confidence: sure.confidence,
            sure: sure.share,
        }
    }
}

/// Writes the answers of an experiment that combines others to its folder, as for any other model.
///
/// # Errors
/// If a file of the others' predictions is damaged, or one cannot be written.
pub fn save_combined(folder: &Folder, seeds: u64) -> anyhow::Result<()> {
    if matches!(folder.experiment.learner, Learner::Combined(_)) {
        for Finished { name, predictions, .. } in models(&folder.experiment, &folder.sources(), seeds)? {
            folder.make()?;
            folder.experiment.view(predictions).save(&folder.file(&format!("{name}.csv")))?;
        }
    }
    Ok(())
}

/// The models of seeds below `seeds` that are done; of several sources' folders those that are done in all, and their mean answers.
fn models(experiment: &Experiment, folders: &[Folder], seeds: u64) -> anyhow::Result<Vec<Finished>> {
    let mut all: Vec<Vec<Finished>> = Vec::new();
    for folder in folders {
        all.push(folder.finished()?.into_iter().filter(|of| of.seed < seeds).collect());
    }
    let mut models = Vec::new();
    for first in all.first().into_iter().flatten() {
        let answers: Vec<(&Predictions, u16)> = all
            .iter()
            .zip(experiment.weights())
            .filter_map(|(models, weight)| Some((models.iter().find(|of| of.name == first.name)?, weight)))
            .map(|(of, weight)| (&of.predictions, weight))
            .collect();
        if answers.len() == folders.len() {
            let predictions = Predictions::mean(&answers).with_context(|| {
                let names: Vec<_> = folders.iter().map(|folder| folder.experiment.name).collect();
                format!("{} of {}", first.name, names.join(" and "))
            })?;
            models.push(Finished { predictions, ..first.clone() });
        }
    }
    Ok(models)
}

impl Robustness {
    fn of(experiment: &Experiment, finished: &[Finished], temperatures: Option<&[f64]>) -> Self {
        let means = |answers: &dyn Fn(usize) -> Predictions| {
            let scores: Vec<Score> = (0..finished.len())
                .map(|at| Score::of(finished[at].seed, &experiment.view(answers(at))))
                .collect();
            [|score: &Score| score.accuracy, |score: &Score| score.uar]
                .map(|figure| Spread::of(&scores.iter().map(figure).collect::<Vec<_>>()).mean)
        };
        let [accuracy, uar] = means(&|at| finished[at].predictions.clone());
        let calibrated =
            temperatures.map(|of| means(&|at| with_temperature(&finished[at].predictions, of[at])));
        Self { accuracy, uar, calibrated }
    }
}

impl Score {
    /// The figures of a model's predictions.
    pub fn of(seed: u64, predictions: &Predictions) -> Self {
        let confusion = predictions.confusion();
        Self {
            seed,
            clips: confusion.total(),
            accuracy: confusion.accuracy(),
            uar: confusion.uar(),
            macro_f1: confusion.macro_f1(),
        }
    }
}

#[cfg(test)]
mod tests;
