//! Targets of heads on Whisper's encoder, and their results on the corpora given.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::Context;
use ser_data::{Clips, ClipsOptions, Source};
use ser_examples::{assets, model};
use ser_models::training::EncodedClips;
use ser_models::{Checkpoint, ConfusionMatrix, Recipe, RecipeFile};

use super::{Discriminant, VoiceBench, VoiceClips, in_weighted_moods};
use crate::experiments::{Disturbance, Predictions};

/// Corpora that are in the training part beside RAVDESS, by the names of their formats.
const TRAINING: [&str; 2] = ["emodb", "nemo"];

/// Corpora that are left out of the training in turn, and the UAR of moods that is asked for.
const LEFT_OUT: [(&str, f64); 3] = [("emodb", 76.0), ("nemo", 56.0), ("ased", 62.0)];

/// Disturbed recordings of speakers not in training, and the UAR of moods that is asked for.
const WORSE: [(Disturbance, f64); 3] =
    [(Disturbance::Noise(10.0), 76.0), (Disturbance::Noise(5.0), 72.0), (Disturbance::Telephone, 74.5)];

/// The rows of heads on Whisper's encoder.
#[derive(Debug)]
pub struct VoiceRows<'a> {
    /// RAVDESS.
    pub ravdess: &'a Path,
    /// Other labelled speech.
    pub corpora: &'a [PathBuf],
    /// Folder that keeps what was encoded.
    pub cache: &'a Path,
    /// Seeds of each head.
    pub seeds: u64,
    /// Measure on the test actors of RAVDESS's folds, not on validation actors.
    pub test: bool,
    /// Also measure the timelines of the heads on long recordings, joined from the clips of the actors that they are measured on.
    pub recordings: bool,
    /// Ends the training.
    pub stop: &'a Arc<AtomicBool>,
}

