//! Targets of heads on Whisper's encoder, and their results on the corpora given.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::Context;
use ser_data::{Clips, ClipsOptions, LabelMap, Source};
use ser_examples::{assets, model};
use ser_models::training::EncodedClips;
use ser_models::{Checkpoint, Recipe, RecipeFile};

use super::tables::scores;
use super::{Discriminant, VoiceBench, VoiceClips, in_weighted_moods, statistics_read};
use crate::experiments::{Disturbance, Predictions};

/// Corpora that are in the training part beside RAVDESS, by the names of their formats.
const TRAINING: [&str; 2] = ["emodb", "nemo"];

/// Corpora that are left out of the training in turn, with the target UAR of moods.
const LEFT_OUT: [(&str, f64); 3] = [("emodb", 76.0), ("nemo", 56.0), ("ased", 62.0)];

/// Disturbances of the recordings of speakers not in training, with the target UAR of moods.
const WORSE: [(Disturbance, f64); 3] =
    [(Disturbance::Noise(10.0), 76.0), (Disturbance::Noise(5.0), 72.0), (Disturbance::Telephone, 74.5)];

/// The rows of heads on Whisper's encoder.
#[derive(Debug)]
pub struct VoiceRows<'a> {
    /// RAVDESS.
    pub ravdess: &'a Path,
    /// Other labelled speech.
    pub corpora: &'a [PathBuf],
    /// Folder that keeps the encoded clips.
    pub cache: &'a Path,
    /// Seeds of each head.
    pub seeds: u64,
    /// Measure on the test actors of RAVDESS's folds, not on validation actors.
    pub test: bool,
    /// Also measure the timelines of the heads on long recordings, joined from the clips of the actors that they are measured on.
    pub recordings: bool,
    /// Set to end the training.
    pub stop: &'a Arc<AtomicBool>,
}

