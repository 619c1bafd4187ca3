//! The codecs that ffmpeg encodes, the containers that it writes them to, and what is promised for each.

/// What is promised for files of a codec.
#[derive(Clone, Copy)]
pub(crate) enum Promise {
    /// The same samples as ffmpeg.
    Equal,
    /// Samples within 1e-4 of ffmpeg's.
    Close,
    /// An error that gives the codec this name, in which `{}` stands for the container's.
    Refused(&'static str),
}

/// A codec with the containers that hold it.
pub(crate) struct Codec {
    pub(crate) name: &'static str,
    /// ffmpeg's name of the encoder.
    pub(crate) encoder: &'static str,
    pub(crate) options: &'static [&'static str],
    pub(crate) containers: &'static [&'static str],
    pub(crate) rates: &'static [u32],
    pub(crate) channels: &'static [u32],
    pub(crate) promise: Promise,
}

impl Codec {
    /// Largest difference to ffmpeg's samples at a rate.
    ///
    /// ffmpeg (up to 7 at least) begins a scale factor band of MP3 at 24 kHz at line 330. ISO/IEC 13818-3, LAME, mpg123 and Symphonia
    /// begin it at 332: see `mp3_at_24_khz_has_the_bands_of_the_standard`.
    pub(crate) fn tolerance(&self, rate: u32) -> f32 {
        match self.promise {
            Promise::Close if self.name.starts_with("mp3") && rate == 24_000 => 0.02,
            Promise::Close => 1e-4,
            Promise::Equal | Promise::Refused(_) => 0.0,
        }
    }

    /// Whether its samples have more than 16 bits: by the sample format that the encoder gets, and of PCM by the encoder's name.
    pub(crate) fn is_deep(&self) -> bool {
        let formats = self.options.windows(2).filter(|pair| pair[0] == "-sample_fmt").map(|pair| pair[1]);
        let mut formats = formats.chain(self.encoder.strip_prefix("pcm_"));
        formats.any(|format| ["24", "32", "64"].iter().any(|bits| format.contains(bits)))
    }

    const fn with(self, options: &'static [&'static str]) -> Self {
        Self { options, ..self }
    }

    const fn named(self, name: &'static str) -> Self {
        Self { name, ..self }
    }
}

/// A codec that ffmpeg encodes without options.
const fn codec(
    encoder: &'static str,
    promise: Promise,
    containers: &'static [&'static str],
    rates: &'static [u32],
    channels: &'static [u32],
) -> Codec {
    Codec { name: encoder, encoder, options: &[], containers, rates, channels, promise }
}

/// One whose samples equal ffmpeg's.
const fn exact(
    encoder: &'static str,
    containers: &'static [&'static str],
    rates: &'static [u32],
    channels: &'static [u32],
) -> Codec {
    codec(encoder, Promise::Equal, containers, rates, channels)
}

/// One whose samples are close to ffmpeg's.
const fn close(
    encoder: &'static str,
    containers: &'static [&'static str],
    rates: &'static [u32],
    channels: &'static [u32],
) -> Codec {
    codec(encoder, Promise::Close, containers, rates, channels)
}

/// One that is refused by name, at the rates and channels that all encoders have.
const fn refused(encoder: &'static str, name: &'static str, containers: &'static [&'static str]) -> Codec {
    codec(encoder, Promise::Refused(name), containers, &[48_000], &[2])
}

const ALL_RATES: &[u32] = &[8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000];

