//! Sliding medians, several independent series at a time. Windows of 31 values, librosa's default, have a special algorithm. Windows of any
//! other odd number of values are kept sorted.
//!
//! Neighbouring windows share most of their values, so the work is shared instead of sorting each window. Sixteen
//! consecutive windows have sixteen values in common; eight of them share eight more, four of those another four, and so on.
//! From the sorted common values, those that can't be the median any more are dropped at each step, until one is left: one
//! window costs 28 minima or maxima per series, less than one for each value in it. (The idea of such a hierarchy: Adams,
//! "Fast median filters using separable sorting networks", ACM Transactions on Graphics 40, 2021; there for images.)
//!
//! The networks are written out for one series, without branches or loops, and run in a loop over the series. Compilers turn such a loop
//! into vector instructions for as many series as fit, and keep what a network works on in registers.

use crate::vector::vectorized;

/// Number of values under the median with the special algorithm.
const KERNEL: usize = 31;

/// Series that are filtered side by side.
pub(crate) const LANES: usize = 16;

/// One value of each series.
pub(crate) type Lanes = [f32; LANES];

/// Windows that share their sorted values.
const TILE: usize = 16;

/// Values that are sorted together.
const GROUP: usize = 8;

/// Groups under a tile's windows, and the value before the first window.
const GROUPS: usize = (1 + TILE + KERNEL - 1).div_ceil(GROUP);

/// Eight consecutive values of each series, sorted by two, by four, and all.
#[derive(Debug, Clone, Default)]
struct Group {
    pairs: [[Lanes; 2]; GROUP / 2],
    fours: [[Lanes; 4]; GROUP / 4],
    eight: [Lanes; GROUP],
}

/// Filters series of a fixed length, keeping its memory.
#[derive(Debug, Clone)]
pub(crate) struct SlidingMedian {
    /// Values under the median, an odd number.
    kernel: usize,
    /// One value that no window covers, the series, reflected at both ends, and what fills up the last tile.
    padded: Vec<Lanes>,
    groups: Vec<Group>,
    medians: Vec<Lanes>,
}

impl SlidingMedian {
    pub(crate) fn new(kernel: usize) -> Self {
        Self { kernel, padded: Vec::new(), groups: Vec::new(), medians: Vec::new() }
    }

    /// Neighbours of a value on each side of it in its median.
    pub(crate) fn half(&self) -> usize {
        self.kernel / 2
    }

    /// The median of the values around each of `length` positions. `value(i)` gives the values at position `i`; beyond both
    /// ends the series is reflected, its first and last value counting twice (SciPy's mode `reflect`), as often as it takes.
    pub(crate) fn filter(&mut self, length: usize, value: impl Fn(usize) -> Lanes) -> &[Lanes] {
        if length == 0 {
            return &[];
        }
        let tiles = length.div_ceil(TILE);
        let half = self.half();
        self.padded.clear();
        self.padded.push([0.0; LANES]);
        self.padded.extend((0..half).map(|i| value(reflect(i as isize - half as isize, length))));
        self.padded.extend((0..length).map(&value));
        let end = (1 + tiles * TILE + self.kernel - 1).next_multiple_of(GROUP) - 1 - half;
        self.padded.extend((length..end).map(|i| value(reflect(i as isize, length))));

        self.medians.resize(tiles * TILE, [0.0; LANES]);
        if self.kernel == KERNEL {
            medians(self);
        } else {
            self.medians_of_sorted_windows(length);
        }
        &self.medians[..length]
    }

    fn medians_of_sorted_windows(&mut self, length: usize) {
        let Self { kernel, padded, medians, .. } = self;
        let padded = &padded[1..];
        let mut window: Vec<f32> = Vec::with_capacity(*kernel);
        for lane in 0..LANES {
            window.clear();
            window.extend(padded[..*kernel].iter().map(|lanes| lanes[lane]));
            window.sort_unstable_by(f32::total_cmp);
            for at in 0..length {
                medians[at][lane] = window[*kernel / 2];
                let Some(next) = padded.get(at + *kernel) else { break };
                let place =
                    |window: &[f32], value: f32| window.partition_point(|x| x.total_cmp(&value).is_lt());
                window.remove(place(&window, padded[at][lane]).min(*kernel - 1));
                window.insert(place(&window, next[lane]), next[lane]);
            }
        }
    }
}

vectorized! {
    fn medians(filter: &mut SlidingMedian) {
        let SlidingMedian { padded, groups, medians, .. } = filter;
        let values = padded.as_chunks().0;
        groups.resize(values.len(), Group::default());
        for (group, values) in groups.iter_mut().zip(values) {
            sort_group(values, group);
        }
        for (at, medians) in medians.as_chunks_mut().0.iter_mut().enumerate() {
            let under = (padded[at * TILE..].first_chunk(), groups[at * (TILE / GROUP)..].first_chunk());
            if let (Some(values), Some(groups)) = under {
                tile(values, groups, medians);
            }
        }
    }
}

