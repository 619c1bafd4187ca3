//! `/api/recognize` returns the moods of a clip from start to end, and songs. `/api/wav` returns the clip as a file that every browser can
//! play.

use std::collections::BTreeMap;
use std::time::Instant;

use axum::Json;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{Uri, header};
use axum::response::{IntoResponse, Response};
use mood_recommender::Reading;
use ser_examples::answer::Answer;
use ser_models::Segment;
use ser_plots::Theme;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::app::{App, Shared, blocking, clocked, milliseconds};
use crate::language::LanguageCode;
use crate::listening::{self, Notice, Wanted};
use crate::options::{MAX_COUNT, SongOptions};
use crate::pictures::{self, Drawn, Look};
use crate::plain;
use crate::playable::Playable;
use crate::problem::Problem;
use crate::schema::{AnswerSchema, Clip, ClipForm, ClipRefusals};

/// Options for the recognition of a clip.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RecognizeQuery {
    /// Maximum number of songs. 0 returns none.
    #[param(maximum = 100)]
    count: usize,
    /// Whether pictures of the clip are drawn.
    pictures: bool,
    /// Whether pictures are drawn on a dark background.
    dark: bool,
    /// The language of pictures.
    #[param(inline)]
    language: LanguageCode,
    /// Width of pictures in pixels.
    #[param(minimum = 240, maximum = 2000)]
    width: u32,
    /// Whether a truncated file is recognised as far as it goes. Otherwise it is an error.
    cut: bool,
    /// Level in dB relative to full scale, measured between 80 and 8,000 Hz. A clip that reaches it for less than a quarter of a second is
    /// refused as silent. −50 suits microphones.
    #[param(minimum = -200, maximum = 0)]
    silence_db: Option<f32>,
    /// Name of the model, one of those that `/api/health` lists. The first is the default.
    model: Option<String>,
}

impl Default for RecognizeQuery {
    fn default() -> Self {
        Self {
            count: 5,
            pictures: false,
            dark: false,
            language: LanguageCode::En,
            width: 640,
            cut: false,
            silence_db: None,
            model: None,
        }
    }
}

impl RecognizeQuery {
    fn check(&self) -> Result<(), Problem> {
        let refuse = |what: String| Err(Problem::invalid(format!("query: {what}")));
        if self.count > MAX_COUNT {
            return refuse(format!("count must be {MAX_COUNT} or less, got {}", self.count));
        }
        if !(240..=2000).contains(&self.width) {
            return refuse(format!("width must be 240 to 2000, got {}", self.width));
        }
        match self.silence_db {
            Some(db) if !(-200.0..=0.0).contains(&db) => {
                refuse(format!("silence_db must be -200 to 0, got {db}"))
            }
            _ => Ok(()),
        }
    }
}

/// The mood of a clip, and songs that suit it.
#[derive(Serialize, ToSchema)]
pub(crate) struct Recognized {
    #[serde(flatten)]
    #[schema(value_type = AnswerSchema)]
    answer: Answer,
    /// The stretches of one mood, in order. They cover the recognised part of the clip without gaps.
    timeline: Vec<Stretch>,
    audio: AudioFacts,
    /// Warnings, such as that only the first ten minutes were recognised.
    notices: Vec<Notice>,
    timing_ms: Timing,
    /// Waveform, mel spectrogram and pitch with the same time axis, if requested.
    pictures: Vec<Drawn>,
}

/// A stretch of a clip with one mood, or without speech.
#[derive(Serialize, ToSchema)]
struct Stretch {
    /// Start in seconds.
    start: f64,
    /// End in seconds, where the next stretch starts.
    end: f64,
    /// The most probable mood. Null without speech.
    mood: Option<String>,
    /// Whether the probability of the mood is at least the model's confidence threshold. Null without speech.
    confident: Option<bool>,
    /// The probability of each mood. Null without speech.
    probabilities: Option<BTreeMap<String, f32>>,
}

impl From<Segment> for Stretch {
    fn from(segment: Segment) -> Self {
        let Segment { start, end, recognition } = segment;
        let confident = recognition.as_ref().map(|mood| mood.confident);
        let mood = recognition.as_ref().map(|mood| mood.label.clone());
        let probabilities = recognition.map(|mood| mood.probabilities.into_iter().collect());
        Self { start, end, mood, confident, probabilities }
    }
}

/// Properties of the clip.
#[derive(Serialize, ToSchema)]
struct AudioFacts {
    /// Length of the recognised part in seconds.
    seconds: f64,
    /// Samples per second in each channel.
    sample_rate: u32,
    /// Number of channels.
    channels: usize,
    /// The largest absolute sample of each part. There are at most 600 parts, all of the same duration.
    #[schema(max_items = 600)]
    peaks: Vec<f32>,
}

