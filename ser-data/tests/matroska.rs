//! Matroska: parts that are lost, cut or joined, and the track that is read.

use ser_data::{Audio, AudioErrorKind, AudioOptions, AudioWarning};

use crate::common::{chunk, encoding, fmt, riff, second, wav};

/// An element of Matroska with a size of eight bytes.
fn element(id: &[u8], body: &[u8]) -> Vec<u8> {
    let size = (1u64 << 56 | body.len() as u64).to_be_bytes();
    [id, &size, body].concat()
}

/// Matroska with PCM in clusters of 400 ms and blocks of 20 ms, at 8 kHz; and where its blocks begin.
fn matroska(samples: &[i16], duration: Option<f64>) -> (Vec<u8>, Vec<usize>) {
    matroska_with(samples, duration, &[])
}

/// The same with another track before the one with the blocks.
fn matroska_with(samples: &[i16], duration: Option<f64>, other: &[u8]) -> (Vec<u8>, Vec<usize>) {
    let audio = [element(b"\xB5", &8000f64.to_be_bytes()), element(b"\x62\x64", &[16])].concat();
    let codec = [element(b"\x86", b"A_PCM/INT/LIT"), element(b"\xE1", &audio)].concat();
    matroska_of(samples, duration, other, &codec)
}

/// The same with the codec and settings of one's own.
fn matroska_of(samples: &[i16], duration: Option<f64>, other: &[u8], codec: &[u8]) -> (Vec<u8>, Vec<usize>) {
    let track = [&element(b"\xD7", &[1])[..], &element(b"\x83", &[2]), codec].concat();
    let duration = duration.map(|ticks| element(b"\x44\x89", &ticks.to_be_bytes()));
    let mut body = element(b"\x15\x49\xA9\x66", &duration.unwrap_or_default());
    body.extend(element(b"\x16\x54\xAE\x6B", &[other, &element(b"\xAE", &track)].concat()));
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
    let samples = second();
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
                // The clock runs from the first block after another.
                None => assert!(number <= 1 || number == 49 && duration.is_none(), "{number}"),
            }
        }
    }
    // A browser's recording of unknown size, whose end was overwritten with zeros.
    let (mut recorded, blocks) = matroska(&samples, None);
    let segment = recorded.windows(4).position(|id| id == b"\x18\x53\x80\x67").unwrap();
    recorded[segment + 4..segment + 12].copy_from_slice(&(u64::MAX >> 7).to_be_bytes());
    recorded[blocks[40]..].fill(0);
    let lost = recorded.len() - blocks[40];
    match Audio::decode(&recorded, None, "x.webm") {
        Ok(audio) => {
            assert!(audio.warnings.contains(&AudioWarning::BytesAfter { bytes: lost as u64 }));
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
fn a_cut_matroska_file_gives_every_block_before_the_cut() {
    let samples = second();
    let expected = Audio::decode(&wav(&samples, 8000), None, "whole").unwrap().samples;
    let allowed = AudioOptions { allow_truncated: true, ..Default::default() };
    let (whole, blocks) = matroska(&samples, Some(1000.0));
    for cut in (blocks[0]..whole.len()).step_by(97).chain(blocks.iter().copied()) {
        let cut = &whole[..cut];
        assert!(matches!(
            Audio::decode(cut, None, "x.mkv").unwrap_err().kind,
            AudioErrorKind::Truncated { .. }
        ));
        let held = blocks.iter().filter(|&&at| at + 333 <= cut.len()).count();
        match Audio::decode_with(&allowed, cut, None, "x.mkv") {
            Ok(audio) => {
                assert!(audio.samples == expected[..160 * held], "{} of {held} blocks", audio.frames() / 160);
                let [AudioWarning::CutShort { reason }] = &audio.warnings[..] else {
                    panic!("{:?}", audio.warnings)
                };
                assert!(reason.starts_with("bytes of a Matroska segment must be "), "{reason}");
            }
            Err(error) => assert_eq!(held, 0, "{error}"),
        }
    }
}

#[test]
fn joined_matroska_files_are_read_with_their_own_tracks() {
    let samples = second();
    let expected = Audio::decode(&wav(&samples, 8000), None, "whole").unwrap().samples;
    let (one, _) = matroska(&samples, Some(1000.0));
    let other = element(b"\xAE", &[element(b"\xD7", &[9]), element(b"\x83", &[1])].concat());
    let (two, _) = matroska_with(&samples[..4000], None, &other);
    let joined = Audio::decode(&[one.clone(), two.clone()].concat(), None, "x.mkv").unwrap();
    assert_eq!((joined.samples, joined.warnings), ([&expected[..], &expected[..4000]].concat(), vec![]));
    // A browser's recording has no size; tags may stand between.
    let mut live = two.clone();
    let segment = live.windows(4).position(|id| id == b"\x18\x53\x80\x67").unwrap();
    live[segment + 4..segment + 12].copy_from_slice(&(u64::MAX >> 7).to_be_bytes());
    let tag = [&b"TAG"[..], &[b' '; 125]].concat();
    let joined = Audio::decode(&[live, tag, one].concat(), None, "x.webm").unwrap();
    assert_eq!((joined.samples, joined.warnings), ([&expected[..4000], &expected].concat(), vec![]));
    // Another codec of other tracks.
    let read = |name: &str| std::fs::read(encoding(name)).unwrap();
    let (opus, video) = (read("opus.webm"), read("video.webm"));
    let of = |bytes: &[u8]| Audio::decode(bytes, None, "x.webm").unwrap();
    let joined = of(&[video.clone(), opus.clone()].concat());
    assert!(joined.samples == [of(&video).samples, of(&opus).samples].concat());
    let (joined, at) = (of(&[two, opus.clone()].concat()), 0.5);
    assert!(joined.frames() > 4000, "{}", joined.frames());
    let [AudioWarning::Changes { seconds, .. }] = joined.warnings[..] else {
        panic!("{:?}", joined.warnings)
    };
    assert_eq!(seconds, at);
}

#[test]
fn a_few_bytes_behind_a_recording_without_a_size_are_left_out() {
    let samples = second();
    let (mut live, _) = matroska(&samples, None);
    let segment = live.windows(4).position(|id| id == b"\x18\x53\x80\x67").unwrap();
    live[segment + 4..segment + 12].copy_from_slice(&(u64::MAX >> 7).to_be_bytes());
    let whole = Audio::decode(&live, None, "x.webm").unwrap();
    for after in [&b"\r\n"[..], &b"some junk after".repeat(20)] {
        let audio = Audio::decode(&[&live[..], after].concat(), None, "x.webm").unwrap();
        assert!(audio.samples == whole.samples);
        assert_eq!(audio.warnings, [AudioWarning::BytesAfter { bytes: after.len() as u64 }]);
    }
    // A block that is cut is none of these.
    let error = Audio::decode(&live[..live.len() - 100], None, "x.webm").unwrap_err();
    assert!(matches!(error.kind, AudioErrorKind::Truncated { .. }), "{error}");
}

#[test]
fn the_first_track_that_can_be_read_is_read() {
    let samples = second();
    let expected = Audio::decode(&wav(&samples, 8000), None, "whole").unwrap().samples;
    let track = [element(b"\xD7", &[9]), element(b"\x83", &[2]), element(b"\x86", b"A_AC3")].concat();
    let (file, _) = matroska_with(&samples, None, &element(b"\xAE", &track));
    assert_eq!(Audio::decode(&file, None, "x.mkv").unwrap().samples, expected);
    let (mut refused, _) = matroska_with(&samples, None, &element(b"\xAE", &track));
    let codec = refused.windows(5).position(|id| id == b"A_PCM").unwrap();
    refused[codec] = b'B';
    let error = Audio::decode(&refused, None, "x.mkv").unwrap_err();
    assert!(error.to_string().contains("got AC-3 (try `ffmpeg "), "{error}");
}

/// A track with a WAV file's format, and what its Audio element and other elements tell.
fn acm(private: &[u8], rate: f64, bits: &[u8], more: &[u8]) -> Vec<u8> {
    let mut audio = element(b"\xB5", &rate.to_be_bytes());
    if !bits.is_empty() {
        audio.extend(element(b"\x62\x64", bits));
    }
    let codec = [element(b"\x86", b"A_MS/ACM"), element(b"\x63\xA2", private), element(b"\xE1", &audio)];
    matroska_of(&second(), None, &[], &[&codec.concat()[..], more].concat()).0
}

#[test]
fn a_wav_format_in_matroska_may_leave_all_but_its_tag_to_the_track() {
    let data: Vec<u8> = second().iter().flat_map(|sample| sample.to_le_bytes()).collect();
    for (tag, rate, bits) in [(6, 16_000, 8), (7, 16_000, 8), (1, 8_000, 16)] {
        let file = riff(&[chunk(b"fmt ", &fmt(tag, 1, rate, bits)), chunk(b"data", &data)]);
        let expected = Audio::decode(&file, None, "x.wav").unwrap();
        let own: &[u8] = if tag == 1 { &[16] } else { &[] };
        for bytes in [2, 14] {
            let private = &fmt(tag, 1, rate, bits)[..bytes];
            let audio = Audio::decode(&acm(private, rate.into(), own, &[]), None, "x.mkv").unwrap();
            assert_eq!(audio, expected, "{bytes} bytes of format {tag}");
        }
    }
    for (private, own) in [(&[][..], &[16][..]), (&[1], &[16]), (&[1, 0], &[])] {
        let error = Audio::decode(&acm(private, 8_000.0, own, &[]), None, "x.mkv").unwrap_err().to_string();
        let bytes = private.len();
        let expected = format!(
            "x.mkv: CodecPrivate element must have 16 bytes or more, got {bytes}: the file is damaged"
        );
        assert_eq!(error, expected);
    }
    let error = Audio::decode(&acm(&fmt(2, 1, 8_000, 4), 8_000.0, &[4], &[]), None, "x.mkv").unwrap_err();
    let AudioErrorKind::UnsupportedCodec { codec } = error.kind else { panic!("{error}") };
    assert_eq!(codec, "Microsoft ADPCM in Matroska");
}

#[test]
fn the_delay_of_a_matroska_track_counts_at_the_decoded_rate() {
    let samples = second();
    let expected = Audio::decode(&wav(&samples, 8000), None, "whole").unwrap().samples;
    // 0.1 s.
    let delay = element(b"\x56\xAA", &100_000_000u32.to_be_bytes());
    let audio = Audio::decode(&acm(&fmt(1, 1, 8_000, 16), 16_000.0, &[16], &delay), None, "x.mkv").unwrap();
    assert_eq!((audio.sample_rate, audio.samples), (8_000, expected[800..].to_vec()));
}
