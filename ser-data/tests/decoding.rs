//! Every format against the samples that were encoded.

use crate::common::{chunk, encoding, fmt, ravdess_originals, riff, wav};
use ser_data::{Audio, AudioErrorKind, AudioLimits, AudioOptions, AudioWarning};

fn open(name: &str) -> Audio {
    Audio::open(encoding(name)).unwrap()
}

/// The samples of a 16-bit mono WAV file with the plain 44-byte header, read without the decoder under test.
fn plain_samples(name: &str) -> Vec<f32> {
    let bytes = std::fs::read(encoding(name)).unwrap();
    assert_eq!(&bytes[36..40], b"data");
    bytes[44..].chunks_exact(2).map(|b| f32::from(i16::from_le_bytes([b[0], b[1]])) / 32_768.0).collect()
}

/// Signal-to-noise ratio in dB of `copy` against `original`, the copy shifted by `lag` samples.
fn snr(original: &[f32], copy: &[f32], lag: isize) -> f64 {
    let (mut signal, mut noise) = (0.0, 1e-20);
    for (n, &x) in original.iter().enumerate() {
        if let Some(&y) = n.checked_add_signed(lag).and_then(|m| copy.get(m)) {
            signal += f64::from(x).powi(2);
            noise += f64::from(x - y).powi(2);
        }
    }
    10.0 * (signal / noise).log10()
}

/// A lossy copy has the original's length and lines up with it: any shift makes it worse.
fn assert_lines_up(original: &[f32], copy: &[f32], least_db: f64) {
    assert_eq!(copy.len(), original.len());
    let at_zero = snr(original, copy, 0);
    assert!(at_zero > least_db, "{at_zero:.1} dB");
    for lag in (-1200..=1200).filter(|&lag| lag != 0) {
        assert!(snr(original, copy, lag) < at_zero, "better by {lag} samples");
    }
}

#[test]
fn wav_of_every_sample_type_is_exact() {
    let expected = plain_samples("short.wav");
    for name in [
        "short.wav",
        "pcm_s24.wav",
        "pcm_s32.wav",
        "pcm_f32.wav",
        "pcm_f64.wav",
        "streamed.wav",
        "rf64.wav",
        "short.au",
        "flac.ogg",
    ] {
        let audio = open(name);
        assert_eq!((audio.channels, audio.sample_rate), (1, 22_050), "{name}");
        assert_eq!(audio.samples, expected, "{name}");
    }
    // ffmpeg counts the padding to eight bytes as sound.
    let padded = open("short.w64");
    assert!(padded.samples.starts_with(&expected) && padded.frames() < expected.len() + 4);
    let eight = open("pcm_u8.wav");
    assert_eq!(eight.samples.len(), expected.len());
    assert!(eight.samples.iter().zip(&expected).all(|(a, b)| (a - b).abs() <= 1.0 / 128.0));
}

#[test]
fn many_channels_keep_their_order() {
    let audio = open("six_channels.wav");
    assert_eq!((audio.channels, audio.sample_rate, audio.frames()), (6, 48_000, 240));
    let peak = |c: usize| audio.samples.iter().skip(c).step_by(6).fold(0f32, |m, s| m.max(s.abs()));
    for channel in 1..6 {
        let ratio = peak(channel) / peak(0);
        assert!((ratio - (channel + 1) as f32).abs() < 0.2, "channel {channel}: {ratio}");
    }
}

#[test]
fn sixty_four_channels_are_read() {
    let data: Vec<u8> = (0..128i16).flat_map(|s| (s * 100).to_le_bytes()).collect();
    let file = riff(&[chunk(b"fmt ", &fmt(1, 64, 16_000, 16)), chunk(b"data", &data)]);
    let audio = Audio::decode(&file, None, "array.wav").unwrap();
    assert_eq!((audio.channels, audio.frames()), (64, 2));
    assert_eq!(audio.samples[65], 65.0 * 100.0 / 32_768.0);
}

