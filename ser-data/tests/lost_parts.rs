//! Missing or damaged parts in the middle of a file give an error or a warning.

use ser_data::{Audio, AudioErrorKind, AudioOptions, AudioWarning};

use crate::common::{cases, encoding, second, wav};

/// A box of MP4.
fn mp4_box(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
    [&(body.len() as u32 + 8).to_be_bytes()[..], kind, body].concat()
}

/// MP4 of 16-bit samples, mono at 8 kHz, in fragments of 1,000 samples; each is a `moof` and an `mdat`.
fn fragmented(samples: &[i16]) -> (Vec<u8>, Vec<Vec<u8>>) {
    let mut entry = [0; 28];
    (entry[7], entry[17], entry[19]) = (1, 1, 16);
    entry[24..26].copy_from_slice(&8000u16.to_be_bytes());
    fragmented_as(b"sowt", &entry, samples)
}

/// The same with a sample entry of one's own.
pub(crate) fn fragmented_as(kind: &[u8; 4], entry: &[u8], samples: &[i16]) -> (Vec<u8>, Vec<Vec<u8>>) {
    let word = |number: u32| number.to_be_bytes();
    let (mut hdlr, mut mdhd, mut tkhd) = ([0; 24], [0; 24], [0; 84]);
    hdlr[8..12].copy_from_slice(b"soun");
    mdhd[12..16].copy_from_slice(&word(8000));
    tkhd[12..16].copy_from_slice(&word(1));
    let stsd = mp4_box(b"stsd", &[&[0, 0, 0, 0, 0, 0, 0, 1][..], &mp4_box(kind, entry)].concat());
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
    let samples = second();
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
    // Zeros after the last box are filler.
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
fn damage_to_an_ogg_stream_is_named() {
    let whole = std::fs::read(encoding("vorbis.ogg")).unwrap();
    let pages: Vec<usize> =
        whole.windows(4).enumerate().filter(|(_, w)| *w == b"OggS").map(|(at, _)| at).collect();
    let text = |bytes: &[u8]| Audio::decode(bytes, None, "x.ogg").unwrap_err().to_string();
    let mut flipped = whole.clone();
    let middle = whole.len() - 200;
    flipped[middle] ^= 1;
    assert!(text(&flipped).contains("checksum of the OGG page"), "{}", text(&flipped));
    // Without its last page the stream has no end mark: a warning.
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
    assert!(
        text(&without).contains("OGG page after page 2 must be page 3, got page 4"),
        "{}",
        text(&without)
    );
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
    assert!(error.to_string().contains("other bytes between them at byte "), "{error}");
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
    // A tag after the sound is not a damaged frame.
    let mut tagged = whole.clone();
    tagged.extend(b"TAG");
    tagged.resize(whole.len() + 128, b' ');
    assert_eq!(
        Audio::decode(&tagged, None, "x.flac").unwrap(),
        Audio::decode(&whole, None, "x.flac").unwrap()
    );
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
            Err(error) => {
                refused += usize::from(error.to_string().contains("frames before an MP3 frame must hold"))
            }
            Ok(audio) => assert!(audio.frames() < frames),
        }
    }
    println!("{refused} of {} frames are missed", starts.len());
    assert!(refused > 0, "of {} frames", starts.len());
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

/// A damaged packet may decode to less sound than it had.
#[test]
fn packets_that_are_shorter_than_an_mp4_file_tells_are_warned_of() {
    let mut file = std::fs::read(encoding("aac.m4a")).unwrap();
    let whole = Audio::decode(&file, None, "x.m4a").unwrap();
    assert!(whole.warnings.is_empty(), "{:?}", whole.warnings);
    // Seven packets of 1,024 ticks and a shorter one; now of 3,072.
    let at = file.windows(4).position(|window| window == b"stts").unwrap() + 12;
    assert_eq!(file[at..at + 8], [0, 0, 0, 7, 0, 0, 4, 0]);
    file[at + 6] = 12;
    let audio = Audio::decode(&file, None, "x.m4a").unwrap();
    assert_eq!(audio.samples, whole.samples);
    let [AudioWarning::Gap { missing, .. }] = audio.warnings[..] else { panic!("{:?}", audio.warnings) };
    // The first packet's time is where the clock begins, and the second's is the first to compare.
    let expected = 6.0 * 2048.0 / f64::from(audio.sample_rate);
    assert!((missing - expected).abs() < 1e-9, "{missing} s, not {expected} s");
}