/// Where a position beyond the ends finds its value.
fn reflect(position: isize, length: usize) -> usize {
    let period = 2 * length as isize;
    let position = position.rem_euclid(period);
    position.min(period - 1 - position) as usize
}

#[inline(always)]
fn sort_group(values: &[Lanes; GROUP], group: &mut Group) {
    for lane in 0..LANES {
        let [a, b, c, d, e, f, g, h] = get_eight(values, lane);
        let (ab, cd, ef, gh) = (sort_two([a, b]), sort_two([c, d]), sort_two([e, f]), sort_two([g, h]));
        let (abcd, efgh) = (merge_twos(ab, cd), merge_twos(ef, gh));
        put_two(&mut group.pairs[0], lane, ab);
        put_two(&mut group.pairs[1], lane, cd);
        put_two(&mut group.pairs[2], lane, ef);
        put_two(&mut group.pairs[3], lane, gh);
        put_four(&mut group.fours[0], lane, abcd);
        put_four(&mut group.fours[1], lane, efgh);
        put_eight(&mut group.eight, lane, merge_fours(abcd, efgh));
    }
}

/// What a tile's windows cover, of one series. Places count from the value before the first window, so window `j` covers the places from
/// `j + 1` to `j + 31`.
#[derive(Clone, Copy)]
struct Covered<'a> {
    values: &'a [Lanes; GROUPS * GROUP],
    groups: &'a [Group; GROUPS],
    lane: usize,
}

impl Covered<'_> {
    #[inline(always)]
    fn value(self, place: usize) -> f32 {
        self.values[place][self.lane]
    }

    /// Two sorted values from an even place on.
    #[inline(always)]
    fn two(self, place: usize) -> [f32; 2] {
        get_two(&self.groups[place / GROUP].pairs[place % GROUP / 2], self.lane)
    }

    /// Four sorted values from a multiple of four on.
    #[inline(always)]
    fn four(self, place: usize) -> [f32; 4] {
        get_four(&self.groups[place / GROUP].fours[place % GROUP / 4], self.lane)
    }

    /// Eight sorted values from a multiple of eight on.
    #[inline(always)]
    fn eight(self, place: usize) -> [f32; 8] {
        get_eight(&self.groups[place / GROUP].eight, self.lane)
    }
}

/// The medians of sixteen consecutive windows.
#[inline(always)]
fn tile(values: &[Lanes; GROUPS * GROUP], groups: &[Group; GROUPS], medians: &mut [Lanes; TILE]) {
    for lane in 0..LANES {
        let covered = Covered { values, groups, lane };
        // All windows cover the places from 16 to 31; the first eight also those from 8 on, the last eight those from 32 on.
        let (low, high) = merge_eights(covered.eight(16), covered.eight(24));
        eight_windows(covered, 0, 8, low, high, medians);
        eight_windows(covered, 8, 32, low, high, medians);
    }
}

/// The medians of eight windows from `first` on. `low` and `high` are sorted. They hold the possible medians of the places that all
/// eight windows cover, without the eight places from `more` on.
#[inline(always)]
fn eight_windows(
    covered: Covered<'_>,
    first: usize,
    more: usize,
    low: [f32; 8],
    high: [f32; 8],
    medians: &mut [Lanes; TILE],
) {
    let [a, b, c, d, e, f, g, h] = middle_eight(low, high, covered.eight(more));
    let (low, high) = ([a, b, c, d], [e, f, g, h]);
    four_windows(covered, first, first + 4, low, high, medians);
    four_windows(covered, first + 4, first + 32, low, high, medians);
}

#[inline(always)]
fn four_windows(
    covered: Covered<'_>,
    first: usize,
    more: usize,
    low: [f32; 4],
    high: [f32; 4],
    medians: &mut [Lanes; TILE],
) {
    let [a, b, c, d] = middle_four(low, high, covered.four(more));
    let (low, high) = ([a, b], [c, d]);
    two_windows(covered, first, first + 2, low, high, medians);
    two_windows(covered, first + 2, first + 32, low, high, medians);
}

#[inline(always)]
fn two_windows(
    covered: Covered<'_>,
    first: usize,
    more: usize,
    low: [f32; 2],
    high: [f32; 2],
    medians: &mut [Lanes; TILE],
) {
    let [low, high] = middle_two(low, high, covered.two(more));
    medians[first][covered.lane] = max(low, min(high, covered.value(first + 1)));
    medians[first + 1][covered.lane] = max(low, min(high, covered.value(first + 32)));
}

