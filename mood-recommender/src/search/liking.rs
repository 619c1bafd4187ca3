//! The listener's taste in the scores of songs.

use super::BLOCK;
use crate::feature::AUDIO;
use crate::index::{Group, Scale, likeness};
use crate::taste::{Kinds, Taste};

/// Songs at a time: their features stay in the nearest cache while they are compared with one kind of songs after another.
const PART: usize = 256;
const _: () = assert!(BLOCK.is_multiple_of(PART));

/// Numbers of songs of one part.
type Column = [f32; PART];

/// A taste, ready to be mixed into the scores of a group's songs.
pub(super) struct Liking<'a> {
    group: &'a Group,
    scale: &'a Scale,
    taste: &'a Taste,
}

/// What songs of one part are compared by.
struct Sounds<'a> {
    /// The features on their scale of 0 to 1, the mean where a song lacks one.
    columns: [&'a Column; AUDIO],
    /// The squared lengths in standard deviations.
    squares: &'a Column,
}

/// Memory for the sounds of a part that is not whole, or whose songs lack features.
pub(super) struct Workspace {
    columns: [Column; AUDIO],
    squares: Column,
    liked: Column,
    disliked: Column,
}

impl Workspace {
    pub(super) fn new() -> Self {
        let empty = [0.0; PART];
        Workspace { columns: [empty; AUDIO], squares: empty, liked: empty, disliked: empty }
    }
}

impl<'a> Liking<'a> {
    pub(super) fn new(group: &'a Group, taste: &'a Taste, scale: &'a Scale) -> Self {
        Liking { group, scale, taste }
    }

    /// Mixes the taste into the scores of the songs from `start` on. Inlined, to be compiled for each instruction set.
    #[inline(always)]
    pub(super) fn mix_into(&self, start: usize, scores: &mut [f32], workspace: &mut Workspace) {
        let Workspace { columns, squares, liked, disliked } = workspace;
        let weight = self.taste.weight;
        for (part, scores) in scores.chunks_mut(PART).enumerate() {
            let sounds = self.sounds(start + part * PART, scores.len(), columns, squares);
            sounds.compare(&self.taste.liked, liked);
            sounds.compare(&self.taste.disliked, disliked);
            for ((score, liked), disliked) in scores.iter_mut().zip(&*liked).zip(&*disliked) {
                // Not by the difference to the score: that of −∞, for a song that does not pass, is no number.
                *score = (1.0 - weight) * *score + weight * (0.5 + 0.5 * (liked - disliked));
            }
        }
    }

    /// The sounds of so many songs from `start` on.
    #[inline(always)]
    fn sounds<'b>(
        &'b self,
        start: usize,
        songs: usize,
        columns: &'b mut [Column; AUDIO],
        squares: &'b mut Column,
    ) -> Sounds<'b> {
        let whole = |column: &'b [f32]| column[start..].first_chunk::<PART>();
        let squares = match whole(&self.group.squares) {
            Some(whole) => whole,
            None => {
                squares[..songs].copy_from_slice(&self.group.squares[start..]);
                &*squares
            }
        };
        let mut feature = 0..AUDIO;
        let columns = columns.each_mut().map(|copy| {
            let feature = feature.next().unwrap_or_default();
            let column = &self.group.columns[feature];
            match whole(column) {
                Some(whole) if self.group.complete[feature] => whole,
                _ => {
                    for (copy, value) in copy.iter_mut().zip(&column[start..]) {
                        *copy = self.scale.known(feature, *value);
                    }
                    &*copy
                }
            }
        });
        Sounds { columns, squares }
    }
}

impl Sounds<'_> {
    /// Compares songs with the nearest of some kinds: likeness from 0 to 1, and 0 without kinds.
    #[inline(always)]
    #[allow(clippy::needless_range_loop, reason = "with one index for all columns the loop is vectorised")]
    fn compare(&self, kinds: &Kinds, pulls: &mut Column) {
        if kinds.centres.is_empty() {
            *pulls = [0.0; PART];
            return;
        }
        let mut least = [f32::INFINITY; PART];
        for centre in &kinds.centres {
            // |a − b|² = |a|² − 2 a·b + |b|².
            for at in 0..PART {
                let mut product = 0.0;
                for feature in 0..AUDIO {
                    product += centre.factors[feature] * self.columns[feature][at];
                }
                let distance = self.squares[at] - 2.0 * product + centre.offset;
                // `f32::min` would also look for NaN.
                least[at] = if distance < least[at] { distance } else { least[at] };
            }
        }
        for at in 0..PART {
            pulls[at] = likeness(if least[at] > 0.0 { least[at] } else { 0.0 });
        }
    }
}
