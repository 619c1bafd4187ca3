//! Recognises a clip block by block while it is decoded.

use std::io::Cursor;
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use ser_data::{AudioOptions, AudioReader};
use ser_features::MIN_SPEECH_SECONDS;
use ser_models::live::Activity;
use ser_models::{Recognizer, Timeline};
use ser_plots::overview::Overview;
use serde::Serialize;
use utoipa::ToSchema;

use crate::problem::Problem;

/// Maximum length of the part of a clip that is recognised, in seconds.
pub(crate) const MAX_SECONDS: u32 = 600;
/// Maximum number of samples per second in all channels together: stereo at 192 kHz. Without this limit, a FLAC file of a few kilobytes
/// could contain minutes of sound at higher rates.
const MAX_SAMPLES_A_SECOND: usize = 2 * 192_000;
/// Number of peaks per second, before neighbours are joined.
const PEAKS_A_SECOND: u32 = 50;
/// Maximum number of peaks in an answer.
const MAX_PEAKS: usize = 600;

/// Result of the recognition of a clip.
pub(crate) struct Listened {
    pub(crate) timeline: Timeline,
    pub(crate) shape: Shape,
}

/// Properties of a clip besides its moods.
#[derive(Default)]
pub(crate) struct Shape {
    pub(crate) sample_rate: u32,
    pub(crate) channels: usize,
    /// Largest absolute sample of each part. All parts have the same duration.
    pub(crate) peaks: Vec<f32>,
    pub(crate) notices: Vec<Notice>,
    /// Data for pictures, if they are requested.
    pub(crate) overview: Option<Overview>,
    /// Duration of decoding.
    pub(crate) decoding: Duration,
    /// Duration of computing the overview.
    pub(crate) overseeing: Duration,
    levels: Vec<f32>,
    frame_seconds: f64,
}

/// Warning about a clip.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Notice {
    /// `too-long`: only the first ten minutes were recognised. `file`: the file is damaged or unusual.
    code: &'static str,
    /// Description of the warning in words.
    detail: String,
}

/// Options for the recognition of a clip.
#[derive(Clone, Copy)]
pub(crate) struct Wanted {
    /// Whether a truncated file is read as far as it goes. Otherwise it is an error.
    pub(crate) cut: bool,
    /// Whether data for pictures is computed.
    pub(crate) pictures: bool,
    /// Level in dB relative to full scale below which a frame is silent. `None` accepts all clips.
    pub(crate) silence_db: Option<f32>,
}

/// Opens a clip and decodes only its first block. `name` is its name in errors.
pub(crate) fn open<'a>(content: &'a [u8], name: &str, cut: bool) -> Result<AudioReader<'a>, Problem> {
    let options = AudioOptions { allow_truncated: cut, ..AudioOptions::default() };
    let reader = AudioReader::new(Cursor::new(content), None, name, &options)?;
    let (channels, sample_rate) = (reader.channels(), reader.sample_rate());
    if channels.saturating_mul(sample_rate as usize) > MAX_SAMPLES_A_SECOND {
        let detail = format!(
            "{name}: samples must be {MAX_SAMPLES_A_SECOND} a second at most, got {channels} channels at {sample_rate} Hz"
        );
        return Err(Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "too-large",
            "The clip has too many samples",
            detail,
        ));
    }
    Ok(reader)
}

/// Decodes at most the first `seconds` seconds of a clip, mixed to mono, and passes them to `take` one second at a time. Returns whether
/// the clip is longer, and the duration of decoding.
pub(crate) fn blocks(
    reader: &mut AudioReader<'_>,
    seconds: u32,
    mut take: impl FnMut(&[f32]) -> Result<(), Problem>,
) -> Result<(bool, Duration), Problem> {
    let mut block = vec![0.0; reader.sample_rate() as usize];
    let mut decoding = Duration::ZERO;
    for _ in 0..seconds {
        let begin = Instant::now();
        let read = reader.read(&mut block)?;
        decoding += begin.elapsed();
        if read == 0 {
            return Ok((false, decoding));
        }
        take(&block[..read])?;
    }
    Ok((reader.read(&mut block[..1])? > 0, decoding))
}

/// Recognises the first [`MAX_SECONDS`] of a clip.
pub(crate) fn listen(
    recognizer: &mut Recognizer,
    content: &[u8],
    name: &str,
    wanted: Wanted,
) -> Result<Listened, Problem> {
    let begin = Instant::now();
    let mut reader = open(content, name, wanted.cut)?;
    let opening = begin.elapsed();
    let sample_rate = reader.sample_rate();
    let mut shape = Shape { sample_rate, channels: reader.channels(), ..Shape::default() };
    let mut activity = wanted.silence_db.is_some().then(|| Activity::new(sample_rate)).transpose()?;
    let mut listening = recognizer.listen(sample_rate)?;
    shape.overview = wanted.pictures.then(|| Overview::new(sample_rate)).transpose()?;
    let (more, decoding) = blocks(&mut reader, MAX_SECONDS, |samples| {
        shape.peaks.extend(samples.chunks((sample_rate / PEAKS_A_SECOND).max(1) as usize).map(peak));
        if let Some(activity) = &mut activity {
            shape.levels.extend(activity.push(samples)?);
        }
        if let Some(overview) = &mut shape.overview {
            let begin = Instant::now();
            overview.push(samples)?;
            shape.overseeing += begin.elapsed();
        }
        Ok(listening.push(samples)?)
    })?;
    shape.decoding = opening + decoding;
    shape.frame_seconds = activity.map_or(0.0, |activity| activity.frame_seconds());
    shape.check_silence(wanted.silence_db)?;
    if more {
        let detail = format!("the clip is longer than {} minutes: its start was heard", MAX_SECONDS / 60);
        shape.notices.push(Notice { code: "too-long", detail });
    }
    let odd = reader.warnings().iter().map(|warning| Notice { code: "file", detail: warning.to_string() });
    shape.notices.extend(odd);
    let timeline = listening.finish()?;
    while shape.peaks.len() > MAX_PEAKS {
        shape.peaks = shape.peaks.chunks(2).map(peak).collect();
    }
    Ok(Listened { timeline, shape })
}

fn peak(samples: &[f32]) -> f32 {
    samples.iter().fold(0.0, |peak: f32, x| peak.max(x.abs()))
}

impl Shape {
    /// Refuses a clip that reaches a level for less than [`MIN_SPEECH_SECONDS`], such as a live microphone between sentences.
    fn check_silence(&self, silence_db: Option<f32>) -> Result<(), Problem> {
        let Some(limit) = silence_db else { return Ok(()) };
        let sounding =
            self.levels.iter().filter(|level| **level >= limit).count() as f64 * self.frame_seconds;
        if sounding >= MIN_SPEECH_SECONDS {
            return Ok(());
        }
        let detail =
            format!("clip: sound must reach {limit:.0} dB for {MIN_SPEECH_SECONDS} s or more, got less");
        Err(Problem::silent(detail))
    }
}
