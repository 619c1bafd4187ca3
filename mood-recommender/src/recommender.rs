//! Recommendations: the crate's main job.

use crate::catalog::Catalog;
use crate::error::RecommendError;
use crate::index::Index;
use crate::journey;
use crate::options::Options;
use crate::reading::Reading;
use crate::reason::reason;
use crate::recommendation::Recommendation;
use crate::select::{Pick, Selection};
use crate::strategy::{self, Strategy};
use crate::taste::Taste;

/// From which similarity on a song counts as like the liked ones.
const ALIKE: f32 = 0.5;

/// A catalogue with its index, ready to answer.
///
/// Building takes time in proportion to the catalogue and about 60 bytes a song; build once, ask often. It
/// can be shared between threads.
#[derive(Debug)]
pub struct Recommender {
    catalog: Catalog,
    index: Index,
}

impl Recommender {
    /// Builds the index. Songs without a mood get one by [`Catalog::estimate_moods`]; [`Song::mood_estimated`](crate::Song::mood_estimated)
    /// and the reasons mark it. A song without a mood that also lacks valence or energy gets none and is never recommended.
    ///
    /// # Errors
    /// [`RecommendError::EmptyCatalog`].
    pub fn new(mut catalog: Catalog) -> Result<Self, RecommendError> {
        if catalog.songs().is_empty() {
            return Err(RecommendError::EmptyCatalog);
        }
        catalog.estimate_moods();
        let index = Index::new(&catalog);
        Ok(Recommender { catalog, index })
    }

    /// The catalogue.
    pub fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// Songs for a listener's mood, given as a [`Mood`](crate::Mood) or as a [`Reading`] with probabilities.
    ///
    /// Songs are sorted by score, the best first, except in a journey and where [`Options::shuffle`] reorders them. An uncertain reading
    /// gives a mixed list: each target mood has places in proportion to the probability of the moods that lead to it (largest remainder
    /// method). If a target mood has too few songs, songs of the others fill its places. No song occurs twice: songs with the same artist
    /// and name count as one, even if their ids differ. The list is never longer than requested. It is shorter, or empty, if too few songs
    /// pass. [`Strategy::targets`] returns the moods that are looked for, unless [`Filter::moods`](crate::Filter::moods) excludes them;
    /// [`Catalog::stats`] returns the number of songs of each mood.
    ///
    /// A song is scored on the features that it has, and its reason names those that it lacks.
    ///
    /// Lists do not depend on the order of the catalogue's rows: songs with equal scores are ordered by a hash of their content.
    ///
    /// # Errors
    /// [`RecommendError::Option`] when an option lies outside its range, [`RecommendError::Weight`] when a weight for a possible mood is
    /// not finite, [`RecommendError::ZeroWeights`] when all weights for one are 0.
    pub fn recommend(
        &self,
        reading: impl Into<Reading>,
        options: &Options,
    ) -> Result<Vec<Recommendation<'_>>, RecommendError> {
        options.check()?;
        let reading = reading.into();
        let count = options.count.min(self.catalog.songs().len());
        if let Strategy::Journey { target } = options.strategy {
            return Ok(journey::plan(&self.catalog, &self.index, &reading, target, options, count));
        }
        let mut parts = strategy::parts(&options.strategy, &reading)?;
        parts.retain(|part| options.filter.allows(Some(part.target)));
        let taste = Taste::new(&options.profile, &self.index.scale);
        let picks = Selection::new(&self.catalog, &self.index, options, &parts, taste.as_ref()).choose(count);
        let explain = |Pick { part, at, score, sound, .. }: Pick| {
            let part = &parts[part];
            let group = self.index.group(part.target);
            let song = &self.catalog.songs()[group.songs[at] as usize];
            let sounds_liked = taste.as_ref().is_some_and(|taste| taste.liked.similarity(&sound) >= ALIKE);
            Recommendation { song, score, reason: reason(song, group, part, &options.strategy, sounds_liked) }
        };
        Ok(picks.into_iter().map(explain).collect())
    }
}
