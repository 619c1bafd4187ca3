//! Heads that are trained on some voices and measured on others.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::{Context, ensure};
use ser_data::{Clip, Split, leave_corpus_out, published_folds, speakers_of};
use ser_models::encoder::WhisperEncoder;
use ser_models::training::EncodedClips;
use ser_models::{Checkpoint, Readout, Recipe, Recognizer};

use super::{Discriminant, Heads, VoiceClips, answer, tells_moods_apart, train_head};
use crate::experiments::{Disturbance, Predictions, RecordingScores};

/// Clips with their encoder, and the settings of the heads that are trained on them.
#[derive(Debug)]
pub struct VoiceBench {
    /// The clips.
    pub clips: VoiceClips,
    /// The head and its training.
    pub recipe: Recipe,
    /// The encoder.
    pub encoder: Arc<WhisperEncoder>,
    /// Trained heads of each fold, from seed 0 up; 1 or more.
    pub seeds: u64,
    /// The head in closed form that answers beside them.
    pub discriminant: Option<Discriminant>,
    /// Set to end the training.
    pub stop: Arc<AtomicBool>,
}

/// Heads, and the clips that did not train them.
#[derive(Debug)]
pub struct HeadsOfFold {
    /// The heads.
    pub heads: Heads<Checkpoint>,
    /// Places of the clips to measure them on.
    pub measured: Vec<usize>,
}

impl VoiceBench {
    /// Trains heads on these clips, and fits the discriminant to them.
    ///
    /// # Errors
    /// As [`train_head`] and [`Discriminant::fit`].
    pub fn heads(&self, train: &[usize], protocol: &str) -> anyhow::Result<Heads<Checkpoint>> {
        let head = |seed| train_head(&self.clips, &self.recipe, train, seed, protocol, &self.stop);
        let trained = (0..self.seeds).map(head).collect::<anyhow::Result<Vec<_>>>()?;
        let first = trained.first().context("heads: seeds must be 1 or more, got 0")?;
        let fit = |discriminant: &Discriminant| discriminant.fit(&self.clips, train, first);
        Ok(Heads { discriminant: self.discriminant.as_ref().map(fit).transpose()?, trained })
    }

    /// Heads of the five published folds of RAVDESS's actors, all other corpora in training, to be measured on each fold's validation
    /// actors, or with `test` on its test actors, with the validation actors in training.
    ///
    /// # Errors
    /// As [`train_head`], or if RAVDESS is not among the clips.
    pub fn folds(&self, test: bool) -> anyhow::Result<Vec<HeadsOfFold>> {
        let folds = published_folds(&speakers_of(&self.clips.clips)?, &self.clips.groups)?;
        let of = |(fold, number): (&Split, usize)| -> anyhow::Result<HeadsOfFold> {
            let (train, part) = match test {
                true => ([&fold.train[..], &fold.validation].concat(), &fold.test),
                false => (fold.train.clone(), &fold.validation),
            };
            let of_ravdess = |at: &usize| self.clips.clips[*at].corpus == "ravdess";
            let measured = part.iter().copied().filter(of_ravdess).collect();
            let heads = self.heads(&train, "5 published folds").with_context(|| format!("fold {number}"))?;
            Ok(HeadsOfFold { heads, measured })
        };
        folds.iter().zip(1..).map(of).collect()
    }

    /// For each corpus except RAVDESS, heads that were trained on all other corpora, to be measured on its neutral, happy, sad and angry
    /// clips.
    ///
    /// # Errors
    /// As [`train_head`], or if there is no other corpus.
    pub fn left_out(&self) -> anyhow::Result<Vec<(String, HeadsOfFold)>> {
        let corpora = self.clips.corpora();
        let mut others: Vec<&str> = corpora.iter().copied().filter(|corpus| *corpus != "ravdess").collect();
        others.sort_unstable();
        others.dedup();
        ensure!(!others.is_empty(), "clips: corpora must have one beside RAVDESS to leave out, got none");
        let of = |corpus: &str| -> anyhow::Result<(String, HeadsOfFold)> {
            let split = leave_corpus_out(&corpora, &self.clips.groups, corpus)?;
            let one_mood = |at: &usize| tells_moods_apart(&self.clips.label_names[self.clips.labels[*at]]);
            let measured = split.test.iter().copied().filter(one_mood).collect();
            let heads = self.heads(&split.train, &format!("all corpora but {corpus}"))?;
            Ok((corpus.to_owned(), HeadsOfFold { heads, measured }))
        };
        others.into_iter().map(of).collect()
    }

    /// The clips of all folds after a disturbance, encoded.
    ///
    /// # Errors
    /// As [`VoiceClips::disturbed`].
    pub fn disturbed(&self, folds: &[HeadsOfFold], way: Disturbance) -> anyhow::Result<EncodedClips> {
        let places: Vec<usize> = folds.iter().flat_map(|fold| fold.measured.iter().copied()).collect();
        self.clips.disturbed(&places, &self.recipe.preparation, &self.encoder, way)
    }

    /// Answers of each head of a fold for its clips in `encoded`.
    ///
    /// # Errors
    /// As [`answer`].
    pub fn answers(&self, fold: &HeadsOfFold, encoded: &EncodedClips) -> anyhow::Result<Heads<Predictions>> {
        fold.heads.try_map(|head| answer(&head.classifier()?, &self.clips, encoded, &fold.measured))
    }

    /// Measures the timelines of each fold's heads, which answer together, on long recordings that are joined from its clips, clean and in
    /// noise.
    ///
    /// # Errors
    /// As [`RecordingScores::measure`].
    pub fn recordings(&self, folds: &[HeadsOfFold], readout: &Readout) -> anyhow::Result<RecordingScores> {
        let mut scores = RecordingScores::default();
        for way in RecordingScores::WAYS {
            for HeadsOfFold { heads, measured } in folds {
                let mut model = heads.together()?;
                model.readout = readout.clone();
                let clips: Vec<&Clip> = measured.iter().map(|&at| &self.clips.clips[at]).collect();
                let recognizer = || Ok(Recognizer::with_encoder(&model, Arc::clone(&self.encoder))?);
                scores.measure(recognizer, &clips, way, 0)?;
            }
        }
        Ok(scores)
    }
}
