//! `/api/recommend` returns songs for a mood. `/api/playlist` returns the same songs as a file for players.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::{Uri, header};
use axum::response::{IntoResponse, Response};
use mood_recommender::{Mood, Options, Playlist, PlaylistFormat, Point, Reading, Recommendation};
use ser_examples::answer::SongItem;
use serde::{Deserialize, Serialize};
use tokio::runtime::Handle;
use utoipa::{IntoParams, ToSchema};

use crate::app::{App, Shared, blocking, clocked};
use crate::language::LanguageCode;
use crate::options::SongOptions;
use crate::problem::Problem;
use crate::schema::{JsonRefusals, Probabilities, SongSchema};
use crate::{plain, upload};

/// A mood, given by either `mood` or `probabilities`, and options for the songs.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RecommendBody {
    /// A mood with probability 1.
    #[schema(value_type = Option<crate::schema::MoodName>)]
    mood: Option<Mood>,
    /// The probability of each mood. The probabilities are divided by their sum.
    #[schema(value_type = Option<Probabilities>)]
    probabilities: Option<BTreeMap<String, f64>>,
    #[serde(default)]
    options: SongOptions,
}

impl RecommendBody {
    /// JSON pointers to the parts that must be objects.
    pub(crate) const OBJECTS: &[&str] = &["", "/options"];

    async fn read(request: Request) -> Result<Self, Problem> {
        plain::json(&upload::json(request).await?, Self::OBJECTS)
    }

    fn resolve(self, app: &App) -> Result<(Reading, Options), Problem> {
        let reading = match (self.mood, self.probabilities) {
            (Some(mood), None) => mood.into(),
            (None, Some(probabilities)) => Reading::from_probabilities(probabilities)?,
            (mood, _) => {
                let got = if mood.is_some() { "both" } else { "neither" };
                let detail = format!("body: either mood or probabilities must be given, got {got}");
                return Err(Problem::invalid(detail));
            }
        };
        Ok((reading, self.options.resolve(&app.recommender)?))
    }
}

/// Songs that suit a mood.
#[derive(Serialize, ToSchema)]
pub(crate) struct Recommended {
    /// The songs, best first. The songs of a journey are in playing order.
    songs: Vec<ListedSong>,
    /// The path of a journey in the valence–energy plane, from the mood to the target. Null for other strategies.
    way: Option<Way>,
    timing_ms: RecommendTiming,
}

/// A recommended song and its features.
#[derive(Serialize, ToSchema)]
pub(crate) struct ListedSong {
    #[serde(flatten)]
    #[schema(value_type = SongSchema)]
    item: SongItem,
    /// The year of release.
    year: Option<u16>,
    /// The song's mood.
    #[schema(value_type = Option<crate::schema::MoodName>)]
    mood: Option<Mood>,
    /// Valence, from gloomy (0) to happy (1).
    valence: Option<f32>,
    /// Energy, from still (0) to intense (1).
    energy: Option<f32>,
    /// Acousticness, from electric (0) to acoustic (1).
    acousticness: Option<f32>,
    /// Danceability, from 0 to 1.
    danceability: Option<f32>,
    /// Popularity, from 0 to 100.
    popularity: Option<f32>,
}

impl ListedSong {
    fn new(recommendation: &Recommendation<'_>) -> Self {
        let song = recommendation.song;
        Self {
            item: SongItem::new(recommendation),
            year: song.release_date.map(|date| date.year()),
            mood: song.mood,
            valence: song.valence,
            energy: song.energy,
            acousticness: song.acousticness,
            danceability: song.danceability,
            popularity: song.popularity,
        }
    }
}

/// The straight path of a journey.
#[derive(Serialize, ToSchema)]
struct Way {
    from: Place,
    to: Place,
}

/// A point in the valence–energy plane.
#[derive(Serialize, ToSchema)]
struct Place {
    /// Valence, from gloomy (0) to happy (1).
    valence: f64,
    /// Energy, from still (0) to intense (1).
    energy: f64,
}

