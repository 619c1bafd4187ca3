#![allow(clippy::unwrap_used)]

use ndarray::Array2;

use ser_data::LabelSet;

use super::super::Part;
use super::*;

/// Answers to a clip of each emotion: the right one gets `sure`, the others share the rest.
fn answers(sure: f32) -> Predictions {
    let labels = LabelSet::Emotions.names();
    let probabilities =
        Array2::from_shape_fn((8, 8), |(clip, class)| if clip == class { sure } else { (1.0 - sure) / 7.0 });
    let clips = (0..8).map(|clip| format!("clip-{clip}")).collect();
    Predictions { labels, clips, truth: (0..8).collect(), probabilities }
}

#[test]
fn sums_come_from_other_experiments_answers_and_temperatures_from_another_seeds_same_fold() {
    let results = tempfile::tempdir().unwrap();
    let moods = Experiment::named("speaker-independent-moods").unwrap();
    let folder = |part| Folder::new(moods, part, results.path());
    for (part, seeds) in [(Part::Test, 2), (Part::Validation, 1)] {
        for source in folder(part).sources() {
            source.claim(&source.experiment.recipe().unwrap()).unwrap();
            for (fold, seed) in (1..=5).flat_map(|fold| (0..seeds).map(move |seed| (fold, seed))) {
                answers(0.9).save(&source.file(&format!("fold-{fold}-seed-{seed}.csv"))).unwrap();
            }
        }
    }
    let of = Results::of(&folder(Part::Test), &folder(Part::Validation), 2).unwrap().unwrap();
    assert_eq!((of.classes, of.models, of.reached), (4, [10, 10], Some(true)));
    save_combined(&folder(Part::Test), 2).unwrap();
    let left = Predictions::load(&folder(Part::Test).file("fold-5-seed-1.csv")).unwrap();
    assert_eq!((left.labels, left.clips.len()), (LabelSet::Moods.names(), 8));
    assert_eq!(of.confusion.total(), 80);
    // All answers are right, so they may be as sure as can be.
    let calibration = of.calibration.unwrap();
    assert!(calibration.temperature < 0.06 && calibration.after.unwrap() < 1e-3, "{calibration:?}");
    assert!((0.05..0.1).contains(&calibration.before), "{calibration:?}");
    assert_eq!((calibration.confidence, calibration.sure), (0.0, 1.0));

    // A temperature this low lets the likeliest emotion decide, where plain sums are right of clip 0: neutral and calm are Calm.
    let mut close = answers(0.9);
    close.probabilities.row_mut(0).assign(&ndarray::arr1(&[0.3, 0.3, 0.4, 0.0, 0.0, 0.0, 0.0, 0.0]));
    for source in folder(Part::Test).sources() {
        let disturbed = source.disturbed(Disturbance::ALL[0]);
        disturbed.make().unwrap();
        for (fold, seed) in (1..=5).flat_map(|fold| [(fold, 0), (fold, 1)]) {
            close.save(&disturbed.file(&format!("fold-{fold}-seed-{seed}.csv"))).unwrap();
        }
    }
    let of = Results::of(&folder(Part::Test), &folder(Part::Validation), 2).unwrap().unwrap();
    let [(name, Robustness { accuracy, calibrated, .. })] = &of.robustness[..] else {
        panic!("one was measured")
    };
    assert_eq!((name, *accuracy), (&Disturbance::ALL[0].name(), 1.0));
    assert!((calibrated.unwrap()[0] - 0.875).abs() < 1e-9, "{calibrated:?}");

    // Parts that ask for temperatures do not tell what these are worth, nor whether a goal is reached.
    let validation = folder(Part::Validation);
    let of = Results::of(&validation, &validation, 1).unwrap().unwrap();
    assert_eq!((of.goal, of.reached, of.calibration.unwrap().after), (None, None, None));
}

