//! The experiments.

use anyhow::bail;
use ser_data::LabelSet;
use ser_models::models::Cnn1dConfig;
use ser_models::training::TrainingConfig;
use ser_models::{Recipe, RecipeFile};
use serde::Serialize;

use super::{Predictions, Protocol};

/// A recipe, and the protocol by which it is measured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Experiment {
    /// Its name on the command line, and that of its folder of results.
    pub name: &'static str,
    /// The model, in words.
    pub title: &'static str,
    /// The classes.
    pub labels: LabelSet,
    /// The split into training and test parts.
    pub protocol: Protocol,
    /// Results of others, with their names.
    pub reported: &'static str,
    /// The target.
    pub goal: Option<Goal>,
    /// The model that learns.
    pub learner: Learner,
}

/// The model that learns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Learner {
    /// A network.
    Network {
        /// Path of its recipe in this crate.
        file: &'static str,
        /// Text of the file.
        recipe: &'static str,
    },
    /// The networks of these experiments of the same protocol. Their probabilities are averaged for each clip with the experiments'
    /// weights, and those of emotions are summed if the classes are moods. Nothing is trained.
    Combined(&'static [(&'static str, u16)]),
    /// Always the most frequent class of the training part.
    Majority,
    /// A random forest of 300 trees on the 193 features.
    Forest,
}

/// Target in percent.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Goal {
    /// The figure.
    pub figure: Figure,
    /// The smallest acceptable value.
    pub target: f64,
    /// A higher value that is hoped for.
    pub stretch_target: f64,
}

/// A figure of merit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Figure {
    /// The share of correct answers (weighted average recall, WAR).
    Accuracy,
    /// The mean of the classes' recalls.
    Uar,
}

impl Figure {
    /// Its name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Accuracy => "accuracy",
            Self::Uar => "UAR",
        }
    }
}

/// A network by the name of its recipe's file.
macro_rules! network {
    ($name:literal) => {
        Learner::Network {
            file: concat!("recipes/", $name, ".toml"),
            recipe: include_str!(concat!("../../recipes/", $name, ".toml")),
        }
    };
}

/// Unseen speakers: networks trained on the original recordings, joined with networks trained on degraded ones.
const SPEAKER_INDEPENDENT: Experiment = Experiment {
    name: "speaker-independent",
    title: "6 × cnn-attention",
    labels: LabelSet::Emotions,
    protocol: Protocol::SpeakerIndependent,
    reported: "62.3 UAR (ResLSTM-SA), best seed 65.2",
    goal: uar(65.2, 72.0),
    learner: Learner::Combined(&[("speaker-independent-clean", 1), (ROBUST.name, 3)]),
};

/// Unseen speakers, recorded by any microphone.
const ROBUST: Experiment = Experiment {
    name: "speaker-independent-robust",
    title: "3 × cnn-attention that heard noise",
    labels: LabelSet::Emotions,
    protocol: Protocol::SpeakerIndependent,
    reported: "–",
    goal: None,
    learner: network!("speaker-independent-robust"),
};

/// Any speaker.
const TIM_NET: Experiment = Experiment {
    name: "tim-net-10-fold",
    title: "2 × tim-net",
    labels: LabelSet::Emotions,
    protocol: Protocol::RandomFolds(10),
    reported: "–",
    goal: None,
    learner: network!("tim-net-10-fold"),
};

