//! A thousand files as people have them, made by ffmpeg, many of them damaged: what is read, what is refused and why, in a table.
//!
//! `cargo test -p ser-data --release --test data -- --ignored --nocapture a_thousand_files`

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use ser_data::{Audio, AudioErrorKind};

use crate::conformance::{CODECS, difference, installed, make, reference};

/// Numbers that repeat: Knuth's linear congruential generator.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % end.max(1)
    }

    fn of<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        &choices[self.below(choices.len())]
    }
}

/// What happens to files; those that leave the sound whole come first.
const DAMAGES: [&str; 11] = [
    "whole",
    "ID3v2 tag before",
    "ID3v1 tag behind",
    "APE tag behind",
    "length unknown",
    "length too small",
    "length too large",
    "cut",
    "bit flipped",
    "bits flipped",
    "1,000 bytes zeroed",
];

/// Of these, sound must neither be lost nor refused.
fn is_whole(damage: &str) -> bool {
    damage == "whole" || damage.contains("tag") || damage == "length unknown"
}

fn spoil(bytes: &mut Vec<u8>, damage: &str, container: &str, random: &mut Random) -> bool {
    let at = bytes.len() / 4 + random.below(bytes.len() / 2);
    match damage {
        "whole" => {}
        "ID3v2 tag before" => {
            // A title of three letters and a hundred bytes of padding.
            let tag = [&b"ID3\x03\0\0\0\0\0\x72TIT2\0\0\0\x04\0\0\0abc"[..], &[0; 100]].concat();
            // Other formats' players do not know such tags.
            if !["mp3", "mp2", "aac", "flac"].contains(&container) {
                return false;
            }
            bytes.splice(..0, tag);
        }
        "ID3v1 tag behind" => bytes.extend([&b"TAG"[..], &[b' '; 125]].concat()),
        "APE tag behind" => {
            let mut tag = b"APETAGEX".to_vec();
            for number in [2000u32, 32, 0, 0, 0, 0] {
                tag.extend(number.to_le_bytes());
            }
            bytes.extend(tag);
        }
        "cut" => bytes.truncate(at),
        "bit flipped" => bytes[at] ^= 1 << random.below(8),
        "bits flipped" => {
            for _ in 0..20 {
                let at = random.below(bytes.len());
                bytes[at] ^= 1 << random.below(8);
            }
        }
        "1,000 bytes zeroed" => {
            let end = (at + 1000).min(bytes.len());
            bytes[at..end].fill(0);
        }
        _ => return spoil_length(bytes, damage, container, random),
    }
    true
}

/// Writes another number where the container tells how long its sound is; `false` where none does.
fn spoil_length(bytes: &mut [u8], damage: &str, container: &str, random: &mut Random) -> bool {
    let find = |tag: &[u8]| bytes.windows(tag.len()).position(|window| window == tag);
    let (place, is_little) = match container {
        "wav" => (find(b"data").map(|at| at + 4), true),
        "aiff" => (find(b"SSND").map(|at| at + 4), false),
        "au" => (Some(8), false),
        // The low half of eight bytes.
        "caf" => (find(b"data").map(|at| at + 8), false),
        "flac" => (Some(22), false),
        _ => return false,
    };
    let Some(field) = place.and_then(|place| bytes.get_mut(place..place + 4)) else { return false };
    let four = [field[0], field[1], field[2], field[3]];
    let length = if is_little { u32::from_le_bytes(four) } else { u32::from_be_bytes(four) };
    let part = length / 8 + random.below(length as usize / 4) as u32;
    let length = match (damage, container) {
        // What recorders and pipes write.
        ("length unknown", "wav") => *random.of(&[0, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff]),
        ("length unknown", "flac") => 0,
        ("length unknown", "au") => u32::MAX,
        ("length too small", _) => length - part,
        ("length too large", _) => length.saturating_add(part),
        _ => return false,
    };
    field.copy_from_slice(&if is_little { length.to_le_bytes() } else { length.to_be_bytes() });
    true
}

/// How files of one kind ended.
#[derive(Default)]
struct Row {
    files: usize,
    equal: usize,
    /// Different sound, with a warning.
    warned: usize,
    refused: usize,
    /// Other samples without a word, but as many.
    other: usize,
    /// More samples without a word.
    longer: usize,
    /// Fewer samples without a word.
    shorter: usize,
}

