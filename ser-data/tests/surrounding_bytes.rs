//! Bytes before and after the audio: the audio is read, and a warning reports how many bytes were skipped.

use ser_data::{Audio, AudioWarning};

use crate::common::{chunk, encoding, fmt, riff};

fn read(name: &str) -> (Vec<u8>, Audio) {
    let bytes = std::fs::read(encoding(name)).unwrap();
    let audio = Audio::decode(&bytes, None, name).unwrap();
    (bytes, audio)
}

#[test]
fn bytes_behind_a_whole_file_are_left_out_with_a_warning() {
    let junk = b"some junk after".repeat(20);
    for name in [
        "lossless.flac",
        "stereo_44100.flac",
        "opus.webm",
        "video.webm",
        "aac.m4a",
        "lossless.m4a",
        "video.mp4",
        "video.mov",
        "fragmented.mp4",
        "short.aiff",
    ] {
        let (bytes, whole) = read(name);
        assert_eq!(whole.warnings, [], "{name}");
        for after in [&b"\r\n"[..], &junk] {
            let audio = Audio::decode(&[&bytes[..], after].concat(), None, name).unwrap();
            assert!(audio.samples == whole.samples, "{name}: {} samples", audio.samples.len());
            assert_eq!(audio.warnings, [AudioWarning::BytesAfter { bytes: after.len() as u64 }], "{name}");
        }
    }
}

#[test]
fn zeros_that_may_have_been_frames_are_told() {
    for name in ["bare.mp3", "adts.aac", "layer2.mp2"] {
        let (bytes, whole) = read(name);
        let padded = |zeros: usize| [&bytes[..], &vec![0; zeros]].concat();
        let audio = Audio::decode(&padded(2000), None, name).unwrap();
        assert_eq!(
            (audio.samples, audio.warnings),
            (whole.samples.clone(), vec![AudioWarning::BytesAfter { bytes: 2000 }])
        );
        // A few bytes of filler hold no frame.
        assert_eq!(Audio::decode(&padded(16), None, name).unwrap(), whole, "{name}");
        // In WAV too.
        let format = if name == "adts.aac" { continue } else { fmt(0x55, 1, 22_050, 0) };
        let file = riff(&[chunk(b"fmt ", &format), chunk(b"data", &padded(2000))]);
        let audio = Audio::decode(&file, None, "x.wav").unwrap();
        assert_eq!(audio.warnings, [AudioWarning::BytesAfter { bytes: 2000 }], "{name}");
    }
    // The encoder's tag counts the frames, and after a tag there are none.
    let (bytes, whole) = read("lame.mp3");
    assert_eq!(Audio::decode(&[&bytes[..], &[0; 2000]].concat(), None, "x.mp3").unwrap(), whole);
    let (bytes, whole) = read("bare.mp3");
    let tag = [&b"TAG"[..], &[b' '; 125]].concat();
    assert_eq!(Audio::decode(&[&bytes[..], &tag, &[0; 2000]].concat(), None, "x.mp3").unwrap(), whole);
}

#[test]
fn bytes_before_the_first_frame_are_told() {
    let (bytes, whole) = read("adts.aac");
    // Cut within the third frame.
    let frame =
        |at: usize| (u32::from_be_bytes(bytes[at + 2..at + 6].try_into().unwrap()) >> 5 & 0x1FFF) as usize;
    let second = frame(0);
    let third = second + frame(second);
    let cut = second + 20;
    let audio = Audio::decode(&bytes[cut..], Some("aac"), "x.aac").unwrap();
    assert_eq!(audio.frames(), whole.frames() - 2048);
    assert_eq!(audio.warnings, [AudioWarning::BytesBefore { bytes: (third - cut) as u64 }]);
    let audio = Audio::decode(&[&[0; 50], &bytes[..]].concat(), Some("aac"), "x.aac");
    assert_eq!(audio.unwrap(), whole, "zeros are filler");
}

#[test]
fn tags_before_any_format_are_passed_over() {
    let tag = [&b"ID3\x03\0\0\0\0\0\x72TIT2\0\0\0\x04\0\0\0abc"[..], &[0; 100]].concat();
    for name in [
        "short.wav",
        "rf64.wav",
        "short.w64",
        "short.aiff",
        "short.au",
        "alac.caf",
        "lossless.flac",
        "lame.mp3",
        "adts.aac",
        "vorbis.ogg",
        "opus.webm",
        "aac.m4a",
        "fragmented.mp4",
    ] {
        let (bytes, whole) = read(name);
        assert_eq!(Audio::decode(&[&tag[..], &bytes].concat(), None, name).unwrap(), whole, "{name}");
        assert_eq!(Audio::decode(&[&tag[..], &tag, &bytes].concat(), None, name).unwrap(), whole, "{name}");
    }
    let error = Audio::decode(b"ID3\x03\0\0\0\x7F\x7F\x7Fabc", None, "x.mp3").unwrap_err().to_string();
    assert!(
        error.contains("bytes of an ID3 tag must be ") && error.ends_with("got 13: the file is truncated"),
        "{error}"
    );
}

#[test]
fn a_second_file_or_sound_behind_the_first_is_told() {
    for name in ["short.wav", "rf64.wav", "short.w64", "short.aiff", "aac.m4a", "lossless.m4a", "video.mov"] {
        let (bytes, whole) = read(name);
        let twice = Audio::decode(&[&bytes[..], &bytes].concat(), None, name).unwrap();
        assert!(twice.samples == whole.samples, "{name}");
        let told = |bytes: u64| vec![AudioWarning::BytesAfter { bytes }];
        assert_eq!(twice.warnings, told(bytes.len() as u64), "{name}");
    }
    let parts = [chunk(b"fmt ", &fmt(1, 1, 8000, 16)), chunk(b"data", &[1; 800]), chunk(b"data", &[2; 400])];
    let audio = Audio::decode(&riff(&parts), None, "x.wav").unwrap();
    assert_eq!((audio.frames(), audio.warnings), (400, vec![AudioWarning::BytesAfter { bytes: 408 }]));
}
