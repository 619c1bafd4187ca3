//! Decoded samples against ffmpeg's, for files of every codec and container that ffmpeg makes here.

use std::path::{Path, PathBuf};

use rayon::prelude::*;
use ser_data::{Audio, AudioErrorKind};

use crate::codecs::{COMMON, Codec, Promise, RARE};
use crate::ffmpeg::{Wanted, decoded, decoded_all, difference, encoders, ffmpeg, installed};

/// A file's end in MP4: the edit list cuts the encoder's padding off, which ffmpeg leaves there.
fn is_cut_by_edits(wanted: &Wanted, ours: usize) -> bool {
    let expected = wanted.samples() as i64;
    wanted.codec.tolerance(wanted.rate) > 0.0
        && ["m4a", "mp4", "mov", "3gp", "3g2", "f4v", "ismv"].contains(&wanted.container)
        // A tick of the edit list is a millisecond.
        && ours as i64 >= expected - i64::from(wanted.channels * wanted.decoded_rate() / 500)
}

/// What ffmpeg 5 does not write, in the rows that the thousand files are drawn from. FLAC in MP4 has another row, with the option that it asks
/// for.
const NOT_WRITTEN: [(&str, &str); 2] = [("aac", "caf"), ("flac", "mp4")];

/// Common codecs: each container and channel count, at the highest or the lowest rate, in turns. Rare codecs: one file for each container.
#[test]
fn samples_are_those_of_ffmpeg() {
    compare(|codec, is_common, place| {
        let ends = [codec.rates.last(), codec.rates.first()].into_iter().flatten().copied();
        let channels = codec.channels.iter().rev().copied();
        let files = if is_common { channels.len().max(2) } else { 1 };
        let first = if is_common { place } else { 0 };
        ends.cycle().skip(first).zip(channels.cycle()).take(files).collect()
    });
}

#[test]
#[ignore = "takes minutes"]
fn samples_are_those_of_ffmpeg_at_all_rates() {
    compare(|codec, _, _| all_of(codec));
}

/// All rates and channels of a codec.
fn all_of(codec: &Codec) -> Vec<(u32, u32)> {
    let at = |&rate| codec.channels.iter().map(move |&channels| (rate, channels));
    codec.rates.iter().flat_map(at).collect()
}

/// Compares files of each codec in each container. `chosen` gives their rates and channels, for the codec, whether it is common, and the
/// container's place among the codec's. Where ffmpeg makes none of these, the first that it makes with other rates and channels is compared.
/// It is an error if ffmpeg has the encoder and makes none.
fn compare(chosen: impl Fn(&Codec, bool, usize) -> Vec<(u32, u32)>) {
    if !installed() {
        return;
    }
    let encoders = encoders();
    let mut rows = Vec::new();
    let codecs = COMMON.iter().map(|codec| (codec, true)).chain(RARE.iter().map(|codec| (codec, false)));
    for (codec, is_common) in codecs {
        if !encoders.contains(codec.encoder) {
            println!("skipped: ffmpeg has no encoder {}", codec.encoder);
            continue;
        }
        // ffmpeg cuts the end of short lossy files elsewhere: of a Vorbis stream in a single page it leaves the last block out.
        let is_long = is_common || matches!(codec.promise, Promise::Close);
        let seconds = if is_long { 1.3 } else { 0.6 };
        for (place, &container) in codec.containers.iter().enumerate() {
            if is_common && NOT_WRITTEN.contains(&(codec.name, container)) {
                continue;
            }
            let chosen = chosen(codec, is_common, place);
            let of = move |(rate, channels)| Wanted { codec, container, rate, channels, seconds };
            let mut others = all_of(codec);
            others.retain(|pair| !chosen.contains(pair));
            let row: [Vec<Wanted>; 2] = [chosen, others].map(|all| all.into_iter().map(of).collect());
            rows.push(row);
        }
    }
    let sources = tempfile::tempdir().unwrap();
    let compared = rows.par_iter().flat_map(|[chosen, others]| {
        let compare = |wanted: &[Wanted]| compare_all(&wanted.iter().collect::<Vec<_>>(), sources.path());
        let mut compared = compare(chosen);
        if compared.is_empty() {
            let one_by_one = others.chunks(1).map(compare);
            let made = one_by_one.flatten().next();
            let none =
                || Err(format!("{} in {}: ffmpeg makes no file", chosen[0].codec.name, chosen[0].container));
            compared.push(made.unwrap_or_else(none));
        }
        compared
    });
    let compared: Vec<Result<(), String>> = compared.collect();
    let failed: Vec<&String> = compared.iter().filter_map(|result| result.as_ref().err()).collect();
    println!("{} files compared", compared.len());
    assert!(!compared.is_empty(), "ffmpeg has none of the encoders");
    assert!(failed.is_empty(), "{} of {} differ:\n{failed:#?}", failed.len(), compared.len());
}

