//! The listener's taste in the scores of songs.

use pulp::Simd;

use super::BLOCK;
use crate::feature::AUDIO;
use crate::index::{Group, Scale, likeness};
use crate::taste::{KINDS, Kinds, Taste};

/// Songs at a time: their features stay in the nearest cache while they are compared with one kind of songs after another.
const PART: usize = 64;
const _: () = assert!(BLOCK.is_multiple_of(PART));

/// Numbers of songs of one part.
type Column = [f32; PART];

/// Vectors of songs that are compared together: with [`KINDS`] sums each, they hide the latency of a multiplication and addition, and
/// the sums fit into the registers of AVX2.
const VECTORS: usize = 2;

/// A taste, ready to be mixed into the scores of a group's songs.
pub(super) struct Liking<'a> {
    group: &'a Group,
    scale: &'a Scale,
    weight: f32,
    liked: Centres,
    disliked: Centres,
}

/// The centres of some kinds, feature by feature.
struct Centres {
    factors: [[f32; KINDS]; AUDIO],
    /// Infinite for centres that there are not, so that none of them is the nearest.
    offsets: [f32; KINDS],
    is_empty: bool,
}

impl Centres {
    fn new(Kinds { centres }: &Kinds) -> Self {
        let factor =
            |feature: usize, at: usize| centres.get(at).map_or(0.0, |centre| centre.factors[feature]);
        Centres {
            factors: std::array::from_fn(|feature| std::array::from_fn(|at| factor(feature, at))),
            offsets: std::array::from_fn(|at| centres.get(at).map_or(f32::INFINITY, |centre| centre.offset)),
            is_empty: centres.is_empty(),
        }
    }
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
        let [liked, disliked] = [&taste.liked, &taste.disliked].map(Centres::new);
        Liking { group, scale, weight: taste.weight, liked, disliked }
    }

    /// Mixes the taste into the scores of the songs from `start` on; where all of a part stay below the bar, they get −∞.
    /// Inlined, to be compiled for each instruction set.
    #[inline(always)]
    pub(super) fn mix_into<S: Simd>(
        &self,
        simd: S,
        start: usize,
        bar: f32,
        scores: &mut [f32],
        workspace: &mut Workspace,
    ) {
        let Workspace { columns, squares, liked, disliked } = workspace;
        let weight = self.weight;
        // The score is not subtracted from anything: for −∞, a song that does not pass, that would give NaN. Even with rounding, a
        // greater pull never gives a smaller result.
        let mixed = |score: f32, pull: f32| (1.0 - weight) * score + weight * (0.5 + 0.5 * pull);
        for (part, scores) in scores.chunks_mut(PART).enumerate() {
            // A pull is at most 1.
            if scores.iter().fold(true, |low, score| low & (mixed(*score, 1.0) < bar)) {
                scores.fill(f32::NEG_INFINITY);
                continue;
            }
            let sounds = self.sounds(start + part * PART, scores.len(), columns, squares);
            sounds.compare(simd, &self.liked, liked);
            // Dislikes only lower a score.
            let at_most = scores.iter().zip(&*liked).map(|(score, liked)| mixed(*score, *liked));
            if at_most.fold(true, |low, score| low & (score < bar)) {
                scores.fill(f32::NEG_INFINITY);
                continue;
            }
            sounds.compare(simd, &self.disliked, disliked);
            for ((score, liked), disliked) in scores.iter_mut().zip(&*liked).zip(&*disliked) {
                *score = mixed(*score, liked - disliked);
            }
        }
    }

    /// The features of `songs` songs from `start` on.
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
    fn compare<S: Simd>(&self, simd: S, centres: &Centres, pulls: &mut Column) {
        if centres.is_empty {
            *pulls = [0.0; PART];
            return;
        }
        // A part is whole vectors.
        let columns = self.columns.map(|column| S::as_simd_f32s(column).0.as_chunks::<VECTORS>().0);
        let squares = S::as_simd_f32s(self.squares).0.as_chunks::<VECTORS>().0;
        let nearest = S::as_mut_simd_f32s(pulls).0.as_chunks_mut::<VECTORS>().0;
        for (at, (nearest, squares)) in nearest.iter_mut().zip(squares).enumerate() {
            // |a − b|² = |a|² + |b|² − 2 a·b.
            let mut distances = [[simd.splat_f32s(0.0); VECTORS]; KINDS];
            for (distances, offset) in distances.iter_mut().zip(centres.offsets) {
                for (distance, square) in distances.iter_mut().zip(squares) {
                    *distance = simd.add_f32s(*square, simd.splat_f32s(offset));
                }
            }
            for (column, factors) in columns.iter().zip(&centres.factors) {
                for (distances, factor) in distances.iter_mut().zip(factors) {
                    for (distance, values) in distances.iter_mut().zip(column[at]) {
                        *distance = simd.mul_add_f32s(simd.splat_f32s(*factor), values, *distance);
                    }
                }
            }
            *nearest = [simd.splat_f32s(f32::INFINITY); VECTORS];
            for distances in distances {
                for (nearest, distance) in nearest.iter_mut().zip(distances) {
                    *nearest = simd.min_f32s(distance, *nearest);
                }
            }
        }
        for pull in pulls {
            *pull = likeness(pull.max(0.0));
        }
    }
}
