//! Simulation of rooms, microphones and telephone lines.

use crate::generator::Generator;
use crate::setting::{Checked, Settings};
use serde::{Deserialize, Serialize};

/// Range of the direct sound's level over reverberation, in dB: from a speaker across the room to one at arm's length.
const DIRECT: [f64; 2] = [0.0, 12.0];
/// Echoes a second in a room: too many to be heard separately.
const ECHOES: f64 = 1_500.0;
/// Range of an equaliser's bands in Hz.
const BANDS: [f64; 2] = [80.0, 7_000.0];
/// Number of an equaliser's bands.
const EQUALIZER: usize = 4;
/// The lowest frequency in Hz at which a tilt rises or falls. The others follow an octave apart.
const TILT_FROM: f64 = 90.0;
/// Passband of a telephone: ranges in Hz of its lowest and of its highest frequency.
const TELEPHONE: [[f64; 2]; 2] = [[200.0, 400.0], [3_000.0, 3_800.0]];

/// Simulates the path from a voice to its recording: a room, a microphone and a line that differ from those of the training part. All parts
/// are off by default.
///
/// Heads on an encoder that were trained on copies with such changes lost less accuracy in noise and over telephones. On corpora outside
/// the training part they gained nothing significant (`EXPERIMENTS.md` of ser-bench).
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RecordingChain {
    /// Range of a room's reverberation time in seconds, within 0.01..=2. In this time the reverberation falls by 60 dB. The room is velvet
    /// noise, echoes of random sign at random times (Karjalainen and Järveläinen, *Reverberation modeling using velvet noise*, 2007), 0 to
    /// 12 dB below the direct sound.
    pub reverberation: Option<[f64; 2]>,
    /// The largest gain or cut of each of a microphone's four bands, in dB, 0..=30. 0 turns the equaliser off. Bands are peaking filters,
    /// an octave and a half wide, at random frequencies from 80 to 7,000 Hz.
    pub equalizer: f64,
    /// The steepest rise or fall of a microphone's spectrum, in dB an octave, 0..=12. 0 turns the tilt off.
    pub tilt: f64,
    /// The probability, 0..=1, that a clip's noise ([`AudioAugmentation::snr`](super::AudioAugmentation::snr)) is pink, which falls by 3 dB
    /// an octave, as that of rooms does; otherwise it is white.
    pub pink: f64,
    /// The probability of a telephone line, 0..=1. It passes from a frequency of 200 to 400 Hz up to one of 3,000 to 3,800 Hz.
    pub telephone: f64,
}

/// The values drawn for a clip.
#[derive(Debug, Clone, Default)]
pub(super) struct DrawnChain {
    /// Reverberation time in seconds, and the reverberation's power relative to that of the direct sound.
    room: Option<(f64, f64)>,
    /// Frequency in Hz and gain in dB of each band.
    bands: Vec<(f64, f64)>,
    tilt: f64,
    /// Whether the noise is pink.
    pub pink: bool,
    /// The passband of a telephone: its lowest frequency, and the first one above the band, in Hz.
    pub telephone: Option<[f64; 2]>,
}

impl RecordingChain {
    /// Whether any part is on.
    pub fn is_on(&self) -> bool {
        *self != Self::default()
    }

    /// Checks the settings.
    pub(super) fn check(&self, of: Settings<'_>) -> Checked {
        if let Some([low, high]) = self.reverberation {
            let times = 0.01..=2.0;
            let holds = times.contains(&low) && times.contains(&high) && low <= high;
            let rule = "a range within 0.01 to 2 s";
            of.require(
                holds,
                "augmentation.audio.chain.reverberation",
                rule,
                format_args!("[{low}, {high}]"),
            )?;
        }
        let settings = [
            (self.equalizer, 30.0, "augmentation.audio.chain.equalizer", "0 to 30 dB"),
            (self.tilt, 12.0, "augmentation.audio.chain.tilt", "0 to 12 dB an octave"),
            (self.pink, 1.0, "augmentation.audio.chain.pink", "0 to 1"),
            (self.telephone, 1.0, "augmentation.audio.chain.telephone", "0 to 1"),
        ];
        settings.into_iter().try_for_each(|(value, most, setting, rule)| {
            of.require((0.0..=most).contains(&value), setting, rule, value)
        })
    }

