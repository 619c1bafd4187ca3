//! Files that ffmpeg makes: of every codec, in every container that holds it.

use std::collections::HashSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::codecs::Codec;
use crate::common::encoding;

/// Runs ffmpeg; `None` where it isn't installed or has no such encoder.
pub(crate) fn ffmpeg(arguments: &[&str]) -> Option<Vec<u8>> {
    let output =
        Command::new("ffmpeg").args(["-nostdin", "-v", "error", "-y"]).args(arguments).output().ok()?;
    output.status.success().then_some(output.stdout)
}

/// The names of ffmpeg's encoders.
pub(crate) fn encoders() -> HashSet<String> {
    let listed = String::from_utf8(ffmpeg(&["-encoders"]).unwrap()).unwrap();
    listed.lines().filter_map(|line| line.split_whitespace().nth(1)).map(str::to_owned).collect()
}

pub(crate) fn installed() -> bool {
    let there = ffmpeg(&["-version"]).is_some();
    if !there {
        println!("skipped: ffmpeg is not installed");
    }
    there
}

/// A few seconds of speech in samples of `format`, different in each channel; without the silence that the clip begins with.
fn source(folder: &Path, format: &str, rate: u32, channels: u32, seconds: f64) -> PathBuf {
    let path = folder.join(format!("source_{format}_{rate}_{channels}_{seconds}.wav"));
    if !path.exists() {
        let clip = encoding("../../examples/assets/sample.wav");
        let pan: Vec<String> =
            (0..channels).map(|c| format!("c{c}={}*c0", 0.7 - 0.1 * f64::from(c))).collect();
        let layout = match channels {
            1 => "mono",
            2 => "stereo",
            _ => "5.1",
        };
        let filter = format!(
            "atrim=start=0.5,asetpts=PTS-STARTPTS,aloop=loop=-1:size=200000,atrim=0:{seconds},aresample={rate},pan={layout}|{}",
            pan.join("|")
        );
        // Several threads may make the same source: each writes its own file and renames it.
        let made = path.with_extension(format!("{:?}.wav", std::thread::current().id()));
        let output = ["-af", &filter, "-c:a", format, made.to_str().unwrap()];
        ffmpeg(&[&["-i", clip.to_str().unwrap()][..], &output].concat()).unwrap();
        std::fs::rename(made, &path).unwrap();
    }
    path
}

/// ffmpeg's samples of a file; see [`Wanted::reference`].
pub(crate) fn decoded(path: &Path) -> Vec<f32> {
    decoded_all(&[path.to_owned()]).swap_remove(0)
}

/// ffmpeg's samples of files, by one process: to start it takes longer than to decode a second.
pub(crate) fn decoded_all(paths: &[PathBuf]) -> Vec<Vec<f32>> {
    let folder = tempfile::tempdir().unwrap();
    let raw = |at: usize| folder.path().join(at.to_string());
    let (mut inputs, mut outputs): (Vec<String>, Vec<String>) = (Vec::new(), Vec::new());
    for (at, path) in paths.iter().enumerate() {
        // ffmpeg's own Opus decoder resamples the speech codec's part in its own way, up to 0.1 beside libopus, the reference.
        if path.file_name().unwrap().to_str().unwrap().starts_with("opus") {
            inputs.extend(["-c:a", "libopus", "-request_sample_fmt", "flt"].map(str::to_owned));
        }
        inputs.extend(["-i", path.to_str().unwrap()].map(str::to_owned));
        let [map, raw] = [format!("{at}:a:0"), raw(at).to_str().unwrap().to_owned()];
        outputs.extend(["-map", &map, "-c:a", "pcm_f32le", "-f", "f32le", &raw].map(str::to_owned));
    }
    let arguments: Vec<&str> = inputs.iter().chain(&outputs).map(String::as_str).collect();
    ffmpeg(&arguments).unwrap();
    let samples = |at| {
        let bytes = std::fs::read(raw(at)).unwrap();
        bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
    };
    (0..paths.len()).map(samples).collect()
}

