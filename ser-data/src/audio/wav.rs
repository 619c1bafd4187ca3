//! WAV and its relatives for long files: RIFF, RF64 and BW64 (EBU Tech 3306, ITU-R BS.2088) and Sony's Wave64.

use symphonia::core::codecs::audio::well_known::*;

use super::blocks::{Blocks, Layout, Samples, check_counts};
use super::demux::{Demuxer, sound_bytes, tolerance};
use super::source::{Source, le};
use super::tags::{ContentAfter, content_after, is_name};
use super::{AudioErrorKind, AudioOptions, AudioWarning, codec, mpeg};

const PCM: u16 = 1;
const MS_ADPCM: u16 = 2;
const FLOAT: u16 = 3;
const A_LAW: u16 = 6;
const MU_LAW: u16 = 7;
const IMA_ADPCM: u16 = 0x11;
const MPEG_2: u16 = 0x50;
const MPEG_3: u16 = 0x55;
const EXTENSIBLE: u16 = 0xFFFE;

/// What errors call the chunk of the format.
const FMT: &str = "fmt chunk";

/// The last twelve bytes of Wave64's identifiers `fmt ` and `data`.
const W64_TAIL: [u8; 12] = [0xF3, 0xAC, 0xD3, 0x11, 0x8C, 0xD1, 0x00, 0xC0, 0x4F, 0x8E, 0xDB, 0x8A];

/// The first sixteen bytes of a Wave64 file.
pub(super) const W64_MAGIC: [u8; 16] =
    [b'r', b'i', b'f', b'f', 0x2E, 0x91, 0xCF, 0x11, 0xA5, 0xD6, 0x28, 0xDB, 0x04, 0xC1, 0x00, 0x00];

/// Opens a RIFF, RF64 or BW64 file.
pub(super) fn open<'s>(
    mut source: Source<'s>,
    options: &AudioOptions,
) -> Result<Box<dyn Demuxer + 's>, AudioErrorKind> {
    source.seek(12)?;
    let (mut format, mut long_data, mut warnings) = (None, None, Vec::new());
    while let Some(header) = source.array::<8>()? {
        let (id, declared) = ([header[0], header[1], header[2], header[3]], le(&header, 4, 4).unwrap_or(0));
        if &id == b"data" {
            let format = format.ok_or_else(no_format)?;
            // RF64 keeps the length in its ds64 chunk.
            let declared = long_data.filter(|_| declared >= u64::from(u32::MAX)).unwrap_or(declared);
            return data(source, &format, declared, &RIFF, options, warnings);
        }
        if declared > source.left() {
            if let Some(found) = later_data(&mut source)?.filter(|_| format.is_some()) {
                warnings.push(AudioWarning::WrongChunk { declared, found });
                source.skip(found)?;
                continue;
            }
            let unit = "bytes of a WAV chunk";
            return Err(AudioErrorKind::Truncated { unit, declared, found: source.left() });
        }
        match &id {
            b"fmt " => format = Some(Format::parse(&source.peek(declared.min(64))?, declared, FMT)?),
            b"ds64" => long_data = le(&source.peek(16)?, 8, 8),
            _ => {}
        }
        // A chunk of odd length is followed by a byte of padding.
        source.skip(declared + declared % 2)?;
    }
    format.ok_or_else(no_format)?;
    Err(AudioErrorKind::malformed("WAV file must have a data chunk, got none"))
}

/// Distance to a data chunk that fills most of the file, for files in which an earlier chunk declares a wrong length.
fn later_data(source: &mut Source<'_>) -> Result<Option<u64>, AudioErrorKind> {
    const FAR: u64 = 1 << 16;
    let (left, ahead) = (source.left(), source.peek(FAR)?);
    let is_data = |at: &usize| {
        let after = left.saturating_sub(*at as u64 + 8);
        ahead[*at..].starts_with(b"data")
            && le(&ahead, at + 4, 4)
                .is_some_and(|length| length <= after && 2 * length >= after && length > 0)
    };
    Ok((0..ahead.len()).find(is_data).map(|at| at as u64))
}