    /// Draws a chain. Room and microphone are each on with `probability`. The number of draws does not depend on the settings.
    pub(super) fn draw(&self, probability: f64, generator: &mut Generator) -> DrawnChain {
        let mut uniform = |[low, high]: [f64; 2]| generator.uniform(low, high);
        let (room, time, direct) = (uniform([0.0, 1.0]), uniform([0.0, 1.0]), uniform(DIRECT));
        let room = self.reverberation.filter(|_| room < probability);
        let room = room.map(|[low, high]| (low + (high - low) * time, 10f64.powf(-direct / 10.0)));
        let equalizer = uniform([0.0, 1.0]);
        let mut bands: Vec<(f64, f64)> = (0..EQUALIZER)
            .map(|_| (uniform(BANDS.map(f64::ln)).exp(), self.equalizer * uniform([-1.0, 1.0])))
            .collect();
        if equalizer >= probability || self.equalizer == 0.0 {
            bands.clear();
        }
        let (tilted, slope) = (uniform([0.0, 1.0]), uniform([-1.0, 1.0]));
        let tilt = if tilted < probability { self.tilt * slope } else { 0.0 };
        let pink = uniform([0.0, 1.0]) < self.pink;
        let (telephone, band) = (uniform([0.0, 1.0]), TELEPHONE.map(&mut uniform));
        let telephone = (telephone < self.telephone).then_some(band);
        DrawnChain { room, bands, tilt, pink, telephone }
    }
}

impl DrawnChain {
    /// Applies the room and the microphone to a clip.
    pub(super) fn apply(&self, mut clip: Vec<f32>, sample_rate: u32, generator: &mut Generator) -> Vec<f32> {
        let rate = f64::from(sample_rate);
        if let Some((time, power)) = self.room {
            clip = in_room(&clip, time * rate, power, rate / ECHOES, generator);
        }
        for (hertz, decibels) in &self.bands {
            if *hertz < 0.45 * rate {
                Section::peak(*hertz / rate, *decibels).filter(&mut clip);
            }
        }
        tilt(&mut clip, rate, self.tilt);
        clip
    }
}

/// Adds to a clip the reverberation of a room. Reverberation falls by 60 dB in `time` samples, has the given power relative to the direct
/// sound's, and has an echo every `spacing` samples on average.
fn in_room(clip: &[f32], time: f64, power: f64, spacing: f64, generator: &mut Generator) -> Vec<f32> {
    let echoes = (time / spacing).ceil().max(1.0) as usize;
    let mut room: Vec<(usize, f64)> = (0..echoes)
        .map(|echo| {
            let at = (echo as f64 + generator.uniform(0.0, 1.0)) * spacing + 1.0;
            let sign = if generator.uniform(0.0, 1.0) < 0.5 { -1.0 } else { 1.0 };
            (at as usize, sign * 10f64.powf(-3.0 * at / time))
        })
        .collect();
    let sum: f64 = room.iter().map(|(_, gain)| gain * gain).sum();
    room.iter_mut().for_each(|(_, gain)| *gain *= (power / sum).sqrt());
    let mut output = clip.to_vec();
    for (delay, gain) in room.into_iter().filter(|(delay, _)| *delay < clip.len()) {
        let gain = gain as f32;
        output[delay..].iter_mut().zip(clip).for_each(|(output, x)| *output += gain * x);
    }
    output
}

/// Tilts a spectrum by `decibels` an octave with first-order shelving filters, an octave apart.
pub(super) fn tilt<T: Sample>(clip: &mut [T], rate: f64, decibels: f64) {
    if decibels == 0.0 {
        return;
    }
    let mut hertz = TILT_FROM;
    while hertz < 0.45 * rate {
        Section::shelf(hertz / rate, decibels).filter(clip);
        hertz *= 2.0;
    }
}

