//! The best of many songs, kept without sorting them.

/// Keeps the best `k` of what it is shown: gathers twice as many, then cuts the worse half in linear time.
pub(crate) struct TopK {
    k: usize,
    /// An equal song comes later and stands behind.
    bar: f32,
    kept: Vec<(f32, usize)>,
}

impl TopK {
    pub(crate) fn new(k: usize) -> Self {
        TopK { k, bar: if k == 0 { f32::INFINITY } else { f32::NEG_INFINITY }, kept: Vec::new() }
    }

    pub(crate) fn would_take(&self, score: f32) -> bool {
        score > self.bar
    }

    pub(crate) fn push(&mut self, score: f32, at: usize) {
        self.kept.push((score, at));
        if self.kept.len() / 2 >= self.k {
            let (_, last, _) = self.kept.select_nth_unstable_by(self.k - 1, better_first);
            self.bar = last.0;
            self.kept.truncate(self.k);
        }
    }

    /// What a song must beat, −∞ while every song is taken.
    pub(crate) fn bar(&self) -> f32 {
        self.bar
    }

    /// Takes what another one kept of songs that come later.
    pub(super) fn join(&mut self, later: TopK) {
        self.kept.extend(later.kept);
    }

    pub(crate) fn into_sorted(mut self) -> Vec<(f32, usize)> {
        self.kept.sort_unstable_by(better_first);
        self.kept.truncate(self.k);
        self.kept
    }
}

pub(super) fn better_first(a: &(f32, usize), b: &(f32, usize)) -> std::cmp::Ordering {
    b.0.total_cmp(&a.0).then(a.1.cmp(&b.1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn top_k_agrees_with_sorting_everything() {
        let scores: Vec<f32> =
            (0..5000_u32).map(|i| (i.wrapping_mul(2_654_435_761) % 997) as f32 / 997.0).collect();
        let mut sorted: Vec<(f32, usize)> = scores.iter().copied().zip(0..).collect();
        sorted.sort_by(better_first);
        for k in [0, 1, 2, 7, 64, 4999, 5000, 9999] {
            let mut top = TopK::new(k);
            for (at, &score) in scores.iter().enumerate() {
                if top.would_take(score) {
                    top.push(score, at);
                }
            }
            assert_eq!(top.into_sorted(), sorted[..k.min(5000)], "k = {k}");
        }
    }
}
