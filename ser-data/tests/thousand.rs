//! A thousand files as people have them, made by ffmpeg, many of them damaged: what is read, what is refused and why, in a table.
//!
//! `cargo test --workspace --test data -- --ignored --nocapture a_thousand_files`

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use rayon::prelude::*;
use ser_data::{Audio, AudioErrorKind};

use crate::codecs::COMMON;
use crate::ffmpeg::{Wanted, decoded, difference, installed};

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
    "ID3v1 tag after",
    "APE tag after",
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

/// Whether this damage can be done to files of this container. Files of other containers are not made.
fn applies(damage: &str, container: &str) -> bool {
    let containers: &[&str] = match damage {
        // Other formats' players do not know such tags.
        "ID3v2 tag before" => &["mp3", "mp2", "aac", "flac"],
        "length unknown" => &["wav", "flac", "au"],
        "length too small" | "length too large" => &["wav", "aiff", "au", "caf", "flac"],
        _ => return true,
    };
    containers.contains(&container)
}

fn spoil(bytes: &mut Vec<u8>, damage: &str, container: &str, random: &mut Random) -> bool {
    let at = bytes.len() / 4 + random.below(bytes.len() / 2);
    match damage {
        "whole" => {}
        "ID3v2 tag before" => {
            // A title of three letters and a hundred bytes of padding.
            let tag = [&b"ID3\x03\0\0\0\0\0\x72TIT2\0\0\0\x04\0\0\0abc"[..], &[0; 100]].concat();
            bytes.splice(..0, tag);
        }
        "ID3v1 tag after" => bytes.extend([&b"TAG"[..], &[b' '; 125]].concat()),
        "APE tag after" => {
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

/// The result for one file.
struct Outcome {
    damage: usize,
    codec: &'static str,
    kind: Kind,
    /// Why it was refused.
    reason: Option<String>,
    /// Why the result fails the test.
    fault: Option<String>,
    took: Duration,
}

/// How a file ended.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    /// With the samples of the whole file.
    Equal,
    /// With other sound, and a warning.
    Warned,
    Refused,
    /// With other samples, as many, and no warning.
    Other,
    Longer,
    Shorter,
}

const KINDS: [Kind; 6] = [Kind::Equal, Kind::Warned, Kind::Refused, Kind::Other, Kind::Longer, Kind::Shorter];

/// The file of this number; `None` where ffmpeg does not make it or this damage cannot be done to it.
fn outcome(number: u64, sources: &Path) -> Option<Outcome> {
    let mut random = Random(19 + 1000 * number);
    random.below(1);
    let codec = random.of(COMMON);
    let wanted = Wanted {
        codec,
        container: random.of::<&str>(codec.containers),
        rate: *random.of(codec.rates),
        channels: *random.of(codec.channels),
        seconds: *random.of(&[0.3, 1.0, 2.5, 7.0]),
    };
    let damage = random.below(DAMAGES.len() + 4).saturating_sub(4);
    let damage_name = DAMAGES[damage];
    if !applies(damage_name, wanted.container) {
        return None;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = wanted.make(sources, folder.path())?;
    let mut bytes = std::fs::read(&path).unwrap();
    if !spoil(&mut bytes, damage_name, wanted.container, &mut random) {
        return None;
    }
    let whole = decoded(&wanted.reference(&path, sources, folder.path()));
    let started = Instant::now();
    let decoded = Audio::decode(&bytes, path.extension().and_then(|e| e.to_str()), "file");
    let took = started.elapsed();
    let (mut reason, mut fault) = (None, None);
    let kind = match decoded {
        Ok(audio) => {
            let (largest, longer) = difference(&audio.samples, &whole);
            // What ffmpeg leaves after an MP4's edits, it has more. Of a Vorbis stream in a single page it leaves the last block out, or
            // keeps the padding that the page doesn't count.
            let ours = audio.samples.len();
            let is_cut = longer < 0 && ends_with_edits(&wanted, ours, &whole);
            let is_all = longer != 0 && codec.name == "vorbis" && ours == wanted.samples();
            let longer = if is_cut || is_all { 0 } else { longer };
            if damage_name == "whole" && !audio.warnings.is_empty() {
                fault = Some(format!("{wanted}: {:?}", audio.warnings));
            }
            let kind = match longer {
                0 if largest <= codec.tolerance(wanted.rate) => Kind::Equal,
                _ if !audio.warnings.is_empty() => Kind::Warned,
                0 => Kind::Other,
                1.. => Kind::Longer,
                _ => Kind::Shorter,
            };
            let is_told = matches!(kind, Kind::Equal | Kind::Warned);
            // Digital silence after a declared length that is too small is taken for padding.
            let lost = whole.get(audio.samples.len()..).unwrap_or_default();
            let is_padding =
                damage_name == "length too small" && largest == 0.0 && lost.iter().all(|x| *x == 0.0);
            if !is_told && (longer < 0 && !is_padding || is_whole(damage_name)) {
                fault =
                    Some(format!("{wanted}, {damage_name}: {longer} samples longer, differs by {largest:e}"));
            }
            kind
        }
        Err(error) => {
            reason = Some(format!("{damage_name}: {}", reason_of(&error.kind)));
            let is_unknown = matches!(
                error.kind,
                AudioErrorKind::NotAudio { .. }
                    | AudioErrorKind::UnsupportedCodec { .. }
                    | AudioErrorKind::UnsupportedContainer { .. }
            );
            if is_whole(damage_name) || is_unknown && damage_name != "bits flipped" {
                fault = Some(format!("{wanted}, {damage_name}: {error}"));
            }
            Kind::Refused
        }
    };
    Some(Outcome { damage, codec: codec.name, kind, reason, fault, took })
}

#[test]
#[ignore = "takes minutes"]
fn a_thousand_files() {
    const FILES: usize = 1000;
    const TOGETHER: u64 = 50;
    if !installed() {
        return;
    }
    let sources = tempfile::tempdir().unwrap();
    let (mut outcomes, started) = (Vec::new(), Instant::now());
    for first in (0..).step_by(TOGETHER as usize) {
        let made = (first..first + TOGETHER).into_par_iter().filter_map(|n| outcome(n, sources.path()));
        outcomes.extend(made.collect::<Vec<_>>());
        println!("{} files in {:.0?}", outcomes.len().min(FILES), started.elapsed());
        if outcomes.len() >= FILES {
            break;
        }
    }
    outcomes.truncate(FILES);
    print("damage", &outcomes, |outcome| (outcome.damage, DAMAGES[outcome.damage]));
    print("codec", &outcomes, |outcome| (0, outcome.codec));
    let mut reasons = BTreeMap::<&String, usize>::new();
    for reason in outcomes.iter().filter_map(|outcome| outcome.reason.as_ref()) {
        *reasons.entry(reason).or_default() += 1;
    }
    println!("\nrefused with");
    reasons.iter().for_each(|(reason, count)| println!("{count:>6}  {reason}"));
    let slowest = outcomes.iter().map(|outcome| outcome.took).max().unwrap_or_default();
    println!("\nthe slowest file took {slowest:.1?}");
    assert!(slowest < Duration::from_secs(20), "a file took {slowest:?}");
    let faults: Vec<&String> = outcomes.iter().filter_map(|outcome| outcome.fault.as_ref()).collect();
    assert!(faults.is_empty(), "{} faults:\n{faults:#?}", faults.len());
}

/// Whether what ffmpeg has more is no longer than the padding of a lossy codec's last frame, which an MP4's edit list cuts off.
fn ends_with_edits(wanted: &Wanted, ours: usize, theirs: &[f32]) -> bool {
    let is_lossy = ["aac", "aac fragmented", "mp3", "opus"].contains(&wanted.codec.name);
    is_lossy && ["m4a", "mp4", "mov"].contains(&wanted.container) && theirs.len() - ours <= 2 * 2304
}

fn reason_of(kind: &AudioErrorKind) -> String {
    let text = kind.to_string();
    // Without the numbers and the names of the case.
    text.chars().take_while(|letter| !letter.is_ascii_digit()).take(60).collect()
}

fn print<'a>(of: &str, outcomes: &'a [Outcome], row: impl Fn(&'a Outcome) -> (usize, &'a str)) {
    let mut rows = BTreeMap::<(usize, &str), Vec<Kind>>::new();
    for outcome in outcomes {
        rows.entry(row(outcome)).or_default().push(outcome.kind);
    }
    println!("\n| {of} | files | equal | warned | refused | same length | longer | shorter |");
    println!("| --- | --- | --- | --- | --- | --- | --- | --- |");
    for ((_, name), kinds) in rows {
        let count = |kind| kinds.iter().filter(|&&other| other == kind).count().to_string();
        println!("| {name} | {} | {} |", kinds.len(), KINDS.map(count).join(" | "));
    }
}