/// A sample type that the filters work on.
pub(super) trait Sample: Copy + Into<f64> {
    fn of(value: f64) -> Self;
}

impl Sample for f32 {
    fn of(value: f64) -> Self {
        value as Self
    }
}

impl Sample for f64 {
    fn of(value: f64) -> Self {
        value
    }
}

/// A second-order filter: coefficients of the input and of the output. The coefficient of the newest output is 1.
struct Section {
    input: [f64; 3],
    output: [f64; 2],
}

impl Section {
    /// A peak of `decibels`, an octave and a half wide, at a frequency in cycles per sample (R. Bristow-Johnson, *Cookbook formulae for
    /// audio equalizer biquad filter coefficients*).
    fn peak(frequency: f64, decibels: f64) -> Self {
        let (amplitude, omega) = (10f64.powf(decibels / 40.0), std::f64::consts::TAU * frequency);
        let alpha = omega.sin() * (std::f64::consts::LN_2 / 2.0 * 1.5 * omega / omega.sin()).sinh();
        let middle = -2.0 * omega.cos();
        let scale = 1.0 + alpha / amplitude;
        Self {
            input: [1.0 + alpha * amplitude, middle, 1.0 - alpha * amplitude].map(|x| x / scale),
            output: [middle, 1.0 - alpha / amplitude].map(|x| x / scale),
        }
    }

    /// A shelf of `decibels` that reaches half of them at a frequency in cycles per sample: (1 + s √g) / (1 + s / √g), by the bilinear
    /// transform.
    fn shelf(frequency: f64, decibels: f64) -> Self {
        let (root, k) = (10f64.powf(decibels / 40.0), (std::f64::consts::PI * frequency).tan());
        let scale = k + 1.0 / root;
        Self { input: [(k + root) / scale, (k - root) / scale, 0.0], output: [(k - 1.0 / root) / scale, 0.0] }
    }

