//! The public items that code names.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::{Path, PathBuf};

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use walkdir::WalkDir;

use crate::api::root;

/// What the code of a file names. Comments, strings and prose do not count.
#[derive(Default)]
pub(crate) struct Code {
    /// The names that stand behind each first name of a path or a `use`, such as `ser_data`: modules, types, functions.
    of_crates: BTreeMap<String, HashSet<String>>,
    /// The `name` of each `.name(…)`.
    calls: HashSet<String>,
    /// The `name` of each `.name`.
    members: HashSet<String>,
    /// The pairs of `Type::name`.
    paths: BTreeSet<(String, String)>,
}

impl Code {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut words = Vec::new();
        flatten(text.parse().ok()?, &mut words);
        let mut code = Self::default();
        code.read(&words);
        code.follow_modules();
        Some(code)
    }

    /// Whether it names an item of this crate.
    pub(crate) fn imports(&self, krate: &str, name: &str) -> bool {
        self.of_crates.get(krate).is_some_and(|names| names.contains(name))
    }

    /// Whether it calls a method of this name.
    pub(crate) fn calls(&self, name: &str) -> bool {
        self.calls.contains(name)
    }

    /// Whether it has `.name`: a method or a field.
    pub(crate) fn has_member(&self, name: &str) -> bool {
        self.members.contains(name)
    }

    pub(crate) fn has_path(&self, owner: &str, name: &str) -> bool {
        self.paths.contains(&(owner.to_owned(), name.to_owned()))
    }

    fn read(&mut self, words: &[String]) {
        let mut at = 0;
        while at < words.len() {
            at += match &words[at..] {
                [word, first, rest @ ..] if word == "use" && is_name(first) => {
                    let end = rest.iter().position(|word| word == ";").unwrap_or(rest.len());
                    let names = self.of_crates.entry(first.clone()).or_default();
                    names.extend(rest[..end].iter().filter(|word| is_name(word)).cloned());
                    2 + end
                }
                // Two dots are a range, or the rest of a struct.
                [dot, second, ..] if dot == "." && second == "." => 2,
                [dot, name, rest @ ..] if dot == "." && is_name(name) => {
                    self.members.insert(name.clone());
                    if rest.first().is_some_and(|next| next == "(" || next == "::") {
                        self.calls.insert(name.clone());
                    }
                    2
                }
                [first, ..] if is_name(first) => {
                    let (path, length) = path(&words[at..]);
                    // What stands behind a type is its own.
                    let to_type = path[1..].iter().position(|name| name.starts_with(char::is_uppercase));
                    let end = to_type.map_or(path.len(), |at| at + 2);
                    let names = self.of_crates.entry(first.clone()).or_default();
                    names.extend(path[1..end].iter().map(|name| (*name).clone()));
                    self.paths.extend(path.windows(2).map(|pair| (pair[0].clone(), pair[1].clone())));
                    length
                }
                _ => 1,
            };
        }
    }

    /// Counts what `layers::Dense` names behind `use ser_models::layers` to the crate.
    fn follow_modules(&mut self) {
        for names in self.of_crates.values_mut() {
            let of_module = |(module, _): &&(String, String)| {
                module.starts_with(char::is_lowercase) && names.contains(module)
            };
            let more: Vec<String> =
                self.paths.iter().filter(of_module).map(|(_, name)| name.clone()).collect();
            names.extend(more);
        }
    }
}

/// The tokens as words; `::` is one of them.
fn flatten(tokens: TokenStream, words: &mut Vec<String>) {
    for token in tokens {
        match token {
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::Brace => ("{", "}"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::None => ("", ""),
                };
                words.push(open.to_owned());
                flatten(group.stream(), words);
                words.push(close.to_owned());
            }
            TokenTree::Punct(colon) if colon.as_char() == ':' && words.last().is_some_and(|w| w == ":") => {
                *words.last_mut().unwrap() = "::".to_owned();
            }
            TokenTree::Literal(_) => words.push("\"\"".to_owned()),
            other => words.push(other.to_string().trim_start_matches("r#").to_owned()),
        }
    }
}

fn is_name(word: &str) -> bool {
    word.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// The path at the beginning of `words`, without parameters such as `::<f32>` and `Conv<1>`, and how many words it takes.
fn path(words: &[String]) -> (Vec<&String>, usize) {
    let (mut path, mut at) = (vec![&words[0]], 1);
    loop {
        let mut next = at;
        if words.get(next).is_some_and(|word| word == "::") {
            next += 1;
        }
        if words.get(next).is_some_and(|word| word == "<")
            && let Some(length) = parameters(&words[next..])
        {
            next += length;
            if words.get(next).is_some_and(|word| word == "::") {
                next += 1;
            }
        }
        match words.get(next) {
            Some(name) if next > at && words[next - 1] == "::" && is_name(name) => {
                path.push(name);
                at = next + 1;
            }
            _ => return (path, at),
        }
    }
}

/// How many words `<…>` takes; none for a comparison.
fn parameters(words: &[String]) -> Option<usize> {
    let mut depth = 0;
    for (at, word) in words.iter().enumerate() {
        match word.as_str() {
            "<" => depth += 1,
            ">" => depth -= 1,
            ";" | "{" | "&&" => return None,
            _ => {}
        }
        if depth == 0 {
            return Some(at + 1);
        }
    }
    None
}

/// The code of each Rust file and of the snippets of each README, by its path in the repository.
pub(crate) fn files() -> BTreeMap<PathBuf, Code> {
    let hidden = |name: &std::ffi::OsStr| name == "target" || name == ".git";
    let entries = WalkDir::new(root()).into_iter().filter_entry(|entry| !hidden(entry.file_name()));
    let read = entries.filter_map(|entry| {
        let path = entry.unwrap().into_path();
        let text = || std::fs::read_to_string(&path).unwrap();
        let text = match path.extension()?.to_str()? {
            "rs" => text(),
            "md" => snippets(&text()),
            _ => return None,
        };
        let code = Code::parse(&text).unwrap_or_else(|| panic!("{}: code must be Rust", path.display()));
        Some((path.strip_prefix(root()).unwrap().to_owned(), code))
    });
    read.collect()
}

/// The Rust of a Markdown text; `# ` begins a line that is not shown.
pub(crate) fn snippets(text: &str) -> String {
    let blocks = text.split("```rust").skip(1).map(|block| block.split("```").next().unwrap_or_default());
    let lines = blocks.flat_map(|block| block.lines().skip(1));
    lines.map(|line| line.strip_prefix("# ").unwrap_or(line).to_owned() + "\n").collect()
}

/// Whether a file counts as a user of a library: its own sources and tests do not, nor does the list of promises, which uses nothing.
pub(crate) fn is_user(file: &Path, library: &str) -> bool {
    let own = ["src", "tests", "fuzz"].map(|folder| Path::new(library).join(folder));
    !own.iter().any(|folder| file.starts_with(folder)) && file != Path::new("ser-bench/tests/promises.rs")
}
