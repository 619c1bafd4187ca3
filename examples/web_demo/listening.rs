//! A clip, recognised as it is decoded, block by block.

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

/// The longest part of a clip that is heard, in seconds.
pub(crate) const MAX_SECONDS: u32 = 600;
/// The most samples in a second, all channels together: stereo at 192 kHz. A FLAC file of a few kilobytes may hold minutes of more.
const MAX_SAMPLES_A_SECOND: usize = 2 * 192_000;
/// Peaks in a second, before there are too many.
const PEAKS_A_SECOND: u32 = 50;
/// The most peaks that are told.
const MAX_PEAKS: usize = 600;

/// Result of the recognition of a clip.
pub(crate) struct Listened {
    pub(crate) timeline: Timeline,
    pub(crate) shape: Shape,
}

/// What a clip is like, whatever it says.
#[derive(Default)]
pub(crate) struct Shape {
    pub(crate) sample_rate: u32,
    pub(crate) channels: usize,
    /// The largest absolute sample of each of equal parts.
    pub(crate) peaks: Vec<f32>,
    pub(crate) notices: Vec<Notice>,
    /// Data for pictures, if they are requested.
    pub(crate) overview: Option<Overview>,
    /// The time that decoding took.
    pub(crate) decoding: Duration,
    /// The time that the overview took.
    pub(crate) overseeing: Duration,
    levels: Vec<f32>,
    frame_seconds: f64,
}

/// Warnings about a clip for the listener.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Notice {
    /// `too-long`: the first ten minutes were heard. `file`: what is odd in the file.
    code: &'static str,
    /// The same in words.
    detail: String,
}

/// Options of a clip's recognition.
#[derive(Clone, Copy)]
pub(crate) struct Wanted {
    /// Whether a file that is cut short is read up to that place.
    pub(crate) cut: bool,
    /// Whether pictures are to be drawn.
    pub(crate) pictures: bool,
    /// Below this a frame is silent, in dB relative to full scale.
    pub(crate) silence_db: Option<f32>,
}

/// Opens a clip. Nothing is decoded but its first block.
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

/// Gives a clip's first seconds to `take`, one by one and mixed to mono. Returns whether there was more, and the time of decoding.
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

/// Recognises a clip.
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
    /// Refuses a clip that stays below a level, as a live microphone does between sentences.
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
