//! The page's own files, which travel inside the program.

use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use ser_examples::assets;

/// A file by its address.
pub(crate) fn file(path: &str) -> Option<Response> {
    let (kind, content): (&'static str, &'static [u8]) = match path {
        "/" => ("text/html; charset=utf-8", include_bytes!("page/index.html")),
        "/style.css" => ("text/css; charset=utf-8", include_bytes!("page/style.css")),
        "/app.js" => ("text/javascript; charset=utf-8", include_bytes!("page/app.js")),
        "/common.js" => ("text/javascript; charset=utf-8", include_bytes!("page/common.js")),
        "/audio.js" => ("text/javascript; charset=utf-8", include_bytes!("page/audio.js")),
        "/recorder.js" => ("text/javascript; charset=utf-8", include_bytes!("page/recorder.js")),
        "/songs.js" => ("text/javascript; charset=utf-8", include_bytes!("page/songs.js")),
        "/feedback.js" => ("text/javascript; charset=utf-8", include_bytes!("page/feedback.js")),
        "/live.js" => ("text/javascript; charset=utf-8", include_bytes!("page/live.js")),
        "/icon.svg" => ("image/svg+xml", include_bytes!("page/icon.svg")),
        "/sample.wav" => ("audio/wav", assets::SAMPLE_WAV),
        _ => return None,
    };
    Some(([(CONTENT_TYPE, kind), (CACHE_CONTROL, "no-cache")], content).into_response())
}
