//! Configurations and samples from bytes.

use std::ops::RangeInclusive;

use arbitrary::Unstructured;
use ser_features::{PadMode, Precision, Spectrum, StftConfig, Window};

/// Counts that no configuration allows, and 0 to 2, which some don't.
const ODD_SIZES: [usize; 6] = [0, 1, 2, 1 << 40, usize::MAX / 2, usize::MAX];

const ODD_REALS: [f64; 10] =
    [0.0, -0.0, -1.0, 1e-300, 1e-40, 1e30, 1e300, f64::INFINITY, f64::NEG_INFINITY, f64::NAN];

/// What is still unread of the bytes. Once they are used up, everything is the least of its range.
pub struct Draw<'a>(Unstructured<'a>);

impl<'a> Draw<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(Unstructured::new(bytes))
    }

    pub fn byte(&mut self) -> u8 {
        self.0.arbitrary().unwrap_or_default()
    }

    pub fn flag(&mut self) -> bool {
        self.byte() % 2 == 1
    }

    /// One of `count` cases.
    pub fn case(&mut self, count: u8) -> u8 {
        self.byte() % count
    }

    pub fn within(&mut self, range: RangeInclusive<usize>) -> usize {
        let least = *range.start();
        self.0.int_in_range(range).unwrap_or(least)
    }

    /// Mostly within the range, sometimes a count that can't work.
    pub fn size(&mut self, range: RangeInclusive<usize>) -> usize {
        match self.byte() {
            0..=239 => self.within(range),
            odd => ODD_SIZES[usize::from(odd - 240) % ODD_SIZES.len()],
        }
    }

    /// Mostly within the range, sometimes a number that can't work, sometimes any bits.
    pub fn real(&mut self, range: RangeInclusive<f64>) -> f64 {
        match self.byte() {
            0..=231 => {
                let part = f64::from(self.0.arbitrary::<u16>().unwrap_or_default()) / f64::from(u16::MAX);
                range.start() + part * (range.end() - range.start())
            }
            232..=247 => ODD_REALS[usize::from(self.byte()) % ODD_REALS.len()],
            _ => self.0.arbitrary().unwrap_or_default(),
        }
    }

    pub fn single(&mut self, range: RangeInclusive<f64>) -> f32 {
        self.real(range) as f32
    }

    pub fn option<T>(&mut self, value: impl FnOnce(&mut Self) -> T) -> Option<T> {
        if self.flag() { Some(value(self)) } else { None }
    }

    pub fn sample_rate(&mut self) -> u32 {
        match self.case(8) {
            0 => self.0.arbitrary().unwrap_or_default(),
            1 => self.within(0..=2_000) as u32,
            other => [8_000, 11_025, 16_000, 22_050, 44_100, 48_000][usize::from(other - 2)],
        }
    }

    pub fn spectrum(&mut self) -> Spectrum {
        if self.flag() { Spectrum::Magnitude } else { Spectrum::Power }
    }

    pub fn stft(&mut self) -> StftConfig {
        StftConfig {
            n_fft: self.size(1..=600),
            hop_length: self.size(1..=800),
            win_length: self.option(|draw| draw.size(1..=600)),
            window: self.window(),
            center: !self.flag(),
            precision: if self.flag() { Precision::Double } else { Precision::Single },
            pad_mode: [PadMode::Zero, PadMode::Reflect, PadMode::Edge][usize::from(self.case(3))],
        }
    }

    pub fn window(&mut self) -> Window {
        match self.case(12) {
            0 | 2 | 4 => Window::Hann,
            6 => Window::Hamming,
            8 => Window::Blackman,
            10 => Window::Povey,
            11 => {
                let length = self.within(0..=600);
                Window::Custom((0..length).map(|n| (n as f64 * 0.1).sin()).collect())
            }
            _ => Window::Rectangular,
        }
    }

    /// Samples: what is left of the bytes as it is, or noise, tones, clicks and constants of up to `longest` samples.
    pub fn samples(&mut self, longest: usize) -> Vec<f32> {
        match self.case(6) {
            0 => {
                let gain = self.gain();
                let rest = self.rest();
                rest.chunks_exact(2)
                    .map(|x| gain * f32::from(i16::from_le_bytes([x[0], x[1]])) / 32_768.0)
                    .collect()
            }
            1 => {
                let rest = self.rest();
                rest.chunks_exact(4).map(|x| f32::from_le_bytes([x[0], x[1], x[2], x[3]])).collect()
            }
            kind => {
                let (gain, length) = (self.gain(), self.within(1..=longest));
                let step = self.within(0..=65_535) as f32 / 20_000.0;
                let mut state = step.to_bits();
                let mut noise = || {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    state as f32 / u32::MAX as f32 * 2.0 - 1.0
                };
                let mut samples: Vec<f32> = (0..length)
                    .map(|n| {
                        gain * match kind {
                            2 => noise(),
                            3 => (step * n as f32).sin(),
                            4 => 1.0,
                            _ => f32::from(n % (1 + (step * 1_000.0) as usize) == 0),
                        }
                    })
                    .collect();
                // Silence, or something else, from somewhere on.
                if self.flag() {
                    let from = self.within(0..=length);
                    let level = self.single(-1.0..=1.0);
                    samples[from.min(length)..].fill(level);
                }
                samples
            }
        }
    }

    fn gain(&mut self) -> f32 {
        [1.0, 0.0, 1e-6, 1e-20, 1e-38, 100.0, 1e6, 1e30][usize::from(self.case(8))]
    }

    fn rest(&mut self) -> &'a [u8] {
        self.0.bytes(self.0.len()).unwrap_or_default()
    }
}