impl Experiment {
    /// All of them, speaker-independent ones first: these show what to expect for speakers not in training.
    pub const ALL: [Self; 27] = [
        SPEAKER_INDEPENDENT,
        Self {
            name: Self::BUNDLED,
            title: "6 × cnn-attention, emotions summed to moods",
            labels: LabelSet::Moods,
            reported: "–",
            goal: uar(70.0, 80.0),
            ..SPEAKER_INDEPENDENT
        },
        ROBUST,
        Self {
            name: "speaker-independent-clean",
            title: "3 × cnn-attention that heard clean recordings",
            learner: network!("speaker-independent-clean"),
            ..ROBUST
        },
        Self { title: "5 × cnn-1d", ..report("cnn-1d", "65 %", 78.0, 85.0, network!("cnn-1d")) },
        report("cnn-lstm", "57.76 %", 70.0, 82.0, network!("cnn-lstm")),
        report("cnn-lstm-bn", "49.31 %", 70.0, 82.0, network!("cnn-lstm-bn")),
        report("hybrid", "56.94 %", 75.0, 85.0, network!("hybrid")),
        report("rnn-lstm", "22.92 %", 60.0, 72.0, network!("rnn-lstm")),
        Self {
            name: "cnn-lstm-single-actor",
            protocol: Protocol::SingleActor,
            ..report("cnn-lstm", "80 % (one actor)", 80.0, 90.0, network!("cnn-lstm-single-actor"))
        },
        Self {
            name: "cnn-1d-single-actor",
            protocol: Protocol::SingleActor,
            ..report("cnn-1d", "40 % (one actor)", 70.0, 85.0, network!("cnn-1d-single-actor"))
        },
        Self {
            name: "issa",
            title: "cnn-1d of Issa et al.",
            labels: LabelSet::Emotions,
            protocol: Protocol::RandomFolds(5),
            reported: "71.61 % (Issa et al.)",
            goal: accuracy(71.61, 80.0),
            learner: network!("issa"),
        },
        Self {
            name: "cnn-attention-10-fold",
            title: "cnn-attention",
            learner: network!("cnn-attention-10-fold"),
            ..TIM_NET
        },
        TIM_NET,
        Self {
            name: "ensemble-10-fold",
            title: "cnn-attention and 2 × tim-net together",
            reported: "90.07 % (TIM-Net)",
            goal: accuracy(88.0, 93.0),
            learner: Learner::Combined(&[("cnn-attention-10-fold", 1), (TIM_NET.name, 1)]),
            ..TIM_NET
        },
        baseline(
            "majority-speaker-independent-moods",
            Learner::Majority,
            LabelSet::Moods,
            Protocol::SpeakerIndependent,
        ),
        baseline(
            "forest-speaker-independent-moods",
            Learner::Forest,
            LabelSet::Moods,
            Protocol::SpeakerIndependent,
        ),
        baseline(
            "majority-speaker-independent",
            Learner::Majority,
            LabelSet::Emotions,
            Protocol::SpeakerIndependent,
        ),
        baseline(
            "forest-speaker-independent",
            Learner::Forest,
            LabelSet::Emotions,
            Protocol::SpeakerIndependent,
        ),
        baseline("majority-stratified", Learner::Majority, LabelSet::Moods, Protocol::Stratified),
        baseline("forest-stratified", Learner::Forest, LabelSet::Moods, Protocol::Stratified),
        baseline("majority-single-actor", Learner::Majority, LabelSet::Moods, Protocol::SingleActor),
        baseline("forest-single-actor", Learner::Forest, LabelSet::Moods, Protocol::SingleActor),
        baseline("majority-5-fold", Learner::Majority, LabelSet::Emotions, Protocol::RandomFolds(5)),
        baseline("forest-5-fold", Learner::Forest, LabelSet::Emotions, Protocol::RandomFolds(5)),
        baseline("majority-10-fold", Learner::Majority, LabelSet::Emotions, Protocol::RandomFolds(10)),
        baseline("forest-10-fold", Learner::Forest, LabelSet::Emotions, Protocol::RandomFolds(10)),
    ];

    /// The experiment whose recipes the binary `bundle` trains. Its results show what to expect of the bundled model.
    pub const BUNDLED: &str = "speaker-independent-moods";