#[test]
fn flac_and_alac_are_exact() {
    let expected = plain_samples("reference.wav");
    for name in ["lossless.flac", "lossless.m4a"] {
        let audio = open(name);
        assert_eq!((audio.channels, audio.sample_rate), (1, 22_050), "{name}");
        assert_eq!(audio.samples, expected, "{name}");
    }
}

#[test]
fn other_containers_are_read_too() {
    let expected = plain_samples("short.wav");
    for name in ["short.aiff", "alac.caf", "fragmented.mp4"] {
        assert_eq!(open(name).samples, expected, "{name}");
    }
}

#[test]
fn chained_ogg_streams_follow_one_another() {
    let one = std::fs::read(encoding("vorbis.ogg")).unwrap();
    let twice = Audio::decode(&[one.clone(), one].concat(), None, "chained.ogg").unwrap();
    let samples = open("vorbis.ogg").samples;
    assert_eq!(twice.samples, [samples.clone(), samples].concat());
}

#[test]
fn a_wav_from_a_pipe_has_its_length_from_the_file() {
    let whole = std::fs::read(encoding("short.wav")).unwrap();
    for length in [u32::MAX, 0x7FFF_F000] {
        let mut piped = whole.clone();
        piped[40..44].copy_from_slice(&length.to_le_bytes());
        let audio = Audio::decode(&piped, None, "piped.wav").unwrap();
        assert_eq!(audio.samples, open("short.wav").samples);
        assert!(matches!(audio.warnings[..], [AudioWarning::WrongLength { .. }]));
    }
}

#[test]
fn lossy_formats_line_up_with_the_original() {
    let expected = plain_samples("reference.wav");
    for (name, least_db) in [("lame.mp3", 15.0), ("vorbis.ogg", 15.0), ("aac.m4a", 15.0)] {
        println!("{name}");
        let audio = open(name);
        assert_eq!((audio.channels, audio.sample_rate), (1, 22_050), "{name}");
        assert_lines_up(&expected, &audio.samples, least_db);
    }
}

#[test]
fn adpcm_is_near_the_original() {
    let expected = plain_samples("short.wav");
    for name in ["adpcm_ms.wav", "adpcm_ima.wav"] {
        let audio = open(name);
        assert_eq!((audio.channels, audio.sample_rate), (1, 22_050), "{name}");
        let db = snr(&expected, &audio.samples, 0);
        assert!(
            audio.frames() >= expected.len() && db > 15.0,
            "{name}: {} samples, {db:.1} dB",
            audio.frames()
        );
    }
}

#[test]
fn streams_without_a_container_are_late_by_their_encoders_delay() {
    let expected = plain_samples("reference.wav");
    for (name, most) in [("adts.aac", 1024), ("layer2.mp2", 1200)] {
        let audio = open(name);
        assert_eq!((audio.channels, audio.sample_rate), (1, 22_050), "{name}");
        let best = (0..=most).map(|lag| snr(&expected, &audio.samples, lag)).fold(f64::MIN, f64::max);
        assert!(
            audio.frames() >= expected.len() && best > 15.0,
            "{name}: {} samples, {best:.1} dB",
            audio.frames()
        );
    }
}

/// AAC in ADTS with a fill element of spectral band replication at the end of each block, as HE-AAC that doesn't say so has it.
fn with_replication(mut adts: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    while !adts.is_empty() {
        let word = u64::from_be_bytes(adts[..8].try_into().unwrap());
        let (frame, rest) = adts.split_at((word >> 21 & 0x1FFF) as usize);
        adts = rest;
        let mut bits: Vec<bool> =
            frame[7..].iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1 == 1)).collect();
        // The end's three bits, and zeros up to a whole byte.
        bits.truncate(bits.iter().rposition(|&bit| bit).unwrap() - 2);
        let mut push =
            |value: u32, count: u32| bits.extend((0..count).rev().map(|bit| value >> bit & 1 == 1));
        let (fill, bytes, replication, end) = (6, 9, 13, 7);
        push(fill, 3);
        push(bytes, 4);
        push(replication, 4);
        push(0x5A5_5A5A, 28);
        push(0x1234_5678, 32);
        push(1, 8 * bytes - 64);
        push(end, 3);
        let block: Vec<u8> = bits
            .chunks(8)
            .map(|byte| byte.iter().enumerate().fold(0, |sum, (at, bit)| sum | u8::from(*bit) << (7 - at)))
            .collect();
        let length = block.len() as u64 + 7;
        let head = (word & !(0x1FFF << 21) | length << 21).to_be_bytes();
        out.extend(&head[..7]);
        out.extend(block);
    }
    out
}