impl Way {
    /// Returns the path to `to` from the mean of the moods' points, weighted by their probabilities.
    fn new(reading: &Reading, to: Point) -> Self {
        let mean = |of: fn(Point) -> f32| {
            Mood::ALL.into_iter().map(|mood| reading.probability(mood) * f64::from(of(mood.point()))).sum()
        };
        let from = Place { valence: mean(|point| point.valence), energy: mean(|point| point.energy) };
        Self { from, to: Place { valence: to.valence.into(), energy: to.energy.into() } }
    }
}

/// Duration of the stages, in milliseconds.
#[derive(Default, Serialize, ToSchema)]
struct RecommendTiming {
    /// Choosing the songs.
    recommend: f64,
}

#[utoipa::path(
    post,
    path = "/api/recommend",
    request_body(content = RecommendBody, description = "64 kB at most"),
    responses(
        (status = 200, description = "The songs", body = Recommended),
        JsonRefusals
    )
)]
pub(crate) async fn recommend(State(app): Shared, request: Request) -> Result<Json<Recommended>, Problem> {
    let body = RecommendBody::read(request).await?;
    let turn = app.listing.turn().await?;
    blocking(&Handle::current(), move || {
        let _turn = turn;
        let mut timing_ms = RecommendTiming::default();
        let target = body.options.target();
        let (songs, way) = clocked(&mut timing_ms.recommend, || {
            let (reading, options) = body.resolve(&app)?;
            let songs = app.recommender.recommend(reading, &options)?;
            let way = target.map(|target| Way::new(&reading, target.point()));
            Ok::<_, Problem>((songs.iter().map(ListedSong::new).collect(), way))
        })?;
        Ok(Json(Recommended { songs, way, timing_ms }))
    })
    .await
}

/// Format of a playlist.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum FormatName {
    /// Extended M3U, which nearly all players can open.
    M3u8,
    /// XML Shareable Playlist Format.
    Xspf,
    /// CSV table.
    Csv,
}

/// Format and language of a playlist.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct PlaylistQuery {
    /// The format of the file.
    #[param(inline)]
    format: FormatName,
    /// The language of the title. The reasons for songs are in English and are left out in other languages.
    #[param(inline)]
    #[serde(default)]
    language: LanguageCode,
}

#[utoipa::path(
    post,
    path = "/api/playlist",
    params(PlaylistQuery),
    request_body(content = RecommendBody, description = "As for /api/recommend"),
    responses(
        (status = 200, description = "The songs that /api/recommend gives for this body, as a file", content(
            (String = "audio/mpegurl"), (String = "application/xspf+xml"), (String = "text/csv")
        )),
        JsonRefusals
    )
)]
pub(crate) async fn playlist(
    State(app): Shared,
    address: Uri,
    request: Request,
) -> Result<Response, Problem> {
    let body = RecommendBody::read(request).await?;
    let query: PlaylistQuery = plain::query(&address)?;
    let (format, kind) = match query.format {
        FormatName::M3u8 => (PlaylistFormat::M3u8, "audio/mpegurl; charset=utf-8"),
        FormatName::Xspf => (PlaylistFormat::Xspf, "application/xspf+xml"),
        FormatName::Csv => (PlaylistFormat::Csv, "text/csv; charset=utf-8"),
    };
    let turn = app.listing.turn().await?;
    blocking(&Handle::current(), move || {
        let _turn = turn;
        let (reading, options) = body.resolve(&app)?;
        let songs = app.recommender.recommend(reading, &options)?;
        let mut list = Playlist::new(query.language.playlist_title(), &songs);
        if query.language != LanguageCode::En {
            list.entries.iter_mut().for_each(|entry| entry.reason.clear());
        }
        let mut file = Vec::new();
        list.write_to(&mut file, format).map_err(Problem::internal)?;
        let name = format!("attachment; filename=\"songs.{}\"", format.extension());
        Ok(([(header::CONTENT_TYPE, kind.to_owned()), (header::CONTENT_DISPOSITION, name)], file)
            .into_response())
    })
    .await
}
