//! Augmentation of training examples.

use super::targets::mix;
use super::{AudioAugmentation, Targets};
use crate::generator::Generator;
use crate::input::frames_of;
use crate::json::is_default;
use crate::layer::{LayerError, Padded, elements};
use crate::setting::{Checked, TRAINING};
use candle_core::{Device, Tensor};
use serde::{Deserialize, Serialize};

/// Augmentation of the training part's examples, drawn for each use. All changes are off by default.
///
/// Clips are changed as audio first, then their normalised features: shifts, noise, masks and mixup, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Augmentation {
    /// Changes of the sound, of which features are then taken. They need [`Dataset::with_audio`](crate::input::Dataset::with_audio). For
    /// networks that read an encoder, [`EncodingConfig::augmentation`](super::EncodingConfig::augmentation) changes the clips instead.
    #[serde(skip_serializing_if = "is_default")]
    pub audio: AudioAugmentation,
    /// The largest shift in frames to either side, 0 to 1,000,000, within the valid frames; copies of the edge frame fill the gap. Only for
    /// inputs with frames.
    #[serde(skip_serializing_if = "is_default")]
    pub time_shift: usize,
    /// The largest shift in rows to either side, 0 to 1,000,000, equal in all channels; copies of the edge row fill the gap. For mel bands
    /// it imitates another pitch and vocal tract. Only for inputs with frames.
    #[serde(skip_serializing_if = "is_default")]
    pub frequency_shift: usize,
    /// Standard deviation of Gaussian noise that is added to each normalised feature, 0 or more; 0 adds none.
    pub noise: f64,
    /// Spans of frames that are masked in each clip, in all rows (Park et al., *SpecAugment: a simple data augmentation method for automatic
    /// speech recognition*, 2019). Only for inputs with frames.
    #[serde(skip_serializing_if = "is_default")]
    pub time_masks: Masks,
    /// Spans of rows that are masked in each clip, at all frames and in all channels. Only for inputs with frames.
    #[serde(skip_serializing_if = "is_default")]
    pub frequency_masks: Masks,
    /// α of mixup (Zhang et al., *mixup: beyond empirical risk minimization*, 2018), 0 or more; 0 turns it off. Each example becomes λ ·
    /// itself + (1 − λ) · another of its batch, inputs and targets, with one λ from Beta(α, α) for each batch. The mixture has the valid
    /// frames of the longer clip.
    pub mixup: f64,
}

/// Spans that are set to 0, which is the mean if [`TrainingConfig::normalize`](super::TrainingConfig::normalize) is on. Their width is
/// drawn evenly from 0 to `width`, then their place among all that fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Masks {
    /// Number of spans, 0 for none, at most 1,000.
    pub count: usize,
    /// The largest width, in frames or rows. A span is never wider than a clip's valid frames or rows.
    pub width: usize,
}

impl Augmentation {
    /// Checks the settings.
    pub(crate) fn check(&self) -> Checked {
        let at_most = |setting, rule, most, given| TRAINING.require(given <= most, setting, rule, given);
        for (setting, shift) in [
            ("augmentation.time_shift", self.time_shift),
            ("augmentation.frequency_shift", self.frequency_shift),
        ] {
            at_most(setting, "0 to 1000000", 1_000_000, shift)?;
        }
        for (setting, masks) in [
            ("augmentation.time_masks.count", self.time_masks),
            ("augmentation.frequency_masks.count", self.frequency_masks),
        ] {
            at_most(setting, "0 to 1000", 1_000, masks.count)?;
        }
        TRAINING.zero_or_more("augmentation.noise", self.noise)?;
        TRAINING.zero_or_more("augmentation.mixup", self.mixup)?;
        self.audio.check(TRAINING)
    }

