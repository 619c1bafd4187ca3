//! Windows that move over a sequence.

use serde::{Deserialize, Serialize};
use std::ops::Range;

/// Padding beyond the ends of a sequence for a window of `kernel` taps, `dilation` apart, that moves by `stride`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Padding {
    /// No padding: the window stays inside. Output length ⌊(length − reach) / stride⌋ + 1 with reach = (kernel − 1) · dilation + 1.
    Valid,
    /// Output length ⌈length / stride⌉. Both ends are padded by the same number of steps (one more at the end if the total is odd), as in
    /// TensorFlow and, at stride 1, in PyTorch. With a stride above 1 the padding before the start can depend on the input's length (e.g.
    /// kernel 3, stride 2); a forward pass of padded examples is then [`LayerError::Setting`](crate::layers::LayerError::Setting).
    #[default]
    Same,
    /// Output length ⌈length / stride⌉. Only the start is padded, by (kernel − 1) · dilation steps, so that no output sees a later input.
    Causal,
}

/// The sizes of a window, and its padding.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Window {
    pub(crate) kernel: usize,
    pub(crate) stride: usize,
    pub(crate) dilation: usize,
    pub(crate) padding: Padding,
}

impl Window {
    /// Returns the sizes by their settings. None may be 0.
    pub(crate) fn sizes(&self) -> [(&'static str, usize); 3] {
        [("kernel_size", self.kernel), ("stride", self.stride), ("dilation", self.dilation)]
    }

    /// Number of steps from the first tap to the last, both included. Saturates for sizes that no input has.
    fn reach(&self) -> usize {
        (self.kernel - 1).saturating_mul(self.dilation).saturating_add(1)
    }

    /// Whether the padding before the start depends on the input's length, as it can with [`Padding::Same`] and a stride above 1.
    pub(crate) fn depends_on_length(&self) -> bool {
        let reach = self.reach();
        self.padding == Padding::Same && reach.saturating_sub(self.stride) / 2 != (reach - 1) / 2
    }

    /// Returns the window over an input of `length` steps.
    pub(crate) fn over(&self, length: usize) -> Result<Placed, TooShort> {
        let (Self { kernel, stride, dilation, padding }, reach) = (*self, self.reach());
        if length == 0 || (padding == Padding::Valid && length < reach) {
            return Err(TooShort { window: reach, length });
        }
        let (before, output) = match padding {
            Padding::Valid => (0, (length - reach) / stride + 1),
            Padding::Same => {
                let output = length.div_ceil(stride);
                let total = (output - 1).saturating_mul(stride).saturating_add(reach).saturating_sub(length);
                (total / 2, output)
            }
            Padding::Causal => (reach - 1, length.div_ceil(stride)),
        };
        Ok(Placed { kernel, stride, dilation, before, input: length, output })
    }
}

/// The error of an input that has fewer steps than a window spans.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooShort {
    pub(crate) window: usize,
    pub(crate) length: usize,
}

/// A window over an axis of a known length.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Placed {
    pub(crate) kernel: usize,
    pub(crate) stride: usize,
    pub(crate) dilation: usize,
    /// Steps of padding before the start.
    pub(crate) before: usize,
    /// Length of the input.
    pub(crate) input: usize,
    /// Length of the output.
    pub(crate) output: usize,
}

impl Placed {
    /// A window of one step over an axis of one step. A sequence has it in place of the rows of an image.
    pub(crate) const SINGLE: Self =
        Self { kernel: 1, stride: 1, dilation: 1, before: 0, input: 1, output: 1 };

    /// Returns the input position that tap `k` of output position `j` reads.
    pub(crate) fn seen(&self, j: usize, k: usize) -> Option<usize> {
        (j * self.stride + k * self.dilation).checked_sub(self.before).filter(|i| *i < self.input)
    }

    /// Returns the output positions whose tap `k` reads inside the input, and the input position of the first of them.
    pub(crate) fn inside(&self, k: usize) -> (Range<usize>, usize) {
        let tap = k * self.dilation;
        let first = self.before.saturating_sub(tap).div_ceil(self.stride);
        let end = (self.input + self.before).saturating_sub(tap).div_ceil(self.stride).min(self.output);
        let first = first.min(end);
        (first..end, (first * self.stride + tap).saturating_sub(self.before).min(self.input))
    }