/// Compares files with ffmpeg's samples, those that ffmpeg can make. The error says what differs.
fn compare_all(wanted: &[&Wanted], sources: &Path) -> Vec<Result<(), String>> {
    let folder = tempfile::tempdir().unwrap();
    let (mut results, mut read) = (Vec::new(), Vec::new());
    for (wanted, made) in wanted.iter().zip(Wanted::make_all(wanted, sources, folder.path())) {
        let Some(path) = made else {
            println!("not made: {wanted}");
            continue;
        };
        match (Audio::open(&path), wanted.codec.promise) {
            (Err(error), Promise::Refused(name)) => {
                let name = name.replace("{}", wanted.container_name());
                let is_named =
                    matches!(&error.kind, AudioErrorKind::UnsupportedCodec { codec } if *codec == name);
                let refused = || Err(format!("{wanted}: not {name:?}: {error}"));
                results.push(if is_named { Ok(()) } else { refused() });
            }
            (Ok(_), Promise::Refused(_)) => results.push(Err(format!("{wanted}: is read"))),
            (Ok(audio), _) => read.push((wanted, audio, wanted.reference(&path, sources, folder.path()))),
            (Err(error), _) => results.push(Err(format!("{wanted}: {:?}", error.kind))),
        }
    }
    if read.is_empty() {
        return results;
    }
    let references: Vec<PathBuf> = read.iter().map(|(.., path)| path.clone()).collect();
    for ((wanted, audio, _), theirs) in read.into_iter().zip(decoded_all(&references)) {
        let (largest, longer) = difference(&audio.samples, &theirs);
        let as_long = longer == 0 || longer < 0 && is_cut_by_edits(wanted, audio.samples.len());
        let is_same = largest <= wanted.codec.tolerance(wanted.rate)
            && as_long
            && audio.warnings.is_empty()
            && audio.channels == wanted.channels as usize;
        let told =
            || format!("{wanted}: differs by {largest:e}, {longer} samples longer, {:?}", audio.warnings);
        results.push(if is_same { Ok(()) } else { Err(told()) });
    }
    results
}

/// A tone whose lines lie where ffmpeg's table of bands differs from the standard's (6,875 to 6,917 Hz): with the wrong table it has the
/// level of the band beside it.
#[test]
fn mp3_at_24_khz_has_the_bands_of_the_standard() {
    if !installed() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let [tone, mp3] = ["tone.wav", "tone.mp3"].map(|name| folder.path().join(name));
    let [tone_path, mp3_path] = [&tone, &mp3].map(|path| path.to_str().unwrap());
    let sine = "aevalsrc='0.3*sin(2*PI*6895*t)*(0.6+0.4*sin(2*PI*3*t))+0.05*sin(2*PI*500*t)':s=24000:d=2";
    ffmpeg(&["-f", "lavfi", "-i", sine, "-c:a", "pcm_s16le", tone_path]).unwrap();
    if ffmpeg(&["-i", tone_path, "-c:a", "libmp3lame", "-b:a", "64k", mp3_path]).is_none() {
        println!("skipped: ffmpeg has no libmp3lame");
        return;
    }
    let original = Audio::open(&tone).unwrap().samples;
    let db = |samples: &[f32]| {
        let power = |x: f64| x * x;
        let signal: f64 = original.iter().map(|&x| power(x.into())).sum();
        let noise: f64 = original.iter().zip(samples).map(|(&a, &b)| power(f64::from(a - b))).sum();
        10.0 * (signal / noise).log10()
    };
    let (ours, theirs) = (db(&Audio::open(&mp3).unwrap().samples), db(&decoded(&mp3)));
    println!("a tone in the band: {ours:.1} dB above the error, ffmpeg {theirs:.1} dB");
    assert!(ours > 20.0, "{ours}");
}
