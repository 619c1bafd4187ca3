//! Files as people send them that lost sound without a word, or were refused though whole. The originals are read where they are;
//! files of the same kinds are made here.

use ser_data::{Audio, AudioErrorKind, AudioOptions, AudioWarning};

use crate::common::{cases, chunk, encoding, fmt, riff, wav};

#[test]
fn every_case_has_the_length_that_other_readers_give() {
    let Some(folder) = cases() else { return };
    // Seconds, and whether a warning is due.
    let expected = [
        ("clip.wav", 1.9, false),
        ("aiff_plain.aiff", 1.9, false),
        ("ogg_good.ogg", 4.4, false),
        ("wav_blockalign_mono4.wav", 1.9, false),
        ("mp3_16k_then_32k.mp3", 3.96, true),
        ("flac_rate_changes_16k_32k.flac", 3.8, true),
        ("flac_cuesheet_offset_1000.flac", 1.9, false),
        ("flac_min_block_0.flac", 1.9, false),
        ("flac_comment_block_lies.flac", 1.9, false),
        ("wav_datasize_7fffffff.wav", 1.9, true),
        ("wav_datasize_0_crashed_recorder.wav", 1.9, true),
        ("wav_datasize_plus28.wav", 1.9, true),
        ("wav_rf64.wav", 1.9, false),
        ("aifc_float_comm436.aif", 1.9, false),
        ("aiff_form_size_500_too_big.aiff", 1.9, false),
        ("caf_alaw.caf", 1.9, false),
        ("m4a_mdat_size_0.m4a", 1.9, false),
    ];
    let clip = Audio::open(folder.join("clip.wav")).unwrap();
    for (name, seconds, warns) in expected {
        let audio = Audio::open(folder.join(name)).unwrap();
        println!("{name}: {:.3} s {:?}", audio.duration().as_secs_f64(), audio.warnings);
        assert!((audio.duration().as_secs_f64() - seconds).abs() < 0.1, "{name}: {:?}", audio.duration());
        assert_eq!(!audio.warnings.is_empty(), warns, "{name}: {:?}", audio.warnings);
        if name.starts_with("wav") || name.starts_with("flac_") && !warns {
            assert!(audio.samples == clip.samples, "{name} has other samples than clip.wav");
        }
    }
}

/// A second of a tone, which every mistake in the frame's size would change.
fn samples() -> Vec<i16> {
    (0..8000).map(|n| ((f64::from(n) * 0.1).sin() * 9000.0) as i16).collect()
}

#[test]
fn length_placeholders_are_read_to_the_end_with_a_warning() {
    let whole = wav(&samples(), 8000);
    let expected = Audio::decode(&whole, None, "whole").unwrap();
    assert!(expected.warnings.is_empty());
    let mono = (whole.len() - 44) as u32;
    for declared in
        [0, 0x7FFF_F000, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFDB, 0xFFFF_FFFE, u32::MAX, mono + 28, mono + 36]
    {
        let mut file = whole.clone();
        file[40..44].copy_from_slice(&declared.to_le_bytes());
        let audio = Audio::decode(&file, None, "placeholder").unwrap();
        assert!(audio.samples == expected.samples, "{declared:#x}");
        let [AudioWarning::WrongLength { declared: d, found, .. }] = audio.warnings[..] else {
            panic!("{declared:#x}")
        };
        assert_eq!((d, found), (declared.into(), mono.into()));
    }
    for declared in [mono + 500, 0x7000_0000] {
        let mut file = whole.clone();
        file[40..44].copy_from_slice(&declared.to_le_bytes());
        let error = Audio::decode(&file, None, "cut").unwrap_err();
        assert!(matches!(error.kind, AudioErrorKind::Truncated { .. }), "{error}");
    }
}

#[test]
fn a_wav_that_declares_less_than_it_holds_says_so() {
    let mut file = wav(&samples(), 8000);
    file[40..44].copy_from_slice(&4000u32.to_le_bytes());
    let audio = Audio::decode(&file, None, "short").unwrap();
    assert!(
        matches!(audio.warnings[..], [AudioWarning::BytesBehind { bytes: 12_000 }]),
        "{:?}",
        audio.warnings
    );
    // An empty data chunk before others is empty.
    let file = riff(&[chunk(b"fmt ", &fmt(1, 1, 8000, 16)), chunk(b"data", &[]), chunk(b"LIST", b"INFO")]);
    assert!(matches!(Audio::decode(&file, None, "empty").unwrap_err().kind, AudioErrorKind::Empty { .. }));
}

#[test]
fn the_bits_of_a_sample_decide_over_the_block_align() {
    let mut file = wav(&samples(), 8000);
    let expected = Audio::decode(&file, None, "plain").unwrap();
    file[32..34].copy_from_slice(&4u16.to_le_bytes());
    assert_eq!(Audio::decode(&file, None, "align").unwrap(), expected);
}

