//! The texts of error types: `#[error("…")]`.

use std::path::{Path, PathBuf};

use proc_macro2::{Delimiter, Literal, TokenStream, TokenTree};
use walkdir::WalkDir;

/// One `#[error(…)]`.
pub(crate) struct Text {
    /// `Type`, or `Type::Variant`.
    pub(crate) of: String,
    /// None for `transparent`: the text of the only field.
    pub(crate) text: Option<String>,
    /// The names in the fields: their own, their types and attributes.
    pub(crate) fields: Vec<String>,
}

impl Text {
    /// Whether a field has this type.
    pub(crate) fn holds(&self, name: &str) -> bool {
        self.fields.iter().any(|word| word == name)
    }

    /// Whether a field is `#[source]` or `#[from]`.
    pub(crate) fn has_source(&self) -> bool {
        self.holds("source") || self.holds("from")
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The tokens of each source file of a library.
pub(crate) fn sources(library: &str) -> Vec<TokenStream> {
    let entries = WalkDir::new(root().join(library).join("src")).sort_by_file_name().into_iter();
    let paths = entries.map(|entry| entry.unwrap().into_path());
    let read = paths.filter(|path| path.extension().is_some_and(|extension| extension == "rs"));
    read.map(|path| std::fs::read_to_string(path).unwrap().parse().unwrap()).collect()
}

/// The texts of a file's types.
pub(crate) fn texts(source: TokenStream) -> Vec<Text> {
    let mut texts = Vec::new();
    collect(&without_tests(source), None, &mut texts);
    texts
}

/// Collects the texts of types, or of the variants of `owner`.
fn collect(tokens: &[TokenTree], owner: Option<&str>, texts: &mut Vec<Text>) {
    // The text that the next name, of a type or a variant, belongs to.
    let mut pending: Option<Option<String>> = None;
    let mut at = 0;
    while at < tokens.len() {
        match &tokens[at..] {
            [hash, TokenTree::Group(group), ..] if is_punct(Some(hash), '#') => {
                let inside: Vec<TokenTree> = group.stream().into_iter().collect();
                if let [TokenTree::Ident(name), TokenTree::Group(arguments)] = &inside[..]
                    && name == "error"
                {
                    pending = Some(match arguments.stream().into_iter().next() {
                        Some(TokenTree::Literal(literal)) => string(&literal),
                        _ => None,
                    });
                }
                at += 2;
            }
            [TokenTree::Ident(keyword), TokenTree::Ident(name), rest @ ..]
                if keyword == "enum" || keyword == "struct" =>
            {
                let name = name.to_string();
                texts.extend(pending.take().map(|text| Text {
                    of: name.clone(),
                    text,
                    fields: fields(rest),
                }));
                let body = rest.iter().find_map(|token| match token {
                    TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => Some(group.stream()),
                    _ => None,
                });
                if let (true, Some(body)) = (keyword == "enum", body) {
                    collect(&body.into_iter().collect::<Vec<_>>(), Some(&name), texts);
                }
                at += 2;
            }
            [TokenTree::Ident(name), rest @ ..] => {
                // A type's own text waits for its name, behind `pub struct`.
                if let Some(owner) = owner
                    && let Some(text) = pending.take()
                {
                    texts.push(Text { of: format!("{owner}::{name}"), text, fields: fields(rest) });
                }
                at += 1;
            }
            [TokenTree::Group(group), ..] if owner.is_none() => {
                collect(&group.stream().into_iter().collect::<Vec<_>>(), None, texts);
                at += 1;
            }
            _ => at += 1,
        }
    }
}

/// The names in the group behind the name of a type or variant.
fn fields(tokens: &[TokenTree]) -> Vec<String> {
    match tokens.first() {
        Some(TokenTree::Group(group)) => words(group.stream()),
        _ => Vec::new(),
    }
}

/// All names, in groups too.
pub(crate) fn words(tokens: TokenStream) -> Vec<String> {
    let of_token = |token: TokenTree| match token {
        TokenTree::Ident(word) => vec![word.to_string()],
        TokenTree::Group(group) => words(group.stream()),
        _ => Vec::new(),
    };
    tokens.into_iter().flat_map(of_token).collect()
}

/// The tokens without `mod tests { … }`.
pub(crate) fn without_tests(tokens: TokenStream) -> Vec<TokenTree> {
    let mut kept: Vec<TokenTree> = Vec::new();
    for token in tokens {
        let is_tests = matches!((&kept[..], &token), ([.., module, name], TokenTree::Group(_))
            if module.to_string() == "mod" && name.to_string() == "tests");
        if !is_tests {
            kept.push(token);
        }
    }
    kept
}

pub(crate) fn is_punct(token: Option<&TokenTree>, wanted: char) -> bool {
    matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == wanted)
}

/// The value of a string literal.
pub(crate) fn string(literal: &Literal) -> Option<String> {
    let quoted = literal.to_string();
    let text = quoted.strip_prefix('"')?.strip_suffix('"')?;
    // A backslash at a line's end joins it with the next one.
    let mut lines = text.split("\\\n");
    let mut joined = lines.next()?.to_owned();
    lines.for_each(|line| joined.push_str(line.trim_start()));
    Some(joined.replace("\\\"", "\""))
}
