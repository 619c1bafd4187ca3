//! The best of many songs, kept without sorting them.

use std::cmp::Ordering;

/// A song with its score.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Scored {
    pub(crate) score: f32,
    /// Decides among equal scores: the smaller comes first. It follows from the song itself, not from its row.
    pub(crate) tie: u64,
    /// The song's place in what is searched.
    pub(crate) at: u32,
}

/// Keeps the best `k` of what it is shown: gathers twice as many, then cuts the worse half in linear time.
pub(crate) struct TopK {
    k: usize,
    bar: f32,
    bar_tie: u64,
    kept: Vec<Scored>,
}

impl TopK {
    pub(crate) fn new(k: usize) -> Self {
        // −∞ is a song that does not pass.
        TopK { k, bar: if k == 0 { f32::INFINITY } else { f32::MIN }, bar_tie: 0, kept: Vec::new() }
    }

    pub(crate) fn would_take(&self, score: f32, tie: u64) -> bool {
        score > self.bar || (score == self.bar && tie < self.bar_tie)
    }

    pub(crate) fn push(&mut self, song: Scored) {
        self.kept.push(song);
        if self.kept.len() / 2 >= self.k {
            let (_, last, _) = self.kept.select_nth_unstable_by(self.k - 1, better_first);
            (self.bar, self.bar_tie) = (last.score, last.tie);
            self.kept.truncate(self.k);
        }
    }

    /// The score that a song must have at least.
    pub(crate) fn bar(&self) -> f32 {
        self.bar
    }

    /// Takes what another one kept.
    pub(crate) fn join(&mut self, other: TopK) {
        self.kept.extend(other.kept);
    }

    pub(crate) fn into_sorted(mut self) -> Vec<Scored> {
        self.kept.sort_unstable_by(better_first);
        self.kept.truncate(self.k);
        self.kept
    }
}

pub(super) fn better_first(a: &Scored, b: &Scored) -> Ordering {
    b.score.total_cmp(&a.score).then(a.tie.cmp(&b.tie)).then(a.at.cmp(&b.at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn top_k_agrees_with_sorting_everything_in_any_order() {
        let song = |at: u32| {
            let hash = at.wrapping_mul(2_654_435_761);
            Scored { score: (hash % 97) as f32 / 97.0, tie: u64::from(hash), at }
        };
        let songs: Vec<Scored> = (0..5000).map(song).collect();
        let mut sorted = songs.clone();
        sorted.sort_by(better_first);
        let mut turned = songs.clone();
        turned.reverse();
        for k in [0, 1, 2, 7, 64, 4999, 5000, 9999] {
            for songs in [&songs, &turned] {
                let mut halves = songs.chunks(1700).map(|songs| {
                    let mut top = TopK::new(k);
                    for &song in songs {
                        if top.would_take(song.score, song.tie) {
                            top.push(song);
                        }
                    }
                    top
                });
                let mut top = halves.next().unwrap();
                halves.for_each(|other| top.join(other));
                assert_eq!(top.into_sorted(), sorted[..k.min(5000)], "k = {k}");
            }
        }
    }

    #[test]
    fn songs_that_do_not_pass_are_not_taken() {
        let top = TopK::new(3);
        assert!(
            top.would_take(0.0, 7) && !top.would_take(f32::NEG_INFINITY, 7) && !top.would_take(f32::NAN, 7)
        );
        assert!(!TopK::new(0).would_take(1.0, 0));
    }
}
