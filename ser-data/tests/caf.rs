//! CAF: descriptions of FLAC, packet tables, and chunks that are missing.

use ser_data::{Audio, AudioErrorKind, AudioOptions, AudioWarning};

use crate::common::encoding;

const ALLOWED: AudioOptions = AudioOptions { allow_truncated: true, limits: ser_data::AudioLimits::NONE };

/// A chunk of CAF.
fn chunk(id: &[u8; 4], body: &[u8]) -> Vec<u8> {
    [id, &(body.len() as u64).to_be_bytes()[..], body].concat()
}

/// A CAF file of one channel at 22,050 Hz.
#[derive(Clone)]
struct Caf {
    codec: &'static [u8; 4],
    flags: u32,
    cookie: Vec<u8>,
    /// Bytes and frames of each packet.
    packets: Vec<(usize, usize)>,
    valid: u64,
    /// Frames of padding after the valid ones.
    remainder: u32,
    sound: Vec<u8>,
}

impl Caf {
    fn of(codec: &'static [u8; 4], packets: &[(Vec<u8>, usize)]) -> Self {
        let sound = packets.iter().flat_map(|(bytes, _)| bytes.clone()).collect();
        let packets = packets.iter().map(|(bytes, frames)| (bytes.len(), *frames)).collect();
        Self { codec, flags: 0, cookie: Vec::new(), packets, valid: 0, remainder: 0, sound }
    }

    /// Its chunks, the sound last.
    fn chunks(&self) -> [Vec<u8>; 4] {
        let mut desc = 22_050f64.to_be_bytes().to_vec();
        desc.extend(self.codec);
        desc.extend([self.flags, 0, 0, 1, 0].iter().flat_map(|field| field.to_be_bytes()));
        let mut pakt: Vec<u8> = [self.packets.len() as u64, self.valid, self.remainder.into()]
            .iter()
            .flat_map(|field| field.to_be_bytes())
            .collect();
        for number in self.packets.iter().flat_map(|&(bytes, frames)| [bytes, frames]) {
            assert!(number < 1 << 14, "{number}");
            pakt.extend([0x80 | (number >> 7) as u8, number as u8 & 0x7F]);
        }
        let data = [&[0; 4], &self.sound[..]].concat();
        [chunk(b"desc", &desc), chunk(b"kuki", &self.cookie), chunk(b"pakt", &pakt), chunk(b"data", &data)]
    }

    fn file(&self) -> Vec<u8> {
        [&b"caff\0\x01\0\0"[..], &self.chunks().concat()].concat()
    }
}

fn open(bytes: &[u8]) -> Result<Audio, AudioErrorKind> {
    Audio::decode(bytes, None, "x.caf").map_err(|error| error.kind)
}

/// A checksum of FLAC, of `bits` bits.
fn crc(bytes: &[u8], bits: u32, polynomial: u32) -> u32 {
    bytes.iter().fold(0, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte) << (bits - 8), |crc, _| {
            let shifted = crc << 1 & ((1 << bits) - 1);
            if crc >> (bits - 1) == 1 { shifted ^ polynomial } else { shifted }
        })
    })
}

/// The STREAMINFO block of `lossless.flac`, and its frames with how many samples each has.
fn flac() -> (Vec<u8>, Vec<(Vec<u8>, usize)>) {
    let file = std::fs::read(encoding("lossless.flac")).unwrap();
    let mut at = 4;
    loop {
        let is_last = file[at] & 0x80 != 0;
        at += 4 + usize::from(file[at + 2]) * 256 + usize::from(file[at + 3]);
        if is_last {
            break;
        }
    }
    let layout = file[at + 3];
    let mut starts = Vec::new();
    for place in at..file.len() - 5 {
        if file[place..place + 2] == file[at..at + 2]
            && file[place + 3..place + 5] == [layout, starts.len() as u8]
        {
            starts.push(place);
        }
    }
    starts.push(file.len());
    let block = usize::from(file[8]) * 256 + usize::from(file[9]);
    let samples = Audio::decode(&file, None, "x.flac").unwrap().frames();
    let frames = starts.windows(2).enumerate();
    let frames = frames.map(|(n, pair)| (file[pair[0]..pair[1]].to_vec(), block.min(samples - n * block)));
    (file[8..42].to_vec(), frames.collect())
}

