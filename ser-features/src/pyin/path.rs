//! The likeliest path through the candidates of a signal's frames (Viterbi).

use crate::vector::vectorized;

/// Logarithm of the smallest normal number. librosa adds this number to all probabilities, so it is the probability of impossible events.
const LOG_TINY: f64 = -708.396_418_532_264_1;

fn log(probability: f64) -> f64 {
    (probability + f64::MIN_POSITIVE).ln()
}

/// Logarithms of the transition probabilities between pitches. Outside a band of neighbouring pitches, the probabilities are 0. Of
/// all states outside the band, only the likeliest can be the best origin. With librosa's defaults, this reduces the work to a twelfth.
#[derive(Debug, Clone)]
pub(super) struct Transitions {
    /// How far the first diagonal goes: from pitch `k` to pitch `k + first`.
    first: isize,
    /// For each diagonal of the band, by the pitch it comes from: with voicing as it was, and with voicing switched.
    stay: Vec<Vec<f64>>,
    switch: Vec<Vec<f64>>,
}

impl Transitions {
    pub(super) fn new(n: usize, width: usize, switch_prob: f64) -> Self {
        let triangle = |i: usize| match width % 2 {
            1 => 2.0 * (i + 1).min(width - i) as f64 / (width + 1) as f64,
            _ => (2 * (i + 1).min(width - i) - 1) as f64 / width as f64,
        };
        // Where librosa's `pad_center` and `roll` put the window's first value.
        let first = ((n - width) / 2 + n / 2 + 1) as isize - n as isize;
        let inside = |from: usize, i: usize| from.checked_add_signed(first + i as isize).filter(|&to| to < n);
        let sums: Vec<f64> = (0..n)
            .map(|from| {
                let mut row = vec![0.0; n];
                for i in 0..width {
                    if let Some(to) = inside(from, i) {
                        row[to] = triangle(i);
                    }
                }
                pairwise_sum(&row)
            })
            .collect();
        let stay_prob = 1.0 - switch_prob;
        let table = |factor: f64| -> Vec<Vec<f64>> {
            let value = |i: usize, from: usize| match inside(from, i) {
                Some(_) => log(factor * (triangle(i) / sums[from])),
                None => LOG_TINY,
            };
            (0..width).map(|i| (0..n).map(|from| value(i, from)).collect()).collect()
        };
        Self { first, stay: table(stay_prob), switch: table(1.0 - stay_prob) }
    }
}

/// The sum in numpy's order, which decides between paths that are equally likely but for rounding.
fn pairwise_sum(values: &[f64]) -> f64 {
    if values.len() > 128 {
        let half = values.len() / 2;
        let (left, right) = values.split_at(half - half % 8);
        return pairwise_sum(left) + pairwise_sum(right);
    }
    let (chunks, rest) = values.as_chunks::<8>();
    let Some((first, chunks)) = chunks.split_first() else { return rest.iter().sum() };
    let mut r = *first;
    for chunk in chunks {
        r.iter_mut().zip(chunk).for_each(|(r, x)| *r += x);
    }
    let sum = ((r[0] + r[1]) + (r[2] + r[3])) + ((r[4] + r[5]) + (r[6] + r[7]));
    rest.iter().fold(sum, |sum, x| sum + x)
}

/// The likeliest path so far to each state: voiced pitches first, then the same pitches unvoiced.
#[derive(Debug, Clone)]
pub(super) struct Path {
    n: usize,
    /// Logarithm of the path's probability.
    values: Vec<f64>,
    next: Vec<f64>,
    /// Where the best path to each state comes from; in `f64`, so that it is chosen in the same lanes.
    origin: Vec<f64>,
    /// The same of every frame. At most 1,048,576 samples of a frame hold 20 octaves of 1,200 pitches, each voiced and not: 16 bits
    /// number them.
    origins: Vec<u16>,
    started: bool,
}

impl Path {
    pub(super) fn new(n: usize) -> Self {
        Self {
            n,
            values: vec![0.0; 2 * n],
            next: vec![0.0; 2 * n],
            origin: vec![0.0; 2 * n],
            origins: Vec::new(),
            started: false,
        }
    }

    /// Starts with the same probability for every state.
    pub(super) fn start(&mut self) {
        self.values.fill(log(1.0 / (2 * self.n) as f64));
        self.origins.clear();
        self.started = false;
    }

