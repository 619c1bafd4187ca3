//! What was measured, in one page: `docs/measured.md`, written from the files of `docs/measured`. A README or card that quotes a figure says
//! so in a comment, and must agree with the file:
//!
//! - `<!-- rows of NAME -->` before a table: each row stands in `docs/measured/NAME.toml`, under the same columns.
//! - `<!-- figures of NAME, NAME -->` before a paragraph or table: each number stands in one of these files.
//!
//! `WRITE=1 cargo test --workspace --test measured` writes the page again.

#![allow(clippy::unwrap_used)] // a test may panic

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use walkdir::WalkDir;

mod page;

/// Groups of files by the first word of their names, in the order of the page.
const GROUPS: [(&str, &str); 6] = [
    ("speed", "Speed"),
    ("build", "Build times"),
    ("parity", "Agreement with other libraries"),
    ("accuracy", "Accuracy"),
    ("songs", "Songs"),
    ("robust", "Damaged files, load, fuzzing"),
];

/// A table of results.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Results {
    title: String,
    /// The day of the run, or that it was not recorded; after `≤`, the day on which the figures were first stated.
    date: String,
    /// The machine, or that it was not recorded.
    machine: String,
    /// The command that prints or checks the figures.
    command: String,
    note: Option<String>,
    #[serde(default)]
    columns: Vec<String>,
    #[serde(default)]
    rows: Vec<Vec<String>>,
}

impl Results {
    fn section(&self) -> String {
        let Self { title, date, machine, command, .. } = self;
        let mut text = format!("\n### {title}\n\n{date}; {machine}. `{command}`\n");
        if let Some(note) = &self.note {
            write!(text, "\n{note}\n").unwrap();
        }
        if !self.rows.is_empty() {
            write!(text, "\n{}\n|{}\n", row(&self.columns), " --- |".repeat(self.columns.len())).unwrap();
            self.rows.iter().for_each(|cells| writeln!(text, "{}", row(cells)).unwrap());
        }
        text
    }
}

fn row(cells: &[String]) -> String {
    format!("| {} |", cells.join(" | ")).replace("|  |", "| |")
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The tables by the names of their files.
fn results() -> BTreeMap<String, Results> {
    let files = WalkDir::new(root().join("docs/measured")).min_depth(1).into_iter().map(|entry| {
        let path = entry.unwrap().into_path();
        let read: Result<Results, _> = toml::from_str(&std::fs::read_to_string(&path).unwrap());
        let results = read.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        (path.file_stem().unwrap().to_str().unwrap().to_owned(), results)
    });
    files.collect()
}

#[test]
fn every_file_is_a_whole_table_with_its_day_and_machine() {
    let results = results();
    assert!(results.len() > 20);
    for (name, Results { date, machine, columns, rows, note, .. }) in &results {
        let group = name.split('-').next().unwrap();
        assert!(GROUPS.iter().any(|(prefix, _)| *prefix == group), "{name} belongs to no group");
        assert!(rows.iter().all(|cells| cells.len() == columns.len()), "{name}: a row has other columns");
        assert!(!rows.is_empty() || note.is_some(), "{name}: a note must say why there are no rows");
        assert!(!date.is_empty() && !machine.is_empty(), "{name}: day and machine must be stated");
    }
}

#[test]
fn the_page_is_that_of_the_files() {
    let results = results();
    let mut page = "# What was measured\n\nWritten from the files of `docs/measured` by `WRITE=1 cargo test --workspace --test measured`. Each \
                    section names the day, the machine and the command that prints the figures; where it only checks them or does not \
                    print all, the note says so. After ≤ stands the day on which the figures were first stated. Where READMEs quote a \
                    figure, the same test compares it.\n"
        .to_owned();
    for (prefix, heading) in GROUPS {
        write!(page, "\n## {heading}\n").unwrap();
        let of_group = results.iter().filter(|(name, _)| name.split('-').next() == Some(prefix));
        of_group.for_each(|(_, results)| page.push_str(&results.section()));
    }
    page::check("measured", &page);
}

/// The cells of a Markdown row.
fn cells(line: &str) -> Vec<String> {
    let inside = line.trim().trim_start_matches('|');
    let inside = inside.strip_suffix('|').unwrap_or(inside);
    inside.split('|').map(|cell| cell.trim().to_owned()).collect()
}

/// The numbers of a text, those in names such as `cnn-1d` and AVX2 left out.
fn numbers(text: &str) -> Vec<String> {
    let plain: String = text.split('`').step_by(2).collect::<Vec<_>>().join(" ");
    let mut found = Vec::new();
    let mut rest = plain.as_str();
    while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
        let tail = &rest[start..];
        let end = tail.find(|c: char| !c.is_ascii_digit() && c != '.' && c != ',').unwrap_or(tail.len());
        let before = rest[..start].chars().next_back();
        if !before.is_some_and(char::is_alphabetic) {
            found.push(tail[..end].trim_end_matches(['.', ',']).to_owned());
        }
        rest = &tail[end..];
    }
    found
}

