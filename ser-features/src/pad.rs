//! Padding of a signal.

/// Values that a centred frame reads beyond the signal's ends. The default is [`Zero`](Self::Zero), as in librosa's `stft`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "lowercase"))]
#[non_exhaustive]
pub enum PadMode {
    /// Zeros; numpy's and librosa's `"constant"`.
    #[default]
    #[cfg_attr(feature = "serde", serde(alias = "constant"))]
    Zero,
    /// The signal mirrored at its first and last sample, which are not repeated; numpy's, librosa's and PyTorch's `"reflect"`. A signal
    /// that is shorter than the padding is mirrored as often as it takes.
    Reflect,
    /// The first and the last sample, repeated; numpy's `"edge"`.
    Edge,
}

impl PadMode {
    /// Which sample of a signal of `length` samples, at least one, is read at a place that may lie outside of it; `None` is a zero.
    pub(crate) fn index(self, at: isize, length: usize) -> Option<usize> {
        let inside = usize::try_from(at).ok().filter(|&at| at < length);
        match self {
            _ if inside.is_some() => inside,
            Self::Zero => None,
            Self::Edge => Some(if at < 0 { 0 } else { length - 1 }),
            Self::Reflect => {
                let last = length - 1;
                let period = (2 * last).max(1) as isize;
                let at = at.rem_euclid(period) as usize;
                Some(if last == 0 { 0 } else { at.min(2 * last - at) })
            }
        }
    }

    /// Copies `out.len()` samples from `start` on, which may lie outside of the signal.
    pub(crate) fn read(self, samples: &[f32], start: isize, out: &mut [f32]) {
        for (at, out) in (start..).zip(out) {
            *out = self.index(at, samples.len()).map_or(0.0, |at| samples[at]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn padded(mode: PadMode, samples: &[f32], around: usize) -> Vec<f32> {
        let mut out = vec![f32::NAN; samples.len() + 2 * around];
        mode.read(samples, -(around as isize), &mut out);
        out
    }

    #[test]
    fn pads_as_numpy() {
        let samples = [1.0, 2.0, 3.0];
        assert_eq!(padded(PadMode::Zero, &samples, 2), [0.0, 0.0, 1.0, 2.0, 3.0, 0.0, 0.0]);
        assert_eq!(padded(PadMode::Edge, &samples, 2), [1.0, 1.0, 1.0, 2.0, 3.0, 3.0, 3.0]);
        // np.pad([1, 2, 3], 5, "reflect")
        let reflected = [2.0, 1.0, 2.0, 3.0, 2.0, 1.0, 2.0, 3.0, 2.0, 1.0, 2.0, 3.0, 2.0];
        assert_eq!(padded(PadMode::Reflect, &samples, 5), reflected);
        assert_eq!(padded(PadMode::Reflect, &[7.0], 2), [7.0; 5]);
    }
}