    /// Takes the next frame: the probability of each voiced pitch, and that of any unvoiced one.
    pub(super) fn step(&mut self, transitions: &Transitions, voiced: &[f64], unvoiced: f64) {
        let n = self.n;
        if self.started {
            let best =
                (1..2 * n).fold(0, |best, i| if self.values[i] > self.values[best] { i } else { best });
            let far = self.values[best] + LOG_TINY;
            for half in [0, n] {
                let (next, origin) = (&mut self.next[half..half + n], &mut self.origin[half..half + n]);
                next.fill(f64::NEG_INFINITY);
                origin.fill(0.0);
                for from in [0, n] {
                    let tables = if from == half { &transitions.stay } else { &transitions.switch };
                    // From the lowest origin to the highest, so that the first of equal paths is kept.
                    for (i, table) in tables.iter().enumerate().rev() {
                        let offset = transitions.first + i as isize;
                        let skip = offset.min(0).unsigned_abs();
                        let to = offset.max(0) as usize;
                        let count = n.saturating_sub(skip.max(to));
                        let values = &self.values[from + skip..][..count];
                        let band = to..to + count;
                        let first_origin = (from + skip) as f64;
                        let (next, origin) = (&mut next[band.clone()], &mut origin[band]);
                        improve(next, origin, values, &table[skip..skip + count], first_origin);
                    }
                }
                for (next, origin) in next.iter_mut().zip(origin) {
                    if far > *next || far == *next && (best as f64) < *origin {
                        (*next, *origin) = (far, best as f64);
                    }
                }
            }
            self.origins.extend(self.origin.iter().map(|&origin| origin as u16));
            std::mem::swap(&mut self.values, &mut self.next);
        }
        self.started = true;
        for (value, &prob) in self.values.iter_mut().zip(voiced) {
            *value += if prob == 0.0 { LOG_TINY } else { log(prob) };
        }
        let unvoiced = log(unvoiced);
        self.values[n..].iter_mut().for_each(|value| *value += unvoiced);
    }

    /// Gives the states of the likeliest path through `n_frames` frames, from the last on.
    pub(super) fn trace(&self, n_frames: usize, mut give: impl FnMut(usize, usize)) {
        let values = &self.values;
        let mut state = (1..values.len()).fold(0, |best, i| if values[i] > values[best] { i } else { best });
        for t in (0..n_frames).rev() {
            give(t, state);
            if let Some(origins) = t.checked_sub(1).and_then(|t| self.origins.get(t * 2 * self.n..)) {
                state = origins[state] as usize;
            }
        }
    }
}

vectorized! {
    /// Takes the paths along one diagonal where they are better than those so far.
    fn improve(next: &mut [f64], origin: &mut [f64], values: &[f64], steps: &[f64], first_origin: f64) {
        let (mut from, lanes) = (first_origin, next.iter_mut().zip(origin).zip(values).zip(steps));
        for (((next, origin), value), step) in lanes {
            let candidate = value + step;
            let better = candidate > *next;
            *next = if better { candidate } else { *next };
            *origin = if better { from } else { *origin };
            from += 1.0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Viterbi by its definition, over all transitions.
    fn slow(n: usize, width: usize, switch_prob: f64, frames: &[(Vec<f64>, f64)]) -> Vec<usize> {
        let transitions = Transitions::new(n, width, switch_prob);
        let step = |from: usize, to: usize| {
            let tables = if (from < n) == (to < n) { &transitions.stay } else { &transitions.switch };
            let i = (to % n) as isize - (from % n) as isize - transitions.first;
            usize::try_from(i).ok().and_then(|i| tables.get(i)).map_or(LOG_TINY, |table| table[from % n])
        };
        let observed = |t: usize, state: usize| log(frames[t].0.get(state).copied().unwrap_or(frames[t].1));
        let mut values: Vec<f64> = (0..2 * n).map(|s| observed(0, s) + log(1.0 / (2 * n) as f64)).collect();
        let mut origins = Vec::new();
        let best_of =
            |values: &[f64]| (1..values.len()).fold(0, |b, i| if values[i] > values[b] { i } else { b });
        for t in 1..frames.len() {
            let choices: Vec<(usize, f64)> = (0..2 * n)
                .map(|to| {
                    let all: Vec<f64> = (0..2 * n).map(|from| values[from] + step(from, to)).collect();
                    (best_of(&all), all[best_of(&all)] + observed(t, to))
                })
                .collect();
            values = choices.iter().map(|choice| choice.1).collect();
            origins.push(choices.into_iter().map(|choice| choice.0).collect::<Vec<_>>());
        }
        let mut states = vec![best_of(&values)];
        for origins in origins.iter().rev() {
            states.push(origins[states[states.len() - 1]]);
        }
        states.reverse();
        states
    }

    #[test]
    fn the_band_gives_the_path_of_all_transitions() {
        let mut state = 7_u32;
        let mut noise = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            f64::from(state) / f64::from(u32::MAX)
        };
        for (n, width) in [(13, 3), (12, 4), (15, 7), (12, 5), (11, 1)] {
            let frames: Vec<(Vec<f64>, f64)> = (0..40)
                .map(|_| {
                    let mut voiced = vec![0.0; n];
                    for _ in 0..3 {
                        voiced[(noise() * n as f64) as usize] = 0.3 * noise();
                    }
                    let rest = 1.0 - voiced.iter().sum::<f64>();
                    (voiced, rest / n as f64)
                })
                .collect();
            let transitions = Transitions::new(n, width, 0.01);
            let (mut path, mut states) = (Path::new(n), vec![0; frames.len()]);
            path.start();
            frames.iter().for_each(|(voiced, unvoiced)| path.step(&transitions, voiced, *unvoiced));
            path.trace(frames.len(), |t, state| states[t] = state);
            assert_eq!(states, slow(n, width, 0.01, &frames), "{n} pitches, {width} wide");
        }
    }
}
