//! Tables and pictures of the results.

use std::fmt::Write;
use std::path::Path;

use anyhow::Context;
use ser_models::ConfusionMatrix;
use ser_plots::{Curves, Figure, Page, Series, charts};

use super::{Calibration, Folder, Learner, Results, Robustness};

/// The Markdown table of all results, in the order that they have.
pub fn table(results: &[Results]) -> String {
    let mut table = "| model | classes | protocol | others | accuracy | UAR | macro-F1 | target |\n\
                     | --- | --- | --- | --- | --- | --- | --- | --- |\n"
        .to_owned();
    for of in results {
        let [all, done] = of.models;
        let reached = match (of.goal, of.reached) {
            (None, _) if done < all => format!("{done} of {all} models"),
            (None, _) => "–".to_owned(),
            (Some(goal), Some(true)) => format!("{} % {}: reached", goal.target, goal.figure.name()),
            (Some(goal), Some(false)) => format!("{} % {}: **not reached**", goal.target, goal.figure.name()),
            (Some(goal), None) => format!("{} % {}: {done} of {all} models", goal.target, goal.figure.name()),
        };
        // Writing to a string cannot fail.
        let _ = writeln!(
            table,
            "| {} | {} | {} | {} | {} | {} | {} | {reached} |",
            of.model,
            of.classes,
            of.protocol,
            of.reported,
            of.accuracy.percent(),
            of.uar.percent(),
            of.macro_f1.percent(),
        );
    }
    table
}

/// Accuracy and UAR on disturbed recordings, of all results that were measured on them; empty if none was.
pub fn robustness_table(results: &[Results]) -> String {
    let measured: Vec<&Results> = results.iter().filter(|of| !of.robustness.is_empty()).collect();
    if measured.is_empty() {
        return String::new();
    }
    let mut table = "| model | classes | recordings | accuracy | UAR | at its temperature | UAR |\n\
                     | --- | --- | --- | --- | --- | --- | --- |\n"
        .to_owned();
    for of in measured {
        for (name, Robustness { accuracy, uar, calibrated }) in &of.robustness {
            let percent = |figure: f64| format!("{:.1}", figure * 100.0);
            let calibrated =
                calibrated.map_or(["–", "–"].map(String::from), |of| of.map(percent)).join(" | ");
            let (accuracy, uar) = (percent(*accuracy), percent(*uar));
            let Results { model, classes, .. } = of;
            let _ = writeln!(table, "| {model} | {classes} | {name} | {accuracy} | {uar} | {calibrated} |");
        }
    }
    table
}

/// Calibration of probabilities, before and after their temperature was fitted on validation parts; empty where none was.
pub fn calibration_table(results: &[Results]) -> String {
    let rows = results.iter().filter_map(|of| Some((of, of.calibration?)));
    let rows: Vec<String> = rows
        .map(|(of, Calibration { temperature, before, after, confidence, sure })| {
            let percent = |error: f64| format!("{:.1}", error * 100.0);
            let (before, after) = (percent(before), after.map_or("–".to_owned(), percent));
            let Results { model, classes, protocol, .. } = of;
            let sure = percent(sure);
            format!("| {model} | {classes} | {protocol} | {temperature:.2} | {before} | {after} | {confidence:.2} | {sure} |\n")
        })
        .collect();
    if rows.is_empty() {
        return String::new();
    }
    let head = "| model | classes | protocol | temperature | calibration error before | after | 90 % right from | answers as sure |\n\
                | --- | --- | --- | --- | --- | --- | --- | --- |\n";
    head.to_owned() + &rows.concat()
}

/// The pairs of classes that were confused, and what share of all wrong answers each is, the greatest first.
fn confusions(confusion: &ConfusionMatrix) -> Vec<(String, f64)> {
    let labels = confusion.labels();
    let n = labels.len();
    let wrong = |a: usize, b: usize| (confusion.count(a, b) + confusion.count(b, a)) as f64;
    let pairs: Vec<(usize, usize)> = (0..n).flat_map(|a| (a + 1..n).map(move |b| (a, b))).collect();
    let all: f64 = pairs.iter().map(|&(a, b)| wrong(a, b)).sum();
    let mut shares: Vec<(String, f64)> = pairs
        .into_iter()
        .map(|(a, b)| (format!("{} and {}", labels[a], labels[b]), wrong(a, b) / all.max(1.0)))
        .collect();
    shares.sort_by(|a, b| b.1.total_cmp(&a.1));
    shares
}