    /// Returns the name of the first enabled change that only works on inputs with frames.
    pub(crate) fn needs_frames(&self) -> Option<&'static str> {
        let masks = |masks: Masks| masks.count > 0 && masks.width > 0;
        [
            (self.time_shift > 0, "augmentation.time_shift"),
            (self.frequency_shift > 0, "augmentation.frequency_shift"),
            (masks(self.time_masks), "augmentation.time_masks"),
            (masks(self.frequency_masks), "augmentation.frequency_masks"),
        ]
        .into_iter()
        .find_map(|(on, name)| on.then_some(name))
    }

    /// Augments a batch of normalised inputs and its targets.
    pub(crate) fn apply(
        &self,
        batch: &Padded,
        targets: &mut Targets,
        generator: &mut Generator,
    ) -> Result<Padded, LayerError> {
        let mut values = elements(batch.values())?.slice::<f32>()?.to_vec();
        let shape = &batch.dims()[1..];
        let (frames, rows) = (frames_of(shape), shape.iter().rev().nth(1).copied().unwrap_or(1));
        let size: usize = shape.iter().product();
        for (clip, values) in values.chunks_exact_mut(size.max(1)).enumerate() {
            let valid = batch.lengths().map_or(frames, |lengths| lengths[clip]);
            self.shift(values, (rows, frames), valid, generator);
            if self.noise > 0.0 {
                for row in values.chunks_exact_mut(frames) {
                    row[..valid].iter_mut().for_each(|x| *x += (self.noise * generator.normal()) as f32);
                }
            }
            self.mask(values, (rows, frames), valid, generator);
        }
        let mut lengths = batch.lengths().map(<[usize]>::to_vec);
        if self.mixup > 0.0 {
            let share = generator.beta(self.mixup) as f32;
            let mut partners: Vec<usize> = (0..batch.len()).collect();
            generator.shuffle(&mut partners);
            mix(&mut values, &partners, share);
            targets.mix(&partners, share);
            lengths = lengths.map(|lengths| {
                lengths.iter().zip(&partners).map(|(own, partner)| *own.max(&lengths[*partner])).collect()
            });
        }
        Ok(Padded::of(Tensor::from_vec(values, batch.dims(), &Device::Cpu)?, lengths))
    }

    /// Shifts one clip [channels, rows, frames] within its valid frames and rows.
    fn shift(
        &self,
        values: &mut [f32],
        (rows, frames): (usize, usize),
        valid: usize,
        generator: &mut Generator,
    ) {
        if self.time_shift > 0 {
            let steps = steps(self.time_shift, generator);
            values.chunks_exact_mut(frames).for_each(|row| slide(&mut row[..valid], 1, steps));
        }
        if self.frequency_shift > 0 {
            let steps = steps(self.frequency_shift, generator);
            values.chunks_exact_mut(rows * frames).for_each(|channel| slide(channel, frames, steps));
        }
    }

    /// Masks one clip [channels, rows, frames] within its valid frames.
    fn mask(
        &self,
        values: &mut [f32],
        (rows, frames): (usize, usize),
        valid: usize,
        generator: &mut Generator,
    ) {
        for _ in 0..self.time_masks.count {
            let span = span(self.time_masks.width, valid, generator);
            values.chunks_exact_mut(frames).for_each(|row| row[span.clone()].fill(0.0));
        }
        for _ in 0..self.frequency_masks.count {
            let span = span(self.frequency_masks.width, rows, generator);
            for channel in values.chunks_exact_mut(rows * frames) {
                channel[span.start * frames..span.end * frames].fill(0.0);
            }
        }
    }
}

/// Draws a number of steps from −`most` to `most`.
fn steps(most: usize, generator: &mut Generator) -> isize {
    generator.below(2 * most + 1) as isize - most as isize
}

/// Moves items of `size` numbers by `steps` places, to higher ones for a positive number. Copies of the first or last item fill the gap.
fn slide(values: &mut [f32], size: usize, steps: isize) {
    let gap = size * steps.unsigned_abs().min((values.len() / size).saturating_sub(1));
    let rest = values.len() - gap;
    let (edge, filled) = if steps > 0 {
        values.copy_within(..rest, gap);
        (gap, 0..gap)
    } else {
        values.copy_within(gap.., 0);
        (rest - size, rest..values.len())
    };
    for place in filled.step_by(size) {
        values.copy_within(edge..edge + size, place);
    }
}

