//! The lists of public items, `docs/api`: each item has a user outside of its library or a reason in `docs/api/reasons.md`, and no two
//! libraries have types of one name.

#![allow(clippy::unwrap_used)] // a test may panic

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

const LIBRARIES: [&str; 4] = ["ser-features", "ser-data", "ser-models", "mood-recommender"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn list(library: &str) -> String {
    std::fs::read_to_string(root().join("docs/api").join(library).with_extension("txt")).unwrap()
}

/// The names in a text.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty())
}

/// A line of a list as (kind, path, rest); `None` for fields, variants, modules and implementations.
fn item(line: &str) -> Option<(&str, &str, &str)> {
    let line = match line.strip_prefix("#[") {
        Some(rest) => rest.split_once("] ")?.1,
        None => line,
    };
    let (kind, rest) = line.strip_prefix("pub ")?.split_once(' ')?;
    if !["struct", "enum", "trait", "type", "fn", "const"].contains(&kind) {
        return None;
    }
    let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_' && c != ':').unwrap_or(rest.len());
    let (path, rest) = (rest[..end].trim_end_matches(':'), &rest[end..]);
    // A method of a generic type, whose path continues behind its parameters, and associated types of traits.
    let generic = rest.starts_with('<') && kind == "fn" && name(path).starts_with(char::is_uppercase);
    let associated = kind == "type" && ["Config", "Value", "Err", "Error", "Output"].contains(&name(path));
    (!generic && !associated && path.contains("::")).then_some((kind, path, rest))
}

fn name(path: &str) -> &str {
    path.rsplit("::").next().unwrap_or(path)
}

/// The names in each file of the repository, by its path.
fn files() -> BTreeMap<PathBuf, HashSet<String>> {
    let hidden = |name: &std::ffi::OsStr| name == "target" || name == ".git";
    let entries = WalkDir::new(root()).into_iter().filter_entry(|entry| !hidden(entry.file_name()));
    let paths = entries.map(|entry| entry.unwrap().into_path());
    let read = paths
        .filter(|path| path.extension().is_some_and(|e| ["rs", "md", "toml", "py"].iter().any(|x| e == *x)));
    read.map(|path| {
        let text = std::fs::read_to_string(&path).unwrap();
        (path.strip_prefix(root()).unwrap().to_owned(), words(&text).map(String::from).collect())
    })
    .collect()
}

#[test]
fn every_public_item_has_a_user_or_a_reason() {
    let files = files();
    let mut without = BTreeSet::new();
    for library in LIBRARIES {
        let own = ["src", "tests", "fuzz"].map(|folder| Path::new(library).join(folder));
        let other = |path: &Path| {
            !own.iter().any(|folder| path.starts_with(folder))
                && !["CHANGELOG.md", "docs/api/reasons.md", "ser-bench/tests/promises.rs"]
                    .iter()
                    .any(|file| path == Path::new(file))
        };
        let used: HashSet<&str> = files
            .iter()
            .filter(|(path, _)| other(path))
            .flat_map(|(_, words)| words.iter().map(String::as_str))
            .collect();
        let list = list(library);
        for (kind, path, _) in list.lines().filter_map(item) {
            // A type in the signature of another item, or a layer's own answer to the trait, comes with that item.
            let part = || {
                let signature = format!("{path}::");
                list.lines().any(|line| {
                    let rest = item(line).map_or(line, |(_, _, rest)| rest);
                    rest.match_indices(path).any(|(at, _)| {
                        let after = rest[at + path.len()..].chars().next();
                        !rest[at..].starts_with(&signature)
                            && after.is_none_or(|c| !c.is_alphanumeric() && c != '_')
                            && !line.starts_with("impl")
                    })
                })
            };
            let is_part = name(path) == "output_shape" || !["fn", "const"].contains(&kind) && part();
            if !used.contains(name(path)) && !is_part {
                without.insert(path.to_owned());
            }
        }
    }
    let reasons = std::fs::read_to_string(root().join("docs/api/reasons.md")).unwrap();
    let rows = reasons.lines().filter(|line| line.starts_with("| `"));
    let given: BTreeSet<String> = rows
        .flat_map(|row| row.split('`').skip(1).step_by(2).take_while(|item| item.contains("::")))
        .map(String::from)
        .collect();
    let missing: Vec<&String> = without.difference(&given).collect();
    let needless: Vec<&String> = given.difference(&without).collect();
    assert!(
        missing.is_empty() && needless.is_empty(),
        "docs/api/reasons.md lacks {missing:#?} and need not hold {needless:#?}"
    );
}

#[test]
fn no_two_libraries_have_types_of_one_name() {
    let mut owners: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for library in LIBRARIES {
        let list = list(library);
        for (kind, path, _) in list.lines().filter_map(item) {
            let types = ["struct", "enum", "trait", "type"].contains(&kind);
            // Not what is within a type.
            if types && path.split("::").filter(|part| part.starts_with(char::is_uppercase)).count() == 1 {
                owners.entry(name(path).to_owned()).or_default().insert(library);
            }
        }
    }
    owners.retain(|_, owners| owners.len() > 1);
    assert!(owners.is_empty(), "{owners:#?}");
}
