//! The large model, whose answers are for clips that did not train it.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, ensure};
use ndarray::Array2;
use ser_bench::experiments::Predictions;
use ser_bench::voices::{VoiceBench, answer};

use crate::unlabelled::Unlabelled;

/// Heads on an encoder. Their answers are kept in files of a folder.
pub(crate) struct Teacher<'a> {
    pub(crate) bench: VoiceBench,
    /// Groups that the speakers of a training part are divided into.
    pub(crate) parts: u32,
    pub(crate) folder: &'a Path,
}

impl Teacher<'_> {
    /// The answer for each clip of a training part, by heads that were not trained on its speaker.
    pub(crate) fn training_answers(&self, train: &[usize], part: &str) -> anyhow::Result<Predictions> {
        let (voices, parts) = (&self.bench.clips, self.parts as usize);
        let name = format!("{part}-answers-of-{}-heads-of-{parts}-parts", self.bench.seeds);
        self.kept(&name, &self.ids(train), || {
            let part_of = dealt(train.iter().map(|&at| voices.clips[at].speaker.as_deref()), parts)?;
            let mut probabilities = Array2::zeros((train.len(), voices.label_names.len()));
            for number in 0..parts {
                let (asked, others): (Vec<usize>, Vec<usize>) =
                    (0..train.len()).partition(|&place| part_of[place] == number);
                let of = |places: &[usize]| places.iter().map(|&place| train[place]).collect::<Vec<_>>();
                let answers = self
                    .bench
                    .heads(&of(&others), &format!("{part}, all parts but {number}"))?
                    .try_map(|head| answer(&head.classifier()?, voices, &voices.encoded, &of(&asked)))?
                    .mean()?;
                asked.iter().zip(answers.probabilities.outer_iter()).for_each(|(&place, row)| {
                    probabilities.row_mut(place).assign(&row);
                });
            }
            Ok(Predictions {
                labels: voices.label_names.clone(),
                clips: self.ids(train),
                truth: train.iter().map(|&at| voices.labels[at]).collect(),
                probabilities,
            })
        })
    }

    /// The answers for unlabelled clips, by heads that were trained on the whole training part, which has no clip of their speakers.
    pub(crate) fn unlabelled_answers(
        &self,
        train: &[usize],
        part: &str,
        unlabelled: &Unlabelled,
    ) -> anyhow::Result<Predictions> {
        let name = format!("{part}-unlabelled-answers-of-{}-heads", self.bench.seeds);
        self.kept(&name, unlabelled.dataset.ids(), || unlabelled.answers(&self.bench.heads(train, part)?))
    }

    /// The answers of heads that were trained on a training part for clips of another part.
    pub(crate) fn measured_answers(
        &self,
        train: &[usize],
        part: &str,
        measured: &[usize],
    ) -> anyhow::Result<Predictions> {
        let voices = &self.bench.clips;
        self.kept(&format!("{part}-large-{}-heads", self.bench.seeds), &self.ids(measured), || {
            self.bench
                .heads(train, part)?
                .try_map(|head| answer(&head.classifier()?, voices, &voices.encoded, measured))?
                .mean()
        })
    }

    fn ids(&self, places: &[usize]) -> Vec<String> {
        places.iter().map(|&at| self.bench.clips.clips[at].id.clone()).collect()
    }

    /// The answers for these clips in a file of the folder; it is written first if it is not there.
    fn kept(
        &self,
        name: &str,
        clips: &[String],
        make: impl FnOnce() -> anyhow::Result<Predictions>,
    ) -> anyhow::Result<Predictions> {
        let file = self.folder.join(format!("{name}.csv"));
        if !file.exists() {
            let answers = make()?;
            answers.save(&file)?;
            return Ok(answers);
        }
        let kept = Predictions::load(&file)?;
        let is_same = kept.clips == clips;
        ensure!(is_same, "{}: clips must be those that are asked for, got others", file.display());
        Ok(kept)
    }
}

/// The part of each clip, by its speaker: the speakers, in the order of their names, are dealt in turn.
fn dealt<'a>(
    speakers: impl IntoIterator<Item = Option<&'a str>>,
    parts: usize,
) -> anyhow::Result<Vec<usize>> {
    let speakers: Vec<&str> = speakers
        .into_iter()
        .map(|speaker| speaker.context("labelled clips: speaker of each must be known, got none"))
        .collect::<anyhow::Result<_>>()?;
    let mut part_of: BTreeMap<&str, usize> = speakers.iter().map(|&speaker| (speaker, 0)).collect();
    ensure!(
        part_of.len() >= parts,
        "--parts must be at most the number of speakers, {}, got {parts}",
        part_of.len()
    );
    part_of.values_mut().enumerate().for_each(|(at, part)| *part = at % parts);
    Ok(speakers.into_iter().map(|speaker| part_of[speaker]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_speaker_is_in_one_part_and_each_part_has_speakers() {
        let speakers = ["b", "a", "b", "c", "d", "a"].map(Some);
        assert_eq!(dealt(speakers, 2).ok(), Some(vec![1, 0, 1, 0, 1, 0]));
        let error = dealt(speakers, 5).unwrap_err().to_string();
        assert_eq!(error, "--parts must be at most the number of speakers, 4, got 5");
        let error = dealt([None], 1).unwrap_err().to_string();
        assert_eq!(error, "labelled clips: speaker of each must be known, got none");
    }
}
