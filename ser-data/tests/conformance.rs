//! Decoded samples against ffmpeg's, for files of every codec and container that ffmpeg makes here.

use std::path::{Path, PathBuf};
use std::process::Command;

use ser_data::Audio;

use crate::common::encoding;

/// Runs ffmpeg; `None` where it isn't installed or has no such encoder.
fn ffmpeg(arguments: &[&str]) -> Option<Vec<u8>> {
    let output =
        Command::new("ffmpeg").args(["-nostdin", "-v", "error", "-y"]).args(arguments).output().ok()?;
    output.status.success().then_some(output.stdout)
}

pub(crate) fn installed() -> bool {
    let there = ffmpeg(&["-version"]).is_some();
    if !there {
        println!("skipped: ffmpeg is not installed");
    }
    there
}

/// A few seconds of speech, different in each channel; without the silence that the clip begins with.
fn source(folder: &Path, rate: u32, channels: u32, seconds: f64) -> PathBuf {
    let path = folder.join(format!("source_{rate}_{channels}_{seconds}.wav"));
    if !path.exists() {
        let clip = encoding("../../../examples/assets/sample.wav");
        let pan: Vec<String> =
            (0..channels).map(|c| format!("c{c}={}*c0", 0.7 - 0.1 * f64::from(c))).collect();
        let layout = if channels == 1 {
            "mono"
        } else if channels == 2 {
            "stereo"
        } else {
            "5.1"
        };
        let filter = format!(
            "atrim=start=0.5,asetpts=PTS-STARTPTS,aloop=loop=-1:size=200000,atrim=0:{seconds},aresample={rate},pan={layout}|{}",
            pan.join("|")
        );
        ffmpeg(&["-i", clip.to_str().unwrap(), "-af", &filter, "-c:a", "pcm_s16le", path.to_str().unwrap()])
            .unwrap();
    }
    path
}

/// ffmpeg's samples of a file.
pub(crate) fn reference(path: &Path) -> Vec<f32> {
    // ffmpeg's own Opus decoder resamples the speech codec's part in its own way, up to 0.1 beside libopus, the reference.
    let name = path.file_name().unwrap().to_str().unwrap();
    let decoder: &[&str] =
        if name.starts_with("opus") { &["-c:a", "libopus", "-request_sample_fmt", "flt"] } else { &[] };
    let output = ["-i", path.to_str().unwrap(), "-map", "0:a:0", "-c:a", "pcm_f32le", "-f", "f32le", "-"];
    let bytes = ffmpeg(&[decoder, &output].concat()).unwrap();
    bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
}

/// A codec with the containers that hold it.
pub(crate) struct Codec {
    pub(crate) name: &'static str,
    arguments: &'static [&'static str],
    pub(crate) containers: &'static [&'static str],
    pub(crate) rates: &'static [u32],
    pub(crate) channels: &'static [u32],
    /// Largest difference to ffmpeg's samples.
    pub(crate) tolerance: f32,
}