    /// Filters in place, starting from silence.
    fn filter<T: Sample>(&self, clip: &mut [T]) {
        let ([b0, b1, b2], [a1, a2]) = (self.input, self.output);
        let (mut first, mut second) = (0.0, 0.0);
        for x in clip {
            let given: f64 = (*x).into();
            let out = b0 * given + first;
            first = b1 * given - a1 * out + second;
            second = b2 * given - a2 * out;
            *x = T::of(out);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: f64 = 16_000.0;

    fn tone(hertz: f64) -> Vec<f32> {
        (0..16_000).map(|n| (std::f64::consts::TAU * hertz * f64::from(n) / RATE).sin() as f32).collect()
    }

    /// Returns a filter's gain on a tone in dB, after the filter has settled.
    fn gain(hertz: f64, filter: impl Fn(&mut [f32])) -> f64 {
        let power = |clip: &[f32]| clip[8_000..].iter().map(|x| f64::from(*x).powi(2)).sum::<f64>();
        let (clip, mut output) = (tone(hertz), tone(hertz));
        filter(&mut output);
        10.0 * (power(&output) / power(&clip)).log10()
    }

    #[test]
    fn a_tilt_is_so_many_decibels_an_octave() {
        for slope in [-4.0, -3.0, 2.0, 4.0] {
            for hertz in [200.0, 400.0, 800.0, 1_600.0, 2_400.0] {
                let steps = [hertz, 2.0 * hertz].map(|hertz| gain(hertz, |clip| tilt(clip, RATE, slope)));
                let step = steps[1] - steps[0];
                assert!((step - slope).abs() < 0.2 * slope.abs(), "{slope} at {hertz} Hz: {step}");
            }
        }
    }

    #[test]
    fn a_band_is_raised_by_its_gain_and_others_stay() {
        for decibels in [-8.0, 3.0, 8.0] {
            let of = |hertz| gain(hertz, |clip| Section::peak(1_000.0 / RATE, decibels).filter(clip));
            assert!((of(1_000.0) - decibels).abs() < 0.05, "{}", of(1_000.0));
            assert!(of(60.0).abs() < 0.3 && of(7_000.0).abs() < 0.6, "{} {}", of(60.0), of(7_000.0));
        }
    }

    #[test]
    fn a_room_has_its_power_and_dies_away_in_its_time() {
        let mut impulse = vec![0.0; 16_000];
        impulse[0] = 1.0;
        let time = 0.4 * RATE;
        let output = in_room(&impulse, time, 0.25, RATE / ECHOES, &mut Generator::new(3));
        assert_eq!(output[0], 1.0);
        let power = |part: &[f32]| part.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>();
        assert!((power(&output[1..]) - 0.25).abs() < 1e-3);
        assert_eq!(power(&output[6_500..]), 0.0);
        // The reverberation falls by 15 dB in each quarter of the time.
        let quarters: Vec<f64> = output[1..6_401].chunks(1_600).map(power).collect();
        for pair in quarters.windows(2) {
            assert!((10.0 * (pair[0] / pair[1]).log10() - 15.0).abs() < 1.5, "{quarters:?}");
        }
    }

    #[test]
    fn settings_decide_what_is_drawn_and_not_how_much() {
        let all = RecordingChain {
            reverberation: Some([0.1, 0.4]),
            equalizer: 8.0,
            tilt: 4.0,
            pink: 0.3,
            telephone: 0.25,
        };
        let mut counts = [0; 5];
        for seed in 0..400 {
            let (mut first, mut second) = (Generator::new(seed), Generator::new(seed));
            let drawn = all.draw(0.5, &mut first);
            let telephone = RecordingChain { telephone: 0.25, ..Default::default() }.draw(0.5, &mut second);
            assert_eq!((telephone.telephone, first.bits()), (drawn.telephone, second.bits()));
            assert!(telephone.room.is_none() && telephone.bands.is_empty() && telephone.tilt == 0.0);
            let kinds = [
                drawn.room.is_some(),
                !drawn.bands.is_empty(),
                drawn.tilt != 0.0,
                drawn.pink,
                drawn.telephone.is_some(),
            ];
            counts.iter_mut().zip(kinds).for_each(|(count, is)| *count += usize::from(is));
            assert!(drawn.room.is_none_or(|(time, power)| (0.1..0.4).contains(&time) && power <= 1.0));
            assert!(
                drawn.bands.iter().all(|(hertz, gain)| (80.0..7_000.0).contains(hertz) && gain.abs() <= 8.0)
            );
            let passes = |[low, high]: [f64; 2]| low < 400.0 && (3_000.0..3_800.0).contains(&high);
            assert!(drawn.telephone.is_none_or(passes));
        }
        for (count, expected) in counts.into_iter().zip([200usize, 200, 200, 120, 100]) {
            assert!(count.abs_diff(expected) < 40, "{counts:?}");
        }
    }

    #[test]
    fn settings_out_of_range_are_refused_by_name() {
        let problem =
            |chain: RecordingChain| chain.check(Settings("training")).err().map(|error| error.to_string());
        let default = RecordingChain::default();
        assert_eq!(problem(default), None);
        assert_eq!(
            problem(RecordingChain { reverberation: Some([0.0, 0.4]), ..default }).unwrap(),
            "training: augmentation.audio.chain.reverberation must be a range within 0.01 to 2 s, got [0, 0.4]"
        );
        for (chain, expected) in [
            (
                RecordingChain { equalizer: f64::NAN, ..default },
                "chain.equalizer must be 0 to 30 dB, got NaN",
            ),
            (RecordingChain { tilt: -1.0, ..default }, "chain.tilt must be 0 to 12 dB an octave, got -1"),
            (RecordingChain { pink: 1.1, ..default }, "chain.pink must be 0 to 1, got 1.1"),
            (RecordingChain { telephone: 2.0, ..default }, "chain.telephone must be 0 to 1, got 2"),
        ] {
            assert!(problem(chain).unwrap().ends_with(expected));
        }
    }
}
