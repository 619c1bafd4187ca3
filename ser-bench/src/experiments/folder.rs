//! Folder of one experiment's results.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use ser_examples::output;
use ser_models::Recipe;

use super::{Disturbance, Experiment, Part, Predictions};

/// The folder of one experiment's results. Each model leaves `NAME.csv` (predictions), `NAME.history.csv` and `NAME.safetensors`.
#[derive(Debug, Clone, PartialEq)]
pub struct Folder {
    /// The experiment.
    pub experiment: Experiment,
    /// The folder that contains those of all experiments.
    results: PathBuf,
    path: PathBuf,
    part: Part,
}

/// The answers of one model.
#[derive(Debug, Clone, PartialEq)]
pub struct Finished {
    /// Its name, such as `fold-2-seed-0`.
    pub name: String,
    /// Its seed.
    pub seed: u64,
    /// Its answers for the test clips.
    pub predictions: Predictions,
}

impl Finished {
    /// Text of its name beside the seed, such as `fold-2-`; empty where the protocol has no folds.
    pub fn fold(&self) -> &str {
        self.name.rsplit_once("seed-").map_or("", |(fold, _)| fold)
    }
}

impl Folder {
    /// The folder below `results` that is named by the experiment, for [`Part::Validation`] the folder `validation` in it.
    pub fn new(experiment: Experiment, part: Part, results: &Path) -> Self {
        let mut path = results.join(experiment.name);
        if part == Part::Validation {
            path.push("validation");
        }
        Self { experiment, results: results.to_path_buf(), path, part }
    }

    /// The folders of the experiments whose models are used: this one alone, unless its experiment combines others.
    pub fn sources(&self) -> Vec<Self> {
        let folder = |experiment| Self::new(experiment, self.part, &self.results);
        self.experiment.sources().into_iter().map(folder).collect()
    }

    /// Makes the folder and records the recipe of its results.
    ///
    /// # Errors
    /// If it cannot be made, or holds results of another recipe or of an unknown one.
    pub fn claim(&self, recipe: &Recipe) -> anyhow::Result<()> {
        self.make()?;
        let file = self.file("recipe.json");
        if self.is_of(recipe)? {
            return Ok(());
        }
        if file.exists() || !self.finished()?.is_empty() {
            bail!(
                "{}: recipe must be that of the results there, got another; choose another folder, or delete this one with all that it holds",
                self.path.display()
            );
        }
        output::write(&file, serde_json::to_string_pretty(recipe)?.as_bytes())
    }

    /// The folder of the results of the same models on disturbed recordings.
    #[must_use]
    pub fn disturbed(&self, disturbance: Disturbance) -> Self {
        let path = self.path.join("robustness").join(disturbance.name());
        Self { path, ..self.clone() }
    }

    /// Makes the folder where it is missing.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn make(&self) -> anyhow::Result<()> {
        std::fs::create_dir_all(&self.path)
            .with_context(|| format!("{}: cannot be made", self.path.display()))
    }

    /// A file in it.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Whether its results are of this recipe.
    ///
    /// # Errors
    /// If the recipe cannot be written as JSON.
    pub fn is_of(&self, recipe: &Recipe) -> anyhow::Result<bool> {
        let written = std::fs::read_to_string(self.file("recipe.json")).ok();
        Ok(written == Some(serde_json::to_string_pretty(recipe)?))
    }

    /// Whether its results are of test parts, and not of validation parts.
    pub fn is_test(&self) -> bool {
        self.part == Part::Test
    }

    /// Whether another folder's results are of the same recipe.
    pub fn has_recipe_of(&self, other: &Self) -> bool {
        let recipe = |folder: &Self| std::fs::read(folder.file("recipe.json")).ok();
        recipe(self).is_some_and(|mine| recipe(other) == Some(mine))
    }

    /// The finished models; none if the folder is missing.
    ///
    /// # Errors
    /// If the folder cannot be read, or a file is damaged or has other classes than the experiment; the error names the file.
    pub fn finished(&self) -> anyhow::Result<Vec<Finished>> {
        if !self.path.is_dir() {
            return Ok(Vec::new());
        }
        let unreadable = || format!("{}: cannot be read", self.path.display());
        let mut finished = Vec::new();
        for entry in std::fs::read_dir(&self.path).with_context(unreadable)? {
            let path = entry.with_context(unreadable)?.path();
            let name = path.file_name().and_then(|name| name.to_str()?.strip_suffix(".csv"));
            // Other files in the folder have no seed at the end of their names.
            let Some((name, seed)) = name.and_then(|name| Some((name, name.rsplit_once("seed-")?.1))) else {
                continue;
            };
            if let Ok(seed) = seed.parse() {
                let predictions = Predictions::load(&path)?;
                let (given, labels) = (&predictions.labels, self.experiment.labels.names());
                ensure!(*given == labels, "{}: classes must be {labels:?}, got {given:?}", path.display());
                finished.push(Finished { name: name.into(), seed, predictions });
            }
        }
        finished.sort_by(|a, b| (a.seed, &a.name).cmp(&(b.seed, &b.name)));
        Ok(finished)
    }
}