const ALL_RATES: &[u32] = &[8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000];
pub(crate) const CODECS: &[Codec] = &[
    Codec {
        name: "pcm_u8",
        arguments: &["-c:a", "pcm_u8"],
        containers: &["wav", "w64", "rf64"],
        rates: ALL_RATES,
        channels: &[1, 2, 6],
        tolerance: 0.0,
    },
    Codec {
        name: "pcm_s16le",
        arguments: &["-c:a", "pcm_s16le"],
        containers: &["wav", "w64", "rf64", "caf", "mkv", "mov"],
        rates: ALL_RATES,
        channels: &[1, 2, 6],
        tolerance: 0.0,
    },
    Codec {
        name: "pcm_s24le",
        arguments: &["-c:a", "pcm_s24le"],
        containers: &["wav", "w64", "caf", "mkv", "mov"],
        rates: &[16_000, 48_000, 96_000],
        channels: &[1, 2],
        tolerance: 0.0,
    },
    Codec {
        name: "pcm_s32le",
        arguments: &["-c:a", "pcm_s32le"],
        containers: &["wav", "w64", "caf", "mov"],
        rates: &[48_000],
        channels: &[1, 2],
        tolerance: 0.0,
    },
    Codec {
        name: "pcm_f32le",
        arguments: &["-c:a", "pcm_f32le"],
        containers: &["wav", "w64", "caf", "mkv", "mov"],
        rates: &[16_000, 48_000],
        channels: &[1, 2],
        tolerance: 0.0,
    },
    Codec {
        name: "pcm_f64le",
        arguments: &["-c:a", "pcm_f64le"],
        containers: &["wav", "w64"],
        rates: &[48_000],
        channels: &[1, 2],
        tolerance: 0.0,
    },
    Codec {
        name: "pcm_s16be",
        arguments: &["-c:a", "pcm_s16be"],
        containers: &["aiff", "au", "caf", "mkv", "mov"],
        rates: ALL_RATES,
        channels: &[1, 2],
        tolerance: 0.0,
    },
    Codec {
        name: "pcm_s24be",
        arguments: &["-c:a", "pcm_s24be"],
        containers: &["aiff", "au", "mov"],
        rates: &[48_000],
        channels: &[1, 2],
        tolerance: 0.0,
    },
    Codec {
        name: "pcm_f32be",
        arguments: &["-c:a", "pcm_f32be"],
        containers: &["aiff", "au", "mov"],
        rates: &[48_000],
        channels: &[1, 2],
        tolerance: 0.0,
    },
    Codec {
        name: "pcm_alaw",
        arguments: &["-c:a", "pcm_alaw"],
        containers: &["wav", "w64", "au", "caf", "mkv", "mov", "aiff"],
        rates: &[8_000, 16_000],
        channels: &[1, 2],
        tolerance: 0.0,
    },
    Codec {
        name: "pcm_mulaw",
        arguments: &["-c:a", "pcm_mulaw"],
        containers: &["wav", "w64", "au", "caf", "mkv", "mov", "aiff"],
        rates: &[8_000, 16_000],
        channels: &[1, 2],
        tolerance: 0.0,
    },
    Codec {
        name: "adpcm_ms",
        arguments: &["-c:a", "adpcm_ms"],
        containers: &["wav"],
        rates: &[8_000, 22_050],
        channels: &[1, 2],
        tolerance: 0.0,
    },
    Codec {
        name: "adpcm_ima_wav",
        arguments: &["-c:a", "adpcm_ima_wav"],
        containers: &["wav"],
        rates: &[8_000, 22_050],
        channels: &[1, 2],
        tolerance: 0.0,
    },
    Codec {
        name: "flac",
        arguments: &["-c:a", "flac"],
        containers: &["flac", "ogg", "mkv", "mp4"],
        rates: ALL_RATES,
        channels: &[1, 2, 6],
        tolerance: 0.0,
    },
    Codec {
        name: "flac 24 bit",
        arguments: &["-c:a", "flac", "-sample_fmt", "s32"],
        containers: &["flac"],
        rates: &[48_000, 96_000],
        channels: &[1, 2],
        tolerance: 0.0,
    },
    Codec {
        name: "alac",
        arguments: &["-c:a", "alac"],
        containers: &["m4a", "mov", "caf", "mkv"],
        rates: ALL_RATES,
        channels: &[1, 2],
        tolerance: 0.0,
    },
    Codec {
        name: "mp3",
        arguments: &["-c:a", "libmp3lame", "-b:a", "64k"],
        containers: &["mp3", "mkv", "mov", "wav"],
        rates: ALL_RATES,
        channels: &[1, 2],
        tolerance: 1e-4,
    },
    Codec {
        name: "mp3 VBR",
        arguments: &["-c:a", "libmp3lame", "-q:a", "3"],
        containers: &["mp3"],
        rates: ALL_RATES,
        channels: &[1, 2],
        tolerance: 1e-4,
    },
    Codec {
        name: "mp2",
        arguments: &["-c:a", "mp2", "-b:a", "96k"],
        containers: &["mp2", "mkv"],
        rates: &[16_000, 44_100, 48_000],
        channels: &[1, 2],
        tolerance: 1e-4,
    },
    Codec {
        name: "aac",
        arguments: &["-c:a", "aac", "-b:a", "96k"],
        containers: &["m4a", "mp4", "mov", "aac", "mkv", "caf"],
        rates: &[11_025, 12_000, 16_000, 22_050, 32_000, 44_100, 48_000, 96_000],
        channels: &[1, 2],
        tolerance: 1e-4,
    },
    Codec {
        name: "aac fragmented",
        arguments: &["-c:a", "aac", "-movflags", "frag_keyframe+empty_moov"],
        containers: &["mp4"],
        rates: &[16_000, 48_000],
        channels: &[1, 2],
        tolerance: 1e-4,
    },
    Codec {
        name: "vorbis",
        arguments: &["-c:a", "libvorbis", "-q:a", "4"],
        containers: &["ogg", "webm", "mkv"],
        rates: ALL_RATES,
        channels: &[1, 2],
        tolerance: 1e-4,
    },
    Codec {
        name: "opus",
        arguments: &["-c:a", "libopus", "-b:a", "48k"],
        containers: &["ogg", "opus", "webm", "mkv", "mp4"],
        rates: &[8_000, 16_000, 24_000, 48_000],
        channels: &[1, 2, 6],
        tolerance: 1e-4,
    },
    Codec {
        name: "opus speech",
        arguments: &["-c:a", "libopus", "-application", "voip", "-b:a", "16k", "-frame_duration", "60"],
        containers: &["ogg", "webm"],
        rates: &[16_000, 48_000],
        channels: &[1],
        tolerance: 1e-4,
    },
];

