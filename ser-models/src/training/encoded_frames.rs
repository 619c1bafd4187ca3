//! Encoder frames of a set of clips, in memory.

use super::encoding::{ENCODING, Version, digest, encode_inputs};
use super::{EncodedError, EncodingConfig};
use crate::encoder::WhisperEncoder;
use crate::input::{Dataset, ModelInput};
use std::sync::Arc;

/// Number of versions that are encoded together. They are in memory twice, so the block is small.
const BLOCK: usize = 256;

/// Encodes clips for a network that reads frames ([`ModelInput::EncodedFrames`]) and returns them with their classes: first all clean
/// clips, then the copies of each that `config` asks for. A copy has the same id and the same changes as in
/// [`EncodedClips::dataset`](super::EncodedClips::dataset). Every version takes `4 · layers · width · frames` bytes: three seconds of one
/// output of Whisper base are 307 kB.
///
/// The clips must be recordings at [`ClipEncoder::SAMPLE_RATE`](crate::input::ClipEncoder::SAMPLE_RATE) without further preparation.
///
/// # Errors
/// [`EncodedError::Setting`] if a setting is out of range or there are not as many clips as ids, [`EncodedError::Config`] if the
/// preparation cannot be planned, [`EncodedError::Clip`] if a clip is empty, too short or not finite, or the encoder does not give this
/// input; as [`Dataset::new`].
pub fn encode_frames(
    encoder: &Arc<WhisperEncoder>,
    config: &EncodingConfig,
    input: ModelInput,
    samples: &[impl AsRef<[f32]>],
    (ids, labels, label_names): (&[String], &[usize], &[String]),
) -> Result<Dataset, EncodedError> {
    config.check()?;
    if ids.len() != samples.len() {
        let rule = format!("as many as ids, {}", ids.len());
        return Err(ENCODING.error("clips", rule, samples.len()).into());
    }
    let digests: Vec<u128> = samples.iter().map(|samples| digest(samples.as_ref())).collect();
    let versions: Vec<(usize, usize)> =
        (0..config.versions()).flat_map(|number| (0..ids.len()).map(move |clip| (clip, number))).collect();
    let names = versions.iter().map(|(clip, number)| match number {
        0 => ids[*clip].clone(),
        number => format!("{}/copy {number}", ids[*clip]),
    });
    let labels = labels.repeat(config.versions());
    let mut failed = None;
    let blocks = versions.chunks(BLOCK).map_while(|block| {
        let version = |&(clip, number): &(usize, usize)| Version {
            id: &ids[clip],
            samples: samples[clip].as_ref(),
            digest: digests[clip],
            number,
        };
        let block: Vec<Version<'_>> = block.iter().map(version).collect();
        encode_inputs(encoder, config, input, &block).map_err(|error| failed = Some(error)).ok()
    });
    let data = Dataset::of_clips(input, blocks.flatten(), labels, label_names, names);
    failed.map_or_else(|| Ok(data?.with_encoding(config.record())), Err)
}
