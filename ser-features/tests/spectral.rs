//! Against librosa 0.11.0: the short-time Fourier transform and what comes straight from it.

mod support;

use ndarray::Axis;
use num_complex::Complex;
use ser_features::{Istft, Stft, StftConfig};
use support::{Golden, Report, signals};

fn norm(x: Complex<f64>) -> f64 {
    x.norm()
}

#[test]
fn stft_equals_librosa() {
    let golden = Golden::open("spectral");
    let mut report = Report::new("stft", 1e-6);
    let other = StftConfig { n_fft: 512, hop_length: 200, win_length: Some(321), ..Default::default() };
    for (config, name) in [(StftConfig::default(), "stft"), (other, "stft_512_200_321")] {
        let mut stft = Stft::new(config).unwrap();
        for signal in signals() {
            let frames = golden.indices(&format!("{}/{name}_frames", signal.name));
            let want = golden.complex(&format!("{}/{name}", signal.name));
            let got = stft.process(&signal.samples).unwrap();
            if name == "stft" {
                assert_eq!(got.ncols(), golden.scalar(&format!("{}/n_frames", signal.name)) as usize);
            }
            let largest = got.iter().map(|x| x.norm()).fold(1e-30, f32::max);
            let got = got.select(Axis(1), &frames).mapv(|x| Complex::new(f64::from(x.re), f64::from(x.im)));
            let worst = (got - want).mapv(norm).fold(0.0, |a: f64, &b| a.max(b));
            report.add(&signal.name, worst / f64::from(largest));
        }
    }
    report.finish(30);
}

#[test]
fn istft_of_a_filtered_spectrum_equals_librosa() {
    let golden = Golden::open("spectral");
    let mut report = Report::new("istft", 1e-6);
    let mut stft = Stft::new(StftConfig::default()).unwrap();
    let mut istft = Istft::new(StftConfig::default()).unwrap();
    for signal in signals() {
        let mut spectrum = stft.process(&signal.samples).unwrap();
        for (k, mut row) in spectrum.rows_mut().into_iter().enumerate() {
            let gain = (1.0 - k as f64 / 1024.0).powi(4) as f32;
            row.mapv_inplace(|x| x * gain);
        }
        let length = signal.samples.len();
        let got = istft.process(spectrum.view(), Some(length)).unwrap();
        let want = golden.vector(&format!("{}/istft_filtered", signal.name));
        let step = (length / 12000).max(1);
        assert_eq!(want.len(), length.div_ceil(step));
        let worst =
            got.iter().step_by(step).zip(&want).map(|(a, b)| f64::from((a - b).abs())).fold(0.0, f64::max);
        report.add(&signal.name, worst);
    }
    report.finish(15);
}
