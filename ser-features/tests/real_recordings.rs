//! Resampling of real speech against band-limited interpolation in the Fourier domain, which is exact.

use std::path::Path;

use crate::support::difference_below;
use num_complex::Complex;
use realfft::RealFftPlanner;
use ser_features::{Resampler, to_mono};

const FROM: usize = 48_000;
const TO: usize = 22_050;

/// Two recordings of RAVDESS as they are published, for those who have them: 48 kHz, 16 bits, one mono and one stereo.
fn recordings() -> Option<Vec<(String, Vec<f32>)>> {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data/ravdess-originals"));
    let clip = |name: &str| {
        let mut reader = hound::WavReader::open(folder.join(name)).unwrap();
        let spec = reader.spec();
        assert_eq!((spec.sample_rate as usize, spec.bits_per_sample), (FROM, 16));
        let samples: Vec<f32> = reader.samples::<i16>().map(|x| f32::from(x.unwrap()) / 32_768.0).collect();
        (name.to_owned(), to_mono(&samples, spec.channels.into()).unwrap())
    };
    let names = ["03-01-01-01-01-01-01.wav", "03-01-02-01-01-02-01.wav"];
    folder.is_dir().then(|| names.map(clip).to_vec())
}

/// Every frequency below the new Nyquist frequency is kept as it is, all others are dropped.
fn ideal(samples: &[f32]) -> Vec<f32> {
    let (step, by) = (FROM / 150, TO / 150);
    // A second of silence behind the clip, so that its end does not reach round to its start.
    let blocks = (samples.len() + FROM).div_ceil(step).next_multiple_of(2);
    let mut planner = RealFftPlanner::<f64>::new();
    let mut padded: Vec<f64> = samples.iter().map(|&x| f64::from(x)).collect();
    padded.resize(blocks * step, 0.0);
    let forward = planner.plan_fft_forward(padded.len());
    let mut spectrum = forward.make_output_vec();
    forward.process(&mut padded, &mut spectrum).unwrap();

    let inverse = planner.plan_fft_inverse(blocks * by);
    spectrum.truncate(blocks * by / 2 + 1);
    *spectrum.last_mut().unwrap() = Complex::new(0.0, 0.0);
    let mut output = inverse.make_output_vec();
    inverse.process(&mut spectrum, &mut output).unwrap();
    let length = (samples.len() * by).div_ceil(step);
    output[..length].iter().map(|x| (x / (blocks * step) as f64) as f32).collect()
}

#[test]
fn real_speech_is_resampled_without_delay_or_distortion() {
    let Some(recordings) = recordings() else {
        println!("skipped: there is no shared/data/ravdess-originals beside the repository");
        return;
    };
    let mut resampler = Resampler::new(FROM as u32, TO as u32).unwrap();
    for (name, samples) in recordings {
        let (got, want) = (resampler.process(&samples).unwrap(), ideal(&samples));
        assert_eq!(got.len(), want.len());
        let level = difference_below(0.85, &got, &want);
        println!("{name}: {level:.1} dB");
        assert!(level < -80.0, "{name}: {level} dB");
        // What half a sample of delay alone would cost, so that the measure is known to see it.
        let late: Vec<f32> =
            std::iter::once(0.0).chain(got.windows(2).map(|x| (x[0] + x[1]) / 2.0)).collect();
        assert!(difference_below(0.85, &late, &want) > -40.0);
    }
}
