//! Training of the small network on the large model's answers, and its measurement.

use std::collections::HashMap;
use std::path::Path;

use anyhow::Context;
use ndarray::{Array2, Axis};
use ser_bench::experiments::{Disturbance, Predictions, disturbed, predict, remove_states, train};
use ser_bench::voices::{FOLDS, MoodReadout, all_of, fold_row, recalls};
use ser_data::{Clip, Split, published_folds, speakers_of};
use ser_examples::training_set::TrainingSet;
use ser_examples::{cli, progress};
use ser_models::training::member_seed;
use ser_models::{Checkpoint, Recipe};

use crate::Arguments;
use crate::teacher::Teacher;
use crate::unlabelled::Unlabelled;

/// Small networks of folds and of all clips.
pub(crate) struct Student<'a> {
    pub(crate) arguments: &'a Arguments,
    pub(crate) recipe: Recipe,
    pub(crate) teacher: Teacher<'a>,
    pub(crate) set: TrainingSet,
    pub(crate) unlabelled: Option<Unlabelled>,
}

impl Student<'_> {
    /// The target for each clip of a training part, then for each unlabelled one.
    fn soft_labels(&self, train: &[usize], part: &str) -> anyhow::Result<Array2<f32>> {
        let labelled = self.teacher.training_answers(train, part)?;
        let unlabelled = self.unlabelled.as_ref();
        let unlabelled =
            unlabelled.map(|clips| self.teacher.unlabelled_answers(train, part, clips)).transpose()?;
        targets(labelled, self.arguments.teacher, unlabelled.as_ref())
    }

    /// The name of a network with this seed and these training clips.
    fn name(&self, part: &str, seed: u64) -> String {
        let Arguments { teacher, heads, parts, .. } = self.arguments;
        format!("{part}-teacher-{teacher}-heads-{heads}-parts-{parts}-seed-{seed}")
    }

    /// The small model of a fold: its networks, joined.
    fn network(&self, part: &str, split: &Split) -> anyhow::Result<Checkpoint> {
        let members = self.recipe.members;
        let networks = (0..members)
            .map(|member| {
                let seed = member_seed(self.arguments.seed, members, member);
                Ok((self.member(part, split, seed)?, 1.0))
            })
            .collect::<anyhow::Result<Vec<_>>>()?;
        Ok(Checkpoint::join(&networks)?)
    }

    /// A network of a fold: read if it was trained before, otherwise trained.
    fn member(&self, part: &str, split: &Split, seed: u64) -> anyhow::Result<Checkpoint> {
        let recipe = Recipe { members: 1, ..self.recipe.clone() };
        let name = self.name(part, seed);
        let file = self.arguments.folder.join(format!("{name}.safetensors"));
        if file.exists() {
            return Ok(Checkpoint::load(&file)?);
        }
        let places = &split.train;
        let corpora: Vec<&str> = places.iter().map(|&at| self.set.clips[at].corpus.as_str()).collect();
        let soft = self.soft_labels(places, part)?;
        let mut training = self.set.part(places)?.with_corpora(corpora)?;
        if let Some(unlabelled) = &self.unlabelled {
            training = training.and(&unlabelled.dataset)?;
        }
        let training = training.with_soft_labels(soft)?;
        let source = self.set.checkpoint_source(&name, seed, split)?;
        let state = file.with_extension("training");
        let bar = progress::bar(recipe.training.epochs as u64, "epochs");
        bar.set_prefix(name);
        let stop = &self.teacher.bench.stop;
        let (model, _) = train(&recipe, &training, seed, &source, &state, &bar, stop)?;
        bar.finish_and_clear();
        model.save(&file)?;
        remove_states(&recipe, &state);
        Ok(model)
    }

    /// Trains and measures the networks of all folds, prints the tables, and on request makes the model of all clips.
    pub(crate) fn folds(&self) -> anyhow::Result<()> {
        let Self { arguments, set, .. } = self;
        let voices = &self.teacher.bench.clips;
        let speakers: Vec<&str> = speakers_of(&voices.clips)?;
        let (part, asked) = if arguments.test { ("test", "with") } else { ("validation", "without") };
        let mut ways = vec![Disturbance::None];
        if arguments.disturbed {
            ways.extend([Disturbance::Noise(10.0), Disturbance::Noise(5.0), Disturbance::Telephone]);
        }
        let mut answers: Vec<(Disturbance, Vec<Predictions>)> =
            ways.into_iter().map(|way| (way, Vec::new())).collect();
        let (mut large, mut both) = (Vec::new(), Vec::new());
        let clips: HashMap<String, Clip> =
            voices.clips.iter().map(|clip| (clip.id.clone(), clip.clone())).collect();
        for (mut fold, number) in published_folds(&speakers, &voices.groups)?.into_iter().zip(1..) {
            if !arguments.fold.is_empty() && !arguments.fold.contains(&number) {
                continue;
            }
            if arguments.test {
                fold.train.append(&mut fold.validation);
                fold.train.sort_unstable();
            }
            let name = format!("fold-{number}-{asked}-validation");
            let network = self.network(&name, &fold)?;
            let measured = if arguments.test { &fold.test } else { &fold.validation };
            let of_ravdess = |at: &&usize| voices.clips[**at].corpus == "ravdess";
            let places: Vec<usize> = measured.iter().filter(of_ravdess).copied().collect();
            let clean = predict(&network, &set.part(&places)?)?;
            let name_of_answers = self.name(&name, arguments.seed);
            clean
                .save(&arguments.folder.join(format!("{name_of_answers}-of-{}.csv", self.recipe.members)))?;
            if arguments.beside {
                let heads = self.teacher.measured_answers(&fold.train, &name, &places)?;
                both.push(Predictions::mean(&[(&clean, 1), (&heads, 1)])?);
                large.push(heads);
            }
            for (way, answers) in &mut answers {
                answers.push(match way {
                    Disturbance::None => clean.clone(),
                    way => {
                        let answers = disturbed(&network, &clean, &clips, *way)?;
                        answers.with_context(|| way.missing_program())?
                    }
                });
            }
        }
        cli::print(format!("{part} actors"))?;
        cli::print(FOLDS)?;
        for (way, answers) in &answers {
            cli::print(fold_row(&way.name(), "small", answers))?;
        }
        if arguments.beside {
            cli::print(fold_row("clean", "large", &large))?;
            cli::print(fold_row("clean", "both", &both))?;
        }
        let all = all_of(&answers[0].1)?;
        cli::print(recalls(&all))?;
        let fitted = MoodReadout::fit(&all, 0.9)?;
        cli::print(fitted.to_string())?;
        match &arguments.output {
            Some(path) => self.make(path, fitted),
            None => Ok(()),
        }
    }

    /// Trains on all clips.
    fn make(&self, path: &Path, fitted: MoodReadout) -> anyhow::Result<()> {
        let all = Split { train: (0..self.set.clips.len()).collect(), ..Split::default() };
        let mut model = self.network("all-clips", &all)?;
        model.readout = fitted.readout;
        model.save(path)?;
        let clips = all.train.len() + self.unlabelled.as_ref().map_or(0, |clips| clips.dataset.len());
        cli::print(format!("{}: {clips} clips", path.display()))
    }
}