#[test]
#[ignore = "takes minutes"]
fn a_thousand_files() {
    if !installed() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut random = Random(19);
    let (mut by_damage, mut by_codec) = (BTreeMap::<usize, Row>::new(), BTreeMap::<String, Row>::new());
    let (mut reasons, mut faults) = (BTreeMap::<String, usize>::new(), Vec::new());
    let (mut made, mut slowest) = (0, Duration::ZERO);
    while made < 1000 {
        let codec = random.of(CODECS);
        let (container, rate) = (*random.of(codec.containers), *random.of(codec.rates));
        let (channels, seconds) = (*random.of(codec.channels), *random.of(&[0.3, 1.0, 2.5, 7.0]));
        let damage = random.below(DAMAGES.len() + 4).saturating_sub(4);
        let Some(path) = make(folder.path(), codec, container, rate, channels, seconds) else { continue };
        let whole = reference(&path);
        let mut bytes = std::fs::read(&path).unwrap();
        if !spoil(&mut bytes, DAMAGES[damage], container, &mut random) {
            std::fs::remove_file(&path).unwrap();
            continue;
        }
        made += 1;
        let damage_name = DAMAGES[damage];
        let label = format!(
            "{} in {container}, {rate} Hz, {channels} channels, {seconds} s, {damage_name}",
            codec.name
        );
        let rows = [by_damage.entry(damage).or_default(), by_codec.entry(codec.name.to_owned()).or_default()];
        let started = Instant::now();
        let decoded = Audio::decode(&bytes, path.extension().and_then(|e| e.to_str()), "file");
        slowest = slowest.max(started.elapsed());
        let count = |into: fn(&mut Row) -> &mut usize| {
            for row in rows {
                row.files += 1;
                *into(row) += 1;
            }
        };
        match decoded {
            Ok(audio) => {
                let (largest, longer) = difference(&audio.samples, &whole);
                // What ffmpeg leaves behind an MP4's edits, it has more.
                let is_cut =
                    longer < 0 && ends_with_edits(codec.name, container, audio.samples.len(), &whole);
                let longer = if is_cut { 0 } else { longer };
                if damage_name == "whole" && !audio.warnings.is_empty() {
                    faults.push(format!("{label}: {:?}", audio.warnings));
                }
                if largest <= codec.tolerance && longer == 0 {
                    count(|row| &mut row.equal);
                } else if !audio.warnings.is_empty() {
                    count(|row| &mut row.warned);
                } else {
                    match longer {
                        0 => count(|row| &mut row.other),
                        1.. => count(|row| &mut row.longer),
                        _ => count(|row| &mut row.shorter),
                    }
                    if longer < 0 || is_whole(damage_name) {
                        faults.push(format!("{label}: {longer} samples longer, differs by {largest:e}"));
                    }
                }
            }
            Err(error) => {
                count(|row| &mut row.refused);
                *reasons.entry(format!("{damage_name}: {}", reason(&error.kind))).or_default() += 1;
                let is_unknown = matches!(
                    error.kind,
                    AudioErrorKind::NotAudio { .. }
                        | AudioErrorKind::UnsupportedCodec { .. }
                        | AudioErrorKind::UnsupportedContainer { .. }
                );
                if is_whole(damage_name) || is_unknown && damage_name != "bits flipped" {
                    faults.push(format!("{label}: {error}"));
                }
            }
        }
        std::fs::remove_file(&path).unwrap();
    }
    let by_damage = by_damage.into_iter().map(|(damage, row)| (DAMAGES[damage].to_owned(), row));
    print("damage", by_damage);
    print("codec", by_codec);
    println!("\nrefused with");
    reasons.iter().for_each(|(reason, count)| println!("{count:>6}  {reason}"));
    println!("\nthe slowest file took {slowest:.1?}");
    assert!(slowest < Duration::from_secs(20), "a file took {slowest:?}");
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

/// Whether what ffmpeg has more is no longer than the padding of a lossy codec's last frame, which an MP4's edit list cuts off.
fn ends_with_edits(codec: &str, container: &str, ours: usize, theirs: &[f32]) -> bool {
    let is_lossy = ["aac", "aac fragmented", "mp3", "opus"].contains(&codec);
    is_lossy && ["m4a", "mp4", "mov"].contains(&container) && theirs.len() - ours <= 2 * 2304
}

fn reason(kind: &AudioErrorKind) -> String {
    let text = kind.to_string();
    // Without the numbers and the names of the case.
    text.chars().take_while(|letter| !letter.is_ascii_digit()).take(60).collect()
}

fn print(of: &str, rows: impl IntoIterator<Item = (String, Row)>) {
    println!("\n| {of} | files | equal | warned | refused | same length | longer | shorter |");
    println!("| --- | --- | --- | --- | --- | --- | --- | --- |");
    for (name, Row { files, equal, warned, refused, other, longer, shorter }) in rows {
        println!("| {name} | {files} | {equal} | {warned} | {refused} | {other} | {longer} | {shorter} |");
    }
}
