//! The interface for programs, which the page uses too.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, FromRequest, Multipart, Query, Request, State};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use http_body_util::BodyExt;
use mood_recommender::{Mood, Reading, Recommender};
use ser_data::{Audio, AudioLimits, AudioOptions};
use ser_examples::answer::{Answer, SongItem};
use ser_features::MIN_SPEECH_SECONDS;
use ser_models::live;
use ser_plots::Theme;
use serde::{Deserialize, Serialize};
use tokio::time::timeout;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::set_header::SetResponseHeaderLayer;
use utoipa::{IntoParams, OpenApi, ToSchema};

use crate::options::SongOptions;
use crate::page;
use crate::pictures::{self, Drawn};
use crate::problem::Problem;
use crate::recognizers::Recognizers;
use crate::schema::{AnswerSchema, SongSchema};

/// The most bytes of a request.
const MAX_BYTES: usize = 20_000_000;
/// The longest clip, and the most samples, whatever rate and channels a file declares: a minute in stereo at 192 kHz.
const OPTIONS: AudioOptions = AudioOptions {
    limits: AudioLimits { duration: Duration::from_secs(60), samples: 60 * 192_000 * 2 },
    allow_truncated: false,
};
/// The time that a request may take to arrive.
const ARRIVAL: Duration = Duration::from_secs(30);

/// What all requests share.
pub(crate) struct App {
    pub(crate) recognizers: Recognizers,
    pub(crate) recommender: Recommender,
}

type Shared = State<Arc<App>>;

/// All addresses.
pub(crate) fn router(app: Arc<App>) -> Router {
    let router = Router::new()
        .route("/api/recognize", post(recognize))
        .route("/api/recommend", post(recommend))
        .route("/api/health", get(health))
        .route("/api/openapi.json", get(|| async { Json(Documented::openapi()) }))
        .fallback(other)
        .method_not_allowed_fallback(|| async { Problem::method() })
        // The bodies' own limit answers with a problem.
        .layer(DefaultBodyLimit::disable())
        .layer(CatchPanicLayer::custom(|_: Box<dyn std::any::Any + Send>| {
            Problem::internal("an unforeseen fault").into_response()
        }));
    let policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; media-src 'self' blob:; \
                  connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
    [
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("permissions-policy"), "microphone=(self), camera=(), geolocation=()"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ]
    .into_iter()
    .fold(router, |router, (name, value)| {
        router.layer(SetResponseHeaderLayer::overriding(name, HeaderValue::from_static(value)))
    })
    .with_state(app)
}

/// The page's files, or nothing.
async fn other(method: Method, uri: Uri) -> Response {
    match page::file(uri.path()) {
        Some(_) if !matches!(method, Method::GET | Method::HEAD) => Problem::method().into_response(),
        Some(file) => file,
        None => Problem::not_found(uri.path()).into_response(),
    }
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Speech emotion recognition with music recommendation",
        description = "A voice clip goes in, its mood comes out, and songs that suit it. Nothing that is sent is kept."
    ),
    paths(recognize, recommend, health)
)]
struct Documented;

/// How the server fares.
#[derive(Serialize, ToSchema)]
struct Health {
    /// Always `ok`.
    status: &'static str,
    /// This program's version.
    version: &'static str,
    /// Songs in the catalogue.
    songs: usize,
}

#[utoipa::path(get, path = "/api/health", responses((status = 200, description = "The server answers", body = Health)))]
async fn health(State(app): Shared) -> Json<Health> {
    let songs = app.recommender.catalog().songs().len();
    Json(Health { status: "ok", version: env!("CARGO_PKG_VERSION"), songs })
}

/// What is wanted of a clip.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
struct RecognizeQuery {
    /// Songs at most, up to 100; with 0 there are none.
    count: usize,
    /// Whether pictures of the clip are drawn.
    pictures: bool,
    /// Whether pictures are drawn on a dark ground.
    dark: bool,
    /// Clips with less than a quarter of a second at this level or above, in dB relative to full scale and between 80 and
    /// 8,000 Hz, count as silence; −50 suits microphones.
    silence_db: Option<f32>,
}