#[test]
fn experiments_answer_together_where_both_have_models() {
    let results = tempfile::tempdir().unwrap();
    let together = Experiment::named("ensemble-10-fold").unwrap();
    let folder = Folder::new(together, Part::Test, results.path());
    let of = || Results::of(&folder, &folder, 1).unwrap();
    // The first one's answers are all wrong, but not as sure as the second one's right ones.
    for (source, (sure, folds)) in folder.sources().iter().zip([(0.1, 2), (0.8, 3)]) {
        assert_eq!(of(), None);
        source.claim(&source.experiment.recipe().unwrap()).unwrap();
        for fold in 1..=folds {
            answers(sure).save(&source.file(&format!("fold-{fold}-seed-0.csv"))).unwrap();
        }
    }
    let given = of().unwrap();
    assert_eq!((given.models, given.accuracy.mean, given.reached), ([10, 2], 1.0, None));
    assert_eq!(given.model, together.title);
    let first = &folder.sources()[0];
    assert_eq!(Results::of(first, first, 1).unwrap().unwrap().accuracy.mean, 0.0);
    std::fs::write(first.file("recipe.json"), "{}").unwrap();
    assert!(of().unwrap().model.ends_with("(another recipe)"));
}

#[test]
fn sources_count_by_their_weights() {
    let results = tempfile::tempdir().unwrap();
    let together = Experiment::named("speaker-independent").unwrap();
    assert_eq!(together.weights(), [1, 3]);
    let folder = Folder::new(together, Part::Test, results.path());
    // Wrong and sure once, right and half as sure three times.
    for (source, shift) in folder.sources().iter().zip([1, 0]) {
        source.claim(&source.experiment.recipe().unwrap()).unwrap();
        let mut given = answers(if shift == 1 { 0.95 } else { 0.5 });
        let rows: Vec<usize> = (0..8).map(|clip| (clip + 8 - shift) % 8).collect();
        given.probabilities = given.probabilities.select(ndarray::Axis(0), &rows);
        given.save(&source.file("fold-1-seed-0.csv")).unwrap();
    }
    let right = |folder: &Folder| Results::of(folder, folder, 1).unwrap().unwrap().accuracy.mean;
    let [wrong, other] = [0, 1].map(|at| right(&folder.sources()[at]));
    assert_eq!((wrong, other, right(&folder)), (0.0, 1.0, 1.0));
}

#[test]
fn only_the_seeds_that_are_asked_for_count_and_other_classes_are_refused() {
    let results = tempfile::tempdir().unwrap();
    let experiment = Experiment::named("issa").unwrap();
    let folder = Folder::new(experiment, Part::Test, results.path());
    folder.make().unwrap();
    for (seed, sure) in [(0, 0.9), (1, 0.0)] {
        answers(sure).save(&folder.file(&format!("fold-1-seed-{seed}.csv"))).unwrap();
    }
    let of = |seeds| Results::of(&folder, &folder, seeds).map(|of| of.unwrap());
    assert_eq!((of(1).unwrap().accuracy.percent(), of(1).unwrap().models), ("100.0".into(), [5, 1]));
    assert_eq!((of(2).unwrap().accuracy.percent(), of(2).unwrap().models), ("50.0 ± 70.7".into(), [10, 2]));

    let moods = answers(0.9).in_moods();
    moods.save(&folder.file("fold-2-seed-0.csv")).unwrap();
    let error = of(1).unwrap_err().to_string();
    assert!(error.contains("fold-2-seed-0.csv: classes must be [\"neutral\", "), "{error}");
    let error = folder.claim(&experiment.recipe().unwrap()).unwrap_err().to_string();
    assert!(error.contains("fold-2-seed-0.csv"), "{error}");
    std::fs::remove_file(folder.file("fold-2-seed-0.csv")).unwrap();
    let error = folder.claim(&experiment.recipe().unwrap()).unwrap_err().to_string();
    assert!(error.contains(": recipe must be that of the results there, got another; "), "{error}");
}