/// What a quotation breaks, if anything.
fn broken_rows(results: &Results, table: &[&str]) -> Option<String> {
    let [header, _, rows @ ..] = table else { return Some("no table follows".to_owned()) };
    let place = |name: &String| results.columns.iter().position(|column| column == name);
    let places: Option<Vec<usize>> = cells(header).iter().map(place).collect();
    let Some(places) = places else { return Some(format!("a column must be one of {:?}", results.columns)) };
    let quoted = |line: &&str| {
        let cells = cells(line);
        results.rows.iter().any(|row| places.iter().map(|n| &row[*n]).eq(&cells))
    };
    rows.iter().find(|line| !quoted(line)).map(|line| format!("no such row: {line}"))
}

fn broken_figures(results: &[&Results], text: &str) -> Option<String> {
    let known: Vec<String> = results.iter().flat_map(|results| numbers(&results.section())).collect();
    numbers(text)
        .into_iter()
        .find(|number| !known.contains(number))
        .map(|number| format!("no such figure: {number}"))
}

/// Checks all quotations of a text: how many there are, and what they break.
fn quotations(text: &str, all: &BTreeMap<String, Results>) -> (usize, Vec<String>) {
    let (mut count, mut broken) = (0, Vec::new());
    // Behind a backtick a comment is an example of one.
    for part in text.replace("`<!-- ", "").split("<!-- ").skip(1) {
        let Some((comment, rest)) = part.split_once(" -->") else { continue };
        let Some((kind, names)) = comment.split_once(" of ") else { continue };
        if !["rows", "figures"].contains(&kind) {
            continue;
        }
        count += 1;
        let named: Option<Vec<&Results>> = names.split(", ").map(|name| all.get(name)).collect();
        // To the end of the paragraph, list item or table.
        let rest = rest.trim_start_matches('\n');
        let block: Vec<&str> = rest
            .lines()
            .enumerate()
            .take_while(|(n, line)| *n == 0 || !(line.is_empty() || line.starts_with("- ")))
            .map(|(_, line)| line)
            .collect();
        let problem = match (named, kind) {
            (None, _) => Some("no such file".to_owned()),
            (Some(named), "rows") => broken_rows(named[0], &block),
            (Some(named), _) => broken_figures(&named, &block.join("\n")),
        };
        broken.extend(problem.map(|problem| format!("{comment}: {problem}")));
    }
    (count, broken)
}

#[test]
fn readmes_quote_what_was_measured() {
    let all = results();
    let (mut count, mut broken) = (0, Vec::new());
    let texts = WalkDir::new(root()).into_iter().filter_entry(|entry| {
        let name = entry.file_name().to_str().unwrap_or_default();
        entry.depth() == 0 || !(name.starts_with('.') || ["target", "results", "src", "fuzz"].contains(&name))
    });
    for entry in texts {
        let path = entry.unwrap().into_path();
        if path.extension().is_some_and(|extension| extension == "md") {
            let (found, problems) = quotations(&std::fs::read_to_string(&path).unwrap(), &all);
            count += found;
            broken.extend(problems.iter().map(|problem| format!("{}: {problem}", path.display())));
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
    assert!(count >= 20, "only {count} quotations");
}

#[test]
fn a_quotation_that_differs_is_found() {
    let results = Results {
        title: "Speed".to_owned(),
        date: "2026-11-29".to_owned(),
        machine: "two cores".to_owned(),
        command: "measure".to_owned(),
        note: None,
        columns: ["what", "time", "memory"].map(String::from).to_vec(),
        rows: vec![["STFT of 2,048", "4.5 µs", "1 MB"].map(String::from).to_vec()],
    };
    let all = BTreeMap::from([("speed-x".to_owned(), results)]);
    let broken = |text: &str| quotations(text, &all).1.join("\n");
    let table = |time: &str| {
        format!(
            "<!-- rows of speed-x -->\n| what | time |\n| --- | --- |\n| STFT of 2,048 | {time} |\n\n9 × as fast\n"
        )
    };
    assert_eq!(broken(&table("4.5 µs")), "");
    assert!(broken(&table("4.6 µs")).contains("no such row: | STFT of 2,048 | 4.6 µs |"));
    assert!(broken(&table("4.5 µs").replace("time", "seconds")).contains("a column must be one of"));
    assert!(broken("<!-- rows of speed-x -->\n").contains("no table"));
    assert!(broken("<!-- rows of speed-y -->\n| a |").contains("no such file"));
    assert_eq!(
        broken("<!-- figures of speed-x -->\nOn AVX2 `cnn-1d` took 4.5 µs\nand 1 MB.\n\nBut 7 m.\n"),
        ""
    );
    assert!(broken("- <!-- figures of speed-x --> 4.5 µs, 3 MB\n- 8 s").ends_with("no such figure: 3"));
}
