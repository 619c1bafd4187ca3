//! Damaged files of every kind: an error that names the file, or sound that holds together, and never a panic.

use std::fs;
use std::io::Write;

use crate::common::{encoding, tone};
use proptest::prelude::*;
use proptest::sample::Index;
use ser_data::{Audio, Clips, ClipsOptions, Source};
use zip::write::SimpleFileOptions;

/// One change to a file.
#[derive(Debug, Clone)]
enum Change {
    Set(Index, u8),
    Flip(Index, u8),
    Word(Index, u32),
    Cut(Index),
    Remove(Index, usize),
    Repeat(Index, Index, usize),
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let extremes = prop::sample::select(vec![0, 1, 0x7F, 0xFF, 0xFFFF, 0x7FFF_FFFF, 0x8000_0000, u32::MAX]);
    let change = prop_oneof![
        3 => (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Change::Set(at, byte)),
        3 => (any::<Index>(), 0u8..8).prop_map(|(at, bit)| Change::Flip(at, 1 << bit)),
        3 => (any::<Index>(), extremes).prop_map(|(at, word)| Change::Word(at, word)),
        1 => any::<Index>().prop_map(Change::Cut),
        1 => (any::<Index>(), 1usize..64).prop_map(|(at, n)| Change::Remove(at, n)),
        1 => (any::<Index>(), any::<Index>(), 1usize..256).prop_map(|(a, b, n)| Change::Repeat(a, b, n)),
    ];
    prop::collection::vec(change, 1..6)
}

fn changed(original: &[u8], changes: &[Change]) -> Vec<u8> {
    let mut bytes = original.to_vec();
    // Half of the changes fall on the headers, where they do most.
    let place = |at: &Index, length: usize| match at.index(2 * length) {
        at if at < length => at,
        at => (at - length) % length.min(200),
    };
    for change in changes {
        if bytes.is_empty() {
            break;
        }
        let length = bytes.len();
        match change {
            Change::Set(at, byte) => bytes[place(at, length)] = *byte,
            Change::Flip(at, bit) => bytes[place(at, length)] ^= bit,
            Change::Word(at, word) => {
                let at = place(at, length);
                let to_end = length - at;
                bytes[at..].iter_mut().zip(word.to_be_bytes()).take(to_end).for_each(|(b, w)| *b = w);
            }
            Change::Cut(at) => bytes.truncate(at.index(length)),
            Change::Remove(at, n) => {
                let at = place(at, length);
                bytes.drain(at..(at + n).min(length));
            }
            Change::Repeat(from, to, n) => {
                let from = place(from, length);
                let part = bytes[from..(from + n).min(length)].to_vec();
                let to = place(to, length);
                bytes.splice(to..to, part);
            }
        }
    }
    bytes
}

fn assert_holds_together(bytes: &[u8], name: &str) {
    let extension = name.rsplit_once('.').map(|(_, e)| e);
    match Audio::decode(bytes, extension, name) {
        Ok(audio) => {
            assert!(audio.channels >= 1 && audio.sample_rate >= 1 && !audio.samples.is_empty());
            assert_eq!(audio.samples.len() % audio.channels, 0);
            assert!(audio.samples.iter().all(|s| s.is_finite()));
            assert_eq!(audio.to_mono().unwrap().len(), audio.frames());
        }
        Err(error) => assert!(error.to_string().starts_with(name)),
    }
}

macro_rules! damaged {
    ($($test:ident: $name:literal;)+) => {
        proptest! {
            #![proptest_config(ProptestConfig { max_shrink_iters: 200, failure_persistence: None, ..Default::default() })]
            $(#[test]
            fn $test(changes in changes()) {
                let original = fs::read(encoding($name)).unwrap();
                assert_holds_together(&changed(&original, &changes), $name);
            })+
        }
    };
}

damaged! {
    damaged_wav: "short.wav";
    damaged_float_wav: "pcm_f32.wav";
    damaged_extensible_wav: "six_channels.wav";
    damaged_flac: "lossless.flac";
    damaged_alac: "lossless.m4a";
    damaged_aac: "aac.m4a";
    damaged_mp3: "lame.mp3";
    damaged_stereo_mp3: "stereo_44100.mp3";
    damaged_vorbis: "vorbis.ogg";
    damaged_opus: "opus.ogg";
    damaged_matroska: "opus.webm";
    damaged_mp4: "ac3.mp4";
    damaged_fragments: "fragmented.mp4";
    damaged_au: "short.au";
    damaged_wave64: "short.w64";
    damaged_rf64: "rf64.wav";
    damaged_adpcm: "adpcm_ms.wav";
    damaged_ima_adpcm: "adpcm_ima.wav";
    damaged_adts: "adts.aac";
    damaged_layer_2: "layer2.mp2";
    damaged_flac_in_ogg: "flac.ogg";
    damaged_video: "video.webm";
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

    #[test]
    fn any_bytes_behind_any_magic(
        magic in prop::sample::select(vec![
            &b"RIFF\xFF\0\0\0WAVEfmt "[..], b"fLaC\0\0\0\x22", b"OggS\0\x02", b"\0\0\0\x20ftypM4A ", b"ID3\x04\0\0\0\0\0\0",
            b"\xFF\xFB\x90\x64", b"\xFF\xF1\x50\x80", b"FORM\0\0\xFF\0AIFF", b"caff\0\x01\0\0", b"\x1A\x45\xDF\xA3", b"",
        ]),
        rest in prop::collection::vec(any::<u8>(), 0..600),
        extension in prop::sample::select(vec!["wav", "mp3", "m4a"]),
    ) {
        assert_holds_together(&[magic, &rest].concat(), &format!("noise.{extension}"));
    }

    #[test]
    fn damaged_archives(changes in changes()) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("speech.zip");
        let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        for number in 1..3 {
            writer.start_file(format!("Actor_01/03-01-03-01-01-0{number}-01.wav"), SimpleFileOptions::default()).unwrap();
            writer.write_all(&tone(number)[..2000]).unwrap();
        }
        let original = writer.finish().unwrap().into_inner();
        fs::write(&path, changed(&original, &changes)).unwrap();
        for skip_bad in [false, true] {
            match Clips::open(&[Source::auto(&path)], &ClipsOptions { skip_bad, ..Default::default() }) {
                Ok(dataset) => {
                    let _ = ser_data::groups_of_identical(&dataset.clips);
                    for clip in &dataset.clips {
                        if let Err(error) = clip.read() {
                            assert!(error.to_string().contains("speech.zip/"));
                        }
                    }
                }
                Err(error) => assert!(error.to_string().contains("speech.zip")),
            }
        }
    }
}
