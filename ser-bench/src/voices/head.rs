//! Training of a head, and its answers.

use std::sync::atomic::AtomicBool;

use anyhow::Context;
use ser_examples::cli::Stopped;
use ser_models::input::ModelInput;
use ser_models::models::{Architecture, HeadPooling, WhisperHeadConfig};
use ser_models::training::{AudioAugmentation, Dataset, EncodedClips, Finish, Trainer};
use ser_models::{Checkpoint, CheckpointSource, Classifier, Recipe};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::VoiceClips;
use crate::experiments::Predictions;

/// Trains a head on these clips, each clean and in its changed copies. It is kept beside the encoder's outputs: the next run reads it.
///
/// # Errors
/// If the recipe or the clips cannot be used, or the head cannot be kept.
pub fn train_head(
    clips: &VoiceClips,
    recipe: &Recipe,
    train: &[usize],
    seed: u64,
    protocol: &str,
    stop: &AtomicBool,
) -> anyhow::Result<Checkpoint> {
    let copies = clips.encoded.config().copies;
    let ids: Vec<String> = train.iter().map(|&at| clips.clips[at].id.clone()).collect();
    let labels: Vec<usize> = train.iter().map(|&at| clips.labels[at]).collect();
    let corpora = (0..=copies).flat_map(|_| train.iter().map(|&at| clips.clips[at].corpus.as_str()));
    let training = clips.encoded.dataset(&ids, &labels, &clips.label_names, copies)?.with_corpora(corpora)?;
    let from: Vec<(&str, &str)> =
        train.iter().map(|&at| (clips.clips[at].id.as_str(), clips.clips[at].corpus.as_str())).collect();
    let kept = clips.heads().join(name(&(recipe, from, protocol, seed), &training)?);
    if kept.exists() {
        return Ok(Checkpoint::load(&kept)?);
    }
    // The copies' audio was augmented before it was encoded.
    let mut config = recipe.training.clone();
    config.augmentation.audio = AudioAugmentation::default();
    let mut trainer = Trainer::new(config, recipe.architecture.clone(), &training, None, seed)?;
    if trainer.run(|_| {}, stop)? == Finish::Stopped {
        let advice = "the same command continues with the heads and the outputs that are kept";
        return Err(Stopped::new(advice).into());
    }
    let head = trainer.checkpoint(CheckpointSource {
        preparation: recipe.preparation.clone(),
        features: recipe.features.clone(),
        protocol: protocol.to_owned(),
        split_seed: seed,
        test: Vec::new(),
    })?;
    std::fs::create_dir_all(clips.heads())
        .with_context(|| format!("{}: cannot be made", clips.heads().display()))?;
    head.save(&kept)?;
    Ok(head)
}

/// The name of a head's file: the digest of the settings, the clips with their outputs, and the version of this crate. It does not change
/// with the code of one version.
fn name(settings: &impl Serialize, training: &Dataset) -> anyhow::Result<String> {
    let set = (training.label_names(), training.labels());
    let mut digest =
        Sha256::new_with_prefix(serde_json::to_vec(&(env!("CARGO_PKG_VERSION"), settings, set))?);
    // One clip after another: all outputs at once would be copied.
    let values = training.inputs().values();
    for clip in 0..values.dim(0)? {
        let values = values.get(clip)?.flatten_all()?.to_vec1::<f32>()?;
        digest.update(values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>());
    }
    Ok(format!("{}.safetensors", hex::encode(&digest.finalize()[..16])))
}

/// Answers of a head for these clips in `encoded`.
///
/// # Errors
/// If a clip was not encoded.
pub fn answer(
    head: &Classifier,
    clips: &VoiceClips,
    encoded: &EncodedClips,
    places: &[usize],
) -> anyhow::Result<Predictions> {
    let ids: Vec<String> = places.iter().map(|&at| clips.clips[at].id.clone()).collect();
    let truth: Vec<usize> = places.iter().map(|&at| clips.labels[at]).collect();
    let data = encoded.dataset(&ids, &truth, &clips.label_names, 0)?;
    let probabilities = head.probabilities(data.inputs())?;
    Ok(Predictions { labels: clips.label_names.clone(), clips: ids, truth, probabilities })
}

/// The number of an encoder's outputs whose statistics a network reads.
///
/// # Errors
/// If it reads anything else, by the name of its pooling.
pub fn statistics_read(architecture: &Architecture) -> anyhow::Result<usize> {
    let given = match (architecture, architecture.input()) {
        (Architecture::WhisperHead(WhisperHeadConfig { pooling: HeadPooling::Attentive { .. }, .. }), _) => {
            "attentive".to_owned()
        }
        (_, ModelInput::Encoded { layers, .. }) => return Ok(layers),
        (Architecture::WhisperHead(_), _) => "frames for tuned blocks".to_owned(),
        (other, _) => format!("none, as {} reads features", other.name()),
    };
    anyhow::bail!("recipe: pooling must be statistics or means, got {given}")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use ser_models::RecipeFile;

    use super::*;

    #[test]
    fn heads_of_statistics_are_told_by_their_pooling() {
        let reads = |text: &str| {
            let recipe = Recipe::of(&RecipeFile::parse("recipe", text).unwrap()).unwrap();
            statistics_read(&recipe.architecture).map_err(|error| error.to_string())
        };
        assert_eq!(reads("arch = 'whisper-head'"), Ok(5));
        let attentive =
            "arch = 'whisper-head'\n[architecture]\npooling = { attentive = { units = 8, frames = 150 } }";
        let expected = "recipe: pooling must be statistics or means, got ";
        assert_eq!(reads(attentive), Err(format!("{expected}attentive")));
        assert_eq!(reads("arch = 'cnn-1d'"), Err(format!("{expected}none, as cnn-1d reads features")));
    }
}
