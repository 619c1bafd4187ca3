//! AIFF and AIFC (Apple 1989, 1991), big-endian relatives of WAV.

use super::blocks::{Blocks, Layout, Samples, check_counts};
use super::demux::{Demuxer, sound_bytes, tolerance};
use super::source::{Source, be};
use super::tags::{ContentAfter, content_after, is_name};
use super::{AudioErrorKind, AudioOptions, AudioWarning, codec};

pub(super) fn open<'s>(
    mut source: Source<'s>,
    options: &AudioOptions,
) -> Result<Box<dyn Demuxer + 's>, AudioErrorKind> {
    let compressed = source.peek_at(8, 4)? == b"AIFC";
    source.seek(12)?;
    let (mut common, mut sound) = (None, None);
    // The form's own length decides nothing: writers get it wrong.
    while common.is_none() || sound.is_none() {
        let Some(header) = source.array::<8>()? else { break };
        let declared = be(&header, 4, 4).unwrap_or(0);
        match &header[..4] {
            b"COMM" => common = Some(Common::parse(&source.peek(declared.min(512))?, compressed)?),
            b"SSND" => sound = Some((source.position(), declared)),
            _ => {}
        }
        source.skip(declared + declared % 2)?;
    }
    let common =
        common.ok_or_else(|| AudioErrorKind::malformed("AIFF file must have a COMM chunk, got none"))?;
    let (start, declared) =
        sound.ok_or_else(|| AudioErrorKind::malformed("AIFF file must have an SSND chunk, got none"))?;
    let layout = common.layout()?;
    let mut warnings = Vec::new();
    let (unit, found) = ("bytes of AIFF sound", source.len() - start);
    let tolerance = tolerance(start, layout.block_bytes);
    // Offset and block size stand before the samples, and COMM counts the frames.
    let offset = be(&source.peek_at(start, 4)?, 0, 4).unwrap_or(0);
    let wanted = match common.frames {
        0 => 0,
        frames => frames.saturating_mul(layout.block_bytes).saturating_add(8 + offset),
    };
    let length = if declared == 0 && (common.frames > 0 || sound_goes_on(&mut source, start)?) {
        // A recorder that crashed before it wrote the length.
        warnings.push(AudioWarning::WrongLength { unit, declared, found });
        found
    } else if (declared + 1..=found).contains(&wanted) && sound_goes_on(&mut source, start + declared)? {
        warnings.push(AudioWarning::WrongLength { unit, declared, found: wanted });
        wanted
    } else {
        sound_bytes(unit, declared, found, tolerance, options, &mut warnings)?
    };
    if wanted > length + tolerance && warnings.is_empty() {
        sound_bytes(unit, wanted, length, tolerance, options, &mut warnings)?;
    }
    let mut keep = Some(common.frames).filter(|&frames| frames > 0);
    let held = length.saturating_sub(8 + offset) / layout.block_bytes.max(1);
    if wanted > 0 && held > common.frames && !is_padding(&mut source, start + wanted, length - wanted)? {
        let (unit, declared) = ("frames of AIFF sound", common.frames);
        warnings.push(AudioWarning::WrongLength { unit, declared, found: held });
        keep = None;
    }
    let end = (start + length).next_multiple_of(2);
    if matches!(content_after(&mut source, end, 2, chunk)?, ContentAfter::Other | ContentAfter::Sound) {
        warnings.push(AudioWarning::BytesAfter { bytes: found - length });
    }
    let sound = source.part(start, length)?.part((8 + offset).min(length), u64::MAX)?;
    Ok(Box::new(Blocks::new(sound, layout, keep, warnings)?))
}

/// The bytes of a chunk with its header, as [`content_after`] asks.
fn chunk(header: &[u8]) -> Option<u64> {
    be(header, 4, 4).filter(|_| is_name(header)).map(|length| 8 + length)
}

/// Whether bytes at the end of the `SSND` chunk only fill a block of a disk: few, and all zero.
fn is_padding(source: &mut Source<'_>, at: u64, bytes: u64) -> Result<bool, AudioErrorKind> {
    const BLOCK: u64 = 4096;
    Ok(bytes < BLOCK && source.peek_at(at, bytes)?.iter().all(|&byte| byte == 0))
}

/// Whether no chunk begins where the `SSND` chunk should end: the sound, or silence, continues there.
fn sound_goes_on(source: &mut Source<'_>, end: u64) -> Result<bool, AudioErrorKind> {
    Ok(matches!(
        content_after(source, end.next_multiple_of(2), 2, chunk)?,
        ContentAfter::Filler | ContentAfter::Sound
    ))
}

/// The `COMM` chunk.
struct Common {
    channels: u16,
    frames: u64,
    bits: u16,
    sample_rate: u32,
    /// Four-character code of AIFC.
    compression: [u8; 4],
}

impl Common {
    fn parse(chunk: &[u8], compressed: bool) -> Result<Self, AudioErrorKind> {
        let fields = || {
            let compression = if compressed { chunk.get(18..22)?.try_into().ok()? } else { *b"NONE" };
            Some(Self {
                channels: be(chunk, 0, 2)? as u16,
                frames: be(chunk, 2, 4)?,
                bits: be(chunk, 6, 2)? as u16,
                sample_rate: extended(be(chunk, 8, 2)?, be(chunk, 10, 8)?),
                compression,
            })
        };
        let common = fields().ok_or_else(|| {
            AudioErrorKind::malformed(format!("COMM chunk must have 18 bytes or more, got {}", chunk.len()))
        })?;
        check_counts(common.channels, common.sample_rate)?;
        Ok(common)
    }

    fn layout(&self) -> Result<Layout, AudioErrorKind> {
        let bytes = self.bits.div_ceil(8);
        let (samples, bytes) = match &self.compression {
            b"NONE" | b"twos" => (Samples::Signed { big: true }, bytes),
            b"sowt" => (Samples::Signed { big: false }, bytes),
            b"in24" => (Samples::Signed { big: true }, 3),
            b"in32" => (Samples::Signed { big: true }, 4),
            b"raw " if bytes == 1 => (Samples::Unsigned8, 1),
            b"fl32" | b"FL32" => (Samples::Float { big: true }, 4),
            b"fl64" | b"FL64" => (Samples::Float { big: true }, 8),
            b"alaw" | b"ALAW" => (Samples::ALaw, 1),
            b"ulaw" | b"ULAW" => (Samples::MuLaw, 1),
            other => {
                let codec = codec::four_character_name(other, "AIFC");
                return Err(AudioErrorKind::UnsupportedCodec { codec });
            }
        };
        Layout::of_samples(samples, bytes, self.channels, self.sample_rate)
    }
}

/// The integer part of an 80-bit floating point number; 0 where it is no sample rate.
fn extended(exponent: u64, mantissa: u64) -> u32 {
    // The bias is 16,383, and the mantissa has 63 bits after its point.
    match (exponent & 0x7FFF).checked_sub(16_383) {
        Some(power @ 0..=31) if exponent < 0x8000 => {
            let rounded = (mantissa >> (62 - power)).div_ceil(2);
            u32::try_from(rounded).unwrap_or(0)
        }
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::extended;

    #[test]
    fn sample_rates_of_eighty_bits() {
        assert_eq!(extended(0x400E, 0xAC44_0000_0000_0000), 44_100);
        assert_eq!(extended(0x400B, 0xFA00_0000_0000_0000), 8_000);
        assert_eq!((extended(0, 0), extended(0xC00E, u64::MAX), extended(0x7FFF, 1)), (0, 0, 0));
    }
}