#[test]
fn an_mp4_index_that_lists_too_few_samples_is_cut_short() {
    let mut file = std::fs::read(encoding("aac.m4a")).unwrap();
    let whole = Audio::decode(&file, None, "x.m4a").unwrap();
    let at = file.windows(4).position(|window| window == b"stsz").unwrap() + 12;
    assert_eq!(file[at..at + 4], [0, 0, 0, 8]);
    file[at + 3] = 4;
    let error = Audio::decode(&file, None, "x.m4a").unwrap_err();
    assert!(
        error.to_string().ends_with("MP4 samples must be 8, as declared, got 4: the file is truncated"),
        "{error}"
    );
    let allowed = AudioOptions { allow_truncated: true, ..Default::default() };
    let part = Audio::decode_with(&allowed, &file, None, "x.m4a").unwrap();
    assert!(part.samples[..] == whole.samples[..part.samples.len()] && part.frames() > 2048);
    assert!(matches!(part.warnings[..], [AudioWarning::CutShort { .. }]), "{:?}", part.warnings);
}

/// FLAC in MP4 with its index in front; `None` where ffmpeg makes none.
fn flac_in_mp4() -> Option<Vec<u8>> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.mp4");
    let clip = encoding("../../examples/assets/sample.wav");
    let arguments =
        ["-i", clip.to_str().unwrap(), "-c:a", "flac", "-strict", "-2", "-movflags", "+faststart"];
    if crate::ffmpeg::ffmpeg(&[&arguments[..], &[path.to_str().unwrap()]].concat()).is_none() {
        println!("skipped: ffmpeg is not installed, or writes no FLAC in MP4");
        return None;
    }
    Some(std::fs::read(&path).unwrap())
}

#[test]
fn damage_before_a_cut_is_told_beside_the_cut() {
    let Some(whole) = flac_in_mp4() else { return };
    let allowed = AudioOptions { allow_truncated: true, ..Default::default() };
    let of = |bytes: &[u8]| Audio::decode_with(&allowed, bytes, None, "x.mp4").unwrap();
    let reasons = |audio: &Audio| -> Vec<String> { audio.warnings.iter().map(ToString::to_string).collect() };
    let frames = of(&whole).frames();
    let mut cut = whole[..whole.len() * 19 / 20].to_vec();
    let told = of(&cut);
    let [reason] = &reasons(&told)[..] else { panic!("{:?}", told.warnings) };
    assert!(reason.ends_with("the file is truncated") && reason.contains("bytes of an MP4 box"), "{reason}");
    let damage = cut.len() / 5;
    cut[damage..damage + 3000].fill(0);
    let audio = of(&cut);
    assert!(audio.frames() < frames / 2 && told.frames() > frames / 2, "{}", audio.frames());
    let [box_, packet] = &reasons(&audio)[..] else { panic!("{:?}", audio.warnings) };
    assert!(
        box_.ends_with("the file is truncated") && packet.ends_with("the file is damaged"),
        "{box_}, {packet}"
    );
}

#[test]
fn packets_that_an_mp4_index_lacks_are_told_beside_a_cut() {
    let Some(mut file) = flac_in_mp4() else { return };
    let sizes = file.windows(4).position(|window| window == b"stsz").unwrap() + 12;
    let listed = u32::from_be_bytes(file[sizes..sizes + 4].try_into().unwrap());
    assert!(listed > 4, "{listed}");
    file[sizes..sizes + 4].copy_from_slice(&(listed / 2).to_be_bytes());
    file.truncate(file.len() * 19 / 20);
    let allowed = AudioOptions { allow_truncated: true, ..Default::default() };
    let audio = Audio::decode_with(&allowed, &file, None, "x.mp4").unwrap();
    let reasons: Vec<String> = audio.warnings.iter().map(ToString::to_string).collect();
    let [box_, samples] = &reasons[..] else { panic!("{reasons:?}") };
    assert!(box_.contains("bytes of an MP4 box") && samples.contains("MP4 samples must be "), "{reasons:?}");
}