/// The frame with its rate and bits left to STREAMINFO.
fn without_format(frame: &[u8]) -> Vec<u8> {
    let mut frame = frame.to_vec();
    let header = 5 + match frame[2] >> 4 {
        6 => 1,
        7 => 2,
        _ => 0,
    };
    frame[2] &= 0xF0;
    frame[3] &= 0xF1;
    frame[header] = crc(&frame[..header], 8, 0x07) as u8;
    let end = frame.len() - 2;
    let sum = crc(&frame[..end], 16, 0x8005) as u16;
    frame[end..].copy_from_slice(&sum.to_be_bytes());
    frame
}

#[test]
fn flac_frames_that_refer_to_streaminfo_are_read() {
    let whole = Audio::open(encoding("lossless.flac")).unwrap();
    let (info, frames) = flac();
    assert!(frames.len() > 1);
    let described = Caf::of(b"flac", &frames);
    assert_eq!(open(&described.file()).unwrap().samples, whole.samples);
    let bare: Vec<_> = frames.iter().map(|(frame, samples)| (without_format(frame), *samples)).collect();
    assert_ne!(frames, bare);
    let bare = Caf::of(b"flac", &bare);
    let block = [&[0x80, 0, 0, 34][..], &info].concat();
    let boxed = [&[0, 0, 0, 50][..], b"dfLa", &[0; 4], &block].concat();
    for cookie in [boxed, [b"fLaC", &block[..]].concat(), info] {
        let audio = open(&Caf { cookie, ..bare.clone() }.file()).unwrap();
        assert_eq!((audio.samples, audio.warnings), (whole.samples.clone(), vec![]));
    }
    // Core Audio's flag of 16 bits.
    assert_eq!(open(&Caf { flags: 1, ..bare.clone() }.file()).unwrap().samples, whole.samples);
    let error = open(&bare.file()).unwrap_err().to_string();
    assert!(
        error.contains("first FLAC frame or its container must declare the bits of a sample, got none"),
        "{error}"
    );
}

#[test]
fn the_counts_of_flac_packets_do_not_matter() {
    let whole = Audio::open(encoding("lossless.flac")).unwrap();
    let (_, frames) = flac();
    // FFmpeg writes too many where the source is longer than the file. Too few would cut the end.
    for count in [|samples: usize| samples * 5, |samples| samples / 5] {
        let packets: Vec<_> =
            frames.iter().map(|(frame, n)| (frame.clone(), count(*n).min(16_000))).collect();
        let valid = packets.iter().map(|(_, frames)| *frames as u64).sum();
        let audio = open(&Caf { valid, ..Caf::of(b"flac", &packets) }.file()).unwrap();
        assert!(audio.samples == whole.samples, "{} frames", audio.frames());
        assert_eq!(audio.warnings, []);
    }
}

#[test]
fn a_cut_before_the_packet_table_is_told_as_a_missing_index() {
    let (_, frames) = flac();
    let [desc, kuki, pakt, data] = Caf::of(b"flac", &frames).chunks();
    let file = [b"caff\0\x01\0\0", &desc[..], &kuki, &data, &pakt].concat();
    assert!(open(&file).is_ok());
    for options in [ALLOWED, AudioOptions::default()] {
        let cut = &file[..file.len() - pakt.len() - 500];
        let error = Audio::decode_with(&options, cut, None, "x.caf").unwrap_err().to_string();
        assert!(
            error.ends_with("the file is truncated and lacks the index of its samples")
                && error.contains("of CAF data"),
            "{error}"
        );
    }
}

#[test]
fn flac_without_a_whole_header_is_empty_or_cut_short() {
    let (_, frames) = flac();
    let whole = Caf::of(b"flac", &frames);
    let with = |bytes: usize| Caf { sound: whole.sound[..bytes].to_vec(), ..whole.clone() }.file();
    assert!(matches!(open(&with(0)), Err(AudioErrorKind::Empty { bytes }) if bytes == with(0).len() as u64));
    let error = open(&with(3)).unwrap_err();
    assert!(matches!(error, AudioErrorKind::Truncated { found: 3, .. }), "{error}");
    let file = whole.file();
    for left in [0, 3] {
        let cut = &file[..file.len() - whole.sound.len() + left];
        for options in [ALLOWED, AudioOptions::default()] {
            let error = Audio::decode_with(&options, cut, None, "x.caf").unwrap_err();
            let AudioErrorKind::Truncated { unit, .. } = error.kind else { panic!("{left}: {error}") };
            assert_eq!(unit, "bytes of CAF data", "{left}");
        }
    }
}

