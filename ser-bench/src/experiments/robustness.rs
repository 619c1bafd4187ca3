//! Accuracy on degraded recordings.

use std::io::{ErrorKind, Write};
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use rand_distr::{Distribution, StandardNormal};
use ser_data::Audio;
use ser_features::{BandPass, Resampler};

/// A degradation of a recording.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Disturbance {
    /// The unchanged recording.
    None,
    /// White noise at this signal-to-noise ratio in dB, over the whole recording.
    Noise(f64),
    /// Multiplies the level by this factor and clips at full scale.
    Level(f32),
    /// A telephone: 8,000 Hz, and only 300 to 3,400 Hz of it.
    Telephone,
    /// Encodes as MP3 at 64 kbit/s and decodes again, by the program `ffmpeg`.
    Mp3,
}

impl Disturbance {
    /// All disturbances that are measured.
    pub const ALL: [Self; 8] = [
        Self::None,
        Self::Noise(20.0),
        Self::Noise(10.0),
        Self::Noise(5.0),
        Self::Level(0.5),
        Self::Level(2.0),
        Self::Telephone,
        Self::Mp3,
    ];

    /// Its name in tables, and that of its folder of results.
    pub fn name(self) -> String {
        match self {
            Self::None => "clean".into(),
            Self::Noise(snr) => format!("noise-{snr}-dB"),
            Self::Level(factor) => format!("level-{factor}"),
            Self::Telephone => "telephone-8-kHz".into(),
            Self::Mp3 => "mp3-64-kbit".into(),
        }
    }

    /// The error where [`Disturbance::apply`] lacks a program.
    pub fn missing_program(self) -> String {
        format!("{}: program ffmpeg must be installed, got none", self.name())
    }

    /// The recording as it arrives, and its sample rate; the seed is that of the noise. `None` where a program is missing.
    ///
    /// # Errors
    /// If the rate cannot be changed or the program fails.
    pub fn apply(
        self,
        samples: &[f32],
        sample_rate: u32,
        seed: u64,
    ) -> anyhow::Result<Option<(Vec<f32>, u32)>> {
        Ok(Some(match self {
            Self::None => (samples.to_vec(), sample_rate),
            Self::Noise(snr) => (with_noise(samples, snr, seed), sample_rate),
            Self::Level(factor) => {
                (samples.iter().map(|x| (x * factor).clamp(-1.0, 1.0)).collect(), sample_rate)
            }
            Self::Telephone => {
                let samples = Resampler::new(sample_rate, 8_000)?.process(samples)?;
                (BandPass::new(8_000).process(&samples, 300.0..3_400.0)?, 8_000)
            }
            Self::Mp3 => return through_mp3(samples, sample_rate),
        }))
    }
}

fn with_noise(samples: &[f32], snr: f64, seed: u64) -> Vec<f32> {
    let power = samples.iter().map(|x| f64::from(x * x)).sum::<f64>() / samples.len().max(1) as f64;
    let deviation = (power / 10f64.powf(snr / 10.0)).sqrt();
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut noise = || -> f64 { StandardNormal.sample(&mut random) };
    samples.iter().map(|x| x + (deviation * noise()) as f32).collect()
}

fn through_mp3(samples: &[f32], sample_rate: u32) -> anyhow::Result<Option<(Vec<f32>, u32)>> {
    let rate = sample_rate.to_string();
    let mut command = Command::new("ffmpeg");
    command.args(["-loglevel", "error", "-f", "f32le", "-ar", &rate, "-ac", "1", "-i", "pipe:0"]);
    command.args(["-b:a", "64k", "-f", "mp3", "pipe:1"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut ffmpeg = match command.spawn() {
        Ok(ffmpeg) => ffmpeg,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).context("ffmpeg: cannot be run"),
    };
    let bytes: Vec<u8> = samples.iter().flat_map(|x| x.to_le_bytes()).collect();
    let mut input = ffmpeg.stdin.take().context("ffmpeg: standard input must be open, got none")?;
    // Writes on another thread than it reads on. Otherwise both processes would wait for each other.
    let writer = std::thread::spawn(move || input.write_all(&bytes));
    let output = ffmpeg.wait_with_output().context("ffmpeg: cannot be run")?;
    // If writing fails, the error of ffmpeg says why.
    let _ = writer.join();
    ensure!(output.status.success(), "ffmpeg: {}", String::from_utf8_lossy(&output.stderr).trim());
    let audio = Audio::decode(&output.stdout, Some("mp3"), "ffmpeg's output")?;
    Ok(Some((audio.to_mono()?, audio.sample_rate)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::f32::consts::TAU;

    use super::*;

    const RATE: u32 = 48_000;

    fn tone(hertz: f32) -> Vec<f32> {
        (0..RATE).map(|n| 0.4 * (TAU * hertz * n as f32 / RATE as f32).sin()).collect()
    }

    fn power(samples: &[f32]) -> f64 {
        samples.iter().map(|x| f64::from(x * x)).sum::<f64>() / samples.len() as f64
    }

    fn applied(disturbance: Disturbance, samples: &[f32]) -> Option<Vec<f32>> {
        disturbance.apply(samples, RATE, 3).unwrap().map(|(samples, _)| samples)
    }

    #[test]
    fn noise_has_the_ratio_that_it_says_and_the_seed_decides() {
        let clean = tone(500.0);
        let noisy = applied(Disturbance::Noise(10.0), &clean).unwrap();
        let noise: Vec<f32> = noisy.iter().zip(&clean).map(|(a, b)| a - b).collect();
        let snr = 10.0 * (power(&clean) / power(&noise)).log10();
        assert!((snr - 10.0).abs() < 0.1, "{snr}");
        assert_eq!(applied(Disturbance::Noise(10.0), &clean).unwrap(), noisy);
        assert_ne!(Disturbance::Noise(10.0).apply(&clean, RATE, 4).unwrap().unwrap().0, noisy);
    }

    #[test]
    fn levels_are_clipped_at_full_scale() {
        let peak = |samples: Vec<f32>| samples.iter().fold(0.0, |a: f32, x| a.max(x.abs()));
        let loud: Vec<f32> = tone(500.0).iter().map(|x| x * 2.0).collect();
        assert_eq!(peak(applied(Disturbance::Level(2.0), &loud).unwrap()), 1.0);
        assert!((peak(applied(Disturbance::Level(0.5), &loud).unwrap()) - 0.4).abs() < 1e-3);
    }

    #[test]
    fn a_telephone_passes_voices_alone() {
        for (hertz, passes) in [(100.0, false), (1_000.0, true), (3_000.0, true), (3_700.0, false)] {
            let kept = power(&applied(Disturbance::Telephone, &tone(hertz)).unwrap()) / power(&tone(hertz));
            assert_eq!(kept > 0.9, passes, "{hertz} Hz: {kept}");
            assert!(passes || kept < 0.02, "{hertz} Hz: {kept}");
        }
    }

    #[test]
    fn mp3_keeps_what_is_heard() {
        let Some(samples) = applied(Disturbance::Mp3, &tone(1_000.0)) else {
            println!("skipped: there is no ffmpeg");
            return;
        };
        assert!(samples.len() >= RATE as usize);
        let kept = power(&samples[4_800..43_200]) / power(&tone(1_000.0));
        assert!((0.8..1.1).contains(&kept), "{kept}");
    }
}
