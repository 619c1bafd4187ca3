//! Recommendations: the crate's main job.

use serde::Serialize;

use crate::index::Index;
use crate::reason::reason;
use crate::select::{Pick, Selection};
use crate::{Catalog, Options, Reading, RecommendError, Song, Strategy, journey, strategy};

/// From which similarity on a song counts as like the liked ones.
const ALIKE: f32 = 0.5;

/// A catalogue with its index, ready to answer.
///
/// Building takes time in proportion to the catalogue and about 75 bytes a song; build once, ask often. It
/// can be shared between threads.
#[derive(Debug)]
pub struct Recommender {
    catalog: Catalog,
    index: Index,
}

/// A song of a list.
///
/// Serialised, it is one flat object: the song's fields, `score` and `reason`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Recommendation<'a> {
    /// The song.
    #[serde(flatten)]
    pub song: &'a Song,
    /// How well it suits, 0 to 1: the weighted mean of the features that the strategy looks at, mixed with
    /// the listener's taste where a profile is given, times the probability of the moods that ask for such
    /// songs.
    pub score: f32,
    /// Why it was chosen, in numbers and in words.
    pub reason: String,
}

impl Recommender {
    /// Builds the index.
    ///
    /// # Errors
    /// [`RecommendError::EmptyCatalog`].
    pub fn new(catalog: Catalog) -> Result<Self, RecommendError> {
        if catalog.songs().is_empty() {
            return Err(RecommendError::EmptyCatalog);
        }
        let index = Index::new(&catalog);
        Ok(Recommender { catalog, index })
    }

    /// The catalogue.
    pub fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// Songs for a listener's mood, given as a [`Mood`](crate::Mood) or as a [`Reading`] with probabilities.
    ///
    /// The best score comes first, but for a journey and for what [`Options::shuffle`] moves. An uncertain
    /// reading gives a mixed list: each target mood has places in proportion to the probability of the moods
    /// that lead to it (largest remainder), and where one has too few songs the others fill up. No song comes
    /// twice, also not under another id: songs of the same artist and name are taken for the same. The list
    /// is never longer than asked; it is shorter, or empty, where not enough songs pass.
    ///
    /// # Errors
    /// [`RecommendError`] when an option lies outside its range or the weights for a possible mood are all 0
    /// or not finite.
    pub fn recommend(
        &self,
        reading: impl Into<Reading>,
        options: &Options,
    ) -> Result<Vec<Recommendation<'_>>, RecommendError> {
        options.check()?;
        let reading = reading.into();
        let count = options.count.min(self.catalog.songs().len());
        if let Strategy::IsoJourney { target } = options.strategy {
            return Ok(journey::plan(&self.catalog, &self.index, &reading, target, options, count));
        }
        let mut parts = strategy::parts(&options.strategy, &reading)?;
        parts.retain(|part| options.filter.allows(Some(part.target)));
        let taste = options.profile.taste(&self.index.scale);
        let picks = Selection::new(&self.catalog, &self.index, options, &parts, taste.as_ref()).choose(count);
        let explain = |Pick { part, at, score, sound, .. }: Pick| {
            let part = &parts[part];
            let group = self.index.group(part.target);
            let song = &self.catalog.songs()[group.songs[at] as usize];
            let sounds_liked = taste.as_ref().is_some_and(|taste| taste.liked.similarity(&sound) >= ALIKE);
            Recommendation { song, score, reason: reason(song, group, part, sounds_liked) }
        };
        Ok(picks.into_iter().map(explain).collect())
    }
}