impl VoiceRows<'_> {
    /// Trains and measures the heads, and returns the table. Rows whose corpora are missing say so.
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
        // Other corpora would train too, and the figures could not be compared.
        let with = |corpora: &[&str]| -> Vec<&PathBuf> {
            let asked = there.iter().filter(|(_, names)| names.iter().any(|name| corpora.contains(&&**name)));
            asked.map(|(path, _)| *path).collect()
        };
        let mut table =
            "| heads on Whisper's encoder | figure | accuracy | UAR | macro-F1 | UAR target | reached |\n\
                         | --- | --- | --- | --- | --- | --- | --- |\n"
                .to_owned();
        let lacks = |names: &[&str]| -> Option<String> {
            let missing: Vec<&str> = names.iter().copied().filter(|name| !has(name)).collect();
            (!missing.is_empty()).then(|| format!("not measured: needs {} (--corpora)", missing.join(", ")))
        };
        let mut row = |name: &str, figure: &str, cells: Result<Cells, String>, target: f64| {
            let Cells { cells, uar } =
                cells.unwrap_or_else(|why| Cells { cells: format!("– | {why} | –"), uar: None });
            let reached = uar.map_or("–", |uar| if 100.0 * uar >= target { "yes" } else { "no" });
            table += &format!("| {name} | {figure} | {cells} | {target} | {reached} |\n");
        };
        let part = if self.test { "test actors" } else { "validation actors" };
        let mut recordings = None;
        match lacks(&TRAINING) {
            Some(why) => {
                row(part, "8 emotions", Err(why.clone()), 76.5);
                row(part, "4 moods", Err(why.clone()), 79.5);
                WORSE.iter().for_each(|(way, target)| row(&way.name(), "4 moods", Err(why.clone()), *target));
                recordings = self.recordings.then_some(why);
            }
            None => {
                let bench = self.bench(with(&TRAINING))?;
                let folds = bench.folds(self.test)?;
                let mean = |encoded: &EncodedClips| -> anyhow::Result<Vec<Predictions>> {
                    folds.iter().map(|fold| bench.answers(fold, encoded)?.mean()).collect()
                };
                let clean = mean(&bench.clips.encoded)?;
                row(part, "8 emotions", Ok(Cells::of(&clean)), 76.5);
                row(part, "4 moods", Ok(Cells::of_moods(&clean)), 79.5);
                for (way, target) in WORSE {
                    let answers = mean(&bench.disturbed(&folds, way)?)?;
                    row(&way.name(), "4 moods", Ok(Cells::of_moods(&answers)), target);
                }
                if self.recordings {
                    // The bundled model's readout: it was fitted to validation actors.
                    let readout = Checkpoint::from_bytes(assets::VOICES)?.readout;
                    recordings = Some(bench.recordings(&folds, &readout)?.to_string());
                }
            }
        }
        let mut measured = Vec::new();
        if LEFT_OUT.iter().any(|(corpus, _)| has(corpus)) {
            let bench = self.bench(with(&LEFT_OUT.map(|(corpus, _)| corpus)))?;
            for (corpus, fold) in bench.left_out()? {
                let heads = bench.answers(&fold, &bench.clips.encoded)?;
                // The figure is that of all heads together, its deviation that of single seeds.
                let seeds =
                    heads.one_by_one().map(|heads| heads.mean()).collect::<anyhow::Result<Vec<_>>>()?;
                let gain = bench.profiles([&fold]).map(|score| score.with - score.without);
                measured.push((corpus, heads.mean()?, seeds, gain.map_err(|error| error.to_string())));
            }
        }
        for (corpus, target) in LEFT_OUT {
            let name = format!("{corpus}, never trained on");
            let profile = format!("{corpus}, gain of a profile of five clips");
            let Some((_, together, seeds, gain)) = measured.iter().find(|(of, ..)| of == corpus) else {
                let why = format!("not measured: needs {corpus} (--corpora)");
                row(&name, "4 moods", Err(why.clone()), target);
                row(&profile, "4 moods", Err(why), 4.0);
                continue;
            };
            let others = LEFT_OUT.into_iter().map(|(other, _)| other);
            let lacking: Vec<&str> = others.filter(|other| *other != corpus && !has(other)).collect();
            let name = match lacking.is_empty() {
                true => name,
                false => format!("{name} (trained without {})", lacking.join(", ")),
            };
            let cells = Cells::of_moods(std::slice::from_ref(together));
            let comparable = Cells { uar: cells.uar.filter(|_| lacking.is_empty()), ..cells };
            row(&name, "4 moods", Ok(comparable), target);
            if seeds.len() > 1 {
                let cells = Cells { uar: None, ..Cells::of_moods(seeds) };
                row(&format!("{corpus}, single seeds"), "4 moods", Ok(cells), target);
            }
            let gain = gain
                .clone()
                .map(|gain| Cells { cells: format!("– | {:+.1} | –", 100.0 * gain), uar: Some(gain) });
            row(&profile, "4 moods", gain, 4.0);
        }
        if let Some(recordings) = recordings {
            table +=
                &format!("\nLong recordings, heads on Whisper's encoder:\n\n{}\n", recordings.trim_end());
        }
        Ok(table)
    }

    /// RAVDESS and these corpora, encoded.
    fn bench(&self, corpora: Vec<&PathBuf>) -> anyhow::Result<VoiceBench> {
        let recipe = Recipe::of(&RecipeFile::parse("voices.toml", assets::VOICES_RECIPE)?)?;
        let encoder = model::encoder(None, statistics_read(&recipe.architecture)? - 1)?;
        let mut sources = vec![Source::auto(self.ravdess)];
        sources.extend(corpora.into_iter().map(Source::auto));
        std::fs::create_dir_all(self.cache)
            .with_context(|| format!("{}: cannot be made", self.cache.display()))?;
        let cache = self.cache.join("voices.safetensors");
        let clips =
            VoiceClips::load(&sources, LabelMap::default(), &recipe, &encoder, &cache, VoiceClips::COPIES)?;
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

/// Accuracy, UAR and macro-F1 of a row as mean and standard deviation, and the mean UAR if the row has a target.
struct Cells {
    cells: String,
    uar: Option<f64>,
}

impl Cells {
    fn of(answers: &[Predictions]) -> Self {
        let uar = answers.iter().map(|answers| answers.confusion().uar()).sum::<f64>()
            / answers.len().max(1) as f64;
        Self { cells: scores(answers), uar: Some(uar) }
    }

    fn of_moods(answers: &[Predictions]) -> Self {
        Self::of(&answers.iter().map(in_weighted_moods).collect::<Vec<_>>())
    }
}
