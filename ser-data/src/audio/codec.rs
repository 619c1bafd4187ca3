//! Names of codecs, for errors.

use symphonia::core::codecs::audio::{AudioCodecId, well_known::*};

use super::{AudioErrorKind, printable};

/// The field's name for a codec.
pub(super) fn name(id: AudioCodecId) -> String {
    let known = match id {
        CODEC_ID_AAC => "AAC",
        CODEC_ID_ALAC => "ALAC",
        CODEC_ID_FLAC => "FLAC",
        CODEC_ID_MP3 => "MP3",
        CODEC_ID_VORBIS => "Vorbis",
        CODEC_ID_OPUS => "Opus",
        CODEC_ID_ADPCM_MS => "Microsoft ADPCM",
        CODEC_ID_ADPCM_IMA_WAV => "IMA ADPCM",
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

/// The error for a variant of a codec that its decoder doesn't know. `what` is the decoder's word.
pub(super) fn variant(id: AudioCodecId, what: &str) -> AudioErrorKind {
    let codec = match id {
        CODEC_ID_AAC => "AAC of another kind than LC (such as HE-AAC), or of more than two channels".into(),
        id => format!("{} of this kind ({what})", name(id)),
    };
    AudioErrorKind::UnsupportedCodec { codec }
}

/// The name of a codec by its four-character code, which MP4, QuickTime, CAF and AIFC share.
pub(super) fn four_character_name(code: &[u8; 4], container: &str) -> String {
    let known = match code {
        b"ac-3" => "AC-3",
        b"ec-3" => "E-AC-3",
        b"ac-4" => "AC-4",
        b"samr" => "AMR-NB",
        b"sawb" => "AMR-WB",
        b"sawp" => "AMR-WB+",
        b"dtsc" | b"dtsh" | b"dtsl" | b"dtse" => "DTS",
        b"mlpa" => "TrueHD",
        b"ima4" => "QuickTime's IMA ADPCM",
        b"msVo" => return format!("Vorbis in {container}"),
        b"spex" => "Speex",
        b"nmos" => "Nellymoser Asao",
        b"QDM2" | b"QDMC" => "QDesign Music",
        b"Qclp" | b"sqcp" => "QCELP",
        b"sevc" => "EVRC",
        b"MAC3" | b"MAC6" => "MACE",
        b"agsm" => "GSM 6.10",
        b"mha1" | b"mhm1" => "MPEG-H",
        b"enca" | b"drms" => "encrypted audio",
        &[b'm', b's', high, low] => {
            return wave_format_name(u16::from_be_bytes([high, low]), container);
        }
        code => return format!("{} in {container}", code.escape_ascii()),
    };
    known.into()
}

/// The name of a codec by MPEG-4's object type indication, which MP4 and CAF share.
pub(super) fn mpeg4_object_name(indication: u8, container: &str) -> String {
    let known = match indication {
        0xA5 => "AC-3",
        0xA6 => "E-AC-3",
        0xA9..=0xAC => "DTS",
        0xDD => return format!("Vorbis in {container}"),
        0xE1 => "QCELP",
        _ => return format!("MPEG-4 object type {indication:#04x}"),
    };
    known.into()
}

/// The name of a codec in Matroska.
pub(super) fn matroska_name(id: &str) -> String {
    let known = match id {
        "A_AC3" => "AC-3",
        "A_EAC3" => "E-AC-3",
        "A_TRUEHD" => "TrueHD",
        "A_MLP" => "MLP",
        "A_TTA1" => "True Audio",
        "A_WAVPACK4" => "WavPack",
        id if id.starts_with("A_DTS") => "DTS",
        id if id.starts_with("A_REAL") => "RealAudio",
        id => return format!("{} in Matroska", printable(id)),
    };
    known.into()
}

/// The name of a codec by its WAV format tag (RFC 2361), which WAV, MP4, CAF and Matroska share, with the container: others may hold the
/// codec and be read.
pub(super) fn wave_format_name(tag: u16, container: &str) -> String {
    let name = match tag {
        0x0001 => "PCM with a WAV format tag",
        0x0002 => "Microsoft ADPCM",
        0x0011 => "IMA ADPCM",
        0x0020 => "Yamaha ADPCM",
        0x0031 => "GSM 6.10",
        0x0014 => "G.723 ADPCM",
        0x0042 => "G.723.1",
        0x0045 => "G.726 ADPCM",
        0x0092 | 0x2000 => "AC-3",
        0x00FF => "AAC",
        0x0160..=0x0163 => "Windows Media Audio",
        0x028F => "G.722",
        0x2001 => "DTS",
        // FFmpeg's tag, and the six of Ogg Vorbis for ACM.
        0x566F | 0x674F..=0x6751 | 0x676F..=0x6771 => "Vorbis",
        0xA109 => "Speex",
        0xF1AC => "FLAC",
        _ => return format!("WAV format {tag:#06x} in {container}"),
    };
    format!("{name} in {container}")
}
