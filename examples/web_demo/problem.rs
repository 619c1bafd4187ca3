//! Errors as `application/problem+json` (RFC 9457).

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use mood_recommender::{ReadingError, RecommendError};
use ser_data::{AudioError, AudioErrorKind};
use ser_features::SignalError;
use ser_models::RecognizeError;
use serde::Serialize;
use utoipa::ToSchema;

/// What went wrong.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Problem {
    /// The HTTP status.
    pub(crate) status: u16,
    /// The kind of problem, for programs.
    pub(crate) code: &'static str,
    /// The kind of problem, for people.
    pub(crate) title: &'static str,
    /// This very problem.
    pub(crate) detail: String,
}

impl Problem {
    pub(crate) fn new(
        status: StatusCode,
        code: &'static str,
        title: &'static str,
        detail: impl ToString,
    ) -> Self {
        Self { status: status.as_u16(), code, title, detail: detail.to_string() }
    }

    pub(crate) fn invalid(detail: impl ToString) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid-request", "The request cannot be understood", detail)
    }

    pub(crate) fn not_found(path: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", "There is nothing here", path)
    }

    pub(crate) fn method() -> Self {
        let detail = "see /api/openapi.json";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method", "The address knows other methods only", detail)
    }

    pub(crate) fn too_large(limit: usize) -> Self {
        let detail = format!("a request may have {} MB at most", limit / 1_000_000);
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", "The file is too large", detail)
    }

    pub(crate) fn slow() -> Self {
        Self::new(
            StatusCode::REQUEST_TIMEOUT,
            "timeout",
            "It took too long",
            "the request did not arrive in time",
        )
    }

    pub(crate) fn busy() -> Self {
        let detail = "all workers have more to do than they can take; try again in a second";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "busy", "Too many clips at once", detail)
    }

    pub(crate) fn internal(detail: impl ToString) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "The server failed", detail)
    }
}

impl From<AudioError> for Problem {
    fn from(error: AudioError) -> Self {
        let (status, code, title) = match &error.kind {
            AudioErrorKind::NotAudio { .. } => {
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, "not-audio", "This is no audio that can be read here")
            }
            AudioErrorKind::UnsupportedCodec { .. }
            | AudioErrorKind::UnsupportedContainer { .. }
            | AudioErrorKind::Changes { .. }
            | AudioErrorKind::NoAudioTrack => (
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "unsupported-codec",
                "This kind of audio cannot be read here",
            ),
            AudioErrorKind::TooLong { .. } => {
                (StatusCode::PAYLOAD_TOO_LARGE, "too-long", "The clip is too long")
            }
            AudioErrorKind::TooManySamples { .. } => {
                (StatusCode::PAYLOAD_TOO_LARGE, "too-large", "The clip has too many samples")
            }
            _ => (StatusCode::UNPROCESSABLE_ENTITY, "damaged", "The file is damaged or empty"),
        };
        Self::new(status, code, title, error)
    }
}

impl From<SignalError> for Problem {
    fn from(error: SignalError) -> Self {
        let (code, title) = match error {
            SignalError::Silent { .. } => ("silence", "The clip is silent"),
            SignalError::TooShort { .. } | SignalError::Empty => ("too-short", "The clip is too short"),
            _ => ("no-speech", "The clip cannot hold speech"),
        };
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, title, error)
    }
}

impl From<RecognizeError> for Problem {
    fn from(error: RecognizeError) -> Self {
        match error {
            RecognizeError::Signal(error) => error.into(),
            RecognizeError::NoSpeech { .. } => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "no-speech", "The clip holds no speech", error)
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
        Self::internal(format!("{error:#}"))
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, axum::Json(&self)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}
