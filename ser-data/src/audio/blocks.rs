//! Sound in blocks of equal size: PCM, companded and ADPCM, whatever container they are in.

use symphonia::core::codecs::audio::{AudioCodecId, well_known::*};

use super::demux::{Demuxer, Item, Packet, Stream, parameters};
use super::source::Source;
use super::{AudioErrorKind, AudioWarning};

/// Frames that the decoder gets at once.
const PACKET_FRAMES: u64 = 4_096;

/// Samples of all channels that it gets at once, at most: a header of a few bytes may declare 65,535 channels.
const PACKET_SAMPLES: u64 = 64 * PACKET_FRAMES;

/// How a block is stored.
#[derive(Debug, Clone, Copy)]
pub(super) struct Layout {
    pub(super) codec: AudioCodecId,
    pub(super) channels: u16,
    pub(super) sample_rate: u32,
    /// Bytes of a block: of one frame, except in ADPCM.
    pub(super) block_bytes: u64,
    /// Frames of a block: 1, except in ADPCM.
    pub(super) block_frames: u64,
}

/// Integer or floating point samples, as containers describe them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Samples {
    Signed { big: bool },
    Unsigned8,
    Float { big: bool },
    ALaw,
    MuLaw,
}

impl Layout {
    /// Frames of plain samples of `bytes` bytes each.
    pub(super) fn of_samples(
        samples: Samples,
        bytes: u16,
        channels: u16,
        sample_rate: u32,
    ) -> Result<Self, AudioErrorKind> {
        let codec = match (samples, bytes) {
            (Samples::Signed { .. }, 1) => CODEC_ID_PCM_S8,
            (Samples::Signed { big: false }, 2) => CODEC_ID_PCM_S16LE,
            (Samples::Signed { big: false }, 3) => CODEC_ID_PCM_S24LE,
            (Samples::Signed { big: false }, 4) => CODEC_ID_PCM_S32LE,
            (Samples::Signed { big: true }, 2) => CODEC_ID_PCM_S16BE,
            (Samples::Signed { big: true }, 3) => CODEC_ID_PCM_S24BE,
            (Samples::Signed { big: true }, 4) => CODEC_ID_PCM_S32BE,
            (Samples::Unsigned8, 1) => CODEC_ID_PCM_U8,
            (Samples::Float { big: false }, 4) => CODEC_ID_PCM_F32LE,
            (Samples::Float { big: false }, 8) => CODEC_ID_PCM_F64LE,
            (Samples::Float { big: true }, 4) => CODEC_ID_PCM_F32BE,
            (Samples::Float { big: true }, 8) => CODEC_ID_PCM_F64BE,
            (Samples::ALaw, 1) => CODEC_ID_PCM_ALAW,
            (Samples::MuLaw, 1) => CODEC_ID_PCM_MULAW,
            (samples, bytes) => {
                let kind = if matches!(samples, Samples::Float { .. }) { "floating point" } else { "PCM" };
                let codec = format!("{}-bit {kind}", 8 * u32::from(bytes));
                return Err(AudioErrorKind::UnsupportedCodec { codec });
            }
        };
        check_counts(channels, sample_rate)?;
        let block_bytes = u64::from(bytes) * u64::from(channels);
        Ok(Self { codec, channels, sample_rate, block_bytes, block_frames: 1 })
    }
}

/// Refuses a header without channels or rate.
pub(super) fn check_counts(channels: u16, sample_rate: u32) -> Result<(), AudioErrorKind> {
    if channels == 0 || sample_rate == 0 {
        return Err(AudioErrorKind::malformed(format!(
            "header must declare 1 or more channels at 1 Hz or more, got {channels} channels at {sample_rate} Hz"
        )));
    }
    Ok(())
}

/// The blocks of a part of a file.
pub(super) struct Blocks<'s> {
    source: Source<'s>,
    layout: Layout,
    begun: bool,
    keep: Option<u64>,
    warnings: Vec<AudioWarning>,
}

impl<'s> Blocks<'s> {
    /// `source` holds the sound only. `keep` is the number of frames to return, if known.
    pub(super) fn new(
        source: Source<'s>,
        layout: Layout,
        keep: Option<u64>,
        warnings: Vec<AudioWarning>,
    ) -> Result<Self, AudioErrorKind> {
        if layout.block_bytes == 0 || layout.block_frames == 0 {
            return Err(AudioErrorKind::malformed(format!(
                "header must declare blocks of 1 or more bytes and frames, got {} bytes and {} frames",
                layout.block_bytes, layout.block_frames
            )));
        }
        Ok(Self { source, layout, begun: false, keep, warnings })
    }
}

impl Demuxer for Blocks<'_> {
    fn next(&mut self) -> Result<Item, AudioErrorKind> {
        let Layout { codec, channels, sample_rate, block_bytes, block_frames } = self.layout;
        let frames = (PACKET_SAMPLES / u64::from(channels.max(1))).min(PACKET_FRAMES);
        let blocks = frames.div_ceil(block_frames);
        if !self.begun {
            self.begun = true;
            let mut parameters = parameters(codec, sample_rate, channels);
            parameters.with_frames_per_block(block_frames).with_max_frames_per_packet(blocks * block_frames);
            return Ok(Item::Stream(Stream { keep: self.keep, ..Stream::symphonia(parameters) }));
        }
        let mut data = self.source.bytes(blocks * block_bytes)?;
        // A part of a block at the end holds no whole frame.
        let whole = data.len() as u64 / block_bytes;
        if whole == 0 {
            return Ok(Item::End);
        }
        data.truncate((whole * block_bytes) as usize);
        Ok(Item::Packet(Packet { data, frames: whole * block_frames, ..Default::default() }))
    }

    fn warnings(&mut self) -> Vec<AudioWarning> {
        std::mem::take(&mut self.warnings)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)] // a test may panic
mod tests {
    use std::io::Cursor;

    use super::*;

    #[test]
    fn of_many_channels_a_few_frames_come_at_once() {
        for (channels, expected) in [(1, vec![10]), (64, vec![10]), (60_000, vec![4, 4, 2])] {
            let bytes = vec![0; 10 * 2 * usize::from(channels)];
            let layout = Layout::of_samples(Samples::Signed { big: false }, 2, channels, 16_000).unwrap();
            let source = Source::new(Cursor::new(bytes)).unwrap();
            let mut blocks = Blocks::new(source, layout, None, Vec::new()).unwrap();
            let mut frames = Vec::new();
            loop {
                match blocks.next().unwrap() {
                    Item::Packet(packet) => frames.push(packet.frames),
                    Item::End => break,
                    _ => {}
                }
            }
            assert_eq!(frames, expected, "{channels} channels");
        }
    }
}
