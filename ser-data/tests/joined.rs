//! Joined files are read to the end, whatever tags stand between them.

use ser_data::Audio;

use crate::common::encoding;

/// Tags as programs write them before and after the sound.
fn tags() -> [Vec<u8>; 4] {
    let id3v1 = [&b"TAG"[..], &[b' '; 125]].concat();
    let id3v2 = [&b"ID3\x03\0\0\0\0\0\x22TIT2\0\0\0\x04\0\0\0abc"[..], &[0; 20]].concat();
    let ape = |flags: u32| {
        let numbers = [2000u32, 32 + 11, 1, flags, 0, 0];
        [&b"APETAGEX"[..], &numbers.map(u32::to_le_bytes).concat()].concat()
    };
    let ape = [ape(0xA000_0000), b"\x02\0\0\0\0\0\0\0K\0ab"[..11].to_vec(), ape(0x8000_0000)].concat();
    let lyrics = b"LYRICSBEGININD00002xx000022LYRICS200".to_vec();
    [
        id3v1.clone(),
        [id3v1.clone(), id3v2.clone()].concat(),
        [ape, id3v1.clone(), id3v2].concat(),
        [lyrics, id3v1].concat(),
    ]
}

#[test]
fn tags_between_joined_files_are_passed_over() {
    for name in [
        "lame.mp3",
        "bare.mp3",
        "layer2.mp2",
        "adts.aac",
        "lossless.flac",
        "vorbis.ogg",
        "opus.ogg",
        "flac.ogg",
    ] {
        let one = std::fs::read(encoding(name)).unwrap();
        let single = Audio::decode(&one, None, name).unwrap();
        for (number, tags) in tags().iter().enumerate() {
            let twice = Audio::decode(&[&one[..], tags, &one].concat(), None, name).unwrap();
            let expected = [&single.samples[..], &single.samples].concat();
            assert!(twice.samples == expected, "{name}, tags {number}: {} samples", twice.samples.len());
            assert_eq!(twice.warnings, [], "{name}, tags {number}");
        }
    }
}

#[test]
fn a_tag_that_declares_too_much_hides_no_frames() {
    for name in ["lame.mp3", "lossless.flac"] {
        let one = std::fs::read(encoding(name)).unwrap();
        let lie = b"ID3\x03\0\0\0\x7F\x7F\x7F";
        let joined = [&one[..], lie, &one].concat();
        let shorter = Audio::decode(&one, None, name).unwrap().samples.len();
        match Audio::decode(&joined, None, name) {
            Ok(audio) => assert!(audio.samples.len() > shorter || !audio.warnings.is_empty(), "{name}"),
            Err(error) => {
                assert!(error.to_string().contains("MPEG frames must follow one another"), "{error}")
            }
        }
    }
}
