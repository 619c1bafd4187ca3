//! All error texts of the libraries in one table, `docs/errors.md`, so that they can be read side by side, and the rules that they keep.
//!
//! `WRITE=1 cargo test --workspace --test errors` writes the table again.

#![allow(clippy::unwrap_used)] // a test may panic

use std::fmt::Write;
use std::path::{Path, PathBuf};

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use walkdir::WalkDir;

const LIBRARIES: [&str; 4] = ["ser-features", "mood-recommender", "ser-data", "ser-models"];

/// One `#[error("…")]`.
struct Text {
    /// `Type`, or `Type::Variant`.
    of: String,
    text: String,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The value of the string literal that an attribute's arguments begin with.
fn literal(arguments: TokenStream) -> Option<String> {
    let Some(TokenTree::Literal(literal)) = arguments.into_iter().next() else { return None };
    let quoted = literal.to_string();
    let text = quoted.strip_prefix('"')?.strip_suffix('"')?;
    // A backslash at a line's end joins it with the next one.
    let mut joined = String::new();
    let mut lines = text.split("\\\n");
    joined.push_str(lines.next()?);
    lines.for_each(|line| joined.push_str(line.trim_start()));
    Some(joined.replace("\\\"", "\""))
}

/// Collects the texts of a file's types.
fn collect(tokens: TokenStream, owner: Option<&str>, texts: &mut Vec<Text>) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    // The text that the next name, of a type or a variant, belongs to.
    let mut pending: Option<String> = None;
    let mut at = 0;
    while at < tokens.len() {
        match &tokens[at..] {
            [TokenTree::Punct(hash), TokenTree::Group(group), ..] if hash.as_char() == '#' => {
                let inside: Vec<TokenTree> = group.stream().into_iter().collect();
                if let [TokenTree::Ident(name), TokenTree::Group(arguments)] = &inside[..]
                    && name == "error"
                {
                    pending = literal(arguments.stream());
                }
                at += 2;
            }
            [TokenTree::Ident(keyword), TokenTree::Ident(name), rest @ ..]
                if keyword == "enum" || keyword == "struct" =>
            {
                let name = name.to_string();
                texts.extend(pending.take().map(|text| Text { of: name.clone(), text }));
                let body = rest.iter().find_map(|token| match token {
                    TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => Some(group.stream()),
                    _ => None,
                });
                if let (true, Some(body)) = (keyword == "enum", body) {
                    collect(body, Some(&name), texts);
                }
                at += 2;
            }
            [TokenTree::Ident(name), ..] => {
                // A type's own text waits for its name, behind `pub struct`.
                if let Some(owner) = owner
                    && let Some(text) = pending.take()
                {
                    texts.push(Text { of: format!("{owner}::{name}"), text });
                }
                at += 1;
            }
            [TokenTree::Group(group), ..] if owner.is_none() => {
                collect(group.stream(), None, texts);
                at += 1;
            }
            _ => at += 1,
        }
    }
}

fn texts(library: &str) -> Vec<Text> {
    let mut texts = Vec::new();
    for entry in WalkDir::new(root().join(library).join("src")).sort_by_file_name() {
        let entry = entry.unwrap();
        if entry.path().extension().is_some_and(|ending| ending == "rs") {
            let source = std::fs::read_to_string(entry.path()).unwrap();
            collect(source.parse().unwrap(), None, &mut texts);
        }
    }
    texts
}

#[test]
fn the_table_of_error_texts_is_that_of_the_code() {
    let mut table = "# Error texts\n\nThe errors and warnings of each library. `{…}` stands for a value. Variants that only pass \
                     on another error are left out.\n"
        .to_owned();
    for library in LIBRARIES {
        write!(table, "\n## {library}\n\n| error | text |\n| --- | --- |\n").unwrap();
        for Text { of, text } in texts(library) {
            writeln!(table, "| `{of}` | {} |", text.replace('|', "\\|")).unwrap();
        }
    }
    let file = root().join("docs/errors.md");
    if std::env::var_os("WRITE").is_some() {
        std::fs::write(&file, &table).unwrap();
    }
    let written = std::fs::read_to_string(&file).unwrap_or_default();
    let differs = table.lines().zip(written.lines().chain(std::iter::repeat(""))).find(|(a, b)| a != b);
    assert!(
        table == written,
        "docs/errors.md differs from the code, first at {differs:?}; WRITE=1 cargo test --workspace --test errors writes it"
    );
}

/// A text without what stands for values.
fn without_values(text: &str) -> String {
    let parts = text.split('{').enumerate();
    parts
        .map(|(n, part)| if n == 0 { part } else { part.split_once('}').map_or("", |(_, rest)| rest) })
        .collect()
}

/// Texts are one line without a full stop, hold none of some vague or blaming words, and do not say `must …, but …`.
#[test]
fn error_texts_keep_the_rules() {
    let mut broken = Vec::new();
    for library in LIBRARIES {
        let texts = texts(library);
        assert!(texts.len() > 10, "{library} has {} texts", texts.len());
        for Text { of, text } in texts {
            let mut rule = |holds: bool, what: &str| {
                if !holds {
                    broken.push(format!("{library}: {of}: {what}: {text}"));
                }
            };
            rule(!text.ends_with(['.', '!']), "must end without a full stop");
            let words = without_values(&text).to_lowercase();
            for word in ["invalid", "illegal", "failed", "please", "unexpected", "oops", "error"] {
                rule(!words.split(|c: char| !c.is_alphanumeric()).any(|w| w == word), word);
            }
            rule(!words.contains("must") || !words.contains(", but "), "must say `must be …, got …`");
            rule(!text.contains("  ") && !text.contains('\n'), "must be one line of single spaces");
        }
    }
    assert!(broken.is_empty(), "{} texts break rules:\n{}", broken.len(), broken.join("\n"));
}
