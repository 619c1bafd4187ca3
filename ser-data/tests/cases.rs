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
fn a_length_that_is_too_small_is_read_to_the_end_with_a_warning() {
    let samples = samples();
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
        // Tags behind the sound are none. Zeros may be silence that the length leaves out; AIFF counts its frames twice.
        let filler = match name {
            "aiff" => vec![],
            _ => vec![AudioWarning::BytesBehind { bytes: 40_000 }],
        };
        for (tail, warnings) in [(&b"TAG"[..], vec![]), (&[0; 40_000][..], filler)] {
            let audio = of(&[&file[..], tail].concat());
            assert_eq!((audio.samples, audio.warnings), (expected.clone(), warnings), "{name}");
        }
    }
}

#[test]
fn a_long_header_excuses_no_lost_sound() {
    let (samples, format) = (samples(), chunk(b"fmt ", &fmt(1, 1, 8000, 16)));
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
    assert!(matches!(audio.warnings[..], [AudioWarning::WrongLength { declared: 100_000, .. }]));
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
    let samples = samples();
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
    // Zeros that fill a disk's block are no sound.
    let padded = of(8000, bytes + 300, &[0; 300]);
    assert_eq!((padded.frames(), padded.warnings), (8000, vec![]));
    // Silence is sound where one of both counts it.
    let silent =
        Audio::decode(&aiff(&[&sound[..], &[0; 8000]].concat(), 12_000, bytes), None, "x.aiff").unwrap();
    assert_eq!((silent.frames(), silent.warnings.len()), (12_000, 1));
}

/// A box of MP4.
fn mp4_box(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
    [&(body.len() as u32 + 8).to_be_bytes()[..], kind, body].concat()
}

/// MP4 of 16-bit samples, mono at 8 kHz, in fragments of 1,000 samples; each is a `moof` and an `mdat`.
fn fragmented(samples: &[i16]) -> (Vec<u8>, Vec<Vec<u8>>) {
    let word = |number: u32| number.to_be_bytes();
    let (mut hdlr, mut mdhd, mut tkhd) = ([0; 24], [0; 24], [0; 84]);
    hdlr[8..12].copy_from_slice(b"soun");
    mdhd[12..16].copy_from_slice(&word(8000));
    tkhd[12..16].copy_from_slice(&word(1));
    let mut entry = [0; 28];
    (entry[7], entry[17], entry[19]) = (1, 1, 16);
    entry[24..26].copy_from_slice(&8000u16.to_be_bytes());
    let stsd = mp4_box(b"stsd", &[&[0, 0, 0, 0, 0, 0, 0, 1][..], &mp4_box(b"sowt", &entry)].concat());
    let minf = mp4_box(b"minf", &mp4_box(b"stbl", &stsd));
    let mdia = mp4_box(b"mdia", &[mp4_box(b"mdhd", &mdhd), mp4_box(b"hdlr", &hdlr), minf].concat());
    let trak = mp4_box(b"trak", &[mp4_box(b"tkhd", &tkhd), mdia].concat());
    let trex = mp4_box(b"trex", &[word(0), word(1), word(1), word(1), word(2), word(0)].concat());
    let moov = mp4_box(b"moov", &[trak, mp4_box(b"mvex", &trex)].concat());
    let head = [mp4_box(b"ftyp", b"isom\0\0\0\0"), moov].concat();
    let fragment = |(number, samples): (usize, &[i16])| {
        let moof = |offset: u32| {
            let tfhd = mp4_box(b"tfhd", &[word(0), word(1)].concat());
            let tfdt = mp4_box(b"tfdt", &[word(0), word(1000 * number as u32)].concat());
            let trun = mp4_box(b"trun", &[word(1), word(samples.len() as u32), word(offset)].concat());
            mp4_box(b"moof", &mp4_box(b"traf", &[tfhd, tfdt, trun].concat()))
        };
        let data: Vec<u8> = samples.iter().flat_map(|s| s.to_le_bytes()).collect();
        [moof(moof(0).len() as u32 + 8), mp4_box(b"mdat", &data)].concat()
    };
    (head, samples.chunks(1000).enumerate().map(fragment).collect())
}

