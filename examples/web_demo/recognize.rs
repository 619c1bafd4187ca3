//! `/api/recognize`: a clip in, its mood from start to end and songs out. `/api/wav`: the clip as a file that every browser plays.

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

/// Options of a clip's recognition.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RecognizeQuery {
    /// Songs at most; with 0 there are none.
    #[param(maximum = 100)]
    count: usize,
    /// Whether pictures of the clip are drawn.
    pictures: bool,
    /// Whether pictures are drawn on a dark ground.
    dark: bool,
    /// The language of pictures.
    #[param(inline)]
    language: LanguageCode,
    /// Width of pictures in pixels.
    #[param(minimum = 240, maximum = 2000)]
    width: u32,
    /// Whether a file that is cut short is heard up to that place.
    cut: bool,
    /// Clips with less than a quarter of a second at this level or above, in dB relative to full scale and between 80 and
    /// 8,000 Hz, count as silence; −50 suits microphones.
    #[param(minimum = -200, maximum = 0)]
    silence_db: Option<f32>,
    /// The model, of those that `/api/health` lists; the first if left out.
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
    /// The stretches of one mood, which cover what was heard without a gap, in order.
    timeline: Vec<Stretch>,
    audio: AudioFacts,
    /// Warnings for the listener, such as that only the first ten minutes were analysed.
    notices: Vec<Notice>,
    timing_ms: Timing,
    /// Waveform, mel spectrogram and pitch on one time axis, if they were asked for.
    pictures: Vec<Drawn>,
}

/// A stretch of a clip in which one mood is heard, or no speech.
#[derive(Serialize, ToSchema)]
struct Stretch {
    /// Start, in seconds.
    start: f64,
    /// End, in seconds; the next one starts there.
    end: f64,
    /// The most probable mood; null without speech.
    mood: Option<String>,
    /// Whether the mood is sure; null without speech.
    confident: Option<bool>,
    /// Every mood with its probability; null without speech.
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

/// Result of the recognition.
#[derive(Serialize, ToSchema)]
struct AudioFacts {
    /// Seconds that were heard.
    seconds: f64,
    /// Samples of a channel in a second.
    sample_rate: u32,
    /// Channels.
    channels: usize,
    /// The largest absolute sample of each of equal parts, 600 parts at most.
    #[schema(max_items = 600)]
    peaks: Vec<f32>,
}

/// Duration of each stage, in milliseconds.
#[derive(Default, Serialize, ToSchema)]
struct Timing {
    /// Waiting for a worker.
    wait: f64,
    /// From a file to samples.
    decode: f64,
    /// From samples to moods.
    recognize: f64,
    /// From a mood to songs.
    recommend: f64,
    /// Drawing.
    pictures: f64,
}

#[utoipa::path(
    post,
    path = "/api/recognize",
    params(RecognizeQuery),
    request_body(
        description = "A recording of 20 MB at most: PCM, FLAC, ALAC, MP3, AAC-LC, Vorbis or Opus in a common container, as it is or as \
                       the first file of a form, of which it must begin in the first 10 kB. Its first ten minutes are heard.",
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
    // The body first, whatever the rest says: a caller who still sends when the connection is closed never sees why.
    let upload = app.uploads.clip(request).await?;
    let query: RecognizeQuery = plain::query(&address)?;
    query.check()?;
    let model = app.recognizers.find(query.model.as_deref())?;
    let asked = Instant::now();
    // A caller who hangs up while it waits leaves the queue.
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

/// Settings of reading a file.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct WavQuery {
    /// Whether a file that is cut short is read up to that place.
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