    /// Returns the input positions that output position `j` reads, for a window without dilation.
    pub(crate) fn range(&self, j: usize) -> Range<usize> {
        let start = j * self.stride;
        let end = (start + self.kernel).saturating_sub(self.before).min(self.input);
        start.saturating_sub(self.before)..end
    }
}

#[cfg(test)]
impl Placed {
    /// Returns for every output position and tap the position that it reads in the padded input, which has `before` steps before the start
    /// and [`Self::after`] steps after the end. Used by compositions of Candle operations.
    pub(crate) fn positions(&self) -> Vec<u32> {
        let at = |j: usize, k: usize| (j * self.stride + k * self.dilation) as u32;
        (0..self.output).flat_map(|j| (0..self.kernel).map(move |k| at(j, k))).collect()
    }

    /// Number of padding steps after the end that [`Self::positions`] needs.
    pub(crate) fn after(&self) -> usize {
        let last = (self.output - 1) * self.stride + (self.kernel - 1) * self.dilation + 1;
        last.saturating_sub(self.input + self.before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn over(
        kernel: usize,
        stride: usize,
        dilation: usize,
        padding: Padding,
        length: usize,
    ) -> (usize, usize) {
        let placed = Window { kernel, stride, dilation, padding }.over(length).unwrap();
        (placed.before, placed.output)
    }

    #[test]
    fn lengths_and_padding_follow_tensorflow() {
        assert_eq!(over(5, 1, 1, Padding::Same, 193), (2, 193));
        assert_eq!(over(2, 1, 1, Padding::Same, 10), (0, 10));
        assert_eq!(over(5, 2, 1, Padding::Same, 10), (1, 5));
        assert_eq!(over(3, 5, 1, Padding::Same, 7), (0, 2));
        assert_eq!(over(3, 1, 4, Padding::Same, 7), (4, 7));
        assert_eq!(over(3, 1, 4, Padding::Causal, 7), (8, 7));
        assert_eq!(over(3, 2, 1, Padding::Valid, 7), (0, 3));
        assert_eq!(over(3, 2, 3, Padding::Valid, 7), (0, 1));
    }

    #[test]
    fn every_way_to_ask_what_a_window_sees_agrees() {
        for padding in [Padding::Valid, Padding::Same, Padding::Causal] {
            for (kernel, stride, dilation) in
                [(1, 1, 1), (3, 1, 1), (4, 2, 1), (2, 3, 1), (3, 2, 2), (5, 1, 3)]
            {
                for length in 1..15 {
                    let window = Window { kernel, stride, dilation, padding };
                    let Ok(placed) = window.over(length) else { continue };
                    let positions = placed.positions();
                    for k in 0..kernel {
                        let (inside, start) = placed.inside(k);
                        for j in 0..placed.output {
                            let seen = placed.seen(j, k);
                            assert_eq!(seen.is_some(), inside.contains(&j));
                            if let Some(seen) = seen {
                                assert_eq!(seen, start + (j - inside.start) * stride);
                                assert_eq!(seen + placed.before, positions[j * kernel + k] as usize);
                                assert!(dilation > 1 || placed.range(j).contains(&seen));
                            }
                        }
                    }
                    let padded = placed.before + length + placed.after();
                    assert!(positions.iter().all(|at| (*at as usize) < padded));
                }
            }
        }
    }

    #[test]
    fn windows_whose_place_depends_on_the_length_are_told() {
        for (kernel, stride, dilation) in (1..6)
            .flat_map(|kernel| (1..5).flat_map(move |stride| [(kernel, stride, 1), (kernel, stride, 2)]))
        {
            for padding in [Padding::Valid, Padding::Same, Padding::Causal] {
                let window = Window { kernel, stride, dilation, padding };
                let places: Vec<usize> =
                    (1..40).filter_map(|length| Some(window.over(length).ok()?.before)).collect();
                let same = places.iter().all(|before| *before == places[0]);
                assert_eq!(window.depends_on_length(), !same, "{window:?}");
            }
        }
    }

    #[test]
    fn a_window_longer_than_the_input_is_refused_without_padding() {
        let window = Window { kernel: 3, stride: 1, dilation: 3, padding: Padding::Valid };
        assert_eq!(window.over(6), Err(TooShort { window: 7, length: 6 }));
    }
}