#[test]
fn no_fragment_of_an_mp4_file_is_lost_without_a_word() {
    let samples = samples();
    let (head, fragments) = fragmented(&samples);
    let join = |without: Option<usize>| {
        let mut file = head.clone();
        let left = fragments.iter().enumerate().filter(|(number, _)| Some(*number) != without);
        left.for_each(|(_, fragment)| file.extend(fragment));
        file
    };
    let whole = Audio::decode(&join(None), None, "x.mp4").unwrap();
    assert_eq!(whole.samples, Audio::decode(&wav(&samples, 8000), None, "whole").unwrap().samples);
    assert!(whole.warnings.is_empty(), "{:?}", whole.warnings);
    for number in 1..7 {
        let audio = Audio::decode(&join(Some(number)), None, "x.mp4").unwrap();
        let [AudioWarning::Gap { seconds, missing }] = audio.warnings[..] else { panic!("{number}") };
        assert!(
            (seconds - 0.125 * number as f64).abs() < 1e-9 && (missing - 0.125).abs() < 1e-9,
            "{seconds}"
        );
    }
    // A header that is zeroed tells no length.
    let mut at = head.len();
    for fragment in &fragments {
        let mut zeroed = join(None);
        zeroed[at..at + 8].fill(0);
        let error = Audio::decode(&zeroed, None, "x.mp4").unwrap_err();
        assert!(matches!(error.kind, AudioErrorKind::Malformed { .. }), "{error}");
        let allowed = AudioOptions { allow_truncated: true, ..Default::default() };
        if at > head.len() {
            let audio = Audio::decode_with(&allowed, &zeroed, None, "x.mp4").unwrap();
            assert!(audio.frames() < 8000 && audio.frames().is_multiple_of(1000), "{}", audio.frames());
            assert!(matches!(audio.warnings[..], [AudioWarning::CutShort { .. }]), "{:?}", audio.warnings);
        }
        at += fragment.len();
    }
    // Zeros behind the last box are none.
    let padded = Audio::decode(&[join(None), vec![0; 500]].concat(), None, "x.mp4").unwrap();
    assert_eq!((padded.samples, padded.warnings), (whole.samples, vec![]));
    // Another sample description may be of another codec.
    let mut other = join(None);
    let trex = other.windows(4).position(|kind| kind == b"trex").unwrap();
    other[trex + 15] = 2;
    let error = Audio::decode(&other, None, "x.mp4").unwrap_err();
    assert!(matches!(error.kind, AudioErrorKind::UnsupportedCodec { .. }), "{error}");
}

#[test]
fn an_ogg_file_without_sound_has_no_audio_track() {
    let whole = std::fs::read(encoding("vorbis.ogg")).unwrap();
    let mut page = whole[..27].to_vec();
    page[26] = 1;
    page.push(7);
    page.extend(b"\x80theora");
    page[22..26].fill(0);
    let crc = page.iter().fold(0u32, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte) << 24, |crc, _| {
            if crc >> 31 == 1 { crc << 1 ^ 0x04C1_1DB7 } else { crc << 1 }
        })
    });
    page[22..26].copy_from_slice(&crc.to_le_bytes());
    let error = Audio::decode(&page, None, "video.ogv").unwrap_err();
    assert!(matches!(error.kind, AudioErrorKind::NoAudioTrack), "{error}");
}

#[test]
fn a_missing_mp3_frame_is_missed_where_others_need_its_bits() {
    let whole = std::fs::read(encoding("bare.mp3")).unwrap();
    let frames = Audio::decode(&whole, Some("mp3"), "bare.mp3").unwrap().frames();
    let (sync, starts) = (&whole[..2], whole.windows(2).enumerate());
    let starts: Vec<usize> = starts.filter(|(_, bytes)| *bytes == sync).map(|(at, _)| at).collect();
    let mut refused = 0;
    for pair in starts.windows(2).skip(4) {
        let without = [&whole[..pair[0]], &whole[pair[1]..]].concat();
        match Audio::decode(&without, Some("mp3"), "bare.mp3") {
            Err(error) => refused += usize::from(error.to_string().contains("the frames before it hold")),
            Ok(audio) => assert!(audio.frames() < frames),
        }
    }
    println!("{refused} of {} frames are missed", starts.len());
    assert!(refused > 0, "of {} frames", starts.len());
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
    assert!(matches!(cut.warnings[..], [AudioWarning::BytesBehind { .. }]), "{:?}", cut.warnings);
    // An empty data chunk before others is empty.
    let file = riff(&[format, chunk(b"data", &[]), list]);
    assert!(matches!(Audio::decode(&file, None, "empty").unwrap_err().kind, AudioErrorKind::Empty { .. }));
}

/// An element of Matroska with a size of eight bytes.
fn element(id: &[u8], body: &[u8]) -> Vec<u8> {
    let size = (1u64 << 56 | body.len() as u64).to_be_bytes();
    [id, &size, body].concat()
}