/// Opens a Wave64 file, whose chunks have identifiers of 16 bytes, and lengths of 8 bytes that count themselves.
pub(super) fn open_w64<'s>(
    mut source: Source<'s>,
    options: &AudioOptions,
) -> Result<Box<dyn Demuxer + 's>, AudioErrorKind> {
    const HEADER: u64 = 24;
    source.seek(HEADER + 16)?;
    let mut format = None;
    while let Some(header) = source.array::<24>()? {
        let declared = le(&header, 16, 8).unwrap_or(0).saturating_sub(HEADER);
        let known = header[4..16] == W64_TAIL;
        if known && header.starts_with(b"data") {
            return data(source, &format.ok_or_else(no_format)?, declared, &W64, options, Vec::new());
        }
        if declared > source.left() {
            let (unit, found) = ("bytes of a Wave64 chunk", source.left());
            return Err(AudioErrorKind::Truncated { unit, declared, found });
        }
        if known && header.starts_with(b"fmt ") {
            format = Some(Format::parse(&source.peek(declared.min(64))?, declared, FMT)?);
        }
        source.skip(declared.next_multiple_of(8))?;
    }
    format.ok_or_else(no_format)?;
    Err(AudioErrorKind::malformed("Wave64 file must have a data chunk, got none"))
}

fn no_format() -> AudioErrorKind {
    AudioErrorKind::malformed("WAV file must have a fmt chunk before its data, got none")
}

/// How chunks follow one another.
struct Chunks {
    /// What they are padded to, in bytes.
    align: u64,
    /// The bytes of one with its header, as [`content_after`] asks.
    bytes: fn(&[u8]) -> Option<u64>,
}

/// Chunks of RIFF and RF64.
const RIFF: Chunks = Chunks {
    align: 2,
    bytes: |header| le(header, 4, 4).filter(|_| is_name(header)).map(|length| 8 + length),
};

/// Chunks of Wave64, whose lengths count the header.
const W64: Chunks =
    Chunks { align: 8, bytes: |header| le(header, 16, 8).filter(|&length| is_name(header) && length >= 24) };

/// The sound of a data chunk that begins at the source's position.
fn data<'s>(
    mut source: Source<'s>,
    format: &Format,
    declared: u64,
    chunks: &Chunks,
    options: &AudioOptions,
    mut warnings: Vec<AudioWarning>,
) -> Result<Box<dyn Demuxer + 's>, AudioErrorKind> {
    let (start, found) = (source.position(), source.left());
    let unit = "bytes of WAV data";
    let tolerance = tolerance(start, format.block_align.into());
    let mut length = sound_bytes(unit, declared, found, tolerance, options, &mut warnings)?;
    // Some writers leave out the padding.
    let padded = start + length.next_multiple_of(chunks.align);
    let following = content_after(&mut source, padded, chunks.align, chunks.bytes)?.min(content_after(
        &mut source,
        start + length,
        chunks.align,
        chunks.bytes,
    )?);
    match following {
        ContentAfter::Other => warnings.push(AudioWarning::BytesAfter { bytes: found - length }),
        // A recorder that crashed before it wrote the length, or since it wrote it last.
        ContentAfter::Sound => {
            warnings.push(AudioWarning::WrongLength { unit, declared, found });
            length = found;
        }
        // The same, with silence at the start of the sound.
        ContentAfter::Known | ContentAfter::Filler if declared == 0 && source.peek(1)? == [0] => {
            warnings.push(AudioWarning::WrongLength { unit, declared, found });
            length = found;
        }
        // Filler, or silence that a wrong length leaves out.
        ContentAfter::Filler if found - length >= u64::from(format.block_align) => {
            warnings.push(AudioWarning::BytesAfter { bytes: found - length });
        }
        ContentAfter::Known | ContentAfter::Filler => {}
    }
    let source = source.part(start, length)?;
    match format.tag {
        MPEG_2 | MPEG_3 => Ok(Box::new(mpeg::Frames::new(source, warnings)?)),
        _ => Ok(Box::new(Blocks::new(source, format.layout()?, None, warnings)?)),
    }
}

/// The layout of plain samples that Matroska's CodecPrivate describes, which is the body of a `fmt ` chunk. One that ends before the bits
/// leaves all but its tag to the track: channels, sample rate and bits.
pub(super) fn matroska_layout(
    private: &[u8],
    (channels, sample_rate, bits): (u16, u32, u16),
) -> Result<Layout, AudioErrorKind> {
    let own = |tag| Format { tag, channels, sample_rate, block_align: 0, bits };
    let is_enough = |format: &Format| bits > 0 || matches!(format.tag, A_LAW | MU_LAW);
    let tag = le(private, 0, 2).filter(|_| private.len() < FORMAT_BYTES).map(|tag| tag as u16);
    let format = match tag.map(own).filter(is_enough) {
        Some(format) => {
            check_counts(channels, sample_rate)?;
            format
        }
        None => Format::parse(private, private.len() as u64, "CodecPrivate element")?,
    };
    match format.tag {
        PCM | FLOAT | A_LAW | MU_LAW => format.layout(),
        tag => Err(AudioErrorKind::UnsupportedCodec { codec: codec::wave_format_name(tag, "Matroska") }),
    }
}