/// Defines the functions for networks of `n` values without loops: a loop over the values would have to be unrolled before the loop over
/// the series can be vectorised.
macro_rules! written_out {
    ($($n:literal: [$($i:literal)*], $sort:ident, $middle:ident, $get:ident, $put:ident;)*) => {$(
        /// Merges the sorted values `low` followed by `high` with the sorted values `extra`. Returns the middle third, sorted.
        #[inline(always)]
        fn $middle(low: [f32; $n], high: [f32; $n], extra: [f32; $n]) -> [f32; $n] {
            let without_smallest = $sort([$(max(low[$i], extra[$n - 1 - $i])),*]);
            $sort([$(min(without_smallest[$i], high[$n - 1 - $i])),*])
        }

        #[inline(always)]
        fn $get(values: &[Lanes; $n], lane: usize) -> [f32; $n] {
            [$(values[$i][lane]),*]
        }

        #[inline(always)]
        fn $put(to: &mut [Lanes; $n], lane: usize, values: [f32; $n]) {
            $(to[$i][lane] = values[$i];)*
        }
    )*};
}

written_out! {
    2: [0 1], sort_two, middle_two, get_two, put_two;
    4: [0 1 2 3], sort_four, middle_four, get_four, put_four;
    8: [0 1 2 3 4 5 6 7], sort_eight, middle_eight, get_eight, put_eight;
}

// Batcher's bitonic networks: they sort values that first don't fall and then don't rise, or the reverse.

#[inline(always)]
fn sort_two([a, b]: [f32; 2]) -> [f32; 2] {
    [min(a, b), max(a, b)]
}

#[inline(always)]
fn sort_four([a, b, c, d]: [f32; 4]) -> [f32; 4] {
    let ([a, c], [b, d]) = (sort_two([a, c]), sort_two([b, d]));
    let ([a, b], [c, d]) = (sort_two([a, b]), sort_two([c, d]));
    [a, b, c, d]
}

#[inline(always)]
fn sort_eight([a, b, c, d, e, f, g, h]: [f32; 8]) -> [f32; 8] {
    let ([a, e], [b, f]) = (sort_two([a, e]), sort_two([b, f]));
    let ([c, g], [d, h]) = (sort_two([c, g]), sort_two([d, h]));
    let ([a, b, c, d], [e, f, g, h]) = (sort_four([a, b, c, d]), sort_four([e, f, g, h]));
    [a, b, c, d, e, f, g, h]
}

#[inline(always)]
fn merge_twos([a, b]: [f32; 2], [c, d]: [f32; 2]) -> [f32; 4] {
    sort_four([a, b, d, c])
}

#[inline(always)]
fn merge_fours([a, b, c, d]: [f32; 4], [e, f, g, h]: [f32; 4]) -> [f32; 8] {
    sort_eight([a, b, c, d, h, g, f, e])
}

/// The lower and the upper eight of sixteen values.
#[inline(always)]
fn merge_eights(
    [a, b, c, d, e, f, g, h]: [f32; 8],
    [i, j, k, l, m, n, o, p]: [f32; 8],
) -> ([f32; 8], [f32; 8]) {
    let ([a, p], [b, o], [c, n], [d, m]) =
        (sort_two([a, p]), sort_two([b, o]), sort_two([c, n]), sort_two([d, m]));
    let ([e, l], [f, k], [g, j], [h, i]) =
        (sort_two([e, l]), sort_two([f, k]), sort_two([g, j]), sort_two([h, i]));
    (sort_eight([a, b, c, d, e, f, g, h]), sort_eight([p, o, n, m, l, k, j, i]))
}

// `f32::min` and `f32::max` need further instructions for NaN, which does not occur here.

#[inline(always)]
fn min(a: f32, b: f32) -> f32 {
    if a < b { a } else { b }
}

#[inline(always)]
fn max(a: f32, b: f32) -> f32 {
    if a > b { a } else { b }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn equals_sorting_each_window(
            series in prop::collection::vec(prop::array::uniform16(0_u8..40), 1..90),
            half in prop_oneof![Just(15_usize), 0_usize..40],
        ) {
            let value = |i: usize| series[i].map(f32::from);
            let kernel = 2 * half + 1;
            let mut filter = SlidingMedian::new(kernel);
            let medians = filter.filter(series.len(), value);
            prop_assert_eq!(medians.len(), series.len());
            for (position, medians) in medians.iter().enumerate() {
                for (lane, &median) in medians.iter().enumerate() {
                    let mut window: Vec<f32> = (0..kernel)
                        .map(|k| {
                            let at = position as isize + k as isize - half as isize;
                            value(reflect(at, series.len()))[lane]
                        })
                        .collect();
                    window.sort_by(f32::total_cmp);
                    prop_assert_eq!(median, window[half]);
                }
            }
        }
    }

    #[test]
    fn reflection_repeats_both_ends() {
        let positions: Vec<usize> = (-5..8).map(|i| reflect(i, 3)).collect();
        assert_eq!(positions, [1, 2, 2, 1, 0, 0, 1, 2, 2, 1, 0, 0, 1]);
    }

    #[test]
    fn memory_of_a_longer_series_does_not_leak_into_a_shorter_one() {
        let mut filter = SlidingMedian::new(KERNEL);
        filter.filter(100, |i| [i as f32; LANES]);
        assert!(filter.filter(3, |_| [0.5; LANES]).iter().all(|x| *x == [0.5; LANES]));
    }
}