/// Duration of each stage, in milliseconds.
#[derive(Default, Serialize, ToSchema)]
struct Timing {
    /// Waiting for a worker.
    wait: f64,
    /// Decoding the file.
    decode: f64,
    /// Recognising the moods.
    recognize: f64,
    /// Choosing the songs.
    recommend: f64,
    /// Drawing the pictures.
    pictures: f64,
}

#[utoipa::path(
    post,
    path = "/api/recognize",
    params(RecognizeQuery),
    request_body(
        description = "A recording of at most 20 MB: PCM, FLAC, ALAC, MP3, AAC-LC, Vorbis or Opus in a common container. It is the \
                       body itself, or the first file of a form, which must begin within the first 10 kB. The first ten minutes are \
                       recognised.",
        content((Clip = "application/octet-stream"), (ClipForm = "multipart/form-data"))
    ),
    responses(
        (status = 200, description = "Recognised", body = Recognized),
        ClipRefusals
    )
)]
pub(crate) async fn recognize(
    State(app): Shared,
    address: Uri,
    request: Request,
) -> Result<Json<Recognized>, Problem> {
    // The body is read before the query is checked: a client that is still sending when the connection is closed cannot read the error.
    let upload = app.uploads.clip(request).await?;
    let query: RecognizeQuery = plain::query(&address)?;
    query.check()?;
    let model = app.recognizers.find(query.model.as_deref())?;
    let asked = Instant::now();
    // If the client disconnects while it waits, its request leaves the queue.
    let turn = app.recognizers.turn().await?;
    let wait = milliseconds(asked);
    blocking(&app.recognitions.clone(), move || {
        let timing = Timing { wait, ..Timing::default() };
        let listen =
            |recognizer: &mut _| answer(&app, recognizer, &upload.content, &upload.name, &query, timing);
        app.recognizers.with(&turn, model, listen)?
    })
    .await
}

fn answer(
    app: &App,
    recognizer: &mut ser_models::Recognizer,
    content: &[u8],
    name: &str,
    query: &RecognizeQuery,
    mut timing: Timing,
) -> Result<Json<Recognized>, Problem> {
    let begin = Instant::now();
    let wanted = Wanted { cut: query.cut, pictures: query.pictures, silence_db: query.silence_db };
    let listening::Listened { timeline, shape } = listening::listen(recognizer, content, name, wanted)?;
    timing.decode = shape.decoding.as_secs_f64() * 1000.0;
    timing.recognize = milliseconds(begin) - timing.decode - shape.overseeing.as_secs_f64() * 1000.0;
    let overall = &timeline.overall;
    let songs = clocked(&mut timing.recommend, || {
        let reading = Reading::from_probabilities(overall.probabilities.iter().map(|(m, p)| (m, *p)))?;
        let options = SongOptions::counting(query.count).resolve(&app.recommender)?;
        Ok::<_, Problem>(app.recommender.recommend(reading, &options)?)
    })?;
    let answer = Answer::new(overall, &songs);
    let theme = if query.dark { Theme::Dark } else { Theme::Light };
    let pictures = clocked(&mut timing.pictures, || match shape.overview {
        None => Ok(Vec::new()),
        Some(overview) => {
            pictures::draw(overview, Look { theme, language: query.language.into(), width: query.width })
        }
    })?;
    timing.pictures += shape.overseeing.as_secs_f64() * 1000.0;
    let audio = AudioFacts {
        seconds: timeline.seconds,
        sample_rate: shape.sample_rate,
        channels: shape.channels,
        peaks: shape.peaks,
    };
    let timeline = timeline.segments.into_iter().map(Stretch::from).collect();
    Ok(Json(Recognized { answer, timeline, audio, notices: shape.notices, timing_ms: timing, pictures }))
}

/// Options for reading a file.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct WavQuery {
    /// Whether a truncated file is read as far as it goes. Otherwise it is an error.
    cut: bool,
}

#[utoipa::path(
    post,
    path = "/api/wav",
    params(WavQuery),
    request_body(
        description = "A recording, as for /api/recognize",
        content((Clip = "application/octet-stream"), (ClipForm = "multipart/form-data"))
    ),
    responses(
        (status = 200, description = "Its first ten minutes, mono, 16 bits", body = Clip, content_type = "audio/wav"),
        ClipRefusals
    )
)]
pub(crate) async fn wav(State(app): Shared, address: Uri, request: Request) -> Result<Response, Problem> {
    let upload = app.uploads.clip(request).await?;
    let query: WavQuery = plain::query(&address)?;
    let turn = app.recognizers.turn().await?;
    let file = blocking(&app.recognitions.clone(), move || {
        let file = Playable::new(&upload.content, &upload.name, query.cut, &app.playable);
        drop(turn);
        file
    })
    .await?;
    Ok(([(header::CONTENT_TYPE, "audio/wav")], Body::new(file)).into_response())
}
