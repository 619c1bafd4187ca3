//! The track that is read, and how it is decoded.

use symphonia::core::codecs::audio::well_known::*;

use super::ebml::{child, elements, float, unsigned};
use super::id;
use crate::audio::blocks::{Layout, Samples};
use crate::audio::demux::{Codec, Stream, parameters};
use crate::audio::opus::OpusHead;
use crate::audio::{AudioErrorKind, codec, flac, mp4, wav};

/// The sound track that is read.
pub(super) struct Track {
    pub(super) number: u64,
    pub(super) stream: Stream,
    pub(super) sample_rate: f64,
    /// Bytes in front of each frame that were left out.
    pub(super) prefix: Vec<u8>,
    /// Bytes of a frame of plain samples.
    pub(super) frame_bytes: Option<u64>,
    /// Whether there is no other track.
    pub(super) alone: bool,
}

/// The first sound track that can be read, or the reason why the first can't.
pub(super) fn track(tracks: &[u8]) -> Result<Track, AudioErrorKind> {
    const AUDIO: u64 = 2;
    let entries = elements(tracks).filter(|(id, _)| *id == id::TRACK_ENTRY).map(|(_, body)| body);
    let alone = entries.clone().count() == 1;
    let mut reason = None;
    for entry in entries.filter(|body| unsigned(body, id::TRACK_TYPE) == Some(AUDIO)) {
        match sound_track(entry, alone) {
            Ok(track) => return Ok(track),
            Err(error) => reason = reason.or(Some(error)),
        }
    }
    Err(reason.unwrap_or(AudioErrorKind::NoAudioTrack))
}

fn sound_track(entry: &[u8], alone: bool) -> Result<Track, AudioErrorKind> {
    let number = unsigned(entry, id::TRACK_NUMBER).unwrap_or(1);
    let name = String::from_utf8_lossy(child(entry, id::CODEC_ID).unwrap_or_default());
    let name = name.trim_end_matches('\0');
    let private = child(entry, id::CODEC_PRIVATE).unwrap_or_default();
    let audio = child(entry, id::AUDIO).unwrap_or_default();
    let sample_rate = float(audio, id::SAMPLING_FREQUENCY).unwrap_or(8000.0);
    let channels = u16::try_from(unsigned(audio, id::CHANNELS).unwrap_or(1)).unwrap_or(0);
    let bits = unsigned(audio, id::BIT_DEPTH).unwrap_or(0) as u16;
    let rate = sample_rate as u32;

    let mut frame_bytes = None;
    let mut laid_out = |layout: Layout| {
        frame_bytes = Some(layout.block_bytes);
        Stream::symphonia(parameters(layout.codec, layout.sample_rate, layout.channels))
    };
    let mut plain = |samples, bytes| Layout::of_samples(samples, bytes, channels, rate).map(&mut laid_out);
    let mut stream = match name {
        "A_OPUS" => Stream::new(Codec::Opus(OpusHead::parse(private)?)),
        "A_VORBIS" => {
            let mut vorbis = parameters(CODEC_ID_VORBIS, rate, channels);
            vorbis.with_extra_data(private.into());
            Stream::symphonia(vorbis)
        }
        // The metadata as in a file: its mark, and the first block's header.
        "A_FLAC" => flac::stream(private.get(8..).unwrap_or_default())?,
        "A_MPEG/L3" => Stream::symphonia(parameters(CODEC_ID_MP3, rate, channels)),
        "A_MPEG/L2" => Stream::symphonia(parameters(CODEC_ID_MP2, rate, channels)),
        "A_MPEG/L1" => Stream::symphonia(parameters(CODEC_ID_MP1, rate, channels)),
        "A_ALAC" => {
            let mut alac = parameters(CODEC_ID_ALAC, rate, channels);
            alac.with_extra_data(private.into());
            Stream::symphonia(alac)
        }
        "A_PCM/INT/LIT" if bits == 8 => plain(Samples::Unsigned8, 1)?,
        "A_PCM/INT/LIT" => plain(Samples::Signed { big: false }, bits.div_ceil(8))?,
        "A_PCM/INT/BIG" => plain(Samples::Signed { big: true }, bits.div_ceil(8))?,
        "A_PCM/FLOAT/IEEE" => plain(Samples::Float { big: false }, bits.div_ceil(8))?,
        // A WAV file's format.
        "A_MS/ACM" => laid_out(wav::matroska_layout(private, (channels, rate, bits))?),
        name if name.starts_with("A_AAC") => mp4::aac_stream(private, rate, channels)?,
        name => return Err(AudioErrorKind::UnsupportedCodec { codec: codec::matroska_name(name) }),
    };
    let delay = unsigned(entry, id::CODEC_DELAY).unwrap_or(0);
    // The codec's own description may have another rate than the track.
    let decoded_rate = match &stream.codec {
        Codec::Opus(_) => 48_000.0,
        Codec::Symphonia(parameters) => parameters.sample_rate.map_or(sample_rate, f64::from),
    };
    stream.skip = match &stream.codec {
        // FFmpeg writes a wrong delay beside it where the encoder's rate isn't 48 kHz.
        Codec::Opus(head) => head.pre_skip.into(),
        Codec::Symphonia(_) => (delay as f64 * decoded_rate / 1e9).round() as u64,
    };

    let mut prefix = Vec::new();
    let encodings = child(entry, id::CONTENT_ENCODINGS).unwrap_or_default();
    for (_, encoding) in elements(encodings).filter(|(id, _)| *id == id::CONTENT_ENCODING) {
        let compression = child(encoding, id::CONTENT_COMPRESSION).unwrap_or_default();
        const STRIPPED_HEADERS: u64 = 3;
        if unsigned(compression, id::CONTENT_COMP_ALGO) != Some(STRIPPED_HEADERS)
            || child(encoding, id::CONTENT_ENCRYPTION).is_some()
        {
            let codec = format!("{} in compressed or encrypted blocks", codec::matroska_name(name));
            return Err(AudioErrorKind::UnsupportedCodec { codec });
        }
        prefix = child(compression, id::CONTENT_COMP_SETTINGS).unwrap_or_default().to_vec();
    }
    Ok(Track { number, stream, sample_rate: decoded_rate, prefix, frame_bytes, alone })
}
