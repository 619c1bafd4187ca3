//! What a caller may ask of a list of songs.

use mood_recommender::{Filter, Mood, Options, Profile, Recommender, Strategy};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::problem::Problem;

/// The most songs of one list.
const MAX_COUNT: usize = 100;

/// How the mood leads to songs.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum StrategyName {
    /// Songs that balance the mood.
    #[default]
    Balance,
    /// Songs of the same mood.
    Keep,
    /// Happy songs, whatever the mood.
    CheerUp,
    /// A playlist that begins at the mood and moves in small steps to `target`.
    Journey,
}

/// What songs are wanted.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct SongOptions {
    /// Songs at most, up to 100; 5 if left out.
    count: Option<usize>,
    /// How the mood leads to songs.
    strategy: StrategyName,
    /// Where a journey ends; Happy if left out.
    #[schema(value_type = Option<String>)]
    target: Option<Mood>,
    /// The first year of release.
    year_from: Option<u16>,
    /// The last year of release.
    year_to: Option<u16>,
    /// The least popularity, 0 to 100.
    popularity_from: Option<f32>,
    /// Artists to leave out.
    exclude_artists: Vec<String>,
    /// Songs to leave out, by their key.
    exclude_songs: Vec<String>,
    /// Songs that the listener likes, by their key.
    liked: Vec<String>,
    /// Songs that the listener dislikes, by their key.
    disliked: Vec<String>,
    /// How much songs should differ from each other in sound, 0 to 1.
    diversity: f32,
}

impl SongOptions {
    /// So many songs, all else by default.
    pub(crate) fn counting(count: usize) -> Self {
        Self { count: Some(count), ..Self::default() }
    }

    /// As the recommender takes them; songs that the catalogue doesn't have are passed over.
    pub(crate) fn resolve(self, recommender: &Recommender) -> Result<Options, Problem> {
        let count = self.count.unwrap_or(5);
        if count > MAX_COUNT {
            return Err(Problem::invalid(format!("count must be {MAX_COUNT} or less, got {count}")));
        }
        let strategy = match self.strategy {
            StrategyName::Balance => Strategy::Balance,
            StrategyName::Keep => Strategy::Keep,
            StrategyName::CheerUp => Strategy::CheerUp,
            StrategyName::Journey => Strategy::journey_to(self.target.unwrap_or(Mood::Happy)),
        };
        let years = match (self.year_from, self.year_to) {
            (None, None) => None,
            (from, to) => Some(from.unwrap_or(0)..=to.unwrap_or(u16::MAX)),
        };
        let mut profile = Profile::default();
        if !(self.liked.is_empty() && self.disliked.is_empty()) {
            for song in recommender.catalog().songs() {
                let key = song.key();
                if self.liked.iter().any(|liked| *liked == key) {
                    profile.like(song);
                }
                if self.disliked.iter().any(|disliked| *disliked == key) {
                    profile.dislike(song);
                }
            }
        }
        Ok(Options {
            count,
            strategy,
            filter: Filter {
                years,
                popularity: self.popularity_from.map(|least| least..=100.0),
                exclude_artists: self.exclude_artists,
                exclude_songs: self.exclude_songs,
                ..Filter::default()
            },
            diversity: self.diversity,
            profile,
            ..Options::default()
        })
    }
}
