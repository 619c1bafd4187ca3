//! The second run of a training: blocks of the encoder together with the head.

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

/// Steps of a tuning whose epochs are not given: it lasts for as many epochs as come nearest to that, one at least.
const STEPS: usize = 240;
/// Most epochs of it.
const EPOCHS: usize = 20;

/// The settings of a tuning, and what it begins from.
pub(crate) struct Tuning {
    tuned: TunedBlocks,
    blocks: EncoderBlocks,
    /// The architecture of the head is replaced by each member's own.
    recipe: Recipe,
    has_epochs: bool,
}

impl Tuning {
    /// Takes the tuned blocks out of a head's sizes, so that the head is trained alone first; `None` where it has none.
    ///
    /// # Errors
    /// If they are more than the head reads, or a file cannot be read.
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

    /// A head's sizes with the tuned blocks.
    pub(crate) fn architecture(&self, head: &WhisperHeadConfig) -> Architecture {
        WhisperHeadConfig { tuned: Some(self.tuned), ..head.clone() }.into()
    }

    /// The parts of the split, as the network with tuned blocks reads them, and the settings for them.
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

/// What the second run of each member reads.
pub(crate) struct TuningParts {
    pub(crate) recipe: Recipe,
    pub(crate) training: Dataset,
    pub(crate) validation: Option<Dataset>,
    blocks: EncoderBlocks,
    frames: usize,
}

impl TuningParts {
    /// What the second run begins from: a trained head with its blocks.
    pub(crate) fn start(&self, head: &Checkpoint) -> anyhow::Result<Checkpoint> {
        Ok(head.with_tuned_blocks(&self.blocks, self.frames)?)
    }
}