/// What people have, which the thousand files are drawn from.
pub(crate) const COMMON: &[Codec] = &[
    exact("pcm_u8", &["wav", "w64", "rf64"], ALL_RATES, &[1, 2, 6]),
    exact("pcm_s16le", &["wav", "w64", "rf64", "caf", "mkv", "mov"], ALL_RATES, &[1, 2, 6]),
    exact("pcm_s24le", &["wav", "w64", "caf", "mkv", "mov"], &[16_000, 48_000, 96_000], &[1, 2]),
    exact("pcm_s32le", &["wav", "w64", "caf", "mov"], &[48_000], &[1, 2]),
    exact("pcm_f32le", &["wav", "w64", "caf", "mkv", "mov"], &[16_000, 48_000], &[1, 2]),
    exact("pcm_f64le", &["wav", "w64"], &[48_000], &[1, 2]),
    exact("pcm_s16be", &["aiff", "au", "caf", "mkv", "mov"], ALL_RATES, &[1, 2]),
    exact("pcm_s24be", &["aiff", "au", "mov"], &[48_000], &[1, 2]),
    exact("pcm_f32be", &["aiff", "au", "mov"], &[48_000], &[1, 2]),
    exact("pcm_alaw", &["wav", "w64", "au", "caf", "mkv", "mov", "aiff"], &[8_000, 16_000], &[1, 2]),
    exact("pcm_mulaw", &["wav", "w64", "au", "caf", "mkv", "mov", "aiff"], &[8_000, 16_000], &[1, 2]),
    exact("adpcm_ms", &["wav"], &[8_000, 22_050], &[1, 2]),
    exact("adpcm_ima_wav", &["wav"], &[8_000, 22_050], &[1, 2]),
    exact("flac", &["flac", "ogg", "mkv", "mp4"], ALL_RATES, &[1, 2, 6]),
    Codec {
        name: "flac 24 bit",
        encoder: "flac",
        options: &["-sample_fmt", "s32"],
        containers: &["flac"],
        rates: &[48_000, 96_000],
        channels: &[1, 2],
        promise: Promise::Equal,
    },
    exact("alac", &["m4a", "mov", "caf", "mkv"], ALL_RATES, &[1, 2]),
    Codec {
        name: "mp3",
        encoder: "libmp3lame",
        options: &["-b:a", "64k"],
        containers: &["mp3", "mkv", "mov", "wav"],
        rates: ALL_RATES,
        channels: &[1, 2],
        promise: Promise::Close,
    },
    Codec {
        name: "mp3 VBR",
        encoder: "libmp3lame",
        options: &["-q:a", "3"],
        containers: &["mp3"],
        rates: ALL_RATES,
        channels: &[1, 2],
        promise: Promise::Close,
    },
    Codec {
        name: "mp2",
        encoder: "mp2",
        options: &["-b:a", "96k"],
        containers: &["mp2", "mkv"],
        rates: &[16_000, 44_100, 48_000],
        channels: &[1, 2],
        promise: Promise::Close,
    },
    Codec {
        name: "aac",
        encoder: "aac",
        options: &["-b:a", "96k"],
        containers: &["m4a", "mp4", "mov", "aac", "mkv", "caf"],
        rates: &[11_025, 12_000, 16_000, 22_050, 32_000, 44_100, 48_000, 96_000],
        channels: &[1, 2],
        promise: Promise::Close,
    },
    Codec {
        name: "aac fragmented",
        encoder: "aac",
        options: &["-movflags", "frag_keyframe+empty_moov"],
        containers: &["mp4"],
        rates: &[16_000, 48_000],
        channels: &[1, 2],
        promise: Promise::Close,
    },
    Codec {
        name: "vorbis",
        encoder: "libvorbis",
        options: &["-q:a", "4"],
        containers: &["ogg", "webm", "mkv"],
        rates: ALL_RATES,
        channels: &[1, 2],
        promise: Promise::Close,
    },
    Codec {
        name: "opus",
        encoder: "libopus",
        options: &["-b:a", "48k"],
        containers: &["ogg", "opus", "webm", "mkv", "mp4"],
        rates: &[8_000, 16_000, 24_000, 48_000],
        channels: &[1, 2, 6],
        promise: Promise::Close,
    },
    Codec {
        name: "opus speech",
        encoder: "libopus",
        options: &["-application", "voip", "-b:a", "16k", "-frame_duration", "60"],
        containers: &["ogg", "webm"],
        rates: &[16_000, 48_000],
        channels: &[1],
        promise: Promise::Close,
    },
];

/// One of telephones that is refused by name.
const fn telephone(encoder: &'static str, name: &'static str, containers: &'static [&'static str]) -> Codec {
    codec(encoder, Promise::Refused(name), containers, &[8_000], &[1])
}