#[test]
fn a_missing_chunk_is_named() {
    let (_, frames) = flac();
    let chunks = Caf::of(b"flac", &frames).chunks();
    for (at, name) in [(0, "desc"), (2, "pakt"), (3, "data")] {
        let mut left = chunks.clone();
        left[at].clear();
        let error = open(&[&b"caff\0\x01\0\0"[..], &left.concat()].concat()).unwrap_err().to_string();
        assert_eq!(
            error,
            format!("CAF file must have a {name} chunk, got none (it may be truncated): the file is damaged")
        );
    }
    let error = open(&Caf::of(b"flac", &frames).file()[..40]).unwrap_err();
    assert!(matches!(error, AudioErrorKind::Truncated { declared: 32, found: 20, .. }), "{error}");
}

/// The parts of `alac.caf`: its cookie, and its only packet with the frames that it has.
fn alac() -> (Vec<u8>, (Vec<u8>, usize)) {
    let file = std::fs::read(encoding("alac.caf")).unwrap();
    let body = |id: &[u8]| {
        let at = file.windows(4).position(|window| window == id).unwrap() + 12;
        let bytes = u64::from_be_bytes(file[at - 8..at].try_into().unwrap()) as usize;
        file[at..at + bytes].to_vec()
    };
    (body(b"kuki"), (body(b"data")[4..].to_vec(), open(&file).unwrap().frames()))
}

#[test]
fn an_empty_last_packet_is_missing_sound_except_of_flac() {
    let (cookie, (packet, frames)) = alac();
    let packets = [(packet.clone(), frames), (packet, frames), (Vec::new(), frames)];
    let file = |packets: &[(Vec<u8>, usize)], valid: u64, remainder: u32| {
        Caf { cookie: cookie.clone(), valid, remainder, ..Caf::of(b"alac", packets) }.file()
    };
    let whole = open(&file(&packets[..2], 0, 0)).unwrap();
    assert_eq!((whole.frames(), &whole.warnings[..]), (2 * frames, &[][..]));
    let lacking = open(&file(&packets, 0, 0)).unwrap();
    assert_eq!(lacking.samples, whole.samples);
    let [AudioWarning::Gap { missing, .. }] = lacking.warnings[..] else { panic!("{:?}", lacking.warnings) };
    assert!((missing - frames as f64 / 22_050.0).abs() < 1e-9, "{missing} s");
    // Where the table counts its frames as padding, nothing is missing.
    let padded = open(&file(&packets, 2 * frames as u64, frames as u32)).unwrap();
    assert_eq!((padded.samples, padded.warnings), (whole.samples, vec![]));

    let (_, mut packets) = flac();
    packets.push((Vec::new(), packets[0].1));
    let audio = open(&Caf::of(b"flac", &packets).file()).unwrap();
    assert_eq!((audio.frames(), audio.warnings), (6615, vec![]));
}

#[test]
fn a_packet_table_that_is_cut_before_its_first_packet_is_cut_short() {
    let file = std::fs::read(encoding("alac.caf")).unwrap();
    let table = file.windows(4).position(|window| window == b"pakt").unwrap() + 12;
    let bytes = u64::from_be_bytes(file[table - 8..table].try_into().unwrap()) as usize;
    assert!(bytes > 24, "{bytes}");
    for cut in table..table + bytes {
        for options in [ALLOWED, AudioOptions::default()] {
            let error = Audio::decode_with(&options, &file[..cut], None, "x.caf").unwrap_err();
            let AudioErrorKind::Truncated { unit, found, .. } = error.kind else { panic!("{cut}: {error}") };
            assert_eq!((unit, found), ("bytes of a CAF packet table", (cut - table) as u64));
        }
    }
}