/// A file to make.
pub(crate) struct Wanted {
    pub(crate) codec: &'static Codec,
    pub(crate) container: &'static str,
    pub(crate) rate: u32,
    pub(crate) channels: u32,
    pub(crate) seconds: f64,
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { codec, container, rate, channels, seconds } = self;
        write!(f, "{} in {container}, {rate} Hz, {channels} channels, {seconds} s", codec.name)
    }
}

impl Wanted {
    /// Makes it; `None` where ffmpeg cannot. The source recordings are kept in `sources`.
    pub(crate) fn make(&self, sources: &Path, folder: &Path) -> Option<PathBuf> {
        Self::make_together(&[self], sources, folder)?.pop()
    }

    /// Makes files, by one process if ffmpeg can make them all.
    pub(crate) fn make_all(wanted: &[&Self], sources: &Path, folder: &Path) -> Vec<Option<PathBuf>> {
        match Self::make_together(wanted, sources, folder) {
            Some(paths) => paths.into_iter().map(Some).collect(),
            None => wanted.iter().map(|wanted| wanted.make(sources, folder)).collect(),
        }
    }

    fn make_together(wanted: &[&Self], sources: &Path, folder: &Path) -> Option<Vec<PathBuf>> {
        let (mut inputs, mut outputs, mut paths) = (Vec::new(), Vec::new(), Vec::new());
        for (at, Self { codec, container, rate, channels, seconds }) in wanted.iter().enumerate() {
            // Samples of more bits than 16 shall have bits there.
            let format = if codec.is_deep() { "pcm_f32le" } else { "pcm_s16le" };
            let source = source(sources, format, *rate, *channels, *seconds);
            inputs.extend(["-i".to_owned(), source.to_str()?.to_owned()]);
            outputs.extend(["-map".to_owned(), at.to_string()]);
            outputs
                .extend(["-c:a", codec.encoder].iter().chain(codec.options).map(|word| (*word).to_owned()));
            match *container {
                "rf64" => outputs.extend(["-rf64", "always"].map(str::to_owned)),
                "aiff" if !codec.name.starts_with("pcm_s") => {
                    outputs.extend(["-f", "aiff"].map(str::to_owned))
                }
                _ => {}
            }
            let extension = if *container == "rf64" { "rf64.wav" } else { container };
            let name = codec.name.replace(' ', "_");
            let path = folder.join(format!("{name}_{rate}_{channels}_{seconds}.{extension}"));
            outputs.push(path.to_str()?.to_owned());
            paths.push(path);
        }
        let arguments: Vec<&str> = inputs.iter().chain(&outputs).map(String::as_str).collect();
        ffmpeg(&arguments).map(|_| paths)
    }

    /// The file of which ffmpeg's samples are compared with this one's, which was made at `path`.
    pub(crate) fn reference(&self, path: &Path, sources: &Path, folder: &Path) -> PathBuf {
        // ffmpeg skips an MP4's delay, which counts ticks of the encoder's rate, as samples at 48,000 Hz: what it makes of the same packets
        // in OGG is right.
        let is_skipped_wrongly = self.container == "mp4" && self.codec.name == "opus" && self.rate != 48_000;
        let ogg = is_skipped_wrongly.then(|| Self { container: "ogg", ..*self }.make(sources, folder));
        ogg.flatten().unwrap_or_else(|| path.to_owned())
    }

    /// What errors call its container.
    pub(crate) fn container_name(&self) -> &'static str {
        match self.container {
            "wav" | "w64" | "rf64" => "WAV",
            "mkv" | "webm" => "Matroska",
            "caf" => "CAF",
            "au" => "AU",
            "aiff" => "AIFC",
            "ogg" => "OGG",
            _ => "MP4",
        }
    }

    /// The rate that it is decoded to.
    pub(crate) fn decoded_rate(&self) -> u32 {
        if self.codec.name.starts_with("opus") { 48_000 } else { self.rate }
    }

    /// How many samples were encoded, of all channels together.
    pub(crate) fn samples(&self) -> usize {
        (f64::from(self.decoded_rate()) * self.seconds).round() as usize * self.channels as usize
    }
}

/// The largest difference of two signals, and how many samples one has more.
pub(crate) fn difference(ours: &[f32], theirs: &[f32]) -> (f32, i64) {
    let largest = ours.iter().zip(theirs).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    (largest, ours.len() as i64 - theirs.len() as i64)
}