#[test]
fn he_aac_that_does_not_say_so_is_read_with_a_warning() {
    let plain = std::fs::read(encoding("adts.aac")).unwrap();
    let expected = Audio::decode(&plain, None, "lc.aac").unwrap();
    assert_eq!(expected.warnings, []);
    let audio = Audio::decode(&with_replication(&plain), None, "he.aac").unwrap();
    assert_eq!(audio.warnings, [AudioWarning::HalfSpectrum { sample_rate: 22_050 }]);
    assert_eq!(audio.samples, expected.samples);
    let text = audio.warnings[0].to_string();
    assert!(text.contains("HE-AAC") && text.contains("above 11025 Hz are missing"), "{text}");
}

#[test]
fn the_sound_behind_pictures_is_read() {
    assert_eq!(open("video.mov").samples, plain_samples("short.wav"));
    assert_lines_up(&plain_samples("reference.wav"), &open("video.mp4").samples, 15.0);
    let opus = open("video.webm");
    assert_eq!((opus.channels, opus.sample_rate), (1, 48_000));
    assert!((opus.duration().as_secs_f64() - 0.3).abs() < 0.03, "{:?}", opus.duration());
    let peak = opus.samples.iter().fold(0f32, |peak, sample| peak.max(sample.abs()));
    assert!(peak > 0.05, "{peak}");
}

#[test]
fn stereo_mp3_lines_up_with_its_flac() {
    let (flac, mp3) = (open("stereo_44100.flac"), open("stereo_44100.mp3"));
    assert_eq!((mp3.channels, mp3.sample_rate), (2, 44_100));
    let side = |a: &Audio, c: usize| a.samples.iter().skip(c).step_by(2).copied().collect::<Vec<_>>();
    assert!(side(&flac, 0).iter().zip(side(&flac, 1)).all(|(l, r)| (l + r).abs() < 1e-4));
    for channel in 0..2 {
        assert_lines_up(&side(&flac, channel), &side(&mp3, channel), 15.0);
    }
}

#[test]
fn mp3_without_a_header_keeps_every_frame() {
    let audio = open("bare.mp3");
    assert_eq!(audio.samples.len() % 576, 0);
    assert!(audio.samples.len() >= plain_samples("reference.wav").len() + 1105);
}

#[test]
fn mp3_behind_junk_is_read_by_its_ending() {
    let mut bytes = b"junk that a cut left behind".to_vec();
    bytes.extend(std::fs::read(encoding("bare.mp3")).unwrap());
    let audio = Audio::decode(&bytes, Some("mp3"), "cut.mp3").unwrap();
    assert_eq!(audio.samples, open("bare.mp3").samples);
    assert_eq!(audio.warnings, [AudioWarning::BytesBefore { bytes: 27 }]);
    assert!(matches!(Audio::decode(&bytes, None, "cut").unwrap_err().kind, AudioErrorKind::NotAudio { .. }));
}

