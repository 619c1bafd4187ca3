//! The architecture of the workspace: which crate may use which, and which file which.

#![allow(clippy::unwrap_used)] // a test may panic

mod arrows;
mod made_up;
mod rules;
mod source;
mod workspace;

use rules::Levels;
use source::Source;
use workspace::Package;

/// The crates that each library may use. Crates that are not published may use all.
const CRATES: &[(&str, &[&str])] = &[
    ("ser-features", &[]),
    ("mood-recommender", &[]),
    ("ser-data", &["ser-features"]),
    ("ser-models", &["ser-features"]),
];

/// The modules of each library, from the ground up.
const LEVELS: &[(&str, Levels)] = &[
    (
        "ser-features",
        &[
            &["exponential", "matrix", "number", "pad", "sample", "vector"],
            &["check", "error", "extremes", "fourier", "median", "projection", "window"],
            &["band", "decibel", "delta", "lpc", "pcen", "preemphasis", "resample", "signal"],
            &["cqt", "framing", "griffin_lim", "hpss", "istft", "spectrogram", "stft", "vocoder"],
            &["harmonic_percussive", "mel", "rms", "spectral_shape", "tuning", "yin", "zero_crossing"],
            &["axes", "kaldi", "log_mel", "mel_inverse", "pyin", "whisper"],
            &["chroma", "chroma_cqt", "contrast", "mfcc", "onset", "tempo", "tonnetz", "trim", "voice"],
            &["extractor", "features", "functionals", "prepare", "streaming"],
            &["batch"],
        ],
    ),
    (
        "mood-recommender",
        &[
            &[
                "date", "extra", "feature", "formula", "mood", "names", "number", "output", "point", "song",
                "threads",
            ],
            &["catalog", "estimate", "neighbours", "stats"],
            &["error", "options", "profile", "reading", "recommendation", "strategy"],
            &["index", "playlist", "search", "taste"],
            &["journey", "music", "reason", "select"],
            &["recommender"],
        ],
    ),
    (
        "ser-data",
        &[
            &["names", "span", "split"],
            &["labels"],
            &["audio"],
            &["file"],
            &["corpora", "extract", "identical"],
            &["corpus"],
        ],
    ),
    (
        "ser-models",
        &[
            &["files", "generator", "init", "json", "memory", "metrics", "parameters", "setting", "weights"],
            &["kernels"],
            &["layer"],
            &["encoder", "layers"],
            &["input", "profile", "readout", "recording"],
            &["models"],
            &["checkpoint", "classifier", "join", "tuning"],
            &["recognizer"],
            &["live"],
            &["training"],
        ],
    ),
];

#[test]
fn files_use_each_other_in_no_circle() {
    let mut violations = Vec::new();
    for package in workspace::packages().into_iter() {
        for target in &package.targets {
            violations.extend(in_package(&package, rules::circles(&Source::read(target))));
        }
    }
    assert_none(&violations);
}

#[test]
fn files_use_no_higher_level() {
    let mut violations = Vec::new();
    for package in workspace::packages().into_iter().filter(|package| package.is_published) {
        let source = Source::read(package.library.as_ref().unwrap());
        let levels = row(LEVELS, &package);
        violations.extend(in_package(&package, rules::upward_arrows(&source, levels)));
    }
    assert_none(&violations);
}

#[test]
fn libraries_use_only_the_crates_below_them() {
    let packages = workspace::packages();
    let mut violations = Vec::new();
    for package in packages.iter().filter(|package| package.is_published) {
        let allowed = row(CRATES, package);
        let others = packages.iter().map(|other| other.name.as_str());
        let forbidden: Vec<&str> =
            others.filter(|other| *other != package.name && !allowed.contains(other)).collect();
        violations.extend(in_package(package, rules::forbidden_crates(package, &forbidden)));
    }
    assert_none(&violations);
}

/// ARCHITECTURE.md shows the tables above.
#[test]
fn the_page_shows_the_arrows_and_the_levels() {
    let page = std::fs::read_to_string(workspace::root().join("ARCHITECTURE.md")).unwrap();
    let width = CRATES.iter().map(|(name, _)| name.len()).max().unwrap();
    let arrows: Vec<String> = CRATES
        .iter()
        .map(|(name, allowed)| {
            let allowed = if allowed.is_empty() { "no other".to_owned() } else { allowed.join(", ") };
            format!("{name:width$}  uses {allowed}")
        })
        .collect();
    let block = |lines: &[String]| format!("```text\n{}\n```", lines.join("\n"));
    assert!(page.contains(&block(&arrows)), "ARCHITECTURE.md must hold\n{}", block(&arrows));
    for (name, levels) in LEVELS {
        let levels: Vec<String> = levels.iter().rev().map(|modules| modules.join(", ")).collect();
        assert!(page.contains(&block(&levels)), "ARCHITECTURE.md must hold, for {name}\n{}", block(&levels));
    }
}

fn row<T: Copy>(table: &[(&str, T)], package: &Package) -> T {
    let row = table.iter().find(|(name, _)| *name == package.name);
    row.unwrap_or_else(|| {
        panic!("{} is published: give it a row in the tables of crates and levels", package.name)
    })
    .1
}

fn in_package(package: &Package, violations: Vec<String>) -> impl Iterator<Item = String> {
    violations.into_iter().map(|violation| format!("{}: {violation}", package.name))
}

fn assert_none(violations: &[String]) {
    let root = format!("{}/", workspace::root().display());
    assert!(violations.is_empty(), "\n{}", violations.join("\n").replace(&root, ""));
}