#[test]
fn damage_to_an_ogg_stream_is_named() {
    let whole = std::fs::read(encoding("vorbis.ogg")).unwrap();
    let pages: Vec<usize> =
        whole.windows(4).enumerate().filter(|(_, w)| *w == b"OggS").map(|(at, _)| at).collect();
    let text = |bytes: &[u8]| Audio::decode(bytes, None, "x.ogg").unwrap_err().to_string();
    let mut flipped = whole.clone();
    let middle = whole.len() - 200;
    flipped[middle] ^= 1;
    assert!(text(&flipped).contains("checksum of the OGG page"), "{}", text(&flipped));
    // Without its last page the stream has no end, of which only a warning can tell.
    let last = *pages.last().unwrap();
    if pages.len() > 3 {
        let audio = Audio::decode(&whole[..last], None, "x.ogg").unwrap();
        assert!(audio.warnings.contains(&AudioWarning::NoEnd));
    }
    let Some(folder) = cases() else { return };
    let long = std::fs::read(folder.join("ogg_good.ogg")).unwrap();
    let pages: Vec<usize> =
        long.windows(4).enumerate().filter(|(_, w)| *w == b"OggS").map(|(at, _)| at).collect();
    assert!(pages.len() > 4, "{}", pages.len());
    let without = [&long[..pages[3]], &long[pages[4]..]].concat();
    assert!(text(&without).contains("OGG page 4 follows page 2"), "{}", text(&without));
    let allowed = AudioOptions { allow_truncated: true, ..Default::default() };
    let audio = Audio::decode_with(&allowed, &without, None, "x.ogg").unwrap();
    assert!(matches!(audio.warnings[..], [AudioWarning::CutShort { .. }]), "{:?}", audio.warnings);
}

#[test]
fn joined_mp3_files_are_read_to_the_end() {
    let one = std::fs::read(encoding("lame.mp3")).unwrap();
    let single = Audio::decode(&one, None, "one").unwrap();
    let twice = Audio::decode(&[one.clone(), one.clone()].concat(), None, "twice").unwrap();
    assert_eq!(twice.frames(), 2 * single.frames());
    let other = std::fs::read(encoding("stereo_44100.mp3")).unwrap();
    let both = Audio::decode(&[one.clone(), other].concat(), None, "both").unwrap();
    assert_eq!((both.channels, both.sample_rate), (1, 22_050));
    assert!((both.frames() as f64 / single.frames() as f64 - 2.0).abs() < 0.01, "{}", both.frames());
    assert!(
        matches!(both.warnings[..], [AudioWarning::Changes { to: (2, 44_100), .. }]),
        "{:?}",
        both.warnings
    );
    // Bytes between frames are lost frames.
    let junk = [&one[..], &[0x55; 300], &one[..]].concat();
    let error = Audio::decode(&junk, None, "junk").unwrap_err();
    assert!(error.to_string().contains("are no MPEG frame, and more frames follow"), "{error}");
}

#[test]
fn a_damaged_or_missing_flac_frame_is_named() {
    let whole = std::fs::read(encoding("lossless.flac")).unwrap();
    let mut flipped = whole.clone();
    let middle = whole.len() / 2;
    flipped[middle] ^= 0x10;
    let error = Audio::decode(&flipped, None, "x.flac").unwrap_err();
    assert!(
        matches!(error.kind, AudioErrorKind::Malformed { .. } | AudioErrorKind::Truncated { .. }),
        "{error}"
    );
    // Tags behind the sound are none.
    let mut tagged = whole.clone();
    tagged.extend(b"TAG");
    tagged.resize(whole.len() + 128, b' ');
    assert_eq!(
        Audio::decode(&tagged, None, "x.flac").unwrap(),
        Audio::decode(&whole, None, "x.flac").unwrap()
    );
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
    let cases: [(&[u8], &str); 6] = [
        (b"\x30\x26\xB2\x75\x8E\x66\xCF\x11\xA6\xD9\x00\xAA\x00\x62\xCE\x6C", "Windows Media"),
        (b"#!AMR\n\x3C\x00", "AMR is not supported"),
        (b"#!AMR-WB\n", "AMR-WB is not supported"),
        (b"RIFF\x24\0\0\0AVI LIST", "AVI is not supported"),
        (b"\x0B\x77\x00\x00\x00\x00", "AC-3 is not supported"),
        (b"wvpk\x00\x00\x00\x00", "WavPack is not supported"),
    ];
    for (bytes, expected) in cases {
        for name in ["clip.wav", "clip.mp3", "clip"] {
            let error = Audio::decode(bytes, name.split_once('.').map(|(_, e)| e), name).unwrap_err();
            assert!(matches!(error.kind, AudioErrorKind::UnsupportedContainer { .. }), "{error}");
            let text = error.to_string();
            assert!(text.contains(expected) && text.contains("ffmpeg -i FILE out.wav"), "{text}");
        }
    }
}