#[test]
fn a_damaged_tag_of_an_mp3_encoder_cuts_nothing() {
    let mut file = std::fs::read(encoding("lame.mp3")).unwrap();
    let whole = Audio::decode(&file, None, "x.mp3").unwrap();
    let tag = file.windows(4).position(|name| name == b"Lavf").unwrap();
    // The longest delay and padding.
    file[tag + 21..tag + 24].fill(0xFF);
    let audio = Audio::decode(&file, None, "x.mp3").unwrap();
    assert_eq!(audio.warnings, [AudioWarning::WrongTag]);
    assert!(audio.frames() > whole.frames() && audio.frames().is_multiple_of(576), "{}", audio.frames());
    assert!(audio.samples[576 + 529..].starts_with(&whole.samples));
}

#[test]
fn frames_behind_an_id3_tag_that_is_too_long_are_read() {
    for name in ["lame.mp3", "bare.mp3", "adts.aac"] {
        let frames = std::fs::read(encoding(name)).unwrap();
        let whole = Audio::decode(&frames, None, name).unwrap();
        let start = if frames.starts_with(b"ID3") { 20 } else { 0 };
        let tag = [&b"ID3\x04\0\0\x01\0\0\0"[..], b"APIC", &[0; 700]].concat();
        let file = [&tag, &frames[start..]].concat();
        let audio = Audio::decode(&file, None, name).unwrap();
        assert!(audio.samples == whole.samples, "{name}: {} frames", audio.frames());
        let [AudioWarning::WrongChunk { declared, found }] = audio.warnings[..] else {
            panic!("{name}: {:?}", audio.warnings)
        };
        assert_eq!((declared, found), ((1 << 21) + 10, tag.len() as u64));
        let error = Audio::decode(&tag, None, name).unwrap_err().to_string();
        assert!(error.contains("bytes of an ID3 tag must be 2097162, as declared, got "), "{error}");
    }
}

#[test]
fn mp3_with_tags_at_its_end_is_read() {
    let mut bytes = std::fs::read(encoding("lame.mp3")).unwrap();
    let mut tag = b"TAG".to_vec();
    tag.resize(128, b' ');
    // Filler that has the look of a frame's first bytes.
    tag[40..44].copy_from_slice(&[0xFF, 0xF3, 0x84, 0xC4]);
    bytes.extend(tag);
    assert_eq!(Audio::decode(&bytes, None, "tagged.mp3").unwrap(), open("lame.mp3"));
}

#[test]
fn tags_behind_a_container_are_passed_over() {
    let id3 = [&b"TAG"[..], &[b' '; 125]].concat();
    let ape = [&b"APETAGEX\xD0\x07\0\0"[..], &[0; 20]].concat();
    let files = [
        "aac.m4a",
        "fragmented.mp4",
        "lossless.m4a",
        "opus.webm",
        "alac.caf",
        "lossless.flac",
        "reference.wav",
    ];
    for name in files {
        for tag in [&id3, &ape, &[&ape[..], &id3].concat()] {
            let bytes = [std::fs::read(encoding(name)).unwrap(), tag.clone()].concat();
            let read = Audio::decode(&bytes, None, name).unwrap();
            assert_eq!(read.samples, open(name).samples, "{name}");
        }
    }
}

#[test]
fn itunes_tag_stands_in_for_an_edit_list() {
    let bytes = std::fs::read(encoding("aac.m4a")).unwrap();
    let find = |what: &[u8]| bytes.windows(what.len()).position(|w| w == what).unwrap();
    let mut tagged = bytes.clone();
    tagged[find(b"edts")..][..4].copy_from_slice(b"free");
    let untrimmed = Audio::decode(&tagged, None, "untrimmed.m4a").unwrap();
    assert!(untrimmed.samples.len() > open("aac.m4a").samples.len());

    let text = b" 00000000 00000400 00000000 00000000000019D7 00000000";
    let mut data = (8 + 8 + text.len() as u32).to_be_bytes().to_vec();
    data.extend(b"data\0\0\0\x01\0\0\0\0");
    data.extend(text);
    let mut udta = (8 + 8 + data.len() as u32).to_be_bytes().to_vec();
    udta.extend(b"udtaiTunSMPB");
    udta.extend(data);
    let moov = find(b"moov") - 4;
    let size = u32::from_be_bytes(tagged[moov..moov + 4].try_into().unwrap());
    assert!(moov > find(b"mdat"), "growing the header must not move the data");
    tagged[moov..moov + 4].copy_from_slice(&(size + udta.len() as u32).to_be_bytes());
    tagged.splice(moov + size as usize..moov + size as usize, udta);
    assert_eq!(Audio::decode(&tagged, None, "itunes.m4a").unwrap(), open("aac.m4a"));
}

