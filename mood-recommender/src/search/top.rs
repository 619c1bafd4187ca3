//! The best of many songs, kept without sorting them.

use std::cmp::Ordering;
use std::sync::atomic::{AtomicI32, Ordering::Relaxed};

/// A song with its score.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Scored {
    pub(crate) score: f32,
    /// The song's place in what is searched.
    pub(crate) at: u32,
}

/// A score that at least `k` songs reach, raised by all threads that look for the `k` best.
pub(crate) struct Bar(AtomicI32);

impl Bar {
    pub(crate) fn new() -> Self {
        // −∞ is a song that does not pass.
        Bar(AtomicI32::new(ordered_bits(f32::MIN.to_bits() as i32)))
    }

    fn get(&self) -> f32 {
        f32::from_bits(ordered_bits(self.0.load(Relaxed)) as u32)
    }

    fn raise(&self, score: f32) {
        self.0.fetch_max(ordered_bits(score.to_bits() as i32), Relaxed);
    }
}

/// The bits of a float as a whole number that is ordered as floats are, and back: see [`f32::total_cmp`].
fn ordered_bits(bits: i32) -> i32 {
    if bits < 0 { bits ^ i32::MAX } else { bits }
}

/// Keeps the best `k` of what it is shown: gathers twice as many, then cuts the worse half in linear time.
pub(crate) struct TopK<'b, T> {
    k: usize,
    bar: f32,
    bar_tie: u64,
    shared: &'b Bar,
    /// The number of the song at a place. Among equal scores the song with the smaller number comes first. It follows from the song
    /// itself, not from its row. It is looked up only for equal scores, since it lies elsewhere in memory.
    tie: T,
    kept: Vec<Scored>,
}

impl<'b, T: Fn(u32) -> u64> TopK<'b, T> {
    pub(crate) fn new(k: usize, shared: &'b Bar, tie: T) -> Self {
        let bar = if k == 0 { f32::INFINITY } else { f32::MIN };
        TopK { k, bar, bar_tie: 0, shared, tie, kept: Vec::new() }
    }

    pub(crate) fn would_take(&self, Scored { score, at }: Scored) -> bool {
        let is_better = score > self.bar || (score == self.bar && (self.tie)(at) < self.bar_tie);
        is_better && score >= self.shared.get()
    }

    pub(crate) fn push(&mut self, song: Scored) {
        self.kept.push(song);
        if self.kept.len() / 2 >= self.k {
            let order = |a: &Scored, b: &Scored| better_first(a, b, &self.tie);
            let (_, last, _) = self.kept.select_nth_unstable_by(self.k - 1, order);
            (self.bar, self.bar_tie) = (last.score, (self.tie)(last.at));
            self.kept.truncate(self.k);
            self.shared.raise(self.bar);
        }
    }

    /// The score that a song must have at least.
    pub(crate) fn bar(&self) -> f32 {
        self.bar.max(self.shared.get())
    }

    /// Takes what another one kept.
    pub(crate) fn join(&mut self, other: TopK<'_, T>) {
        self.kept.extend(other.kept);
    }

    pub(crate) fn into_sorted(mut self) -> Vec<Scored> {
        self.kept.sort_unstable_by(|a, b| better_first(a, b, &self.tie));
        self.kept.truncate(self.k);
        self.kept
    }
}

pub(super) fn better_first(a: &Scored, b: &Scored, tie: impl Fn(u32) -> u64) -> Ordering {
    b.score.total_cmp(&a.score).then_with(|| tie(a.at).cmp(&tie(b.at))).then(a.at.cmp(&b.at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn top_k_agrees_with_sorting_everything_in_any_order() {
        let tie = |at: u32| u64::from(at.wrapping_mul(2_654_435_761));
        let song = |at: u32| Scored { score: (tie(at) % 97) as f32 / 97.0, at };
        let songs: Vec<Scored> = (0..5000).map(song).collect();
        let mut sorted = songs.clone();
        sorted.sort_by(|a, b| better_first(a, b, tie));
        let mut turned = songs.clone();
        turned.reverse();
        for k in [0, 1, 2, 7, 64, 4999, 5000, 9999] {
            for songs in [&songs, &turned] {
                let bar = Bar::new();
                let mut parts = songs.chunks(1700).map(|songs| {
                    let mut top = TopK::new(k, &bar, tie);
                    for &song in songs {
                        if top.would_take(song) {
                            top.push(song);
                        }
                    }
                    top
                });
                let mut top = parts.next().unwrap();
                parts.for_each(|other| top.join(other));
                assert_eq!(top.into_sorted(), sorted[..k.min(5000)], "k = {k}");
            }
        }
    }

    #[test]
    fn songs_that_do_not_pass_are_not_taken() {
        let bar = Bar::new();
        let would_take = |k, score| TopK::new(k, &bar, |_| 7).would_take(Scored { score, at: 7 });
        assert!(would_take(3, 0.0) && !would_take(3, f32::NEG_INFINITY) && !would_take(3, f32::NAN));
        assert!(!would_take(0, 1.0));
    }

    #[test]
    fn a_bar_only_rises() {
        let bar = Bar::new();
        assert_eq!(bar.get(), f32::MIN);
        for (score, expected) in
            [(-0.5, -0.5), (-0.75, -0.5), (-0.25, -0.25), (0.0, 0.0), (0.5, 0.5), (0.25, 0.5)]
        {
            bar.raise(score);
            assert_eq!(bar.get(), expected);
        }
    }
}
