//! The files of the page, which are compiled into the program.

use std::hash::{DefaultHasher, Hash, Hasher};

use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use ser_examples::assets;

use crate::palette;

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

/// A file of the page.
pub(crate) struct File {
    kind: &'static str,
    content: &'static [u8],
}

macro_rules! files {
    ($path:expr; $($name:literal: $kind:expr),* $(,)?) => {
        match $path {
            "/" => Some(File { kind: HTML, content: include_bytes!("page/index.html") }),
            "/palette.css" => Some(File { kind: CSS, content: palette::CSS.as_bytes() }),
            "/palette.js" => Some(File { kind: SCRIPT, content: palette::SCRIPT.as_bytes() }),
            "/sample.wav" => Some(File { kind: "audio/wav", content: assets::SAMPLE_WAV }),
            $(concat!("/", $name) => Some(File { kind: $kind, content: include_bytes!(concat!("page/", $name)) }),)*
            _ => None,
        }
    };
}

/// Returns the file with this address.
pub(crate) fn file(path: &str) -> Option<File> {
    files!(path;
        "style.css": CSS,
        "answer.css": CSS,
        "icon.svg": "image/svg+xml",
        "app.js": SCRIPT,
        "audio.js": SCRIPT,
        "chart.js": SCRIPT,
        "clip.js": SCRIPT,
        "element.js": SCRIPT,
        "english.js": SCRIPT,
        "feedback.js": SCRIPT,
        "german.js": SCRIPT,
        "heard.js": SCRIPT,
        "journey.js": SCRIPT,
        "live.js": SCRIPT,
        "microphone.js": SCRIPT,
        "model.js": SCRIPT,
        "moods.js": SCRIPT,
        "playlist.js": SCRIPT,
        "preferences.js": SCRIPT,
        "record.js": SCRIPT,
        "recorder.js": SCRIPT,
        "server.js": SCRIPT,
        "songs.js": SCRIPT,
        "sound.js": SCRIPT,
        "store.js": SCRIPT,
        "words.js": SCRIPT,
    )
}

impl File {
    /// Answers with the file, or with 304 if `known`, the header `If-None-Match`, has its tag.
    pub(crate) fn answer(&self, known: Option<&HeaderValue>) -> Response {
        let mut hasher = DefaultHasher::new();
        self.content.hash(&mut hasher);
        let tag = format!("\"{:016x}\"", hasher.finish());
        let is_known = known.and_then(|known| known.to_str().ok()).is_some_and(|known| {
            known.split(',').any(|known| known.trim().trim_start_matches("W/") == tag || known.trim() == "*")
        });
        // `no-cache` lets browsers keep the file, but they must ask each time whether it has changed, because a new version of the program
        // may have changed it.
        let headers = [(CACHE_CONTROL, "no-cache".to_owned()), (ETAG, tag)];
        match is_known {
            true => (StatusCode::NOT_MODIFIED, headers).into_response(),
            false => (headers, [(CONTENT_TYPE, self.kind)], self.content).into_response(),
        }
    }
}
