//! Options for recommending songs.

use std::collections::HashSet;

use mood_recommender::{Filter, Mood, Options, Profile, Recommender, Strategy};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::problem::Problem;

/// Maximum number of songs in a list.
pub(crate) const MAX_COUNT: usize = 100;
/// Maximum number of songs or artists that a request can name in each list.
const MAX_NAMES: usize = 1000;

/// Strategy that chooses songs for the mood.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum StrategyName {
    /// Songs that balance the mood.
    #[default]
    Balance,
    /// Songs of the same mood.
    Keep,
    /// Happy songs for every mood.
    CheerUp,
    /// A playlist that begins at the mood and moves to `target` in small steps.
    Journey,
}

/// Options for the choice of songs.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct SongOptions {
    /// Maximum number of songs. The default is 5.
    #[schema(maximum = 100)]
    count: Option<usize>,
    /// Strategy that chooses songs for the mood.
    strategy: StrategyName,
    /// Mood at the end of a journey. The default is Happy.
    #[schema(value_type = Option<crate::schema::MoodName>)]
    target: Option<Mood>,
    /// Earliest year of release.
    year_from: Option<u16>,
    /// Latest year of release.
    year_to: Option<u16>,
    /// Lowest popularity.
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
    /// Weight of the differences in sound between the songs of the list, 0 to 1.
    #[schema(minimum = 0, maximum = 1)]
    diversity: f32,
}

impl SongOptions {
    /// Returns the default options with this number of songs.
    pub(crate) fn counting(count: usize) -> Self {
        Self { count: Some(count), ..Self::default() }
    }

    /// Checks the options and converts them to those of the recommender. Ignores liked and disliked songs that are not in the catalogue.
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

    /// Returns the profile of the liked and disliked songs that are in the catalogue.
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

    /// Returns the mood at the end of a journey, or `None` for other strategies.
    pub(crate) fn target(&self) -> Option<Mood> {
        matches!(self.strategy, StrategyName::Journey).then(|| self.target.unwrap_or(Mood::Happy))
    }
}