/// Matroska with PCM in clusters of 400 ms and blocks of 20 ms, at 8 kHz; and where its blocks begin.
fn matroska(samples: &[i16], duration: Option<f64>) -> (Vec<u8>, Vec<usize>) {
    let audio = [element(b"\xB5", &8000f64.to_be_bytes()), element(b"\x62\x64", &[16])].concat();
    let track = [
        element(b"\xD7", &[1]),
        element(b"\x83", &[2]),
        element(b"\x86", b"A_PCM/INT/LIT"),
        element(b"\xE1", &audio),
    ]
    .concat();
    let duration = duration.map(|ticks| element(b"\x44\x89", &ticks.to_be_bytes()));
    let mut body = element(b"\x15\x49\xA9\x66", &duration.unwrap_or_default());
    body.extend(element(b"\x16\x54\xAE\x6B", &element(b"\xAE", &track)));
    let mut blocks = Vec::new();
    for (number, cluster) in samples.chunks(3200).enumerate() {
        let mut inside = element(b"\xE7", &(400 * number as u16).to_be_bytes());
        let mut places = Vec::new();
        for (at, block) in cluster.chunks(160).enumerate() {
            places.push(inside.len());
            let mut bytes = b"\x81".to_vec();
            bytes.extend((20 * at as u16).to_be_bytes());
            bytes.push(0x80);
            bytes.extend(block.iter().flat_map(|s| s.to_le_bytes()));
            inside.extend(element(b"\xA3", &bytes));
        }
        body.extend(element(b"\x1F\x43\xB6\x75", &inside));
        let start = body.len() - inside.len();
        blocks.extend(places.iter().map(|place| start + place));
    }
    let head = element(b"\x1A\x45\xDF\xA3", &element(b"\x42\x82", b"matroska"));
    let segment = element(b"\x18\x53\x80\x67", &body);
    let before = head.len() + segment.len() - body.len();
    ([head, segment].concat(), blocks.iter().map(|block| before + block).collect())
}

#[test]
fn no_part_of_a_matroska_file_is_lost_without_a_word() {
    let samples = samples();
    let expected = Audio::decode(&wav(&samples, 8000), None, "whole").unwrap().samples;
    for duration in [None, Some(1000.0)] {
        let (whole, blocks) = matroska(&samples, duration);
        let of = |bytes: &[u8]| Audio::decode(bytes, None, "x.mkv");
        let audio = of(&whole).unwrap();
        assert_eq!((audio.samples, audio.warnings), (expected.clone(), vec![]));
        assert_eq!(blocks.len(), 50);
        // Zeros within samples are samples.
        for at in (0..whole.len()).step_by(37) {
            let mut zeroed = whole.clone();
            let end = whole.len().min(at + 1000);
            zeroed[at..end].fill(0);
            if let Ok(audio) = of(&zeroed) {
                let lost = audio.samples.len() < expected.len();
                assert!(!lost || !audio.warnings.is_empty(), "zeros from byte {at}");
            }
        }
        for (number, &at) in blocks.iter().enumerate() {
            let mut broken = whole.clone();
            broken[at] = 0xA5;
            let warnings = of(&broken).unwrap().warnings;
            assert!(
                warnings.contains(&AudioWarning::Unknown { at: at as u64, bytes: 333 }),
                "{number}: {warnings:?}"
            );
            // A block that is left out shows in the next one's time, the last one in the file's.
            let gap = warnings.iter().find_map(|warning| match warning {
                AudioWarning::Gap { seconds, missing } => Some((*seconds, *missing)),
                _ => None,
            });
            match gap {
                Some((seconds, missing)) => {
                    assert!((missing - 0.02).abs() < 1e-6, "{number}: {missing}");
                    assert!((seconds - 0.02 * number as f64).abs() < 1e-6, "{number}: {seconds}");
                }
                // The clock runs from the first block behind another.
                None => assert!(number <= 1 || number == 49 && duration.is_none(), "{number}"),
            }
        }
    }
    // A browser's recording whose end a computer lost: it tells no size.
    let (mut recorded, blocks) = matroska(&samples, None);
    let segment = recorded.windows(4).position(|id| id == b"\x18\x53\x80\x67").unwrap();
    recorded[segment + 4..segment + 12].copy_from_slice(&(u64::MAX >> 7).to_be_bytes());
    recorded[blocks[40]..].fill(0);
    let lost = recorded.len() - blocks[40];
    match Audio::decode(&recorded, None, "x.webm") {
        Ok(audio) => {
            assert!(audio.warnings.contains(&AudioWarning::BytesBehind { bytes: lost as u64 }));
        }
        Err(error) => panic!("{error}"),
    }
    let allowed = AudioOptions { allow_truncated: true, ..Default::default() };
    let (mut zeroed, blocks) = matroska(&samples, None);
    zeroed[blocks[20]..blocks[24]].fill(0);
    assert!(Audio::decode(&zeroed, None, "x.mkv").is_err());
    let audio = Audio::decode_with(&allowed, &zeroed, None, "x.mkv").unwrap();
    assert_eq!(audio.samples, expected[..3200]);
    assert!(matches!(audio.warnings[..], [AudioWarning::CutShort { .. }]), "{:?}", audio.warnings);
}

#[test]
fn zeros_between_mpeg_frames_are_lost_frames() {
    // Without an encoder's tag nothing counts the frames.
    let whole = std::fs::read(encoding("bare.mp3")).unwrap();
    let frames = Audio::decode(&whole, None, "bare.mp3").unwrap().frames();
    for at in (0..whole.len() - 300).step_by(11) {
        let mut zeroed = whole.clone();
        zeroed[at..at + 300].fill(0);
        if let Ok(audio) = Audio::decode(&zeroed, Some("mp3"), "bare.mp3") {
            let near_an_end = at < 500 || at + 1000 > whole.len();
            assert!(near_an_end || audio.frames() == frames, "zeros from byte {at}: {}", audio.frames());
        }
    }
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
