//! Every public plan has an example in its documentation, which runs as a doc test, can be shown and copied, and is fuzzed.

use std::path::Path;

/// Sources of the crate, without its tests.
fn sources(folder: &Path, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else {
            found.push(std::fs::read_to_string(path).unwrap());
        }
    }
}

/// Name, documentation and derived traits of each public struct of a source.
fn documented(source: &str) -> Vec<(&str, String)> {
    let mut structs = Vec::new();
    let mut text = String::new();
    for line in source.lines() {
        if let Some(name) = line.strip_prefix("pub struct ") {
            let name = name.split([' ', '(', '<', ';']).next().unwrap();
            structs.push((name, std::mem::take(&mut text)));
        } else if line.starts_with("///") || line.starts_with("#[derive") {
            text.push_str(line);
        } else if line.is_empty() || line == "}" {
            text.clear();
        }
    }
    structs
}

/// Whether a struct is made by a function that may fail.
fn is_plan(name: &str, source: &str) -> bool {
    source
        .split("\nimpl")
        .filter(|part| {
            let head = part.lines().next().unwrap();
            head.ends_with(&format!(" {name} {{")) || head.contains(&format!(" {name}<"))
        })
        .any(|part| part.split("\n}\n").next().unwrap().contains("-> Result<Self, ConfigError>"))
}

#[test]
fn every_plan_has_an_example_and_can_be_copied_and_is_fuzzed() {
    let mut found = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../src"), &mut found);
    let exported =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../src/lib.rs")).unwrap();
    let exported: Vec<&str> = exported.split(|c: char| !c.is_alphanumeric()).collect();
    let plans: Vec<_> = found
        .iter()
        .flat_map(|source| documented(source).into_iter().filter(|(name, _)| is_plan(name, source)))
        .filter(|(name, _)| exported.contains(name))
        .collect();
    for name in ["Mfcc", "Pyin", "Streaming", "StreamingRow", "Resampler", "FeatureExtractor", "TimeStretch"]
    {
        assert!(plans.iter().any(|(plan, _)| *plan == name), "{name} is a plan");
    }
    assert!(plans.len() > 40, "{} plans", plans.len());
    for (what, given) in [("an example", "```"), ("Debug and Clone", "derive(Debug, Clone")] {
        let without: Vec<&str> =
            plans.iter().filter(|(_, text)| !text.contains(given)).map(|(name, _)| *name).collect();
        assert_eq!(without, [""; 0], "without {what}");
    }
    let mut fuzzed = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/check"), &mut fuzzed);
    let words: Vec<&str> =
        fuzzed.iter().flat_map(|source| source.split(|c: char| !c.is_alphanumeric())).collect();
    let others: Vec<&str> =
        plans.iter().map(|(name, _)| *name).filter(|name| !words.contains(name)).collect();
    assert_eq!(others, [""; 0], "not fuzzed");
}