    /// The one of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|experiment| experiment.name == name)
    }

    /// The experiments whose models are used: itself alone, unless it combines others.
    pub fn sources(self) -> Vec<Self> {
        match self.learner {
            Learner::Combined(parts) => parts.iter().filter_map(|(name, _)| Self::named(name)).collect(),
            _ => vec![self],
        }
    }

    /// Weights of the answers of its [`sources`](Self::sources); only the ratios matter.
    pub fn weights(&self) -> Vec<u16> {
        match self.learner {
            Learner::Combined(parts) => parts.iter().map(|&(_, weight)| weight).collect(),
            _ => vec![1],
        }
    }

    /// Combines the answers of its sources.
    pub fn view(&self, answers: Predictions) -> Predictions {
        match self.labels {
            LabelSet::Moods => answers.in_moods(),
            LabelSet::Emotions | LabelSet::Own => answers,
        }
    }

    /// Whether the models are also measured on degraded recordings: networks of speaker-independent protocols, since these show what to
    /// expect of unseen speakers.
    pub fn is_shown_robustness(&self) -> bool {
        self.protocol == Protocol::SpeakerIndependent && matches!(self.learner, Learner::Network { .. })
    }

    /// The recipe. For a baseline it only says which features it reads; the level of the clips is kept if networks of the protocol keep it.
    ///
    /// # Errors
    /// If it combines others, which have their own, or the file in this crate is no recipe, which a test rules out.
    pub fn recipe(&self) -> anyhow::Result<Recipe> {
        match self.learner {
            Learner::Network { file, recipe } => Ok(Recipe::of(&RecipeFile::parse(file, recipe)?)?),
            Learner::Combined(_) => {
                let names: Vec<&str> = self.sources().iter().map(|source| source.name).collect();
                bail!("{}: recipe must be that of {}, got none of its own", self.name, names.join(" or "))
            }
            Learner::Majority | Learner::Forest => {
                let mut recipe = Recipe::new(Cnn1dConfig::default().into(), TrainingConfig::default());
                recipe.preparation.normalize = self.protocol == Protocol::SpeakerIndependent;
                Ok(recipe)
            }
        }
    }
}

const fn accuracy(target: f64, stretch_target: f64) -> Option<Goal> {
    Some(Goal { figure: Figure::Accuracy, target, stretch_target })
}

const fn uar(target: f64, stretch_target: f64) -> Option<Goal> {
    Some(Goal { figure: Figure::Uar, target, stretch_target })
}

/// One of the report's rows: four moods, stratified.
const fn report(
    name: &'static str,
    reported: &'static str,
    target: f64,
    stretch_target: f64,
    learner: Learner,
) -> Experiment {
    Experiment {
        name,
        title: name,
        labels: LabelSet::Moods,
        protocol: Protocol::Stratified,
        reported,
        goal: accuracy(target, stretch_target),
        learner,
    }
}

/// Baselines without a network.
const fn baseline(name: &'static str, learner: Learner, labels: LabelSet, protocol: Protocol) -> Experiment {
    let title = match learner {
        Learner::Forest => "random forest",
        _ => "most frequent class",
    };
    Experiment { name, title, labels, protocol, reported: "–", goal: None, learner }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_recipe_of_this_crate_can_be_built_and_every_name_is_one() {
        for experiment in Experiment::ALL {
            let sources = experiment.sources();
            let weights = experiment.weights();
            let Learner::Combined(parts) = experiment.learner else {
                assert_eq!((&sources[..], &weights[..]), (&[experiment][..], &[1][..]));
                let recipe = experiment.recipe().unwrap();
                recipe.architecture.input().check(&recipe.features).unwrap();
                recipe.architecture.build(experiment.labels.names().len(), 0).unwrap();
                continue;
            };
            assert!(experiment.recipe().unwrap_err().to_string().contains(parts[0].0));
            let names = sources.iter().map(|source| source.name);
            assert_eq!(names.zip(weights).collect::<Vec<_>>(), parts);
            assert!(parts.iter().all(|&(_, weight)| weight > 0));
            // `bundle` joins only networks with the same input.
            if experiment.name == Experiment::BUNDLED {
                let reads = |source: &Experiment| {
                    let Recipe { architecture, preparation, features, training, .. } =
                        source.recipe().unwrap();
                    let audio = training.augmentation.audio.is_on();
                    (architecture.member().clone(), preparation, features, training.log_skewed, audio)
                };
                assert!(sources.iter().all(|source| reads(source) == reads(&sources[0])));
            }
            for source in sources {
                assert_eq!(source.protocol, experiment.protocol);
                assert_eq!(source.labels, LabelSet::Emotions);
                assert!(matches!(source.learner, Learner::Network { .. }));
            }
        }
        let names: HashSet<&str> = Experiment::ALL.iter().map(|experiment| experiment.name).collect();
        assert_eq!(names.len(), Experiment::ALL.len());
        for experiment in Experiment::ALL {
            if let Learner::Network { file, .. } = experiment.learner {
                assert_eq!(file, format!("recipes/{}.toml", experiment.name));
            }
        }
    }
}
