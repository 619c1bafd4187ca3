//! Voices whose true values are known.

use std::f64::consts::TAU;

use ndarray::{Array1, Array2};
use ser_features::{
    FormantConfig, Formants, PitchTrack, PyinConfig, SpectralBalance, SpectralBalanceConfig, StftConfig,
    VoiceQuality,
};

/// Resonances of a vowel, and how fast they fade.
const RESONANCES: [(f64, f64); 4] = [(700.0, 90.0), (1_220.0, 110.0), (2_600.0, 160.0), (3_600.0, 250.0)];

/// Answers of the resonances to pulses at exact times, in seconds, of given strengths.
fn voice(pulses: &[(f64, f64)], seconds: f64, rate: f64) -> Vec<f32> {
    let mut samples = vec![0.0_f64; (seconds * rate) as usize];
    for &(time, strength) in pulses {
        let first = (time * rate).ceil() as usize;
        for n in first..samples.len().min(first + (0.05 * rate) as usize) {
            let t = n as f64 / rate - time;
            let answer: f64 = RESONANCES
                .iter()
                .map(|&(hz, width)| (-std::f64::consts::PI * width * t).exp() * (TAU * hz * t).sin())
                .sum();
            samples[n] += 0.1 * strength * answer;
        }
    }
    samples.into_iter().map(|x| x as f32).collect()
}

struct Noise(u32);

impl Noise {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        f64::from(self.0) / f64::from(u32::MAX) * 2.0 - 1.0
    }
}

/// Pulses of about 120 Hz with periods and strengths that vary, and their true jitter and shimmer in dB.
fn pulses(period_part: f64, strength_part: f64) -> (Vec<(f64, f64)>, f64, f64) {
    let mut noise = Noise(5);
    let (mut pulses, mut time) = (Vec::new(), 0.01);
    while time < 1.95 {
        pulses.push((time, 1.0 + strength_part * noise.next()));
        time += (1.0 + period_part * noise.next()) / 120.0;
    }
    let periods: Vec<f64> = pulses.windows(2).map(|pair| pair[1].0 - pair[0].0).collect();
    let mean = periods.iter().sum::<f64>() / periods.len() as f64;
    let steps: f64 = periods.windows(2).map(|pair| (pair[1] - pair[0]).abs()).sum();
    let jitter = steps / (periods.len() - 1) as f64 / mean;
    let decibels: f64 = pulses.windows(2).map(|pair| 20.0 * (pair[1].1 / pair[0].1).log10().abs()).sum();
    let shimmer = decibels / (pulses.len() - 1) as f64;
    (pulses, jitter, shimmer)
}

fn quality(rate: u32) -> VoiceQuality {
    VoiceQuality::new(PyinConfig { sample_rate: rate, fmin: 70.0, fmax: 500.0, ..Default::default() })
        .unwrap()
}

#[test]
fn jitter_and_shimmer_are_those_of_the_pulses() {
    for (period_part, strength_part) in
        [(0.0, 0.0), (0.005, 0.0), (0.02, 0.0), (0.0, 0.1), (0.01, 0.2), (0.03, 0.05)]
    {
        for rate in [16_000, 22_050, 48_000] {
            let (pulses, jitter, shimmer) = pulses(period_part, strength_part);
            let found = quality(rate).process(&voice(&pulses, 2.0, rate.into())).unwrap();
            let (got, got_db) = (f64::from(found.jitter_local), f64::from(found.shimmer_local_db));
            println!("{rate} Hz: jitter {got:.5} of {jitter:.5}, shimmer {got_db:.3} of {shimmer:.3} dB");
            assert!((got - jitter).abs() < 0.1 * jitter + 8e-4, "jitter {got} is not {jitter} at {rate} Hz");
            // The decay of earlier pulses changes the peaks. At a low sample rate, peaks lie between samples.
            let slack = if rate < 20_000 { 0.3 } else { 0.15 };
            assert!(
                (got_db - shimmer).abs() < 0.1 * shimmer + slack,
                "shimmer {got_db} is not {shimmer} dB at {rate} Hz"
            );
            assert!((f64::from(found.shimmer_local) * 8.686 - got_db).abs() < 0.1 * got_db + 0.02);
        }
    }
}

#[test]
fn the_harmonics_to_noise_ratio_is_that_of_the_mixture() {
    let (rate, mut noise) = (22_050_u32, Noise(9));
    for want in [5.0, 15.0, 25.0] {
        let harmonic: Vec<f64> = (0..44_100)
            .map(|n| {
                (1..12)
                    .map(|k| (TAU * 150.0 * f64::from(k * n) / f64::from(rate) + f64::from(k * k)).sin())
                    .sum()
            })
            .collect();
        let energy: f64 = harmonic.iter().map(|x| x * x).sum::<f64>() / harmonic.len() as f64;
        // Evenly spread noise of ±a has an energy of a² / 3.
        let level = (3.0 * energy / 10.0_f64.powf(want / 10.0)).sqrt();
        let mixture: Vec<f32> = harmonic.iter().map(|x| (0.02 * (x + level * noise.next())) as f32).collect();
        let found = quality(rate).process(&mixture).unwrap();
        let voiced: Vec<f64> =
            (4..80).filter(|&t| found.pitch.voiced[t]).map(|t| f64::from(found.hnr[t])).collect();
        let mean = voiced.iter().sum::<f64>() / voiced.len() as f64;
        println!("{mean:.2} dB of {want} dB in {} frames", voiced.len());
        assert!(voiced.len() > 60 && (mean - want).abs() < 1.5, "{mean} is not {want} dB");
    }
}

