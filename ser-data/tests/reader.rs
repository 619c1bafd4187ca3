//! Blocks give the same samples as the whole, and a cut file what stands before the cut.

use std::io::Cursor;

use ser_data::{Audio, AudioError, AudioErrorKind, AudioOptions, AudioReader, AudioWarning};

use crate::common::encoding;

const NAMES: [&str; 10] = [
    "short.wav",
    "lossless.flac",
    "lossless.m4a",
    "aac.m4a",
    "lame.mp3",
    "stereo_44100.mp3",
    "vorbis.ogg",
    "opus.ogg",
    "opus.webm",
    "alac.caf",
];

#[test]
fn pieces_of_any_size_join_to_the_whole() {
    for name in NAMES {
        let whole = Audio::open(encoding(name)).unwrap();
        let mono = whole.to_mono().unwrap();
        for size in [1, 441, 1_000_000] {
            let mut reader = AudioReader::open(encoding(name), &AudioOptions::default()).unwrap();
            assert_eq!((reader.channels(), reader.sample_rate()), (whole.channels, whole.sample_rate));
            let (mut piece, mut joined) = (vec![0.0; size], Vec::new());
            loop {
                let read = reader.read(&mut piece).unwrap();
                joined.extend_from_slice(&piece[..read]);
                if read < size {
                    break;
                }
            }
            assert!(joined == mono, "{name} in pieces of {size}");
            assert_eq!(reader.read(&mut piece).unwrap(), 0, "{name} after its end");
            assert!(reader.progress() > 0.9, "{name}: {}", reader.progress());
            assert_eq!(reader.warnings(), whole.warnings);
        }
    }
}

#[test]
fn blocks_follow_one_another_without_a_gap_after_a_read() {
    let whole = Audio::open(encoding("stereo_44100.flac")).unwrap();
    let mut reader = AudioReader::open(encoding("stereo_44100.flac"), &AudioOptions::default()).unwrap();
    let mut samples = Vec::new();
    while let Some(block) = reader.next_block().unwrap() {
        assert!(!block.is_empty() && block.len() % 2 == 0);
        samples.extend_from_slice(block);
    }
    assert!(samples == whole.samples);
    assert!(reader.next_block().unwrap().is_none());
}

#[test]
fn a_cut_file_is_read_to_the_cut_where_that_is_allowed() {
    let allowed = AudioOptions { allow_truncated: true, ..Default::default() };
    for name in [
        "short.wav",
        "lossless.flac",
        "lame.mp3",
        "vorbis.ogg",
        "opus.ogg",
        "opus.webm",
        "video.webm",
        "pcm_f32.wav",
    ] {
        let bytes = std::fs::read(encoding(name)).unwrap();
        let whole = Audio::decode(&bytes, None, name).unwrap();
        let cut = &bytes[..bytes.len() * 9 / 10];
        assert!(Audio::decode(cut, None, name).is_err(), "{name}");
        let part = Audio::decode_with(&allowed, cut, None, name).unwrap();
        assert!((1..whole.frames()).contains(&part.frames()), "{name}: {} frames", part.frames());
        assert!(part.samples[..] == whole.samples[..part.samples.len()], "{name}");
        let cut_short = |warning: &AudioWarning| matches!(warning, AudioWarning::CutShort { .. });
        assert!(part.warnings.iter().any(cut_short), "{name}: {:?}", part.warnings);
        println!("{name}: {} of {} frames, {}", part.frames(), whole.frames(), part.warnings[0]);
    }
}

#[test]
fn an_hour_takes_no_more_memory_than_its_blocks() {
    // Half an hour of joined MP3 files: the reader holds a frame at a time.
    let one = std::fs::read(encoding("lame.mp3")).unwrap();
    let long = one.repeat(6000);
    let mut reader = AudioReader::new(Cursor::new(&long), None, "long", &AudioOptions::default()).unwrap();
    let (mut largest, mut frames) = (0, 0);
    while let Some(block) = reader.next_block().unwrap() {
        largest = largest.max(block.len());
        frames += block.len();
    }
    assert_eq!(frames, 6000 * 6615);
    assert!(largest <= 1152, "{largest}");
}

#[test]
fn cut_files_are_called_cut_short_wherever_their_index_stands() {
    let strict = AudioOptions::default();
    let allowed = AudioOptions { allow_truncated: true, ..strict };
    let mut files = 0;
    for entry in std::fs::read_dir(encoding("")).unwrap() {
        let path = entry.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        if !["caf", "m4a", "mov", "mp4"].contains(&extension) || Audio::open(&path).is_err() {
            continue;
        }
        files += 1;
        for part in 1..20 {
            let cut = &bytes[..bytes.len() * part / 20];
            let error = Audio::decode_with(&strict, cut, None, "file").unwrap_err().to_string();
            assert!(error.contains("truncated"), "{}, {part}: {error}", path.display());
            match Audio::decode_with(&allowed, cut, None, "file") {
                Ok(audio) => {
                    let told = audio.warnings.iter().map(ToString::to_string);
                    let told: Vec<String> =
                        told.filter(|line| line.ends_with("the file is truncated")).collect();
                    assert_eq!(told.len(), 1, "{}, {part}: {:?}", path.display(), audio.warnings);
                }
                Err(AudioError { kind: AudioErrorKind::Empty { .. }, .. }) => {}
                Err(error) => assert!(error.to_string().contains("truncated"), "{}: {error}", path.display()),
            }
        }
    }
    assert!(files > 5, "{files} files");
}
