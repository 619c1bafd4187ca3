//! Augmentation of audio.

use super::RecordingChain;
use super::recording_chain::{DrawnChain, tilt};
use crate::generator::Generator;
use crate::setting::{Checked, Settings};
use ser_features::{BandPass, ConfigError, PreparationConfig, Resampler, SignalError};
use serde::{Deserialize, Serialize};

/// Slope of pink noise's spectrum, in dB an octave.
const PINK: f64 = -3.01;

/// Audio augmentation of the training part. Each change is drawn for every clip and epoch, in this order: speed, time shift, gain, room and
/// microphone, noise, band of frequencies. All are off by default.
///
/// Other threads extract the features of augmented clips while the model trains. The changes depend only on the run's seed, the epoch and
/// the clip, not on the threads.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AudioAugmentation {
    /// Range of the speed factor, within 0.5..=2, in steps of 0.01. A factor of 1.1 plays 10 % faster: pitch and tempo change together, as
    /// on a tape. Clips that are prepared to one length keep it.
    pub speed: Option<[f64; 2]>,
    /// The largest time shift in seconds to either side, 0 or more; zeros fill the gap.
    pub shift: f64,
    /// Range of a gain in dB, within ±60.
    pub gain: Option<[f64; 2]>,
    /// Range of a signal-to-noise ratio in dB, within −20..=100. Gaussian noise is added, white unless [`RecordingChain::pink`] selects
    /// pink noise. The signal's power is measured from the first to the last sample that is not zero.
    pub snr: Option<[f64; 2]>,
    /// Range of the low-pass cut-off in Hz, above 0, drawn uniformly in octaves. Frequencies from the cut-off upwards are removed, as a
    /// telephone or a codec does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub low_pass: Option<[f64; 2]>,
    /// Range of the high-pass cut-off in Hz, above 0: no sound is left below it. Drawn uniformly in octaves. If it lies at or above the
    /// low-pass, or a telephone line's 3,000 to 3,800 Hz, the clip becomes silent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub high_pass: Option<[f64; 2]>,
    /// Room, microphone and line.
    #[serde(skip_serializing_if = "is_off")]
    pub chain: RecordingChain,
    /// The probability, above 0 and at most 1, of each change: speed, shift, gain, room, equaliser, tilt, noise, low-pass and high-pass,
    /// each drawn by itself. [`RecordingChain::telephone`] and [`RecordingChain::pink`] have their own.
    pub probability: f64,
}

impl Default for AudioAugmentation {
    fn default() -> Self {
        Self {
            speed: None,
            shift: 0.0,
            gain: None,
            snr: None,
            low_pass: None,
            high_pass: None,
            chain: RecordingChain::default(),
            probability: 1.0,
        }
    }
}

impl AudioAugmentation {
    /// Whether any change is on.
    pub fn is_on(&self) -> bool {
        let ranges = [self.speed, self.gain, self.snr, self.low_pass, self.high_pass];
        self.shift > 0.0 || self.chain.is_on() || ranges.iter().any(Option::is_some)
    }

    /// Checks the settings.
    pub(crate) fn check(&self, of: Settings<'_>) -> Checked {
        let hertz = f64::MIN_POSITIVE..=f64::MAX;
        let ranges = [
            (self.speed, 0.5..=2.0, "augmentation.audio.speed", "a range within 0.5 to 2"),
            (self.gain, -60.0..=60.0, "augmentation.audio.gain", "a range within ±60 dB"),
            (self.snr, -20.0..=100.0, "augmentation.audio.snr", "a range within −20..=100 dB"),
            (self.low_pass, hertz.clone(), "augmentation.audio.low_pass", "a range above 0 Hz"),
            (self.high_pass, hertz, "augmentation.audio.high_pass", "a range above 0 Hz"),
        ];
        for (range, limits, setting, rule) in ranges {
            let Some([low, high]) = range else { continue };
            let holds = limits.contains(&low) && limits.contains(&high) && low <= high;
            of.require(holds, setting, rule, format_args!("[{low}, {high}]"))?;
        }
        of.zero_or_more("augmentation.audio.shift", self.shift)?;
        self.chain.check(of)?;
        of.above_0_and_at_most_1("augmentation.audio.probability", self.probability)
    }

