//! Networks that contain upper blocks of the encoder, or all of them, to train these blocks.

use crate::checkpoint::{Checkpoint, CheckpointError, IN_MEMORY, inconsistent};
use crate::encoder::EncoderBlocks;
use crate::input::Normalization;
use crate::models::{Architecture, TunedBlocks, WhisperHeadConfig};
use crate::setting::Settings;
use crate::weights::Values;

impl Checkpoint {
    /// Returns the same model with upper blocks of its encoder in its own network, so that a [`Trainer`](crate::training::Trainer) trains
    /// them with the head ([`Trainer::from_checkpoint`](crate::training::Trainer::from_checkpoint)). The new model reads up to `frames`
    /// frames of an encoder's lower blocks ([`ModelInput::EncodedFrames`](crate::input::ModelInput::EncodedFrames)); 150 are three seconds.
    /// For clips of at most this length, its answers equal those of this model up to the rounding of `f32`. An encoder with 8-bit weights
    /// rounds activations too.
    ///
    /// `blocks` are the last ones that this model reads, or all of them. The encoder's convolutions are not trained.
    ///
    /// # Errors
    /// [`CheckpointError::AnotherArchitecture`] if this is no `whisper-head`, [`CheckpointError::Encoder`] if the blocks are of another
    /// encoder, [`CheckpointError::Inconsistent`] if they are not the encoder's last ones, and another error if their sizes don't fit.
    pub fn with_tuned_blocks(&self, blocks: &EncoderBlocks, frames: usize) -> Result<Self, CheckpointError> {
        let Architecture::WhisperHead(head) = &self.architecture else {
            return Err(CheckpointError::AnotherArchitecture {
                given: self.architecture.name(),
                expected: "whisper-head".to_owned(),
            });
        };
        let (file, numbers) = (IN_MEMORY.to_owned(), blocks.numbers());
        if !head.encoder.is_empty() && head.encoder != blocks.digest() {
            let [expected, given] =
                [&head.encoder, blocks.digest()].map(|digest| format!("that with digest {digest}"));
            return Err(CheckpointError::Encoder { file, expected, given });
        }
        let of = Settings("whisper-head");
        let last = format!("the head's last, up to {}", head.blocks);
        of.require(head.tuned.is_none(), "tuned", "none before blocks are added", "some")
            .and_then(|()| of.require(numbers.end == head.blocks, "blocks", last, format!("{numbers:?}")))
            .map_err(inconsistent(&file))?;
        let tuned = TunedBlocks { blocks: numbers.len(), hidden: blocks.hidden(), frames };
        let config = WhisperHeadConfig { tuned: Some(tuned), ..head.clone() };
        let mut weights = self.weights.clone();
        // The network normalises what it computes as the inputs were. Of outputs that the head did not read it mixes none.
        let output = config.features_of_output();
        let (known, first) = (head.skipped_outputs() * output, config.skipped_outputs() * output);
        let unknown = Normalization::identity(known.saturating_sub(first));
        for ((name, values), (_, unknown)) in
            self.normalization.constants().into_iter().zip(unknown.constants())
        {
            let read = values.get(first.saturating_sub(known)..).unwrap_or_default();
            let values = [unknown, read].concat();
            let values = Values { shape: vec![values.len()], values };
            weights.0.insert(format!("standardization_1.{name}"), values);
        }
        for (number, block) in (1..).zip(blocks.weights()) {
            let named = |(name, values): (&String, &Values)| {
                (format!("transformer_block_{number}.{name}"), values.clone())
            };
            weights.0.extend(block.0.iter().map(named));
        }
        let architecture = Architecture::from(config);
        let normalization = Normalization::identity(architecture.input().features());
        let tuned = Self { architecture, normalization, weights, ..self.clone() };
        tuned.model(IN_MEMORY)?;
        Ok(tuned)
    }
}