impl Default for RecognizeQuery {
    fn default() -> Self {
        Self { count: 5, pictures: false, dark: false, silence_db: None }
    }
}

/// The mood of a clip, and songs that suit it.
#[derive(Serialize, ToSchema)]
struct Recognized {
    #[serde(flatten)]
    #[schema(value_type = AnswerSchema)]
    answer: Answer,
    audio: AudioFacts,
    timing_ms: Timing,
    /// Waveform, mel spectrogram, MFCC and chroma, if they were asked for.
    pictures: Vec<Drawn>,
}

/// What was heard.
#[derive(Serialize, ToSchema)]
struct AudioFacts {
    /// Length in seconds.
    seconds: f64,
    /// Samples of a channel in a second.
    sample_rate: u32,
    /// Channels.
    channels: usize,
}

/// How long each stage took, in milliseconds.
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
        content = Vec<u8>,
        content_type = "application/octet-stream",
        description = "A WAV, FLAC, MP3, OGG Vorbis or M4A file of 20 MB and 60 s at most, as it is or as the first file of \
                       a multipart/form-data body"
    ),
    responses(
        (status = 200, description = "Recognised", body = Recognized),
        (status = 400, description = "Not understood", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "Too large or too long", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "Not audio", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "Damaged, silent or too short", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Too many at once", body = Problem, content_type = "application/problem+json")
    )
)]
async fn recognize(
    State(app): Shared,
    query: Result<Query<RecognizeQuery>, axum::extract::rejection::QueryRejection>,
    request: Request,
) -> Result<Json<Recognized>, Problem> {
    // The body first, whatever the rest says: see `content_of`.
    let (name, file) = timeout(ARRIVAL, file_of(request)).await.map_err(|_| Problem::slow())??;
    let Query(query) = query.map_err(|error| Problem::invalid(error.body_text()))?;
    let options = SongOptions::counting(query.count).resolve(&app.recommender)?;

    let asked = Instant::now();
    let work = async move {
        let turn = app.recognizers.turn().await?;
        let wait = milliseconds(asked);
        // Blocking: decoding, features and model take milliseconds of a core.
        tokio::task::block_in_place(|| {
            let mut timing = Timing { wait, ..Timing::default() };
            let audio = clocked(&mut timing.decode, || Audio::decode_with(&OPTIONS, &file, None, &name))?;
            let samples = audio.to_mono()?;
            check_silence(&samples, audio.sample_rate, query.silence_db)?;
            let timeline = clocked(&mut timing.recognize, || {
                app.recognizers.with(&turn, |recognizer| recognizer.timeline(&samples, audio.sample_rate))
            })??;
            let recognition = &timeline.overall;
            let songs = clocked(&mut timing.recommend, || {
                let reading =
                    Reading::from_probabilities(recognition.probabilities.iter().map(|(m, p)| (m, *p)))?;
                Ok::<_, Problem>(app.recommender.recommend(reading, &options)?)
            })?;
            let answer = Answer::new(recognition, &songs);
            let (seconds, sample_rate) = (audio.duration().as_secs_f64(), audio.sample_rate);
            let pictures = clocked(&mut timing.pictures, || match (query.pictures, query.dark) {
                (false, _) => Ok(Vec::new()),
                (true, false) => pictures::draw(samples, sample_rate, Theme::Light),
                (true, true) => pictures::draw(samples, sample_rate, Theme::Dark),
            })?;
            let audio = AudioFacts { seconds, sample_rate, channels: audio.channels };
            Ok(Json(Recognized { answer, audio, timing_ms: timing, pictures }))
        })
    };
    // A task of its own, so that a worker is given back in order even when the caller hangs up.
    tokio::spawn(work).await.map_err(|_| Problem::internal("an unforeseen fault"))?
}

fn milliseconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1000.0
}

fn clocked<T>(time: &mut f64, work: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let result = work();
    *time = milliseconds(start);
    result
}