/// The large model's answers, of which those for labelled clips are mixed with the labels: `share` to 1 − `share`.
fn targets(
    labelled: Predictions,
    share: f32,
    unlabelled: Option<&Predictions>,
) -> anyhow::Result<Array2<f32>> {
    let mut soft = labelled.probabilities * share;
    for (mut row, label) in soft.outer_iter_mut().zip(&labelled.truth) {
        row[*label] += 1.0 - share;
    }
    if let Some(answers) = unlabelled {
        soft.append(Axis(0), answers.probabilities.view())?;
    }
    Ok(soft)
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn labelled_clips_have_a_share_of_their_label_and_unlabelled_ones_have_none() {
        let answers = |truth, probabilities| Predictions {
            labels: ["a", "b"].map(String::from).to_vec(),
            clips: vec!["x".to_owned()],
            truth: vec![truth],
            probabilities,
        };
        let labelled = || answers(0, array![[0.5, 0.5]]);
        let unlabelled = answers(1, array![[0.375, 0.625]]);
        assert_eq!(targets(labelled(), 0.5, None).unwrap(), array![[0.75, 0.25]]);
        let both = targets(labelled(), 0.5, Some(&unlabelled)).unwrap();
        assert_eq!(both, array![[0.75, 0.25], [0.375, 0.625]]);
    }
}
