//! Sun's and NeXT's AU.

use super::blocks::{Blocks, Layout, Samples};
use super::demux::{Demuxer, sound_bytes, tolerance};
use super::source::{Source, be};
use super::tags::{ContentAfter, content_after};
use super::{AudioErrorKind, AudioOptions, AudioWarning};

pub(super) fn open<'s>(
    mut source: Source<'s>,
    options: &AudioOptions,
) -> Result<Box<dyn Demuxer + 's>, AudioErrorKind> {
    let header = source.bytes(24)?;
    let field = |at| {
        let short =
            || AudioErrorKind::malformed(format!("AU header must have 24 bytes, got {}", header.len()));
        be(&header, at, 4).ok_or_else(short)
    };
    let (start, declared, encoding, rate, channels) =
        (field(4)?, field(8)?, field(12)?, field(16)?, field(20)?);
    let (samples, bytes) = match encoding {
        1 => (Samples::MuLaw, 1),
        2..=5 => (Samples::Signed { big: true }, encoding as u16 - 1),
        6 => (Samples::Float { big: true }, 4),
        7 => (Samples::Float { big: true }, 8),
        27 => (Samples::ALaw, 1),
        other => {
            let codec = match other {
                24 => "G.722".into(),
                23 | 25 | 26 => "G.726 ADPCM".into(),
                other => format!("encoding {other} in AU"),
            };
            return Err(AudioErrorKind::UnsupportedCodec { codec });
        }
    };
    let layout = Layout::of_samples(samples, bytes, u16::try_from(channels).unwrap_or(0), rate as u32)?;
    let mut warnings = Vec::new();
    let (unit, found) = ("bytes of AU sound", source.len().saturating_sub(start));
    let tolerance = tolerance(start, layout.block_bytes);
    // 2^32 − 1 is the format's own way to say that the length is not known.
    let mut length = if declared == u64::from(u32::MAX) {
        found
    } else {
        sound_bytes(unit, declared, found, tolerance, options, &mut warnings)?
    };
    // The format has no chunks.
    match content_after(&mut source, start.saturating_add(length), 1, |_| None)? {
        ContentAfter::Other | ContentAfter::Sound => {
            warnings.push(AudioWarning::WrongLength { unit, declared, found });
            length = found;
        }
        ContentAfter::Filler if found - length >= layout.block_bytes => {
            warnings.push(AudioWarning::BytesAfter { bytes: found - length });
        }
        ContentAfter::Known | ContentAfter::Filler => {}
    }
    Ok(Box::new(Blocks::new(source.part(start, length)?, layout, None, warnings)?))
}
