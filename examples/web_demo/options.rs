//! Options of a list of songs.

use std::collections::HashSet;

use mood_recommender::{Filter, Mood, Options, Profile, Recommender, Strategy};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::problem::Problem;

/// The most songs of one list.
pub(crate) const MAX_COUNT: usize = 100;
/// The most songs or artists that a caller may name in one list.
const MAX_NAMES: usize = 1000;

/// Strategy that maps the mood to songs.
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

/// Options of the songs.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct SongOptions {
    /// Songs at most; 5 if left out.
    #[schema(maximum = 100)]
    count: Option<usize>,
    /// Strategy that maps the mood to songs.
    strategy: StrategyName,
    /// End of a journey; Happy if left out.
    #[schema(value_type = Option<crate::schema::MoodName>)]
    target: Option<Mood>,
    /// The first year of release.
    year_from: Option<u16>,
    /// The last year of release.
    year_to: Option<u16>,
    /// The least popularity.
    #[schema(minimum = 0, maximum = 100)]
    popularity_from: Option<f32>,
    /// Artists to leave out.
    #[schema(max_items = 1000)]
    exclude_artists: Vec<String>,
    /// Songs to leave out, by their key.
    #[schema(max_items = 1000)]
    exclude_songs: Vec<String>,
    /// Songs that the listener likes, by their key.
    #[schema(max_items = 1000)]
    liked: Vec<String>,
    /// Songs that the listener dislikes, by their key.
    #[schema(max_items = 1000)]
    disliked: Vec<String>,
    /// Weight of the difference in sound between songs, 0 to 1.
    #[schema(minimum = 0, maximum = 1)]
    diversity: f32,
}

impl SongOptions {
    /// `count` songs, all else by default.
    pub(crate) fn counting(count: usize) -> Self {
        Self { count: Some(count), ..Self::default() }
    }

    /// As the recommender takes them; songs that the catalogue doesn't have are passed over.
    pub(crate) fn resolve(self, recommender: &Recommender) -> Result<Options, Problem> {
        let count = self.count.unwrap_or(5);
        if count > MAX_COUNT {
            return Err(Problem::invalid(format!("options: count must be {MAX_COUNT} or less, got {count}")));
        }
        for (list, names) in [
            ("exclude_artists", &self.exclude_artists),
            ("exclude_songs", &self.exclude_songs),
            ("liked", &self.liked),
            ("disliked", &self.disliked),
        ] {
            if names.len() > MAX_NAMES {
                let given = names.len();
                return Err(Problem::invalid(format!(
                    "options: {list} must hold {MAX_NAMES} names or fewer, got {given}"
                )));
            }
        }
        if let Some(least) = self.popularity_from.filter(|least| !(0.0..=100.0).contains(least)) {
            return Err(Problem::invalid(format!("options: popularity_from must be 0 to 100, got {least}")));
        }
        if let (Some(from), Some(to)) = (self.year_from, self.year_to)
            && from > to
        {
            return Err(Problem::invalid(format!(
                "options: year_from must be year_to or before, got {from} and {to}"
            )));
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
        let profile = self.profile(recommender);
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

    /// The listener's likes and dislikes in the catalogue.
    fn profile(&self, recommender: &Recommender) -> Profile {
        let mut profile = Profile::default();
        if self.liked.is_empty() && self.disliked.is_empty() {
            return profile;
        }
        let set = |keys: &'_ [String]| keys.iter().cloned().collect::<HashSet<String>>();
        let (liked, disliked) = (set(&self.liked), set(&self.disliked));
        for song in recommender.catalog().songs() {
            let key = song.key();
            if liked.contains(&*key) {
                profile.like(song);
            }
            if disliked.contains(&*key) {
                profile.dislike(song);
            }
        }
        profile
    }

    /// End of a journey; `None` for other strategies.
    pub(crate) fn target(&self) -> Option<Mood> {
        matches!(self.strategy, StrategyName::Journey).then(|| self.target.unwrap_or(Mood::Happy))
    }
}
