//! The second run of a training, which trains blocks of the encoder together with the head.

use std::path::{Path, PathBuf};

use anyhow::bail;
use ser_data::Split;
use ser_examples::assets;
use ser_examples::model::encoder_blocks;
use ser_examples::training_set::TrainingSet;
use ser_models::encoder::EncoderBlocks;
use ser_models::models::{Architecture, HeadPooling, TunedBlocks, WhisperHeadConfig};
use ser_models::training::{Dataset, TrainingConfig};
use ser_models::{Checkpoint, Recipe, RecipeFile};

/// Number of steps of a second run whose epochs are not given. It runs for the number of epochs whose steps come nearest to this number,
/// and for at least one epoch.
const STEPS: usize = 240;
/// Maximum number of epochs of such a run.
const EPOCHS: usize = 20;

/// Settings of the second run, and the weights of the encoder's blocks that it starts from.
pub(crate) struct Tuning {
    tuned: TunedBlocks,
    blocks: EncoderBlocks,
    /// Only the training settings are used: the architecture is that of each member's checkpoint.
    recipe: Recipe,
    has_epochs: bool,
}

impl Tuning {
    /// Removes the tuned blocks from the configuration of a head, so that the head is trained alone first. Returns `None` if it has none.
    ///
    /// # Errors
    /// If the number of tuned blocks is 0 or larger than the number of blocks that the head reads, if the pooling has another number of
    /// frames, or if a file cannot be read.
    pub(crate) fn take(
        head: &mut WhisperHeadConfig,
        encoder: Option<&Path>,
        settings: Option<&PathBuf>,
    ) -> anyhow::Result<Option<Self>> {
        let Some(tuned) = head.tuned.take() else { return Ok(None) };
        if tuned.blocks == 0 || tuned.blocks > head.blocks {
            bail!("whisper-head: tuned.blocks must be 1 to {}, got {}", head.blocks, tuned.blocks);
        }
        if let HeadPooling::Attentive { frames, .. } = head.pooling
            && frames != tuned.frames
        {
            bail!("whisper-head: tuned.frames must be those of the pooling, {frames}, got {}", tuned.frames);
        }
        let blocks = encoder_blocks(encoder, head.blocks - tuned.blocks..head.blocks)?;
        let bundled = RecipeFile::parse("tuning.toml", assets::TUNING_RECIPE)?;
        let mut recipe = Recipe::new(head.clone().into(), TrainingConfig::default()).with(&bundled)?;
        let mut has_epochs = false;
        if let Some(path) = settings {
            let file = RecipeFile::read(path)?;
            has_epochs = file.sets("training", "epochs");
            recipe.training = recipe.clone().with(&file)?.training;
        }
        Ok(Some(Self { tuned, blocks, recipe, has_epochs }))
    }

    /// Returns the configuration of a head with the tuned blocks.
    pub(crate) fn architecture(&self, head: &WhisperHeadConfig) -> Architecture {
        WhisperHeadConfig { tuned: Some(self.tuned), ..head.clone() }.into()
    }

    /// Encodes the parts of the split as inputs of the network with tuned blocks, and returns them with the settings of the second run.
    pub(crate) fn parts(
        mut self,
        set: &TrainingSet,
        split: &Split,
        members: usize,
    ) -> anyhow::Result<TuningParts> {
        let training = set.tuned_part(&split.train, true)?;
        let validation = match &split.validation[..] {
            [] => None,
            chosen => Some(set.tuned_part(chosen, false)?),
        };
        if !self.has_epochs {
            let steps = training.len().div_ceil(self.recipe.training.batch_size);
            self.recipe.training.epochs = ((STEPS + steps / 2) / steps).clamp(1, EPOCHS);
        }
        self.recipe.members = members;
        Ok(TuningParts {
            recipe: self.recipe,
            training,
            validation,
            blocks: self.blocks,
            frames: self.tuned.frames,
        })
    }
}

/// Datasets and settings of the second run, which are the same for each member.
pub(crate) struct TuningParts {
    pub(crate) recipe: Recipe,
    pub(crate) training: Dataset,
    pub(crate) validation: Option<Dataset>,
    blocks: EncoderBlocks,
    frames: usize,
}

impl TuningParts {
    /// Returns the checkpoint that the second run starts from: a trained head with the blocks to tune.
    pub(crate) fn start(&self, head: &Checkpoint) -> anyhow::Result<Checkpoint> {
        Ok(head.with_tuned_blocks(&self.blocks, self.frames)?)
    }
}
