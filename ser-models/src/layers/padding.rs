//! Windows that move over a sequence.

use super::LayerError;
use serde::{Deserialize, Serialize};

/// What lies beyond the ends of a sequence for a window of `kernel` taps, `dilation` apart, that moves by `stride`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Padding {
    /// Nothing: the window stays inside. Output length ⌊(length − reach) / stride⌋ + 1 with reach = (kernel − 1) ·
    /// dilation + 1.
    Valid,
    /// Output length ⌈length / stride⌉, as much beyond the start as beyond the end (one more at the end if odd), as in
    /// TensorFlow and, at stride 1, in PyTorch.
    #[default]
    Same,
    /// Output length ⌈length / stride⌉, all beyond the start, so that no output sees a later input.
    Causal,
}

/// A window's reach, and where it goes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Window {
    pub(crate) kernel: usize,
    pub(crate) stride: usize,
    pub(crate) dilation: usize,
    pub(crate) padding: Padding,
}

impl Window {
    /// Refuses zeros.
    pub(crate) fn check(&self, layer: &'static str) -> Result<(), LayerError> {
        let sizes = [("kernel_size", self.kernel), ("stride", self.stride), ("dilation", self.dilation)];
        match sizes.into_iter().find(|(_, size)| *size == 0) {
            Some((setting, _)) => Err(LayerError::setting(layer, setting, "must be 1 or more", 0)),
            None => Ok(()),
        }
    }

    /// (steps of padding before the start, output length) for an input length.
    pub(crate) fn over(&self, layer: &'static str, length: usize) -> Result<(usize, usize), LayerError> {
        let reach = (self.kernel - 1) * self.dilation + 1;
        if length == 0 || (self.padding == Padding::Valid && length < reach) {
            return Err(LayerError::TooShort { layer, window: reach, length });
        }
        Ok(match self.padding {
            Padding::Valid => (0, (length - reach) / self.stride + 1),
            Padding::Same => {
                let out = length.div_ceil(self.stride);
                let total = ((out - 1) * self.stride + reach).saturating_sub(length);
                (total / 2, out)
            }
            Padding::Causal => (reach - 1, length.div_ceil(self.stride)),
        })
    }

    /// For every output position and tap, the position in the sequence padded by `pad_left` zeros before the start (and
    /// enough after the end) that it sees; for compositions of Candle operations.
    pub(crate) fn positions(&self, out_length: usize) -> Vec<u32> {
        let at = |j: usize, k: usize| (j * self.stride + k * self.dilation) as u32;
        (0..out_length).flat_map(|j| (0..self.kernel).map(move |k| at(j, k))).collect()
    }

    /// Steps of padding beyond the end that [`Self::positions`] needs.
    pub(crate) fn pad_right(&self, length: usize, pad_left: usize, out_length: usize) -> usize {
        let last = (out_length - 1) * self.stride + (self.kernel - 1) * self.dilation + 1;
        last.saturating_sub(length + pad_left)
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
        Window { kernel, stride, dilation, padding }.over("test", length).unwrap()
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
    fn a_window_longer_than_the_input_is_refused_without_padding() {
        let window = Window { kernel: 3, stride: 1, dilation: 3, padding: Padding::Valid };
        let error = window.over("Conv1d", 6).unwrap_err().to_string();
        assert_eq!(error, "Conv1d: the window reaches over 7 steps, the input has only 6");
    }
}