    /// Returns a changed copy of a clip. The clip and `filter` have the preparation's sample rate, and the copy gets the preparation's
    /// length if one is set.
    ///
    /// # Errors
    /// If the clip is empty or not finite.
    pub(crate) fn apply(
        &self,
        samples: &[f32],
        preparation: &PreparationConfig,
        filter: &mut BandPass,
        generator: &mut Generator,
    ) -> Result<Vec<f32>, SignalError> {
        // All numbers are drawn, whether used or not, so that one setting does not change the draws of the others.
        let mut draw = |range: Option<[f64; 2]>| {
            let (chance, place) = (generator.uniform(0.0, 1.0), generator.uniform(0.0, 1.0));
            range.filter(|_| chance < self.probability).map(|[low, high]| low + (high - low) * place)
        };
        let (speed, gain, snr) = (draw(self.speed), draw(self.gain), draw(self.snr));
        let shift = draw(Some([-self.shift, self.shift])).unwrap_or(0.0);
        let [high_pass, low_pass] =
            [self.high_pass, self.low_pass].map(|range| draw(range.map(|range| range.map(f64::ln))));
        let chain = match self.chain.is_on() {
            true => self.chain.draw(self.probability, generator),
            false => DrawnChain::default(),
        };

        let mut clip = match speed {
            Some(factor) => at_speed(samples, factor)?,
            None => samples.to_vec(),
        };
        if let Some(length) = preparation.length {
            preparation.alignment.fix_length(&mut clip, length);
        }
        move_by(&mut clip, (shift * f64::from(preparation.sample_rate)).round() as isize);
        if let Some(decibels) = gain {
            let factor = 10f64.powf(decibels / 20.0) as f32;
            clip.iter_mut().for_each(|x| *x *= factor);
        }
        clip = chain.apply(clip, preparation.sample_rate, generator);
        if let Some(decibels) = snr {
            let deviation = (power(&clip) / 10f64.powf(decibels / 10.0)).sqrt();
            let mut noise: Vec<f64> = clip.iter().map(|_| generator.normal()).collect();
            if chain.pink {
                in_pink(&mut noise, f64::from(preparation.sample_rate));
            }
            clip.iter_mut().zip(noise).for_each(|(x, noise)| *x += (deviation * noise) as f32);
        }
        let [line_from, line_to] = chain.telephone.unwrap_or([0.0, f64::INFINITY]);
        let from = high_pass.map_or(0.0, f64::exp).max(line_from);
        let to = low_pass.map_or(f64::INFINITY, f64::exp).min(line_to);
        if from > 0.0 || to < f64::INFINITY {
            clip = filter.process(&clip, from..to)?;
        }
        Ok(clip)
    }
}

fn is_off(chain: &RecordingChain) -> bool {
    !chain.is_on()
}

/// Plays a clip `factor` times as fast, in steps of 1 %.
fn at_speed(samples: &[f32], factor: f64) -> Result<Vec<f32>, SignalError> {
    // Only the ratio of the rates matters. These are within the supported rates and need short filters.
    let (from, to) = ((factor * 100.0).round() as u32 * 100, 10_000);
    let refused = |_: ConfigError| SignalError::SampleRate { minimum: 5_000, maximum: 20_000, given: from };
    Resampler::new(from, to).map_err(refused)?.process(samples)
}

/// Turns white noise into pink noise of the same power.
fn in_pink(noise: &mut [f64], sample_rate: f64) {
    let power = |noise: &[f64]| noise.iter().map(|x| x * x).sum::<f64>();
    let before = power(noise);
    tilt(noise, sample_rate, PINK);
    let scale = (before / power(noise).max(f64::MIN_POSITIVE)).sqrt();
    noise.iter_mut().for_each(|x| *x *= scale);
}

/// Moves a clip within its own length: later for a positive number of samples, earlier for a negative one.
fn move_by(clip: &mut [f32], samples: isize) {
    let by = samples.unsigned_abs().min(clip.len());
    if samples >= 0 {
        clip.rotate_right(by);
        clip[..by].fill(0.0);
    } else {
        clip.rotate_left(by);
        let kept = clip.len() - by;
        clip[kept..].fill(0.0);
    }
}