const EXPERIMENTAL: &[&str] = &["-strict", "-2"];
/// The highest rates, which need other fields in some containers.
const HIGH: &[u32] = &[88_200, 96_000, 176_400, 192_000];
/// All that PCM has beside them.
const LOW: &[u32] = &[8_000, 44_100, 192_000];
const RIFF: &[&str] = &["wav", "w64", "rf64"];

/// What else ffmpeg makes.
pub(crate) const RARE: &[Codec] = &[
    exact("pcm_u8", &["aiff", "mkv", "mov"], LOW, &[1, 6]),
    exact("pcm_u8", RIFF, HIGH, &[6]),
    exact("pcm_s8", &["aiff", "au", "caf", "mov"], LOW, &[1, 2, 6]),
    exact("pcm_s16le", &["wav", "w64", "rf64", "aiff", "caf", "mkv", "mov"], HIGH, &[6]),
    exact("pcm_s16be", &["aiff", "au", "caf", "mkv", "mov"], HIGH, &[6]),
    exact("pcm_s24le", &["wav", "w64", "rf64", "caf", "mkv", "mov"], LOW, &[6]),
    exact("pcm_s24be", &["aiff", "au", "caf", "mkv", "mov"], LOW, &[6]),
    exact("pcm_s32le", &["wav", "w64", "rf64", "caf", "mkv", "mov"], LOW, &[6]),
    exact("pcm_s32be", &["aiff", "au", "caf", "mkv", "mov"], LOW, &[1, 6]),
    exact("pcm_f32le", &["wav", "w64", "rf64", "caf", "mkv", "mov"], LOW, &[6]),
    exact("pcm_f32be", &["aiff", "au", "caf", "mov"], LOW, &[6]),
    exact("pcm_f64le", &["wav", "w64", "rf64", "caf", "mkv", "mov"], LOW, &[6]),
    exact("pcm_f64be", &["aiff", "au", "caf", "mov"], LOW, &[1, 6]),
    exact("pcm_alaw", &["wav", "w64", "rf64", "aiff", "au", "caf", "mkv", "mov"], LOW, &[6]),
    exact("pcm_mulaw", &["wav", "w64", "rf64", "aiff", "au", "caf", "mkv", "mov"], LOW, &[6]),
    refused("pcm_s64le", "64-bit PCM", &["wav", "w64", "rf64", "mkv"]),
    refused("pcm_s64le", "PCM with a WAV format tag in {}", &["mov"]),
    exact("adpcm_ms", &["w64", "rf64"], LOW, &[1, 2]),
    exact("adpcm_ima_wav", &["w64", "rf64"], LOW, &[1, 2]),
    refused("adpcm_ms", "Microsoft ADPCM in {}", &["caf", "mkv", "mov"]),
    refused("adpcm_ima_wav", "IMA ADPCM in {}", &["caf", "mkv", "mov"]),
    exact("flac", &["flac", "ogg", "mkv"], HIGH, &[6]),
    exact("flac", &["caf"], ALL_RATES, &[1, 2, 6]),
    exact("flac", &["mp4"], LOW, &[1, 2, 6]).with(&["-strict", "-2"]),
    exact("flac", &["ogg", "mkv", "mp4", "caf"], &[44_100, 96_000], &[2, 6])
        .with(&["-sample_fmt", "s32", "-strict", "-2"])
        .named("flac 24 bit"),
    refused("flac", "FLAC in WAV", RIFF),
    exact("alac", &["m4a", "mov", "caf", "mkv"], HIGH, &[6]),
    exact("alac", &["mp4", "ismv"], LOW, &[1, 2, 6]),
    exact("alac", &["m4a", "mp4", "mov", "caf", "mkv"], LOW, &[1, 2, 6])
        .with(&["-sample_fmt", "s32p"])
        .named("alac 24 bit"),
    close("libmp3lame", &["w64", "rf64", "caf"], ALL_RATES, &[1, 2]).named("mp3"),
    close("libmp3lame", &["mp4", "f4v", "ismv"], &[16_000, 22_050, 24_000, 32_000, 44_100, 48_000], &[1, 2])
        .named("mp3"),
    close(
        "mp2",
        &["mp4", "mov", "ismv", "wav", "w64", "rf64", "caf"],
        &[16_000, 24_000, 44_100, 48_000],
        &[1, 2],
    )
    .with(&["-b:a", "96k"]),
    close("aac", &["3gp", "3g2", "f4v", "ismv"], &[11_025, 16_000, 44_100, 96_000], &[1, 2]),
    close("aac", &["m4a", "mp4", "mov", "aac", "mkv", "3gp"], &[8_000, 24_000, 64_000, 88_200], &[1, 2]),
    codec(
        "aac",
        Promise::Refused("AAC of 6 channels"),
        &["m4a", "mp4", "mov", "3gp", "aac", "mkv"],
        &[16_000, 48_000],
        &[6],
    ),
    refused("aac", "AAC in WAV", RIFF),
    close("libvorbis", &["ogg", "webm", "mkv"], HIGH, &[1, 2]).named("vorbis"),
    codec(
        "libvorbis",
        Promise::Refused("Vorbis of 6 channels"),
        &["ogg", "webm", "mkv"],
        &[16_000, 48_000],
        &[6],
    )
    .named("vorbis"),
    refused("libvorbis", "Vorbis in WAV", RIFF).named("vorbis"),
    refused("libvorbis", "Vorbis in {}", &["mp4", "ismv", "mov"]).named("vorbis"),
    close("libopus", &["caf"], &[8_000, 48_000], &[1, 2]).named("opus"),
    refused("ac3", "AC-3 in WAV", &["wav"]),
    refused("ac3", "AC-3", &["caf", "mkv", "mov", "mp4"]),
    refused("eac3", "E-AC-3", &["mkv", "mov", "mp4"]),
    refused("dca", "DTS in WAV", &["wav"]).with(EXPERIMENTAL),
    refused("dca", "DTS", &["mkv", "mov", "mp4"]).with(EXPERIMENTAL),
    refused("truehd", "TrueHD", &["mkv", "mp4"]).with(EXPERIMENTAL),
    refused("mlp", "MLP", &["mkv"]).with(EXPERIMENTAL),
    refused("tta", "True Audio", &["mkv"]),
    refused("wavpack", "WavPack", &["mkv"]),
    refused("wmav2", "Windows Media Audio in {}", &["wav", "mkv", "mov"]),
    refused("libspeex", "Speex", &["ogg", "mov"]),
    refused("libspeex", "Speex in {}", &["wav", "mkv"]),
    refused("g722", "G.722", &["au"]),
    refused("g722", "G.722 in {}", &["wav", "mkv", "mov"]),
    refused("adpcm_yamaha", "Yamaha ADPCM in {}", &["wav", "mkv", "mov"]),
    refused("adpcm_ima_qt", "QuickTime's IMA ADPCM", &["aiff", "caf", "mov"]),
    telephone("g726", "G.726 ADPCM in {}", &["wav", "mkv", "mov"]),
    telephone("g726le", "G.726 ADPCM", &["au"]),
    telephone("g723_1", "G.723.1 in {}", &["wav", "mkv", "mov"]),
    telephone("libgsm", "GSM 6.10", &["caf", "mov"]),
    telephone("libgsm_ms", "GSM 6.10 in {}", &["wav", "caf", "mkv", "mov"]),
];

#[test]
fn samples_of_more_than_16_bits_are_told_by_options_and_names() {
    let codecs = COMMON.iter().chain(RARE);
    let (deep, others): (Vec<&Codec>, Vec<&Codec>) = codecs.partition(|codec| codec.is_deep());
    let of = |codecs: &[&Codec], name: &str| codecs.iter().filter(|codec| codec.name == name).count();
    for name in ["pcm_s24le", "pcm_f32be", "pcm_f64le", "flac 24 bit", "alac 24 bit"] {
        assert!(of(&deep, name) > 0 && of(&others, name) == 0, "{name}");
    }
    for name in ["pcm_s16le", "pcm_u8", "flac", "alac", "g726", "opus"] {
        assert!(of(&deep, name) == 0 && of(&others, name) > 0, "{name}");
    }
}