#[test]
fn chunks_around_the_data_are_passed_over() {
    let samples = [1000i16, -2000, 3000];
    let data: Vec<u8> = samples.iter().flat_map(|s| s.to_le_bytes()).collect();
    let file = riff(&[
        chunk(b"JUNK", &[0; 27]),
        chunk(b"fmt ", &fmt(1, 1, 48_000, 16)),
        chunk(b"LIST", b"INFOISFT\x05\0\0\0Sound"),
        chunk(b"fact", &[0; 12]),
        chunk(b"FLLR", &[0; 4044]),
        chunk(b"data", &data),
        chunk(b"bext", &[0; 603]),
        chunk(b"_PMX", b"<x:xmpmeta/>"),
    ]);
    let audio = Audio::decode(&file, Some("wav"), "chunks.wav").unwrap();
    assert_eq!(audio, Audio::decode(&wav(&samples, 48_000), None, "plain.wav").unwrap());
}

#[test]
fn valid_bits_are_left_justified_in_their_container() {
    // 20 of 24 bits: 0x400000 is one half.
    let mut format = fmt(0xFFFE, 1, 48_000, 24);
    format.extend([22, 0, 20, 0, 4, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0x10, 0]);
    format.extend([0x80, 0, 0, 0xAA, 0, 0x38, 0x9B, 0x71]);
    let file = riff(&[chunk(b"fmt ", &format), chunk(b"data", &[0, 0, 0x40, 0, 0, 0xC0])]);
    assert_eq!(Audio::decode(&file, None, "20.wav").unwrap().samples, [0.5, -0.5]);
}

#[test]
fn ravdess_originals_equal_their_flac_copies() {
    let (Some(originals), Some(ravdess)) = (ravdess_originals(), crate::common::ravdess()) else { return };
    for (stem, channels) in [("03-01-01-01-01-01-01", 1), ("03-01-02-01-01-02-01", 2)] {
        let wav = Audio::open(originals.join(format!("{stem}.wav"))).unwrap();
        let flac = Audio::open(ravdess.join(format!("Actor_01/{stem}.flac"))).unwrap();
        assert_eq!((wav.channels, wav.sample_rate), (channels, 48_000));
        assert_eq!(wav, flac);
    }
}

#[test]
fn no_more_is_decoded_than_the_limit() {
    use std::time::Duration;
    for name in ["lossless.flac", "lossless.m4a", "aac.m4a", "lame.mp3", "vorbis.ogg", "pcm_f32.wav"] {
        let whole = std::fs::read(encoding(name)).unwrap();
        let decoded = Audio::decode(&whole, None, name).unwrap();
        let length = decoded.duration();
        let within = length + Duration::from_millis(200);
        let of_limits = |limits| AudioOptions { limits, ..Default::default() };
        let lasting = |duration| of_limits(AudioLimits { duration, ..AudioLimits::NONE });
        assert_eq!(Audio::decode_with(&lasting(within), &whole, None, name).unwrap().duration(), length);
        let error = Audio::decode_with(&lasting(length / 2), &whole, None, name).unwrap_err();
        assert!(matches!(error.kind, AudioErrorKind::TooLong { limit } if limit == length / 2), "{error}");
        let few = of_limits(AudioLimits { samples: decoded.samples.len() - 1, ..AudioLimits::NONE });
        let error = Audio::decode_with(&few, &whole, None, name).unwrap_err();
        assert!(matches!(error.kind, AudioErrorKind::TooManySamples { .. }), "{error}");
    }
}