#[test]
fn what_is_not_voiced_has_no_quality() {
    let mut noise = Noise(3);
    let samples: Vec<f32> =
        (0..22_050).map(|n| if n < 11_000 { 0.0 } else { 0.1 * noise.next() as f32 }).collect();
    let found = quality(22_050).process(&samples).unwrap();
    let PitchTrack { voiced, .. } = &found.pitch;
    for t in (0..voiced.len()).filter(|&t| !voiced[t]) {
        assert_eq!((found.jitter[t], found.shimmer_db[t], found.hnr[t]), (0.0, 0.0, 0.0));
    }
    assert!(voiced.iter().take(18).all(|voiced| !voiced));
}

/// A steady vowel: pulses whose spectrum falls by 6 dB an octave, as of glottis and lips together, through one resonance after the other.
fn vowel(resonances: &[(f64, f64)], seconds: usize, rate: usize) -> Vec<f32> {
    let mut samples: Vec<f64> = (0..seconds * rate).map(|n| f64::from(n % (rate / 120) == 0)).collect();
    let fall = (-TAU * 50.0 / rate as f64).exp();
    let mut last = 0.0;
    samples.iter_mut().for_each(|x| {
        last = *x + fall * last;
        *x = last;
    });
    for &(hz, width) in resonances {
        let radius = (-std::f64::consts::PI * width / rate as f64).exp();
        let (a, b) = (2.0 * radius * (TAU * hz / rate as f64).cos(), -radius * radius);
        let (mut y1, mut y2) = (0.0, 0.0);
        for x in &mut samples {
            (y1, y2) = (*x * (1.0 - a - b) + a * y1 + b * y2, y1);
            *x = y1;
        }
    }
    let peak = samples.iter().fold(0.0, |peak: f64, x| peak.max(x.abs()));
    samples.into_iter().map(|x| (0.8 * x / peak) as f32).collect()
}

#[test]
fn formants_are_the_resonances() {
    let resonances = [(700.0, 90.0), (1_220.0, 110.0), (2_600.0, 160.0), (3_600.0, 250.0), (4_500.0, 300.0)];
    for rate in [11_000, 16_000] {
        let config = FormantConfig { sample_rate: rate as u32, hop_length: rate / 100, ..Default::default() };
        let found = Formants::new(config).unwrap().process(&vowel(&resonances, 2, rate)).unwrap();
        for (number, (hz, width)) in (1..=3).zip(resonances) {
            let median = |row: Array1<f32>| {
                let mut row: Vec<f32> = row.iter().copied().skip(20).take(150).collect();
                row.sort_by(f32::total_cmp);
                f64::from(row[row.len() / 2])
            };
            let (frequency, bandwidth) =
                (median(found.formant(number).unwrap()), median(found.bandwidth.row(number - 1).to_owned()));
            println!("{rate} Hz: F{number} {frequency:.0} of {hz} Hz, {bandwidth:.0} of {width} Hz wide");
            // Praat 6.1 finds the same within 5 Hz: harmonics, 120 Hz apart, pull formants towards them.
            assert!((frequency / hz - 1.0).abs() < 0.02, "F{number} at {rate} Hz: {frequency} is not {hz}");
        }
        assert_eq!(found.formant(6), None);
    }
}

#[test]
fn spectra_have_the_balance_that_they_were_made_with() {
    // Bins 10 Hz apart.
    let config = SpectralBalanceConfig {
        sample_rate: 16_000,
        stft: StftConfig { n_fft: 1_600, ..Default::default() },
    };
    let mut plan = SpectralBalance::new(config).unwrap();
    // Straight in dB: 20 dB at 0 Hz, falling by 12 dB a kHz up to 500 Hz, then rising by 4 dB a kHz.
    let decibels = |hz: f64| if hz < 500.0 { 20.0 - 0.012 * hz } else { 14.0 + 0.004 * (hz - 500.0) };
    let mut power =
        Array2::from_shape_fn((801, 1), |(bin, _)| 10.0_f64.powf(decibels(10.0 * bin as f64) / 10.0) as f32);
    let found = plan.process_power(power.view()).unwrap();
    assert!((found.slope_0_500[0] + 12.0).abs() < 1e-3, "{}", found.slope_0_500);
    assert!((found.slope_500_1500[0] - 4.0).abs() < 1e-3, "{}", found.slope_500_1500);
    // The strongest bins: 20 dB at 0 Hz; 14 + 0.004 · 4,490 dB just below 5 kHz.
    assert!((found.hammarberg_index[0] - (20.0 - 31.96)).abs() < 1e-3, "{}", found.hammarberg_index);
    // Flat: 95 bins by 400 bins.
    power.fill(3.0);
    let found = plan.process_power(power.view()).unwrap();
    assert!((f64::from(found.alpha_ratio[0]) - 10.0 * (95.0_f64 / 400.0).log10()).abs() < 1e-4);
    assert!(found.slope_0_500[0].abs() < 1e-9 && found.hammarberg_index[0].abs() < 1e-9);
    let error = SpectralBalance::new(SpectralBalanceConfig { sample_rate: 8_000, ..Default::default() })
        .err()
        .unwrap();
    assert_eq!(error.to_string(), "config: sample_rate must be 10000 or more, got 8000");
}
