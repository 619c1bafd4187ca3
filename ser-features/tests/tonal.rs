//! Against librosa 0.11.0: the constant-Q transform.

mod support;

use ndarray::Axis;
use num_complex::Complex;
use ser_features::{Cqt, CqtConfig};
use support::{Golden, Report, columns, largest_error, signals};

#[test]
fn cqt_equals_librosa() {
    let golden = Golden::open("tonal");
    let mut magnitudes = Report::new("cqt magnitude", 1e-3);
    let mut complex = Report::new("cqt complex", 1e-3);
    for signal in signals() {
        let name = &signal.name;
        let cqt = Cqt::new(CqtConfig { sample_rate: signal.sample_rate, ..Default::default() });
        if !golden.has(&format!("{name}/cqt")) {
            assert!(cqt.is_err(), "librosa refuses {name}");
            continue;
        }
        let mut cqt = cqt.unwrap();
        let frames = golden.indices(&format!("{name}/frames"));
        let largest = golden.scalar(&format!("{name}/cqt_max")).max(1e-30);
        let want = golden.complex(&format!("{name}/cqt"));
        let got = cqt.process(&signal.samples).unwrap();
        let error = largest_error(&columns(got.view(), &frames), &want.mapv(|x| x.norm()));
        magnitudes.add(name, error / largest);
        let got = cqt.process_complex(&signal.samples).unwrap().select(Axis(1), &frames);
        let got = got.mapv(|x| Complex::new(f64::from(x.re), f64::from(x.im)));
        let error = (got - want).mapv(|x| x.norm()).into_iter().fold(0.0, f64::max);
        complex.add(name, error / largest);
    }
    magnitudes.finish(10);
    complex.finish(10);
}

#[test]
fn tuned_cqt_of_36_bins_an_octave_equals_librosa() {
    let golden = Golden::open("tonal");
    let mut report = Report::new("cqt 252", 1e-3);
    for signal in signals() {
        let name = &signal.name;
        let config = CqtConfig {
            sample_rate: signal.sample_rate,
            n_bins: 252,
            bins_per_octave: 36,
            tuning: 0.07,
            ..Default::default()
        };
        if !golden.has(&format!("{name}/cqt_252_tuned")) {
            assert!(Cqt::new(config).is_err(), "librosa refuses {name}");
            continue;
        }
        let got = Cqt::new(config).unwrap().process(&signal.samples).unwrap();
        let frames = golden.indices(&format!("{name}/cqt_252_frames"));
        let want = golden.matrix(&format!("{name}/cqt_252_tuned"));
        let largest = golden.scalar(&format!("{name}/cqt_252_tuned_max")).max(1e-30);
        report.add(name, largest_error(&columns(got.view(), &frames), &want) / largest);
    }
    report.finish(10);
}