/// Draws a span of at most `width` among `n` places.
fn span(width: usize, n: usize, generator: &mut Generator) -> std::ops::Range<usize> {
    let width = generator.below(width.min(n) + 1);
    let start = generator.below(n - width + 1);
    start..start + width
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inputs(values: &[f32], shape: &[usize], lengths: Option<&[usize]>) -> Padded {
        let mut dims = vec![values.len() / shape.iter().product::<usize>()];
        dims.extend(shape);
        let values = Tensor::from_slice(values, dims, &Device::Cpu).unwrap();
        Padded::of(values, lengths.map(<[usize]>::to_vec))
    }

    fn targets(labels: &[usize]) -> Targets {
        Targets::new(labels, 2).unwrap()
    }

    /// Augments one batch and returns its values and lengths.
    fn changed(
        augmentation: Augmentation,
        x: &Padded,
        y: &mut Targets,
        seed: u64,
    ) -> (Vec<f32>, Option<Vec<usize>>) {
        let x = augmentation.apply(x, y, &mut Generator::new(seed)).unwrap();
        (x.values().flatten_all().unwrap().to_vec1().unwrap(), x.lengths().map(<[usize]>::to_vec))
    }

    #[test]
    fn the_default_changes_nothing() {
        let (x, mut y) = (inputs(&[1.0, 2.0, 3.0, 4.0], &[2], None), targets(&[0, 1]));
        let (values, _) = changed(Augmentation::default(), &x, &mut y, 0);
        assert_eq!((&values[..], y), (&[1.0, 2.0, 3.0, 4.0][..], targets(&[0, 1])));
        assert_eq!(serde_json::to_string(&Augmentation::default()).unwrap(), r#"{"noise":0.0,"mixup":0.0}"#);
    }

    #[test]
    fn noise_has_its_deviation_and_leaves_targets_and_padding() {
        let (x, mut y) = (inputs(&[1.0; 20_000], &[10, 200], Some(&[100; 10])), targets(&[1; 10]));
        let (values, _) = changed(Augmentation { noise: 0.5, ..Default::default() }, &x, &mut y, 0);
        let rows = || values.chunks(200);
        let variance = rows().flat_map(|row| &row[..100]).map(|x| f64::from(x - 1.0).powi(2)).sum::<f64>();
        assert!((variance / 10_000.0 - 0.25).abs() < 0.02, "{variance}");
        assert!(rows().all(|row| row[100..].iter().all(|x| *x == 1.0)));
        assert_eq!(y, targets(&[1; 10]));
    }

    #[test]
    fn mixup_mixes_inputs_and_targets_alike_and_takes_the_longer_clip() {
        // Each input equals its target's second entry, before and after.
        let values: Vec<f32> = (0..8).map(|i| (i % 2) as f32).collect();
        let x = inputs(&values, &[1, 1], Some(&[1; 8]));
        let mut y = targets(&[0, 1, 0, 1, 0, 1, 0, 1]);
        let (values, _) = changed(Augmentation { mixup: 1.0, ..Default::default() }, &x, &mut y, 3);
        for (x, y) in values.iter().zip(y.shares.chunks(2)) {
            assert!((x - y[1]).abs() < 1e-6 && (y[0] + y[1] - 1.0).abs() < 1e-6);
        }
        assert!(values.iter().any(|x| *x > 0.0 && *x < 1.0));

        let x = inputs(&[1.0; 8], &[1, 4], Some(&[2, 4]));
        // Over the seeds both orders come up. Wherever two clips were mixed, the valid frames are 4.
        let mixed = (0..9).any(|seed| {
            let augmentation = Augmentation { mixup: 1.0, ..Default::default() };
            changed(augmentation, &x, &mut targets(&[0, 0]), seed).1 == Some(vec![4, 4])
        });
        assert!(mixed);
    }

    #[test]
    fn items_slide_and_the_edge_fills_in() {
        let slid = |size, steps| {
            let mut values = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
            slide(&mut values, size, steps);
            values
        };
        assert_eq!(slid(1, 0), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        assert_eq!(slid(1, 2), [1.0, 1.0, 1.0, 2.0, 3.0, 4.0]);
        assert_eq!(slid(1, -2), [3.0, 4.0, 5.0, 6.0, 6.0, 6.0]);
        assert_eq!(slid(2, 1), [1.0, 2.0, 1.0, 2.0, 3.0, 4.0]);
        assert_eq!(slid(2, -1), [3.0, 4.0, 5.0, 6.0, 5.0, 6.0]);
        assert_eq!((slid(1, 9), slid(1, -9)), ([1.0; 6], [6.0; 6]));
    }

    #[test]
    fn clips_move_within_their_valid_frames_by_every_step() {
        let (rows, frames, own) = (5, 6, 4);
        let original: Vec<f32> =
            (0..2 * rows * frames).map(|i| if i % frames < own { i as f32 } else { -1.0 }).collect();
        let augmentation = Augmentation { time_shift: 2, frequency_shift: 1, ..Default::default() };
        let mut seen = std::collections::HashSet::new();
        for seed in 0..200 {
            let x = inputs(&original, &[2, rows, frames], Some(&[own]));
            let (values, _) = changed(augmentation, &x, &mut targets(&[0]), seed);
            let moved =
                (-1..=1isize).flat_map(|down| (-2..=2isize).map(move |later| (down, later))).find(|m| {
                    values.iter().enumerate().all(|(i, value)| {
                        let (channel, row, frame) = (i / (rows * frames), i / frames % rows, i % frames);
                        let row = row.saturating_add_signed(-m.0).min(rows - 1);
                        let from = frame.saturating_add_signed(-m.1).min(own - 1);
                        let from = if frame < own { from } else { frame };
                        *value == original[(channel * rows + row) * frames + from]
                    })
                });
            seen.insert(moved.expect("both channels move alike"));
        }
        assert_eq!(seen.len(), 15);
    }

    #[test]
    fn masks_cover_frames_of_all_rows_and_rows_of_all_channels() {
        let (channels, rows, frames, own) = (2, 6, 10, 8);
        let augmentation = Augmentation {
            time_masks: Masks { count: 1, width: 3 },
            frequency_masks: Masks { count: 1, width: 2 },
            ..Default::default()
        };
        let (mut widest, mut tallest) = (0, 0);
        for seed in 0..60 {
            let x = inputs(&[1.0; 120], &[channels, rows, frames], Some(&[own]));
            let (values, _) = changed(augmentation, &x, &mut targets(&[0]), seed);
            let zero = |c: usize, r: usize, f: usize| values[(c * rows + r) * frames + f] == 0.0;
            let masked_frames: Vec<usize> =
                (0..frames).filter(|f| (0..channels).all(|c| (0..rows).all(|r| zero(c, r, *f)))).collect();
            let masked_rows: Vec<usize> =
                (0..rows).filter(|r| (0..channels).all(|c| (0..frames).all(|f| zero(c, *r, f)))).collect();
            for (masked, most) in [(&masked_frames, 3), (&masked_rows, 2)] {
                assert!(masked.len() <= most && masked.windows(2).all(|w| w[1] == w[0] + 1));
            }
            assert!(masked_frames.iter().all(|f| *f < own));
            let zeros = values.iter().filter(|x| **x == 0.0).count();
            let (f, r) = (masked_frames.len(), masked_rows.len());
            assert_eq!(zeros, channels * (f * rows + r * frames - f * r));
            (widest, tallest) = (widest.max(f), tallest.max(r));
        }
        assert_eq!((widest, tallest), (3, 2));
    }
}
