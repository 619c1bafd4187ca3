//! Settings of a list.

use std::ops::RangeInclusive;

use crate::error::RecommendError;
use crate::mood::Mood;
use crate::point::Point;
use crate::profile::Profile;
use crate::strategy::Strategy;

/// Settings of a list. [`Options::default`] is ten songs by [`Strategy::Balance`], at most two
/// of an artist.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// The number of songs; the list is shorter if fewer are found.
    pub count: usize,
    /// The strategy that maps the mood to songs.
    pub strategy: Strategy,
    /// Conditions that every song must meet.
    pub filter: Filter,
    /// The most songs of one artist, from 1; `None` for no limit. The whole of [`Song::artist`](crate::Song::artist) counts as the artist;
    /// case does not matter.
    pub max_per_artist: Option<usize>,
    /// Weight of the difference in sound between songs, 0 to 1: maximal marginal relevance (Carbonell & Goldstein, *The use of MMR,
    /// diversity-based reranking for reordering documents and producing summaries*, 1998) with λ = 1 − diversity. 0 selects by score only,
    /// 1 by difference only after the first song. Diversity applies to the first 1,000 songs; the songs after them are selected by score.
    ///
    /// The candidates are the best-scored songs of each target mood: eight for each of its places, at least 64, and more if limits on
    /// artists leave too few. Similarity is 1 / (1 + d²), where d² is the mean squared difference of the nine audio features in standard
    /// deviations of the catalogue.
    pub diversity: f32,
    /// Varies the list among songs that are nearly as good; `None` for the best scores in order.
    pub shuffle: Option<Shuffle>,
    /// The listener's likes and dislikes.
    pub profile: Profile,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            count: 10,
            strategy: Strategy::default(),
            filter: Filter::default(),
            max_per_artist: Some(2),
            diversity: 0.0,
            shuffle: None,
            profile: Profile::default(),
        }
    }
}

/// Conditions that every song of a list must meet. By default all songs pass.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Filter {
    /// Years of release, ends included; songs without a date do not pass.
    pub years: Option<RangeInclusive<u16>>,
    /// Popularity, 0 to 100, ends included; songs whose popularity is unknown do not pass. An end that is NaN is a
    /// [`RecommendError::Option`].
    pub popularity: Option<RangeInclusive<f32>>,
    /// Tempo in beats per minute, ends included; songs whose tempo is unknown do not pass. An end that is NaN is a
    /// [`RecommendError::Option`].
    pub tempo: Option<RangeInclusive<f32>>,
    /// Moods that songs may have; songs without a mood do not pass. Empty for any.
    ///
    /// Songs must also have a mood that the strategy looks for ([`Strategy::targets`]): without a common mood the list is empty. In a
    /// journey the filter alone decides.
    pub moods: Vec<Mood>,
    /// Songs to leave out, for example those already played, by [`Song::key`](crate::Song::key).
    pub exclude_songs: Vec<String>,
    /// Artists to leave out, each compared with the whole of [`Song::artist`](crate::Song::artist): a song of several artists is left out
    /// only if the text names all of them as the song does. Case does not matter.
    pub exclude_artists: Vec<String>,
}

/// Seeded variation among near-equals: up to `tolerance` is added to each score at random before songs are
/// chosen from the best ones. One seed gives one list.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shuffle {
    /// The seed.
    pub seed: u64,
    /// Largest difference of scores that count as nearly equal, at least 0. A song precedes a better one only if
    /// their scores differ by at most this.
    pub tolerance: f32,
}

impl Filter {
    /// Whether songs of a mood, or without any, pass.
    pub(crate) fn allows(&self, mood: Option<Mood>) -> bool {
        self.moods.is_empty() || mood.is_some_and(|mood| self.moods.contains(&mood))
    }
}

impl Options {
    pub(crate) fn check(&self) -> Result<(), RecommendError> {
        let refuse =
            |option, expected, given: String| Err(RecommendError::Option { option, expected, given });
        if self.max_per_artist == Some(0) {
            return refuse("max_per_artist", "1 or more", "0".into());
        }
        if !(0.0..=1.0).contains(&self.diversity) {
            return refuse("diversity", "a number from 0 to 1", self.diversity.to_string());
        }
        if let Some(Shuffle { tolerance, .. }) = self.shuffle
            && !(tolerance >= 0.0 && tolerance.is_finite())
        {
            return refuse("shuffle.tolerance", "finite and 0 or more", tolerance.to_string());
        }
        for (option, range) in
            [("filter.popularity", &self.filter.popularity), ("filter.tempo", &self.filter.tempo)]
        {
            if let Some(range) = range
                && (range.start().is_nan() || range.end().is_nan())
            {
                return refuse(option, "a range of numbers", format!("{range:?}"));
            }
        }
        if let Strategy::Journey { target: Point { valence, energy } } = self.strategy
            && !((0.0..=1.0).contains(&valence) && (0.0..=1.0).contains(&energy))
        {
            return refuse("target", "a valence and an energy from 0 to 1", format!("{valence}, {energy}"));
        }
        if !self.profile.is_finite() {
            return refuse("profile", "of finite numbers", "one that is not".into());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_outside_their_range_are_refused_by_name() {
        let refused = |change: fn(&mut Options)| {
            let mut options = Options::default();
            options.check().unwrap();
            change(&mut options);
            options.check().unwrap_err().to_string()
        };
        assert_eq!(
            refused(|o| o.max_per_artist = Some(0)),
            "options: max_per_artist must be 1 or more, got 0"
        );
        assert_eq!(
            refused(|o| o.diversity = f32::NAN),
            "options: diversity must be a number from 0 to 1, got NaN"
        );
        let message = refused(|o| o.shuffle = Some(Shuffle { seed: 1, tolerance: -1.0 }));
        assert_eq!(message, "options: shuffle.tolerance must be finite and 0 or more, got -1");
        let message = refused(|o| o.filter.tempo = Some(f32::NAN..=1.0));
        assert_eq!(message, "options: filter.tempo must be a range of numbers, got NaN..=1.0");
        let message = refused(|o| o.strategy = Strategy::journey_to(Point { valence: 2.0, energy: 0.5 }));
        assert_eq!(message, "options: target must be a valence and an energy from 0 to 1, got 2, 0.5");
    }
}
