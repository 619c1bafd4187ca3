//! The HTTP interface that the page and other programs use: its routes, and the layers that apply to all of them.

use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Serialize;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::set_header::SetResponseHeaderLayer;
use utoipa::{OpenApi, ToSchema};

use crate::app::{App, Shared};
use crate::guard::{self, Hosts};
use crate::page;
use crate::problem::Problem;
use crate::{recognize, recommend};

/// Returns the router of all addresses. It answers requests for `hosts` only.
pub(crate) fn router(app: Arc<App>, hosts: Hosts) -> Router {
    let api = Router::new()
        .route("/api/recognize", post(recognize::recognize))
        .route("/api/wav", post(recognize::wav))
        .route("/api/recommend", post(recommend::recommend))
        .route("/api/playlist", post(recommend::playlist))
        .route("/api/health", get(health))
        .route("/api/openapi.json", get(|| async { Json(Documented::openapi()) }));
    let router = api
        .fallback(other)
        .method_not_allowed_fallback(|| async { Problem::method() })
        // `upload` has its own limit, whose error is a `Problem`.
        .layer(DefaultBodyLimit::disable())
        .layer(from_fn_with_state(Arc::new(hosts), guard::check))
        .layer(CatchPanicLayer::custom(|_: Box<dyn std::any::Any + Send>| {
            Problem::unforeseen().into_response()
        }));
    let no_store = HeaderValue::from_static("no-store");
    // Answers depend on the request, so caches must not keep them. The files of the page set their own header.
    let router = router.layer(SetResponseHeaderLayer::if_not_present(header::CACHE_CONTROL, no_store));
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
    .fold(router, |router, (name, value)| router.layer(header_layer(name, value)))
    .with_state(app)
}

fn header_layer(name: HeaderName, value: &'static str) -> SetResponseHeaderLayer<HeaderValue> {
    SetResponseHeaderLayer::overriding(name, HeaderValue::from_static(value))
}

/// Answers with a file of the page, or with an error if there is no such file.
async fn other(method: Method, uri: Uri, headers: HeaderMap) -> Response {
    match page::file(uri.path()) {
        Some(_) if !matches!(method, Method::GET | Method::HEAD) => {
            let allowed = [(header::ALLOW, HeaderValue::from_static("GET, HEAD"))];
            (allowed, Problem::method()).into_response()
        }
        Some(file) => file.answer(headers.get(header::IF_NONE_MATCH)),
        None => Problem::not_found(uri.path()).into_response(),
    }
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Speech emotion recognition with music recommendation",
        description = "Recognises the mood of a voice recording and recommends songs for it. The server keeps nothing that it receives."
    ),
    paths(recognize::recognize, recognize::wav, recommend::recommend, recommend::playlist, health),
    components(schemas(Problem))
)]
struct Documented;

/// State of the server.
#[derive(Serialize, ToSchema)]
struct Health {
    /// Always `ok`.
    status: &'static str,
    /// Version of this program.
    version: &'static str,
    /// Number of songs in the catalogue.
    songs: usize,
    /// Names of the models that a request to `/api/recognize` can select. The first is the default.
    models: Vec<String>,
}

#[utoipa::path(get, path = "/api/health", responses(
    (status = 200, description = "The server answers", body = Health),
    (status = 403, description = "The request comes from a page of another site", body = Problem, content_type = "application/problem+json")
))]
async fn health(State(app): Shared) -> Json<Health> {
    let songs = app.recommender.catalog().songs().len();
    let models = app.recognizers.names().map(ToString::to_string).collect();
    Json(Health { status: "ok", version: env!("CARGO_PKG_VERSION"), songs, models })
}