/// Compares statements of the report outside its table with these results: §10.7 on confusions, §10.6 on the LSTM and on one speaker.
pub fn claims(results: &[Results]) -> String {
    let mut text = String::new();
    for of in results.iter().filter(|of| of.classes == 4 && of.goal.is_some()) {
        let pairs: Vec<String> = confusions(&of.confusion)
            .into_iter()
            .map(|(pair, share)| format!("{pair} {:.0} %", share * 100.0))
            .collect();
        let _ = writeln!(text, "- Wrong answers of {}, {}: {}.", of.model, of.protocol, pairs.join(", "));
    }
    let of = |name: &str| results.iter().find(|of| of.name == name);
    for (lstm, cnn) in [("cnn-lstm", "cnn-1d"), ("cnn-lstm-single-actor", "cnn-1d-single-actor")] {
        if let (Some(lstm), Some(cnn)) = (of(lstm), of(cnn)) {
            let points = (lstm.accuracy.mean - cnn.accuracy.mean) * 100.0;
            let Results { model, protocol, .. } = lstm;
            let _ =
                writeln!(text, "- {model} over {}, {protocol}: {points:+.1} points of accuracy.", cnn.model);
        }
    }
    text
}

/// Draws `confusion.png` and `curves.png` into a folder: all models' answers together, and the training of each.
///
/// # Errors
/// If a history cannot be read or a picture not be written.
pub fn draw(folder: &Folder, results: &Results) -> anyhow::Result<()> {
    let title = format!("{}, {}", results.model, results.protocol);
    charts::confusion(&title, &results.confusion).save(&folder.file("confusion.png"))?;

    if !matches!(folder.experiment.learner, Learner::Network { .. }) {
        return Ok(());
    }
    let (mut losses, mut accuracies) = (Vec::new(), Vec::new());
    for name in results.scores.keys() {
        let [loss, accuracy] = history(&folder.file(&format!("{name}.history.csv")))?;
        // A legend with this many names would hide the lines.
        let name = if results.scores.len() > 6 { String::new() } else { name.clone() };
        losses.push(Series { name: name.clone(), points: loss, mark: None });
        accuracies.push(Series { name, points: accuracy, mark: None });
    }
    let curves = |y: &str, series| {
        Figure::Curves(Curves { title: title.clone(), x: "epoch".into(), y: y.into(), series })
    };
    let figures = vec![curves("training loss", losses), curves("training accuracy", accuracies)];
    Page::new(figures, (640, 320)).save(&folder.file("curves.png"))
}

/// Training loss and accuracy of each epoch, from a file of `History::to_csv`.
fn history(path: &Path) -> anyhow::Result<[Vec<(f64, f64)>; 2]> {
    let mut csv = csv::Reader::from_path(path).with_context(|| path.display().to_string())?;
    let mut curves = [Vec::new(), Vec::new()];
    for (row, record) in csv.records().enumerate() {
        let record = record.with_context(|| path.display().to_string())?;
        let number = |column: usize| {
            let value = record.get(column).and_then(|value| value.parse::<f64>().ok());
            value.with_context(|| {
                let (row, given) = (row + 1, record.get(column).unwrap_or("none"));
                format!("{}: row {row}: column {} must be a number, got {given}", path.display(), column + 1)
            })
        };
        let epoch = number(0)?;
        curves[0].push((epoch, number(2)?));
        curves[1].push((epoch, number(3)?));
    }
    Ok(curves)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn confused_pairs_are_counted_in_both_directions() {
        let mut confusion = ConfusionMatrix::new(["Calm", "Sad", "Happy"]);
        for (truth, answer, times) in [(0, 0, 9), (0, 1, 2), (1, 0, 1), (2, 1, 1), (2, 2, 5)] {
            (0..times).for_each(|_| confusion.add(truth, answer));
        }
        let pairs = confusions(&confusion);
        assert_eq!(pairs[0], ("Calm and Sad".to_string(), 0.75));
        assert_eq!(pairs[1], ("Sad and Happy".to_string(), 0.25));
        assert_eq!(pairs[2].1, 0.0);
        assert!(confusions(&ConfusionMatrix::new(["a", "b"])).iter().all(|pair| pair.1 == 0.0));
    }
}