/// Refuses a clip that stays below a level, as a live microphone does between sentences.
fn check_silence(samples: &[f32], sample_rate: u32, silence_db: Option<f32>) -> Result<(), Problem> {
    let Some(limit) = silence_db else { return Ok(()) };
    if !live::is_silent(samples, sample_rate, limit)? {
        return Ok(());
    }
    let detail = format!("less than {MIN_SPEECH_SECONDS} s of it reach {limit:.0} dB").replace('-', "−");
    Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "silence", "The clip is silent", detail))
}

/// Name and content of the file that a request carries.
async fn file_of(request: Request) -> Result<(String, Bytes), Problem> {
    let kind = request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    if !kind.is_some_and(|kind| kind.starts_with("multipart/form-data")) {
        return Ok(("the clip".to_string(), content_of(request.into_body(), MAX_BYTES).await?));
    }
    let (head, body) = request.into_parts();
    // What stands around the file counts too, so a little more is taken.
    let body = content_of(body, MAX_BYTES + 10_000).await?;
    let form = Request::from_parts(head, Body::from(body));
    let mut parts = Multipart::from_request(form, &()).await.map_err(Problem::invalid)?;
    while let Some(part) = parts.next_field().await.map_err(Problem::invalid)? {
        if let Some(name) = part.file_name().map(ToString::to_string) {
            return Ok((name, part.bytes().await.map_err(Problem::invalid)?));
        }
    }
    Err(Problem::invalid("the form holds no file"))
}

/// A body of `limit` bytes at most. More than that is read but not kept, to a point: a caller who still sends when the
/// connection is closed never sees why.
async fn content_of(mut body: Body, limit: usize) -> Result<Bytes, Problem> {
    let (mut content, mut read) = (Vec::new(), 0);
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(Problem::invalid)?.into_data() else { continue };
        read += data.len();
        if read <= limit {
            content.extend_from_slice(&data);
        } else {
            content = Vec::new();
        }
        if read > 5 * limit {
            break;
        }
    }
    if read > limit { Err(Problem::too_large(MAX_BYTES)) } else { Ok(content.into()) }
}

/// What songs are wanted, and for which mood.
#[derive(Debug, Deserialize, ToSchema)]
struct RecommendBody {
    /// A mood of which the caller is sure: Calm, Happy, Sad or Energetic.
    #[schema(value_type = Option<String>)]
    mood: Option<Mood>,
    /// Or the probability of each mood.
    probabilities: Option<BTreeMap<String, f64>>,
    #[serde(default)]
    options: SongOptions,
}

/// Songs that suit a mood.
#[derive(Serialize, ToSchema)]
struct Recommended {
    /// The best first; in playing order for a journey.
    #[schema(value_type = Vec<SongSchema>)]
    songs: Vec<SongItem>,
    timing_ms: RecommendTiming,
}

/// How long the stages took, in milliseconds.
#[derive(Default, Serialize, ToSchema)]
struct RecommendTiming {
    /// From a mood to songs.
    recommend: f64,
}

#[utoipa::path(
    post,
    path = "/api/recommend",
    request_body = RecommendBody,
    responses(
        (status = 200, description = "The songs", body = Recommended),
        (status = 400, description = "Not understood", body = Problem, content_type = "application/problem+json")
    )
)]
async fn recommend(State(app): Shared, request: Request) -> Result<Json<Recommended>, Problem> {
    let content =
        timeout(ARRIVAL, content_of(request.into_body(), MAX_BYTES)).await.map_err(|_| Problem::slow())??;
    let body: RecommendBody = serde_json::from_slice(&content).map_err(Problem::invalid)?;
    let reading: Reading = match (body.mood, body.probabilities) {
        (Some(mood), None) => mood.into(),
        (None, Some(probabilities)) => Reading::from_probabilities(probabilities)?,
        _ => return Err(Problem::invalid("either mood or probabilities must be given")),
    };
    tokio::task::block_in_place(|| {
        let mut timing_ms = RecommendTiming::default();
        let songs = clocked(&mut timing_ms.recommend, || {
            let options = body.options.resolve(&app.recommender)?;
            Ok::<_, Problem>(app.recommender.recommend(reading, &options)?)
        })?;
        Ok(Json(Recommended { songs: songs.iter().map(SongItem::new).collect(), timing_ms }))
    })
}