/// Makes a file; `None` where ffmpeg cannot.
pub(crate) fn make(
    folder: &Path,
    codec: &Codec,
    container: &str,
    rate: u32,
    channels: u32,
    seconds: f64,
) -> Option<PathBuf> {
    let source = source(folder, rate, channels, seconds);
    let extension = if container == "rf64" { "rf64.wav" } else { container };
    let path =
        folder.join(format!("{}_{rate}_{channels}_{seconds}.{extension}", codec.name.replace(' ', "_")));
    let mut arguments = vec!["-i", source.to_str()?];
    arguments.extend(codec.arguments);
    match container {
        "rf64" => arguments.extend(["-rf64", "always"]),
        "aiff" if !codec.name.starts_with("pcm_s") => arguments.extend(["-f", "aiff"]),
        _ => {}
    }
    arguments.push(path.to_str()?);
    ffmpeg(&arguments).map(|_| path)
}

/// The largest difference of two signals, and how many samples one has more.
pub(crate) fn difference(ours: &[f32], theirs: &[f32]) -> (f32, i64) {
    let largest = ours.iter().zip(theirs).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    (largest, ours.len() as i64 - theirs.len() as i64)
}

/// A file's end in MP4: the edit list cuts the encoder's padding off, which ffmpeg leaves there.
fn is_cut_by_edits(codec: &Codec, container: &str, ours: usize, rate: u32, channels: u32) -> bool {
    let rate = if codec.name.starts_with("opus") { 48_000 } else { rate };
    let wanted = (f64::from(rate) * 1.3).round() as i64;
    codec.tolerance > 0.0
        && ["m4a", "mp4", "mov"].contains(&container)
        && (ours / channels as usize) as i64 >= wanted - i64::from(rate / 500)
}

/// Each codec in each container, at its lowest and its highest rate.
#[test]
fn samples_are_those_of_ffmpeg() {
    compare(|codec, rate| [codec.rates.first(), codec.rates.last()].contains(&Some(&rate)));
}

#[test]
#[ignore = "takes minutes"]
fn samples_are_those_of_ffmpeg_at_all_rates() {
    compare(|_, _| true);
}

fn compare(wanted: impl Fn(&Codec, u32) -> bool) {
    if !installed() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (mut compared, mut failed) = (0, Vec::new());
    for codec in CODECS {
        for container in codec.containers {
            for &rate in codec.rates.iter().filter(|&&rate| wanted(codec, rate)) {
                for &channels in codec.channels {
                    let label = format!("{} in {container}, {rate} Hz, {channels} channels", codec.name);
                    let Some(path) = make(folder.path(), codec, container, rate, channels, 1.3) else {
                        println!("not made: {label}");
                        continue;
                    };
                    compared += 1;
                    // ffmpeg skips an MP4's delay, which counts ticks of the encoder's rate, as samples at 48,000 Hz: what it makes
                    // of the same packets in OGG is right.
                    let ticks = codec.name == "opus" && *container == "mp4" && rate != 48_000;
                    let ogg = ticks.then(|| make(folder.path(), codec, "ogg", rate, channels, 1.3)).flatten();
                    let theirs = reference(ogg.as_ref().unwrap_or(&path));
                    match Audio::open(&path) {
                        Ok(audio) => {
                            let (largest, longer) = difference(&audio.samples, &theirs);
                            let warned = !audio.warnings.is_empty();
                            let long = longer == 0
                                || longer < 0
                                    && is_cut_by_edits(codec, container, audio.samples.len(), rate, channels);
                            if largest > codec.tolerance
                                || !long
                                || warned
                                || audio.channels != channels as usize
                            {
                                failed.push(format!(
                                    "{label}: differs by {largest:e}, {longer} samples longer, {:?}",
                                    audio.warnings
                                ));
                            }
                        }
                        Err(error) => failed.push(format!("{label}: {:?}", error.kind)),
                    }
                    std::fs::remove_file(&path).unwrap();
                }
            }
        }
    }
    println!("{compared} files compared");
    assert!(failed.is_empty(), "{} of {compared} differ:\n{}", failed.len(), failed.join("\n"));
}