impl VoiceRows<'_> {
    /// Trains and measures, and returns the table. Rows whose corpora are not there say so.
    ///
    /// # Errors
    /// If a corpus that is there cannot be read, or a training fails.
    pub fn measure(&self) -> anyhow::Result<String> {
        let mut there = Vec::new();
        for path in self.corpora {
            let found = Clips::open(&[Source::auto(path)], &ClipsOptions::default())?;
            let names: BTreeSet<String> = found.clips.into_iter().map(|clip| clip.corpus).collect();
            there.push((path, names));
        }
        let has = |name: &str| there.iter().any(|(_, names)| names.contains(name));
        let mut table = "| heads on Whisper's encoder | figure | UAR | must | reached |\n\
                         | --- | --- | --- | --- | --- |\n"
            .to_owned();
        let lacks = |names: &[&str]| -> Option<String> {
            let missing: Vec<&str> = names.iter().copied().filter(|name| !has(name)).collect();
            (!missing.is_empty()).then(|| format!("not measured: needs {} (--corpora)", missing.join(", ")))
        };
        let mut row = |name: &str, figure: &str, uar: Result<f64, String>, must: f64| {
            let (uar, reached) = match uar {
                Ok(uar) => {
                    let percent = 100.0 * uar;
                    (format!("{percent:.1}"), if percent >= must { "yes" } else { "no" })
                }
                Err(why) => (why, "–"),
            };
            table += &format!("| {name} | {figure} | {uar} | {must} | {reached} |\n");
        };
        let part = if self.test { "strangers" } else { "validation actors" };
        let mut recordings = None;
        match lacks(&TRAINING) {
            Some(why) => {
                row(part, "8 emotions", Err(why.clone()), 76.5);
                row(part, "4 moods", Err(why.clone()), 79.5);
                WORSE.iter().for_each(|(way, must)| row(&way.name(), "4 moods", Err(why.clone()), *must));
                recordings = self.recordings.then_some(why);
            }
            None => {
                let paths = there.iter().filter(|(_, names)| names.iter().any(|n| TRAINING.contains(&&**n)));
                let bench = self.bench(paths.map(|(path, _)| *path))?;
                let folds = bench.folds(self.test)?;
                let mean = |encoded: &EncodedClips| -> anyhow::Result<Vec<Predictions>> {
                    folds.iter().map(|fold| bench.answers(fold, encoded)?.mean()).collect()
                };
                let clean = mean(&bench.clips.encoded)?;
                row(part, "8 emotions", Ok(uar(&clean)), 76.5);
                row(part, "4 moods", Ok(mood_uar(&clean)), 79.5);
                for (way, must) in WORSE {
                    row(&way.name(), "4 moods", Ok(mood_uar(&mean(&bench.disturbed(&folds, way)?)?)), must);
                }
                if self.recordings {
                    // The bundled model's readout: it was fitted to validation actors.
                    let readout = Checkpoint::from_bytes(assets::VOICES)?.readout;
                    recordings = Some(bench.recordings(&folds, &readout)?.to_string());
                }
            }
        }
        let left_out: Vec<(&str, f64)> = LEFT_OUT.into_iter().filter(|(corpus, _)| has(corpus)).collect();
        let mut measured = Vec::new();
        if !left_out.is_empty() {
            let bench = self.bench(there.iter().map(|(path, _)| *path))?;
            for (corpus, fold) in bench.left_out()? {
                let answers = bench.answers(&fold, &bench.clips.encoded)?.mean()?;
                let gain = bench.profiles([&fold]).map(|score| score.with - score.without);
                measured.push((corpus, mood_uar(&[answers]), gain.map_err(|error| error.to_string())));
            }
        }
        for (corpus, must) in LEFT_OUT {
            let name = format!("{corpus}, never trained on");
            match measured.iter().find(|(of, ..)| of == corpus) {
                Some((_, uar, gain)) => {
                    let others = LEFT_OUT.into_iter().map(|(other, _)| other);
                    let others: Vec<&str> = others.filter(|other| *other != corpus && !has(other)).collect();
                    let uar = match others.is_empty() {
                        true => Ok(*uar),
                        false => Err(format!("{:.1}, trained without {}", 100.0 * uar, others.join(", "))),
                    };
                    row(&name, "4 moods", uar, must);
                    row(&format!("{corpus}, gain of a profile of five clips"), "4 moods", gain.clone(), 4.0);
                }
                None => row(&name, "4 moods", Err(format!("not measured: needs {corpus} (--corpora)")), must),
            }
        }
        if let Some(recordings) = recordings {
            table +=
                &format!("\nLong recordings, heads on Whisper's encoder:\n\n{}\n", recordings.trim_end());
        }
        Ok(table)
    }

    /// RAVDESS and these corpora, encoded.
    fn bench<'p>(&self, corpora: impl Iterator<Item = &'p PathBuf>) -> anyhow::Result<VoiceBench> {
        let recipe = Recipe::of(&RecipeFile::parse("voices.toml", assets::VOICES_RECIPE)?)?;
        let blocks = recipe.architecture.encoder_blocks().context("the recipe must be that of a head")?;
        let encoder = model::encoder(None, blocks)?;
        let mut sources = vec![Source::auto(self.ravdess)];
        sources.extend(corpora.map(Source::auto));
        std::fs::create_dir_all(self.cache).with_context(|| self.cache.display().to_string())?;
        let cache = self.cache.join("voices.safetensors");
        let clips = VoiceClips::load(&sources, &recipe, &encoder, &cache, VoiceClips::COPIES)?;
        Ok(VoiceBench {
            clips,
            recipe,
            encoder,
            seeds: self.seeds,
            discriminant: Some(Discriminant::bundled()),
            stop: Arc::clone(self.stop),
        })
    }
}

/// The mean UAR over folds.
fn uar(folds: &[Predictions]) -> f64 {
    let of = |fold: &Predictions| ConfusionMatrix::uar(&fold.confusion());
    folds.iter().map(of).sum::<f64>() / folds.len().max(1) as f64
}

/// The same of moods.
fn mood_uar(folds: &[Predictions]) -> f64 {
    uar(&folds.iter().map(in_weighted_moods).collect::<Vec<_>>())
}