/// Opus in CAF, in packets of 20 ms, with the place of its packet table; `None` where ffmpeg makes none.
fn opus_in_caf() -> Option<(Vec<u8>, usize)> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.caf");
    let clip = encoding("reference.wav");
    let arguments = ["-i", clip.to_str().unwrap(), "-c:a", "libopus", path.to_str().unwrap()];
    if crate::ffmpeg::ffmpeg(&arguments).is_none() {
        println!("skipped: ffmpeg is not installed, or without libopus");
        return None;
    }
    let file = std::fs::read(&path).unwrap();
    let table = file.windows(4).position(|window| window == b"pakt").unwrap() + 12;
    Some((file, table))
}

#[test]
fn the_counts_of_a_caf_file_cut_no_sound_without_a_word() {
    let Some((file, table)) = opus_in_caf() else { return };
    let whole = Audio::decode(&file, None, "x.caf").unwrap();
    assert_eq!(whole.warnings, []);
    let with = |at: usize, number: u64| {
        let mut file = file.clone();
        file[at..at + 8].copy_from_slice(&number.to_be_bytes());
        Audio::decode(&file, None, "x.caf").unwrap()
    };
    let packets = u64::from_be_bytes(file[table..table + 8].try_into().unwrap());
    assert!(packets > 10, "{packets}");
    let fewer = with(table, packets / 2);
    assert!(whole.samples.starts_with(&fewer.samples) && fewer.frames() < whole.frames());
    assert!(matches!(fewer.warnings[..], [AudioWarning::BytesAfter { .. }]), "{:?}", fewer.warnings);
    let shorter = with(table + 8, 100);
    assert!(shorter.samples.starts_with(&whole.samples), "{}", shorter.frames());
    let [AudioWarning::WrongLength { declared: 100, .. }] = shorter.warnings[..] else {
        panic!("{:?}", shorter.warnings)
    };
}

#[test]
fn a_cut_packet_table_of_caf_gives_the_packets_that_it_lists() {
    let Some((file, table)) = opus_in_caf() else { return };
    let whole = Audio::decode(&file, None, "x.caf").unwrap();
    let cut = &file[..table + 24 + 6];
    let error = Audio::decode(cut, None, "x.caf").unwrap_err().to_string();
    assert!(
        error.ends_with("the file is truncated") && error.contains("bytes of a CAF packet table"),
        "{error}"
    );
    let allowed = AudioOptions { allow_truncated: true, ..Default::default() };
    let part = Audio::decode_with(&allowed, cut, None, "x.caf").unwrap();
    assert!((1..whole.frames()).contains(&part.frames()), "{} frames", part.frames());
    assert!(whole.samples.starts_with(&part.samples));
    assert!(matches!(part.warnings[..], [AudioWarning::CutShort { .. }]), "{:?}", part.warnings);
}

#[test]
fn packets_that_are_shorter_than_a_caf_file_counts_are_warned_of() {
    let Some((mut file, _)) = opus_in_caf() else { return };
    let whole = Audio::decode(&file, None, "x.caf").unwrap();
    let data = file.windows(4).position(|window| window == b"data").unwrap() + 16;
    file[data + 200..data + 700].fill(0);
    let audio = Audio::decode(&file, None, "x.caf").unwrap();
    assert!(audio.frames() < whole.frames());
    let lost = (whole.frames() - audio.frames()) as f64 / 48_000.0;
    let [AudioWarning::Gap { missing, .. }] = audio.warnings[..] else { panic!("{:?}", audio.warnings) };
    assert!((missing - lost).abs() < 1e-3, "{missing} s, not {lost} s");
}
