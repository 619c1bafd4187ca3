//! OpenAPI descriptions of types that do not derive them.
//!
//! The type of the answer is in the library of the examples, which does not depend on utoipa, so that the first example compiles faster. A
//! test of the running server compares the answer with its description.

// Only the derived descriptions of these types are used.
#![allow(dead_code)]

use std::collections::BTreeMap;

use utoipa::openapi::header::Header;
use utoipa::openapi::schema::{Object, Type};
use utoipa::openapi::{Content, Ref, RefOr, Response, ResponseBuilder};
use utoipa::{IntoResponses, ToSchema};

use crate::problem::Problem;

/// A mood.
#[derive(ToSchema)]
#[schema(as = Mood)]
pub(crate) enum MoodName {
    Calm,
    Happy,
    Sad,
    Energetic,
}

/// The probability of each mood. The probability of a missing mood is 0. At least one must be above 0.
#[derive(ToSchema)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(crate) struct Probabilities {
    #[schema(minimum = 0, required = false)]
    calm: f64,
    #[schema(minimum = 0, required = false)]
    happy: f64,
    #[schema(minimum = 0, required = false)]
    sad: f64,
    #[schema(minimum = 0, required = false)]
    energetic: f64,
}

/// The bytes of a recording.
#[derive(ToSchema)]
#[schema(value_type = String, format = Binary)]
pub(crate) struct Clip(Vec<u8>);

/// A form with a recording.
#[derive(ToSchema)]
pub(crate) struct ClipForm {
    /// The bytes of the recording. The field can have any name. The first field with a file name is used.
    #[schema(value_type = String, format = Binary)]
    file: Vec<u8>,
}

/// A mood with its probabilities and the songs that suit it.
#[derive(ToSchema)]
#[schema(as = Answer)]
pub(crate) struct AnswerSchema {
    /// The most probable mood.
    mood: MoodName,
    /// The probability of each mood. The probabilities sum to 1.
    probabilities: Probabilities,
    /// Whether the probability of the most probable mood is at least the model's confidence threshold.
    confident: bool,
    /// The songs, best first.
    songs: Vec<SongSchema>,
}

/// A recommended song.
#[derive(ToSchema)]
#[schema(as = SongItem)]
pub(crate) struct SongSchema {
    /// Key that names the song in likes, dislikes and exclusions.
    key: String,
    /// The title.
    name: String,
    /// The artist.
    artist: String,
    /// Address of a page that plays the song: the track's page if its id is known, otherwise a search.
    link: String,
    /// Whether the song's mood was estimated from its sound.
    mood_estimated: bool,
    /// Score from 0 to 1.
    score: f32,
    /// Reason for the choice.
    reason: String,
}

/// Errors of the addresses that take JSON.
pub(crate) struct JsonRefusals;

/// Errors of the addresses that take a clip.
pub(crate) struct ClipRefusals;

/// Status and meaning of all errors.
const REFUSALS: [(&str, &str); 8] = [
    ("400", "The request is invalid"),
    ("403", "The request comes from a page of another site"),
    ("408", "Arrived too slowly"),
    ("413", "Too large"),
    ("415", "Not audio"),
    ("422", "Damaged, silent, too short or without speech"),
    ("503", "Too many requests at once"),
    ("500", "The server failed"),
];

fn refusals(statuses: &[&str]) -> BTreeMap<String, RefOr<Response>> {
    let told = REFUSALS.iter().filter(|(status, _)| statuses.contains(status));
    told.map(|(status, description)| {
        let content = Content::new(Some(Ref::from_schema_name(Problem::name())));
        let mut response =
            ResponseBuilder::new().description(*description).content("application/problem+json", content);
        if *status == "503" {
            let mut seconds = Header::new(Object::with_type(Type::Integer));
            seconds.description = Some("Seconds after which there should be room".to_owned());
            response = response.header("Retry-After", seconds);
        }
        ((*status).to_owned(), response.build().into())
    })
    .collect()
}

impl IntoResponses for JsonRefusals {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        refusals(&["400", "403", "408", "413", "500", "503"])
    }
}

impl IntoResponses for ClipRefusals {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        refusals(&REFUSALS.map(|(status, _)| status))
    }
}
