//! Every bad file against its error.

use std::path::Path;
use std::process::{Command, Stdio};

use ser_data::{Audio, AudioErrorKind, AudioOptions, AudioWarning, Pcm};

use crate::common::{chunk, encoding, fmt, pages, riff, second, sum, wav};
use crate::ffmpeg::installed;
use crate::lost_parts::fragmented_as;

fn error_of(bytes: &[u8], name: &str) -> (AudioErrorKind, String) {
    let extension = name.rsplit_once('.').map(|(_, e)| e);
    let error = Audio::decode(bytes, extension, name).unwrap_err();
    let text = error.to_string();
    assert!(text.starts_with(&format!("{name}: ")), "{text}");
    (error.kind, text)
}

#[test]
fn unsupported_codecs_are_named() {
    for (name, codec) in [("speex.ogg", "Speex"), ("ac3.mp4", "AC-3")] {
        let (kind, text) = error_of(&std::fs::read(encoding(name)).unwrap(), name);
        assert!(matches!(kind, AudioErrorKind::UnsupportedCodec { .. }), "{text}");
        assert!(text.contains(&format!("Vorbis or Opus, got {codec} (try `ffmpeg ")), "{text}");
    }
    for (tag, name) in [
        (0x161, "Windows Media Audio in WAV"),
        (0x14, "G.723 ADPCM in WAV"),
        (0x42, "G.723.1 in WAV"),
        (0xFF, "AAC in WAV"),
        (0x674F, "Vorbis in WAV"),
        (0x6751, "Vorbis in WAV"),
        (0x6752, "WAV format 0x6752 in WAV"),
        (0x676F, "Vorbis in WAV"),
        (0x6770, "Vorbis in WAV"),
        (0x6771, "Vorbis in WAV"),
        (0xF1AC, "FLAC in WAV"),
    ] {
        let file = riff(&[chunk(b"fmt ", &fmt(tag, 1, 22_050, 16)), chunk(b"data", &[0; 100])]);
        let (kind, text) = error_of(&file, "other.wav");
        assert!(matches!(&kind, AudioErrorKind::UnsupportedCodec { codec } if codec == name), "{text}");
    }
    let file = riff(&[chunk(b"fmt ", &fmt(3, 1, 22_050, 16)), chunk(b"data", &[0; 100])]);
    assert!(error_of(&file, "half.wav").1.contains("16-bit floating point"));
}

#[test]
fn samples_of_quicktime_are_read_by_their_flags_or_refused() {
    let samples = second();
    let expected = Audio::decode(&wav(&samples, 8000), None, "whole").unwrap().samples;
    let of = |entry: &[u8]| {
        let (head, fragments) = fragmented_as(b"lpcm", entry, &samples);
        [head, fragments.concat()].concat()
    };
    // Version 2, with flags: 1 is floating point, 2 big-endian, 4 signed.
    let with = |flags: u8| {
        let mut entry = [0; 64];
        (entry[7], entry[9], entry[43], entry[51], entry[55]) = (1, 2, 1, 16, flags);
        entry[32..40].copy_from_slice(&8000f64.to_be_bytes());
        of(&entry)
    };
    assert_eq!(Audio::decode(&with(4), None, "x.mov").unwrap().samples, expected);
    let swapped = Audio::decode(&with(4 | 2), None, "x.mov").unwrap().samples;
    assert_eq!(swapped[100], f32::from(samples[100].swap_bytes()) / 32_768.0);
    for (flags, name) in
        [(0, "unsigned 16-bit PCM"), (2, "unsigned 16-bit PCM"), (1, "16-bit floating point")]
    {
        let (kind, text) = error_of(&with(flags), "x.mov");
        assert!(matches!(&kind, AudioErrorKind::UnsupportedCodec { codec } if codec == name), "{text}");
    }
    // Earlier versions have no flags.
    let mut entry = [0; 28];
    (entry[7], entry[17], entry[19]) = (1, 1, 16);
    entry[24..26].copy_from_slice(&8000u16.to_be_bytes());
    assert_eq!(Audio::decode(&of(&entry), None, "x.mov").unwrap().samples, expected);
}

