//! Irregular headers as real programs write them, for which sound was lost without a warning or an intact file was refused. The originals
//! are read if they are present; files of the same kinds are made here.

use ser_data::{Audio, AudioErrorKind, AudioWarning};

use crate::common::{cases, chunk, fmt, riff, second, wav};

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

#[test]
fn length_placeholders_are_read_to_the_end_with_a_warning() {
    let whole = wav(&second(), 8000);
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
fn a_length_that_is_too_small_is_read_to_the_end_with_a_warning() {
    let samples = second();
    let data = |to_bytes: fn(i16) -> [u8; 2]| samples.iter().flat_map(|&s| to_bytes(s)).collect::<Vec<u8>>();
    let (little, big) = (data(i16::to_le_bytes), data(i16::to_be_bytes));
    let expected = Audio::decode(&wav(&samples, 8000), None, "whole").unwrap().samples;
    let count = (samples.len() as u32).to_be_bytes();
    // The rate of 8,000 Hz in 80 bits.
    let rate = [0x40, 0x0B, 0xFA, 0, 0, 0, 0, 0, 0, 0];
    let common = [&[0, 1], &count[..], &[0, 16], &rate].concat();
    let size = |bytes: usize| (bytes as u32).to_be_bytes();
    let aiff = [
        &b"FORM"[..],
        &size(46 + 8 + big.len()),
        b"AIFFCOMM",
        &size(18),
        &common,
        b"SSND",
        &size(8 + big.len()),
        &[0; 8],
        &big,
    ]
    .concat();
    let au = [&b".snd"[..], &size(24), &size(big.len()), &size(3), &size(8000), &size(1), &big].concat();
    let long = |bytes: u64| bytes.to_be_bytes();
    let caf = [
        &b"caff\0\x01\0\0desc"[..],
        &long(32),
        &8000f64.to_be_bytes(),
        b"lpcm",
        &[0; 4],
        &size(2),
        &size(1),
        &size(1),
        &size(16),
        b"data",
        &long(4 + big.len() as u64),
        &[0; 4],
        &big,
    ]
    .concat();
    let wave = wav(&samples, 8000);
    assert_eq!(wave[44..], little);
    // The place of the length's last four bytes, and what it counts beside the samples.
    for (name, file, at, more, is_little) in [
        ("wav", wave, 40, 0u32, true),
        ("aiff", aiff, 42, 8, false),
        ("au", au, 8, 0, false),
        ("caf", caf, 60, 4, false),
    ] {
        let of = |bytes: &[u8]| Audio::decode(bytes, None, name).unwrap();
        assert_eq!(of(&file).samples, expected, "{name}");
        assert!(of(&file).warnings.is_empty(), "{name}: {:?}", of(&file).warnings);
        let mut short = file.clone();
        let declared = 4000 + more;
        let field = if is_little { declared.to_le_bytes() } else { declared.to_be_bytes() };
        short[at..at + 4].copy_from_slice(&field);
        let audio = of(&short);
        assert_eq!(audio.samples, expected, "{name}");
        assert!(
            matches!(audio.warnings[..], [AudioWarning::WrongLength { declared: d, .. }] if d == u64::from(declared)),
            "{name}: {:?}",
            audio.warnings
        );
        // Tags after the sound are none. Zeros may be silence that the length leaves out; AIFF counts its frames twice.
        let filler = match name {
            "aiff" => vec![],
            _ => vec![AudioWarning::BytesAfter { bytes: 40_000 }],
        };
        for (tail, warnings) in [(&b"TAG"[..], vec![]), (&[0; 40_000][..], filler)] {
            let audio = of(&[&file[..], tail].concat());
            assert_eq!((audio.samples, audio.warnings), (expected.clone(), warnings), "{name}");
        }
    }
}

#[test]
fn a_long_header_excuses_no_lost_sound() {
    let (samples, format) = (second(), chunk(b"fmt ", &fmt(1, 1, 8000, 16)));
    let data: Vec<u8> = samples.iter().flat_map(|s| s.to_le_bytes()).collect();
    let file = riff(&[format, chunk(b"JUNK", &[0; 20_000]), chunk(b"data", &data)]);
    assert_eq!(Audio::decode(&file, None, "long.wav").unwrap().frames(), 8000);
    let error = Audio::decode(&file[..file.len() - 4000], None, "long.wav").unwrap_err();
    assert!(matches!(error.kind, AudioErrorKind::Truncated { .. }), "{error}");
}

#[test]
fn a_wrong_length_before_the_data_chunk_hides_no_sound() {
    let mut file = riff(&[
        chunk(b"fmt ", &fmt(1, 1, 8000, 16)),
        chunk(b"LIST", b"INFOISFT\x04\0\0\0abc\0"),
        chunk(b"data", &[1; 4000]),
    ]);
    let length = file.windows(4).position(|id| id == b"LIST").unwrap() + 4;
    file[length..length + 4].copy_from_slice(&100_000u32.to_le_bytes());
    let audio = Audio::decode(&file, None, "list.wav").unwrap();
    assert_eq!(audio.frames(), 2000);
    assert_eq!(audio.warnings, [AudioWarning::WrongChunk { declared: 100_000, found: 16 }]);
}

/// AIFF of 16 bits, mono at 8 kHz, with the lengths that its COMM and SSND chunks tell.
fn aiff(sound: &[u8], frames: u32, declared: u32) -> Vec<u8> {
    let rate = [0x40, 0x0B, 0xFA, 0, 0, 0, 0, 0, 0, 0];
    let common = [&[0, 1], &frames.to_be_bytes()[..], &[0, 16], &rate].concat();
    let head = [&b"FORM\0\0\0\0AIFFCOMM\0\0\0\x12"[..], &common, b"SSND", &declared.to_be_bytes()].concat();
    [&head[..], &[0; 8], sound].concat()
}

#[test]
fn neither_count_of_an_aiff_file_cuts_its_sound() {
    let samples = second();
    let sound: Vec<u8> = samples.iter().flat_map(|s| s.to_be_bytes()).collect();
    let bytes = sound.len() as u32 + 8;
    let of = |frames, declared, tail: &[u8]| {
        Audio::decode(&aiff(&[&sound[..], tail].concat(), frames, declared), None, "x.aiff").unwrap()
    };
    let whole = of(8000, bytes, &[]);
    assert_eq!((whole.frames(), whole.warnings), (8000, vec![]));
    for (frames, declared) in [(5000, bytes), (8000, 4008), (0, bytes), (8000, 0), (0, 0)] {
        let audio = of(frames, declared, &[]);
        assert_eq!(audio.samples, whole.samples, "{frames} {declared}");
        let warns = (frames, declared) != (0, bytes);
        assert_eq!(audio.warnings.len(), usize::from(warns), "{frames} {declared}: {:?}", audio.warnings);
    }
    let crashed = of(8000, 0, &[]);
    assert!(
        matches!(crashed.warnings[..], [AudioWarning::WrongLength { declared: 0, .. }]),
        "{:?}",
        crashed.warnings
    );
    // Zeros that fill a disk's block are no sound.
    let padded = of(8000, bytes + 300, &[0; 300]);
    assert_eq!((padded.frames(), padded.warnings), (8000, vec![]));
    // Silence is sound where one of both counts it.
    let silent =
        Audio::decode(&aiff(&[&sound[..], &[0; 8000]].concat(), 12_000, bytes), None, "x.aiff").unwrap();
    assert_eq!((silent.frames(), silent.warnings.len()), (12_000, 1));
}

#[test]
fn chunks_behind_the_sound_are_no_sound() {
    let format = chunk(b"fmt ", &fmt(1, 1, 8000, 8));
    let sound = chunk(b"data", &[0x90; 801]);
    let list = chunk(b"LIST", b"INFOISFT\x04\0\0\0abc\0");
    let whole = riff(&[format.clone(), sound.clone(), list.clone()]);
    let of = |bytes: &[u8]| Audio::decode(bytes, None, "chunks.wav").unwrap();
    assert_eq!((of(&whole).frames(), of(&whole).warnings), (801, vec![]));
    // A writer that leaves out the padding of an odd length.
    let unpadded = riff(&[format.clone(), sound[..sound.len() - 1].to_vec(), list.clone()]);
    assert_eq!((of(&unpadded).frames(), of(&unpadded).warnings), (801, vec![]));
    // A chunk that is cut is no sound, but may tell of some.
    let cut = of(&whole[..whole.len() - 6]);
    assert_eq!(cut.frames(), 801);
    assert!(matches!(cut.warnings[..], [AudioWarning::BytesAfter { .. }]), "{:?}", cut.warnings);
    // An empty data chunk before others is empty.
    let file = riff(&[format, chunk(b"data", &[]), list]);
    assert!(matches!(Audio::decode(&file, None, "empty").unwrap_err().kind, AudioErrorKind::Empty { .. }));
}

#[test]
fn the_bits_of_a_sample_decide_over_the_block_align() {
    let mut file = wav(&second(), 8000);
    let expected = Audio::decode(&file, None, "plain").unwrap();
    file[32..34].copy_from_slice(&4u16.to_le_bytes());
    assert_eq!(Audio::decode(&file, None, "align").unwrap(), expected);
}