/// Bytes of a `fmt ` chunk up to and with its bits.
const FORMAT_BYTES: usize = 16;

/// The `fmt ` chunk.
#[derive(Debug)]
struct Format {
    tag: u16,
    channels: u16,
    sample_rate: u32,
    /// Bytes of a frame, one sample of each channel, or of a block of ADPCM.
    block_align: u16,
    bits: u16,
}

impl Format {
    /// Reads a chunk of `declared` bytes, which errors call `place`.
    fn parse(chunk: &[u8], declared: u64, place: &str) -> Result<Self, AudioErrorKind> {
        let fields = || {
            Some(Self {
                tag: le(chunk, 0, 2)? as u16,
                channels: le(chunk, 2, 2)? as u16,
                sample_rate: le(chunk, 4, 4)? as u32,
                block_align: le(chunk, 12, 2)? as u16,
                bits: le(chunk, 14, 2)? as u16,
            })
        };
        let mut format = fields().ok_or_else(|| {
            AudioErrorKind::malformed(format!(
                "{place} must have {FORMAT_BYTES} bytes or more, got {declared}"
            ))
        })?;
        if format.tag == EXTENSIBLE {
            // The sub-format's GUID begins with the tag of the plain format.
            format.tag = le(chunk, 24, 2).ok_or_else(|| {
                AudioErrorKind::malformed(format!(
                    "{place} of an extensible format must have 40 bytes, got {declared}"
                ))
            })? as u16;
        }
        check_counts(format.channels, format.sample_rate)?;
        let plain = matches!(format.tag, PCM | FLOAT | A_LAW | MU_LAW);
        if plain && format.block_align == 0 && format.bits == 0 {
            let channels = format.channels;
            return Err(AudioErrorKind::malformed(format!(
                "{place} must declare frames of 1 byte or more, got 0 bytes for {channels} channels"
            )));
        }
        Ok(format)
    }

    /// Bytes of a sample: wBitsPerSample decides, since nBlockAlign is what recorders get wrong. Samples of fewer valid bits are
    /// left-justified in their bytes.
    fn sample_bytes(&self) -> u16 {
        if self.bits > 0 { self.bits.div_ceil(8) } else { self.block_align / self.channels }
    }

    fn layout(&self) -> Result<Layout, AudioErrorKind> {
        let bytes = self.sample_bytes();
        let samples = match self.tag {
            PCM if bytes == 1 => Samples::Unsigned8,
            PCM => Samples::Signed { big: false },
            FLOAT => Samples::Float { big: false },
            A_LAW => Samples::ALaw,
            MU_LAW => Samples::MuLaw,
            MS_ADPCM | IMA_ADPCM => return self.adpcm(),
            tag => {
                return Err(AudioErrorKind::UnsupportedCodec { codec: codec::wave_format_name(tag, "WAV") });
            }
        };
        // G.711 has one byte a sample, whatever a header says.
        let bytes = if matches!(samples, Samples::ALaw | Samples::MuLaw) { 1 } else { bytes };
        Layout::of_samples(samples, bytes, self.channels, self.sample_rate)
    }

    /// A block has a header of 7 or 4 bytes a channel, which holds two samples or one, and half a byte for each further sample.
    fn adpcm(&self) -> Result<Layout, AudioErrorKind> {
        let (codec, header, first) = match self.tag {
            MS_ADPCM => (CODEC_ID_ADPCM_MS, 7, 2),
            _ => (CODEC_ID_ADPCM_IMA_WAV, 4, 1),
        };
        let (channels, block_bytes) = (u64::from(self.channels), u64::from(self.block_align));
        if channels > 2 || self.bits != 4 {
            let codec = format!("{}-bit ADPCM of {channels} channels", self.bits);
            return Err(AudioErrorKind::UnsupportedCodec { codec });
        }
        let body = block_bytes.checked_sub(header * channels).ok_or_else(|| {
            let least = header * channels;
            AudioErrorKind::malformed(format!(
                "fmt chunk must declare ADPCM blocks of {least} bytes or more, got {block_bytes}"
            ))
        })?;
        let block_frames = 2 * body / channels + first;
        Ok(Layout {
            codec,
            channels: self.channels,
            sample_rate: self.sample_rate,
            block_bytes,
            block_frames,
        })
    }
}