#[test]
fn what_is_not_audio_is_told_by_what_it_looks_like() {
    for (bytes, expected) in [
        (&b"# a README\nwith text\n"[..], "got text"),
        (b"\x89PNG\r\n\x1a\n", "a PNG image"),
        (b"PK\x03\x04\x14\0", "a ZIP archive"),
        (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS pointer"),
        (&[0; 64], "zeros"),
        (b"\x01\x02\x03\x04\x05", "01 02 03 04"),
    ] {
        for name in ["clip.wav", "clip.mp3", "clip"] {
            let (kind, text) = error_of(bytes, name);
            assert!(matches!(kind, AudioErrorKind::NotAudio { .. }), "{text}");
            assert!(text.contains(expected), "{text}");
        }
    }
}

#[test]
fn a_missing_file_is_named() {
    let error = Audio::open("no/such.wav").unwrap_err();
    assert!(matches!(error.kind, AudioErrorKind::Io(_)));
    assert!(error.to_string().starts_with("no/such.wav: cannot be read: "));
}

#[test]
fn empty_files_are_refused() {
    assert!(matches!(error_of(&[], "empty.wav").0, AudioErrorKind::Empty { bytes: 0 }));
    assert!(matches!(error_of(&wav(&[], 48_000), "empty.wav").0, AudioErrorKind::Empty { bytes: 44 }));
}

#[test]
fn a_truncated_wav_is_not_silently_shorter() {
    let whole = std::fs::read(encoding("short.wav")).unwrap();
    let (kind, text) = error_of(&whole[..whole.len() - 500], "cut.wav");
    let declared = whole.len() as u64 - 44;
    assert!(
        matches!(kind, AudioErrorKind::Truncated { declared: d, found, .. } if d == declared && found == d - 500)
    );
    assert!(text.ends_with(&format!(
        "bytes of WAV data must be {declared}, as declared, got {}: the file is truncated",
        declared - 500
    )));
}

#[test]
fn truncation_of_any_format_is_an_error() {
    for name in ["lossless.flac", "lossless.m4a", "aac.m4a", "lame.mp3", "vorbis.ogg", "pcm_f32.wav"] {
        let whole = std::fs::read(encoding(name)).unwrap();
        for percent in [99, 90, 60, 30, 5] {
            match Audio::decode(&whole[..whole.len() * percent / 100], None, name) {
                Err(error) => println!("{percent} % of {error}"),
                // A few bytes less than declared are a recorder's mistake.
                Ok(audio) => {
                    assert_eq!((percent, name), (99, "pcm_f32.wav"));
                    assert!(matches!(audio.warnings[..], [AudioWarning::WrongLength { .. }]));
                }
            }
        }
    }
}

#[test]
fn a_wav_without_its_chunks_is_refused() {
    let format = chunk(b"fmt ", &fmt(1, 1, 8000, 16));
    for (file, expected) in [
        (riff(std::slice::from_ref(&format)), "WAV file must have a data chunk, got none"),
        (riff(&[chunk(b"data", &[0; 4])]), "must have a fmt chunk before its data, got none"),
        (
            riff(&[chunk(b"fmt ", &[1, 0]), chunk(b"data", &[0; 4])]),
            "fmt chunk must have 16 bytes or more, got 2",
        ),
        (riff(&[chunk(b"fmt ", &fmt(1, 0, 8000, 16)), chunk(b"data", &[0; 4])]), "0 channels at 8000 Hz"),
        (riff(&[chunk(b"fmt ", &fmt(1, 1, 0, 16)), chunk(b"data", &[0; 4])]), "1 channels at 0 Hz"),
    ] {
        let text = error_of(&file, "bad.wav").1;
        assert!(text.contains(expected), "{text}");
    }
}

#[test]
fn the_first_sample_that_is_not_finite_is_named() {
    for (value, shown) in [(f32::NAN, "NaN"), (f32::INFINITY, "inf")] {
        let data: Vec<u8> = [0.0, 0.5, 0.25, value].iter().flat_map(|s: &f32| s.to_le_bytes()).collect();
        let file = riff(&[chunk(b"fmt ", &fmt(3, 2, 8000, 32)), chunk(b"data", &data)]);
        let (kind, text) = error_of(&file, "nan.wav");
        assert!(matches!(kind, AudioErrorKind::NotFinite { index: 1, channel: 1, .. }));
        assert!(text.contains(&format!("sample 1 (channel 1) must be finite, got {shown}")), "{text}");
    }
}

#[test]
fn samples_on_another_scale_are_refused() {
    let data: Vec<u8> = [0.5f32, -9.9, 12_000.0].iter().flat_map(|s| s.to_le_bytes()).collect();
    let file = riff(&[chunk(b"fmt ", &fmt(3, 1, 8000, 32)), chunk(b"data", &data)]);
    let error = Audio::decode(&file, None, "loud.wav").unwrap_err();
    assert!(matches!(error.kind, AudioErrorKind::TooLoud { index: 2, channel: 0, .. }), "{error}");
    assert!(error.to_string().contains("82 dB beyond full scale"), "{error}");
}

#[test]
fn audio_that_is_not_read_is_named_and_never_called_damaged_or_not_audio() {
    let packets = |first: usize, bytes: usize| {
        let mut packet = vec![0xFF; bytes];
        packet[first] = 0x47;
        packet.repeat(5)
    };
    let (m2ts, long) = (packets(4, 192), packets(0, 204));
    let cases: [(&[u8], &str); 26] = [
        (b"\x30\x26\xB2\x75\x8E\x66\xCF\x11\xA6\xD9\x00\xAA\x00\x62\xCE\x6C", "Windows Media (WMA, ASF)"),
        (b"#!AMR\n\x3C\x00", "AMR"),
        (b"#!AMR-WB\n", "AMR-WB"),
        (b"RIFF\x24\0\0\0AVI LIST", "AVI"),
        (b"\x0B\x77\x00\x00\x00\x00", "AC-3"),
        (b"wvpk\x00\x00\x00\x00", "WavPack"),
        (b"\x0B\x77\x04\x2F\x3F\x87\xA0\0", "E-AC-3"),
        (b"nut/multimedia container\0", "NUT"),
        (b".SoX\x1C\0\0\0", "SoX's own format"),
        (b"\x64\xA3\x01\0\0\0\x7A\x44", "IRCAM"),
        (b"\0\x02\xA3\x64\x44\x7A\0\0", "IRCAM"),
        (b"\x56\xE0\x02\0\0\x56\xE0\x02\0\0", "AAC in LATM"),
        (b"\xF0\x28\0\0\xF8\x72\x6F\xBA", "TrueHD"),
        (b"\xF0\x28\0\0\xF8\x72\x6F\xBB", "MLP"),
        (b"RIFF\x24\0\0\0QLCMfmt ", "QCELP (QCP)"),
        (b"RIFF\x24\0\0\0XWMAfmt ", "xWMA"),
        (&m2ts, "MPEG transport stream"),
        (&long, "MPEG transport stream"),
        (b"\x06\x0E\x2B\x34\x02\x05\x01\x01\x0D\x01\x02\x01\x01\x02\x04\0", "MXF"),
        (b"\x1F\x07\x00\xBF\xF8\x78\x78\x78", "DV"),
        (b"\x1F\x07\x00\x3F\xF8\x78\x78\x78", "DV"),
        (b"\xB7\xD8\x00\x20\x37\x49\xDA\x11\xA6\x4E\x00\x07\xE9\x5E\xAD\x8D", "Windows TV (WTV)"),
        (b"FWS\x04\0\0\x40\x06", "Flash (SWF)"),
        (b"CWS\x0A\0\0\x40\x06", "Flash (SWF)"),
        (b"ea3\x03\0\0\0\0\x07\x76", "OpenMG (ATRAC)"),
        (b"MMMD\0\0\xB0\x54CNTI", "SMAF (MMF)"),
    ];
    for (bytes, expected) in cases {
        for name in ["clip.wav", "clip.mp3", "clip"] {
            let error = Audio::decode(bytes, name.split_once('.').map(|(_, e)| e), name).unwrap_err();
            assert!(matches!(error.kind, AudioErrorKind::UnsupportedContainer { .. }), "{error}");
            let expected = format!(
                "{name}: container must be WAV, AIFF, AU, CAF, FLAC, MP3, OGG, WebM or MP4, got {expected} \
                 (try `ffmpeg -i FILE OUT.wav`)"
            );
            assert_eq!(error.to_string(), expected);
        }
    }
}

#[test]
fn the_commands_that_errors_name_make_sound_that_is_read() {
    if !installed() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let made = folder.path().join("OUT.wav");
    let run = |error: &str, file: &Path| {
        let command = error.split('`').nth(1).unwrap();
        let words: Vec<&str> = command
            .split(' ')
            .map(|word| match word {
                "FILE" => file.to_str().unwrap(),
                "OUT.wav" => made.to_str().unwrap(),
                word => word,
            })
            .collect();
        let output = Command::new(words[0]).args(&words[1..]).stdin(Stdio::null()).output().unwrap();
        assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    };
    let refused = encoding("ac3.mp4");
    run(&Audio::open(&refused).unwrap_err().to_string(), &refused);
    assert!(Audio::open(&made).unwrap().frames() > 0);

    let wav = run(&Pcm::of_wav(&mut &b"Dear Sir or Madam"[..]).unwrap_err().to_string(), &made);
    let mut stream = &wav[..];
    let mut pcm = Pcm::of_wav(&mut stream).unwrap();
    assert!(pcm.read(&mut stream, &mut Vec::new()).unwrap().is_some());
}

#[test]
fn an_ogg_file_without_sound_has_no_audio_track() {
    let whole = std::fs::read(encoding("vorbis.ogg")).unwrap();
    let mut page = whole[..27].to_vec();
    page[26] = 1;
    page.push(7);
    page.extend(b"\x80theora");
    sum(&mut page);
    let error = Audio::decode(&page, None, "video.ogv").unwrap_err();
    assert!(matches!(error.kind, AudioErrorKind::NoAudioTrack), "{error}");
}

#[test]
fn a_bit_rate_that_layer_2_does_not_allow_is_no_damage() {
    // MPEG-1 layer II at 384 kbit/s and 48,000 Hz with one channel, as ffmpeg writes by default, and at 32 kbit/s with two.
    for (header, bytes, rate) in [(b"\xFF\xFD\xE4\xC0", 1152, 384), (b"\xFF\xFD\x14\x00", 96, 32)] {
        let frame = [&header[..], &vec![0; bytes - 4]].concat();
        let (kind, text) = error_of(&frame.repeat(3), "x.mp2");
        assert!(matches!(kind, AudioErrorKind::UnsupportedCodec { .. }), "{text}");
        assert!(text.contains(&format!("got MPEG layer II at {rate} kbit/s for ")), "{text}");
    }
}

#[test]
fn a_damaged_packet_behind_good_ones_is_not_called_another_codec() {
    let mut file = std::fs::read(encoding("adts.aac")).unwrap();
    let whole = Audio::decode(&file, None, "whole").unwrap();
    let mut at = 0;
    for _ in 0..4 {
        at += (u32::from_be_bytes(file[at + 2..at + 6].try_into().unwrap()) >> 5 & 0x1FFF) as usize;
    }
    // A coupling channel element, which this stream of AAC-LC does not have.
    file[at + 7] = 0x40;
    let (kind, text) = error_of(&file, "x.aac");
    assert!(matches!(kind, AudioErrorKind::Malformed { .. }), "{text}");
    assert!(text.contains("coupling channel element (after 4096 frames)"), "{text}");
    let allowed = AudioOptions { allow_truncated: true, ..Default::default() };
    let part = Audio::decode_with(&allowed, &file, None, "x.aac").unwrap();
    assert_eq!(part.samples, whole.samples[..4096]);
    assert!(matches!(part.warnings[..], [AudioWarning::CutShort { .. }]), "{:?}", part.warnings);
}

#[test]
fn damage_in_the_first_packet_is_not_called_another_codec() {
    let read = |name: &str| std::fs::read(encoding(name)).unwrap();
    let mut adpcm = read("adpcm_ms.wav");
    let data = adpcm.windows(4).position(|id| id == b"data").unwrap() + 8;
    // The block's predictor, of seven.
    adpcm[data] = 0xFF;
    // A coupling channel element, which AAC-LC of one channel does not have.
    let (mut adts, mut mp4) = (read("adts.aac"), read("aac.m4a"));
    adts[7] = 0x40;
    let chunk = mp4.windows(4).position(|id| id == b"stco").unwrap() + 12;
    let sound = u32::from_be_bytes(mp4[chunk..chunk + 4].try_into().unwrap()) as usize;
    mp4[sound] = 0x40;
    for (file, name) in [(&adpcm, "x.wav"), (&adts, "x.aac"), (&mp4, "x.m4a")] {
        let (kind, text) = error_of(file, name);
        assert!(matches!(kind, AudioErrorKind::Malformed { .. }), "{text}");
        assert!(text.ends_with("(after 0 frames): the file is damaged"), "{text}");
    }
    // A stream that says that it is AAC Main may have such an element.
    adts[2] &= 0x3F;
    let (kind, text) = error_of(&adts, "x.aac");
    assert!(matches!(kind, AudioErrorKind::UnsupportedCodec { .. }), "{text}");
}

#[test]
fn a_cut_mp4_file_is_told_that_its_index_is_missing() {
    let mp4_box = |kind: &[u8; 4], bytes: u32| [&bytes.to_be_bytes()[..], kind, &[1; 40]].concat();
    let head = mp4_box(b"ftyp", 48);
    let cut_sound = [head.clone(), mp4_box(b"mdat", 1000)].concat();
    let cut_index = [head.clone(), mp4_box(b"mdat", 48), mp4_box(b"moov", 1000)].concat();
    for (file, unit) in [(cut_sound, "bytes of an MP4 box"), (cut_index, "bytes of this index (moov)")] {
        for allow_truncated in [false, true] {
            let options = AudioOptions { allow_truncated, ..Default::default() };
            let error = Audio::decode_with(&options, &file, None, "x.m4a").unwrap_err().to_string();
            let expected = format!(
                "{unit} must be 1000, as declared, got 48: the file is truncated and lacks the index of its samples"
            );
            assert!(error.ends_with(&expected), "{error}");
        }
    }
    let error = Audio::decode(&[head, mp4_box(b"mdat", 48)].concat(), None, "x.m4a").unwrap_err();
    assert!(error.to_string().contains("must have a moov box, its index, got none"), "{error}");
}

#[test]
fn a_piece_of_a_recording_is_told_that_its_beginning_is_missing() {
    let read = |name: &str| std::fs::read(encoding(name)).unwrap();
    let webm = read("opus.webm");
    let cluster = webm.windows(4).position(|id| id == b"\x1F\x43\xB6\x75").unwrap();
    let ogg = read("opus.ogg");
    let later = pages(&ogg)[1..].concat();
    let (_, fragments) = fragmented_as(b"sowt", &[0; 28], &second());
    let fragments = fragments.concat();
    let segment = [&b"\0\0\0\x10stypmsdh\0\0\0\0"[..], &fragments].concat();
    for (piece, container) in [
        (&webm[cluster..], "Matroska (WebM)"),
        // The end of a block.
        (&[&[0x81; 300], &webm[cluster..]].concat(), "Matroska (WebM)"),
        (&later, "OGG"),
        (&ogg[30..], "OGG"),
        (&fragments, "fragmented MP4"),
        (&fragments[..fragments.len() - 100], "fragmented MP4"),
        (&segment, "fragmented MP4"),
    ] {
        for name in ["piece.webm", "piece.ogg", "piece"] {
            let (kind, text) = error_of(piece, name);
            assert!(matches!(kind, AudioErrorKind::NoBeginning { .. }), "{container}: {text}");
            assert!(text.contains(&format!("got a later piece of {container} (join")), "{text}");
        }
    }
    // Files that hold one with its beginning are something else.
    for whole in [&ogg, &webm] {
        let (kind, text) = error_of(&[&[0x81; 300], &whole[..]].concat(), "x.bin");
        assert!(matches!(kind, AudioErrorKind::NotAudio { .. }), "{text}");
    }
}

#[test]
fn an_ogg_stream_without_its_headers_is_told_so() {
    let file = std::fs::read(encoding("opus.ogg")).unwrap();
    let text = error_of(&pages(&file)[0], "x.ogg").1;
    assert!(
        text.ends_with("OGG header packets must be whole, got all but the last 1: the file is damaged"),
        "{text}"
    );
}

#[cfg(unix)]
#[test]
fn a_pipe_is_called_a_pipe_and_not_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe.wav");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    if !made.is_ok_and(|status| status.success()) {
        println!("skipped: mkfifo is not there");
        return;
    }
    let error = Audio::open(&pipe).unwrap_err().to_string();
    assert!(error.ends_with("cannot be read: it is a pipe"), "{error}");
}
