//! Errors as `application/problem+json` (RFC 9457).

use std::time::Duration;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use mood_recommender::{ReadingError, RecommendError};
use ser_data::{AudioError, AudioErrorKind};
use ser_features::{MIN_SPEECH_SECONDS, SignalError};
use ser_models::RecognizeError;
use serde::Serialize;
use utoipa::ToSchema;

/// An error.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Problem {
    /// The HTTP status.
    pub(crate) status: u16,
    /// Kind of the error, for programs.
    pub(crate) code: &'static str,
    /// Kind of the error in words.
    pub(crate) title: &'static str,
    /// Description of this error.
    pub(crate) detail: String,
    /// Seconds after which to try again.
    #[serde(skip)]
    pub(crate) retry_after: Option<u64>,
}

impl Problem {
    pub(crate) fn new(
        status: StatusCode,
        code: &'static str,
        title: &'static str,
        detail: impl ToString,
    ) -> Self {
        Self { status: status.as_u16(), code, title, detail: detail.to_string(), retry_after: None }
    }

    pub(crate) fn invalid(detail: impl ToString) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid-request", "The request is invalid", detail)
    }

    pub(crate) fn not_found(path: &str) -> Self {
        let detail = format!("{path}: address must be the page's or one of /api/openapi.json, got another");
        Self::new(StatusCode::NOT_FOUND, "not-found", "Not found", detail)
    }

    pub(crate) fn method() -> Self {
        let detail = "request: method must be one that /api/openapi.json lists for the address, got another";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method", "The method is not allowed", detail)
    }

    pub(crate) fn too_large(limit: usize) -> Self {
        let limit = match limit {
            0..1_000_000 => format!("{} kB", limit / 1024),
            _ => format!("{} MB", limit / 1_000_000),
        };
        let detail = format!("request: size must be {limit} or less, got more");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", "The request is too large", detail)
    }

    pub(crate) fn slow() -> Self {
        Self::new(
            StatusCode::REQUEST_TIMEOUT,
            "timeout",
            "The request timed out",
            "request: content must arrive in time, got too little of it",
        )
    }

    /// Creates the error that all workers are busy. `delay` is the time after which the client should try again.
    pub(crate) fn busy(delay: Duration) -> Self {
        let seconds = (delay.as_secs_f64().ceil() as u64).clamp(1, 60);
        let detail = format!("server: a worker must be free, got none (try again in {seconds} s)");
        let busy = Self::new(StatusCode::SERVICE_UNAVAILABLE, "busy", "Too many requests at once", detail);
        Self { retry_after: Some(seconds), ..busy }
    }

    /// Creates the error of a request from a page of another site, or for a host name that is not allowed.
    pub(crate) fn foreign(detail: impl ToString) -> Self {
        Self::new(StatusCode::FORBIDDEN, "foreign", "Requests from other sites are not allowed", detail)
    }

    pub(crate) fn silent(detail: impl ToString) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "silence", "The clip is silent", detail)
    }

    pub(crate) fn internal(detail: impl ToString) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "The server failed", detail)
    }

    /// Creates the error of a bug in this program, such as a panic.
    pub(crate) fn unforeseen() -> Self {
        Self::internal("server: unforeseen fault")
    }
}

impl From<AudioError> for Problem {
    fn from(error: AudioError) -> Self {
        let (status, code, title) = match &error.kind {
            AudioErrorKind::NotAudio { .. } => (
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "not-audio",
                "The file is not audio of a supported format",
            ),
            AudioErrorKind::UnsupportedCodec { .. }
            | AudioErrorKind::UnsupportedContainer { .. }
            | AudioErrorKind::Changes { .. }
            | AudioErrorKind::NoAudioTrack => (
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "unsupported-codec",
                "The audio codec or container is not supported",
            ),
            _ => (StatusCode::UNPROCESSABLE_ENTITY, "damaged", "The file is damaged or empty"),
        };
        Self::new(status, code, title, error)
    }
}

impl From<SignalError> for Problem {
    fn from(error: SignalError) -> Self {
        let refused =
            |code, title, detail: String| Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, title, detail);
        match error {
            SignalError::Silent { .. } => {
                Self::silent("clip: sound must not be silent, got none that is loud enough for speech")
            }
            SignalError::TooShort { .. } | SignalError::Empty => {
                let detail = format!("clip: length must be {MIN_SPEECH_SECONDS} s or more, got less");
                refused("too-short", "The clip is too short", detail)
            }
            error => refused("no-speech", "The clip cannot be analysed", error.to_string()),
        }
    }
}

impl From<RecognizeError> for Problem {
    fn from(error: RecognizeError) -> Self {
        match error {
            RecognizeError::Signal(error) => error.into(),
            RecognizeError::NoSpeech { .. } => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "no-speech", "The clip contains no speech", error)
            }
            error => Self::internal(error),
        }
    }
}

impl From<RecommendError> for Problem {
    fn from(error: RecommendError) -> Self {
        Self::invalid(error)
    }
}

impl From<ReadingError> for Problem {
    fn from(error: ReadingError) -> Self {
        Self::invalid(error)
    }
}

impl From<anyhow::Error> for Problem {
    fn from(error: anyhow::Error) -> Self {
        Self::internal(ser_examples::cli::message(&error))
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, axum::Json(&self)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