/// Returns the mean square from the first to the last sample that is not zero, or 0 for silence.
fn power(clip: &[f32]) -> f64 {
    let (Some(first), Some(last)) =
        (clip.iter().position(|x| *x != 0.0), clip.iter().rposition(|x| *x != 0.0))
    else {
        return 0.0;
    };
    let sounding = &clip[first..=last];
    sounding.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>() / sounding.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: u32 = 16_000;

    /// Returns one second of a 400 Hz tone, then one second of silence.
    fn clip() -> Vec<f32> {
        let tone =
            |n: u32| (2.0 * std::f64::consts::PI * 400.0 * f64::from(n) / f64::from(RATE)).sin() as f32;
        (0..2 * RATE).map(|n| if n < RATE { 0.5 * tone(n) } else { 0.0 }).collect()
    }

    fn change(augmentation: AudioAugmentation, length: Option<usize>, seed: u64) -> Vec<f32> {
        assert!(augmentation.check(Settings("training")).is_ok());
        let preparation = PreparationConfig { length, ..PreparationConfig::raw(RATE) };
        augmentation
            .apply(&clip(), &preparation, &mut BandPass::new(RATE), &mut Generator::new(seed))
            .unwrap()
    }

    fn crossings(clip: &[f32]) -> usize {
        clip.windows(2).filter(|w| w[0] < 0.0 && w[1] >= 0.0).count()
    }

    #[test]
    fn nothing_changes_by_default() {
        assert_eq!(change(AudioAugmentation::default(), None, 1), clip());
        assert!(!AudioAugmentation::default().is_on());
    }

    #[test]
    fn noise_has_the_given_ratio_to_what_sounds() {
        let noisy = change(AudioAugmentation { snr: Some([10.0; 2]), ..Default::default() }, None, 1);
        let noise: Vec<f32> = noisy.iter().zip(clip()).map(|(a, b)| a - b).collect();
        let ratio = 10.0 * (power(&clip()) / power(&noise)).log10();
        assert!((ratio - 10.0).abs() < 0.15, "{ratio}");
    }

    #[test]
    fn pink_noise_has_the_same_ratio_and_falls_by_three_decibels_an_octave() {
        let chain = RecordingChain { pink: 1.0, ..Default::default() };
        let noisy = change(AudioAugmentation { snr: Some([10.0; 2]), chain, ..Default::default() }, None, 1);
        let noise: Vec<f32> = noisy.iter().zip(clip()).map(|(a, b)| a - b).collect();
        let ratio = 10.0 * (power(&clip()) / power(&noise)).log10();
        assert!((ratio - 10.0).abs() < 0.15, "{ratio}");
        let mut filter = BandPass::new(RATE);
        let mut within = |from: f64| power(&filter.process(&noise, from..2.0 * from).unwrap());
        // Each octave of pink noise has the same power.
        let octaves: Vec<f64> = [250.0, 500.0, 1_000.0, 2_000.0].into_iter().map(&mut within).collect();
        assert!(
            octaves.windows(2).all(|pair| (10.0 * (pair[0] / pair[1]).log10()).abs() < 1.0),
            "{octaves:?}"
        );
    }

    #[test]
    fn a_telephone_leaves_its_band_alone() {
        let chain = RecordingChain { telephone: 1.0, ..Default::default() };
        let noise = AudioAugmentation { snr: Some([0.0; 2]), chain, ..Default::default() };
        for seed in 0..5 {
            let changed = change(noise, None, seed);
            let mut filter = BandPass::new(RATE);
            let mut within = |band| power(&filter.process(&changed, band).unwrap());
            assert!(within(0.0..199.0) < 1e-9 && within(3_800.0..8_001.0) < 1e-9);
            assert!(within(400.0..3_000.0) > 0.05);
        }
    }

    #[test]
    fn a_chain_draws_for_itself() {
        let gain = AudioAugmentation { gain: Some([-9.0, 9.0]), ..Default::default() };
        let chain = RecordingChain { pink: 0.5, ..Default::default() };
        // Without noise, pink noise changes nothing.
        assert_eq!(change(AudioAugmentation { chain, ..gain }, None, 4), change(gain, None, 4));
        let room = RecordingChain { reverberation: Some([0.3; 2]), equalizer: 8.0, tilt: 4.0, ..chain };
        let changed = change(AudioAugmentation { chain: room, ..gain }, None, 4);
        assert_eq!(changed, change(AudioAugmentation { chain: room, ..gain }, None, 4));
        // The reverberation continues after the sound's end.
        assert!(changed[16_100..17_000].iter().any(|x| x.abs() > 1e-3) && changed.len() == clip().len());
    }

    #[test]
    fn bands_are_cut_at_frequencies_within_their_ranges() {
        let left = |low_pass: Option<[f64; 2]>, high_pass: Option<[f64; 2]>, seed| {
            let cut = AudioAugmentation { low_pass, high_pass, ..Default::default() };
            let energy = |clip: Vec<f32>| clip.iter().map(|x| f64::from(x * x)).sum::<f64>();
            energy(change(cut, None, seed)) / energy(clip())
        };
        // The clip is a tone of 400 Hz, whose sudden end spreads a little power to other frequencies.
        for (low_pass, high_pass, part) in [
            (Some([500.0, 600.0]), None, 1.0),
            (Some([200.0, 300.0]), None, 0.0),
            (None, Some([200.0, 300.0]), 1.0),
            (None, Some([500.0, 600.0]), 0.0),
            (Some([500.0, 9e9]), Some([1.0, 300.0]), 1.0),
            (Some([300.0; 2]), Some([500.0; 2]), 0.0),
        ] {
            for seed in 0..5 {
                let left = left(low_pass, high_pass, seed);
                assert!((left - part).abs() < 0.02, "{left} of {low_pass:?} and {high_pass:?}");
            }
        }
        // On a scale in octaves, the middle of 100 to 1,600 Hz is the tone's 400 Hz, so about half of the cut-offs keep the tone.
        let kept = (0..400).filter(|seed| left(Some([100.0, 1_600.0]), None, *seed) > 0.5).count();
        assert!((160..240).contains(&kept), "{kept}");
    }

    #[test]
    fn gain_is_in_decibels_and_within_its_range() {
        let louder = change(AudioAugmentation { gain: Some([6.0206; 2]), ..Default::default() }, None, 1);
        assert!((power(&louder) / power(&clip()) - 4.0).abs() < 1e-3);
        let gains: Vec<f64> = (0..50)
            .map(|seed| {
                let changed =
                    change(AudioAugmentation { gain: Some([-6.0, 3.0]), ..Default::default() }, None, seed);
                10.0 * (power(&changed) / power(&clip())).log10()
            })
            .collect();
        assert!(gains.iter().all(|gain| (-6.01..=3.01).contains(gain)), "{gains:?}");
        assert!(gains.iter().any(|gain| *gain < -4.0) && gains.iter().any(|gain| *gain > 1.0));
    }

    #[test]
    fn speed_changes_pitch_and_tempo_and_a_fixed_length_stays() {
        let faster = AudioAugmentation { speed: Some([1.25; 2]), ..Default::default() };
        let natural = change(faster, None, 1);
        assert_eq!(natural.len(), 25_600);
        let fixed = change(faster, Some(32_000), 1);
        assert_eq!(fixed.len(), 32_000);
        // 0.8 seconds of the tone have 400 periods.
        for changed in [&natural, &fixed] {
            let loud = changed.iter().rposition(|x| x.abs() > 0.1).unwrap();
            assert!(loud.abs_diff(12_800) < 100 && crossings(&changed[..loud]).abs_diff(400) < 4);
        }
    }

    #[test]
    fn a_shift_keeps_length_and_fills_with_zeros() {
        let shift = AudioAugmentation { shift: 0.5, ..Default::default() };
        let mut directions = [false; 2];
        for seed in 0..20 {
            let moved = change(shift, None, seed);
            assert_eq!(moved.len(), clip().len());
            let first = moved.iter().position(|x| *x != 0.0).unwrap();
            assert!(first <= 8_001);
            directions[usize::from(first > 1)] = true;
        }
        assert_eq!(directions, [true; 2]);
    }

    #[test]
    fn each_change_is_made_with_its_probability_and_draws_for_itself() {
        let gain = AudioAugmentation { gain: Some([6.0; 2]), probability: 0.3, ..Default::default() };
        let changed = (0..200).filter(|seed| change(gain, None, *seed) != clip()).count();
        assert!((40..80).contains(&changed), "{changed}");
        let both = AudioAugmentation { gain: Some([-9.0, 9.0]), shift: 0.5, ..Default::default() };
        let alone = AudioAugmentation { shift: 0.5, ..Default::default() };
        let start = |clip: Vec<f32>| clip.iter().position(|x| *x != 0.0);
        assert_eq!(start(change(both, None, 5)), start(change(alone, None, 5)));
    }

    #[test]
    fn settings_out_of_range_are_refused_by_name() {
        let problem = |augmentation: AudioAugmentation| {
            augmentation.check(Settings("encoding")).unwrap_err().to_string()
        };
        let default = AudioAugmentation::default();
        assert_eq!(
            problem(AudioAugmentation { snr: Some([30.0, 15.0]), ..default }),
            "encoding: augmentation.audio.snr must be a range within −20..=100 dB, got [30, 15]"
        );
        assert!(problem(AudioAugmentation { speed: Some([0.0, 1.0]), ..default }).contains("speed"));
        assert!(problem(AudioAugmentation { gain: Some([f64::NAN, 1.0]), ..default }).contains("gain"));
        assert!(
            problem(AudioAugmentation { low_pass: Some([0.0, 9.0]), ..default })
                .contains("above 0 Hz, got [0, 9]")
        );
        assert!(problem(AudioAugmentation { high_pass: Some([2.0, 1.0]), ..default }).contains("high_pass"));
        assert!(problem(AudioAugmentation { shift: -1.0, ..default }).contains("shift"));
        assert!(problem(AudioAugmentation { probability: 0.0, ..default }).contains("probability"));
    }
}
