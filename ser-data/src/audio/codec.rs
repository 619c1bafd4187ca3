//! Names of codecs, for errors.

use symphonia::core::codecs::audio::{AudioCodecId, well_known::*};

/// The field's name for a codec.
pub(super) fn name(id: AudioCodecId) -> String {
    let known = match id {
        CODEC_ID_AAC => "AAC",
        CODEC_ID_ALAC => "ALAC",
        CODEC_ID_FLAC => "FLAC",
        CODEC_ID_MP3 => "MP3",
        CODEC_ID_VORBIS => "Vorbis",
        CODEC_ID_OPUS => "Opus",
        CODEC_ID_SPEEX => "Speex",
        CODEC_ID_MUSEPACK => "Musepack",
        CODEC_ID_MP1 => "MPEG layer I",
        CODEC_ID_MP2 => "MPEG layer II",
        CODEC_ID_AC3 => "AC-3",
        CODEC_ID_EAC3 => "E-AC-3",
        CODEC_ID_AC4 => "AC-4",
        CODEC_ID_DCA => "DTS",
        CODEC_ID_WMA => "Windows Media Audio",
        CODEC_ID_WAVPACK => "WavPack",
        CODEC_ID_MONKEYS_AUDIO => "Monkey's Audio",
        CODEC_ID_TTA => "True Audio",
        CODEC_ID_TRUEHD => "TrueHD",
        _ => return format!("{id}"),
    };
    known.into()
}

/// The name of a WAV format tag (RFC 2361) that is neither PCM nor floating point.
pub(super) fn wave_format_name(tag: u16) -> String {
    let known = match tag {
        0x0002 => "Microsoft ADPCM",
        0x0011 => "IMA ADPCM",
        0x0031 => "GSM 6.10",
        0x0045 => "G.726 ADPCM",
        0x0050 => "MPEG layer II",
        0x0055 => "MP3 in WAV",
        0x0092 | 0x2000 => "AC-3",
        0x00FF => "AAC in WAV",
        0x0160..=0x0163 => "Windows Media Audio",
        0x2001 => "DTS",
        0xF1AC => "FLAC in WAV",
        _ => return format!("WAV format {tag:#06x}"),
    };
    known.into()
}
