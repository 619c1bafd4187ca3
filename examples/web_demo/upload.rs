//! What a request carries: read within a limit, within a time, and within the memory that all uploads share.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, Multipart, Request};
use axum::http::header;
use http_body_util::BodyExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::problem::Problem;

/// The most bytes of a clip.
pub(crate) const MAX_CLIP: usize = 20_000_000;
/// The most bytes of a request in JSON.
pub(crate) const MAX_JSON: usize = 64 * 1024;
/// What stands around the file in a form.
const AROUND: usize = 10_000;
/// The time that a request may take to arrive.
const ARRIVAL: Duration = Duration::from_secs(30);
/// The bytes of all uploads together.
const BUDGET: usize = 3 * MAX_CLIP;
/// The budget is counted in these, since a semaphore's permits have 32 bits.
const UNIT: usize = 4096;

/// The memory that uploads share. Room for all of a body is taken before its first byte is kept.
pub(crate) struct Uploads {
    budget: Arc<Semaphore>,
    patience: Duration,
}

/// A clip, with the room that it takes.
pub(crate) struct Upload {
    /// What errors call it.
    pub(crate) name: String,
    pub(crate) content: Bytes,
    _room: OwnedSemaphorePermit,
}

impl Uploads {
    /// `patience` is the longest time that a body waits for room.
    pub(crate) fn new(patience: Duration) -> Self {
        Self { budget: Arc::new(Semaphore::new(BUDGET / UNIT)), patience }
    }

    /// The clip that a request carries, as it is or as the first file of a form.
    pub(crate) async fn clip(&self, request: Request) -> Result<Upload, Problem> {
        let declared =
            request.headers().get(header::CONTENT_LENGTH).and_then(|n| n.to_str().ok()?.parse().ok());
        let size: usize = declared.unwrap_or(MAX_CLIP).min(MAX_CLIP + AROUND);
        let units = u32::try_from(size.div_ceil(UNIT).max(1)).unwrap_or(u32::MAX);
        let room = timeout(self.patience, Arc::clone(&self.budget).acquire_many_owned(units)).await;
        let room = room.ok().and_then(Result::ok).ok_or_else(|| Problem::busy(self.patience))?;
        let (name, content) = timeout(ARRIVAL, clip_of(request)).await.map_err(|_| Problem::slow())??;
        Ok(Upload { name, content, _room: room })
    }
}

/// A body in JSON, as it is.
pub(crate) async fn json(request: Request) -> Result<Bytes, Problem> {
    timeout(ARRIVAL, content_of(request.into_body(), MAX_JSON)).await.map_err(|_| Problem::slow())?
}

/// Name and content of the file that a request carries.
async fn clip_of(request: Request) -> Result<(String, Bytes), Problem> {
    let kind = request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    if !kind.is_some_and(|kind| kind.starts_with("multipart/form-data")) {
        return Ok(("the clip".to_string(), content_of(request.into_body(), MAX_CLIP).await?));
    }
    let (head, body) = request.into_parts();
    let body = content_of(body, MAX_CLIP + AROUND).await?;
    let form = Request::from_parts(head, Body::from(body));
    let mut parts = Multipart::from_request(form, &()).await.map_err(Problem::invalid)?;
    while let Some(part) = parts.next_field().await.map_err(Problem::invalid)? {
        if let Some(name) = part.file_name().map(ToString::to_string) {
            return Ok((name, part.bytes().await.map_err(Problem::invalid)?));
        }
    }
    Err(Problem::invalid("the form must hold a file, got none"))
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
        if read > 5 * limit.max(MAX_CLIP) {
            break;
        }
    }
    if read > limit { Err(Problem::too_large(limit)) } else { Ok(content.into()) }
}
