//! Limits of settings that the code checks must be stated in the docs: of a field with the setting's name, or of an item in the file that
//! checks it.

use std::collections::BTreeMap;

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};

use crate::texts::{is_punct, string, without_tests};

/// A rule about a setting, such as ("n_iter", "at most 100000").
type Rule = (String, String);

/// What a file documents and checks.
#[derive(Default)]
struct File {
    /// The docs of public fields by name.
    fields: BTreeMap<String, String>,
    /// All docs.
    docs: String,
    rules: Vec<Rule>,
}

impl File {
    fn read(source: TokenStream) -> Self {
        let mut file = Self::default();
        file.read_items(&without_tests(source));
        file
    }

    fn read_items(&mut self, tokens: &[TokenTree]) {
        let (mut docs, mut rule) = (String::new(), None);
        let mut at = 0;
        while at < tokens.len() {
            match &tokens[at..] {
                [sign, TokenTree::Group(attribute), ..] if is_punct(Some(sign), '#') => {
                    docs += &documentation(attribute);
                    self.docs += &documentation(attribute);
                    at += 1;
                }
                [TokenTree::Ident(word), TokenTree::Ident(name), colon, ..]
                    if word == "pub" && is_punct(Some(colon), ':') =>
                {
                    *self.fields.entry(name.to_string()).or_default() += &std::mem::take(&mut docs);
                }
                [TokenTree::Ident(word), TokenTree::Ident(name), sign, TokenTree::Literal(literal), ..]
                    if word == "let" && name == "rule" && is_punct(Some(sign), '=') =>
                {
                    rule = string(literal);
                }
                [TokenTree::Group(group), ..] => {
                    docs.clear();
                    self.read_rules(group, rule.as_ref());
                    self.read_items(&group.stream().into_iter().collect::<Vec<_>>());
                }
                _ => docs.clear(),
            }
            at += 1;
        }
    }

    /// The rules of a call or a tuple: the name of a setting, then its rule, as a literal or in the variable `rule`.
    fn read_rules(&mut self, group: &Group, rule: Option<&String>) {
        if group.delimiter() == Delimiter::Brace {
            return;
        }
        let tokens: Vec<TokenTree> = group.stream().into_iter().collect();
        let mut setting = None;
        for part in tokens.split(|token| is_punct(Some(token), ',')) {
            let text = match part {
                [TokenTree::Literal(literal)] => string(literal),
                [TokenTree::Ident(name)] if name == "rule" => rule.cloned(),
                _ => None,
            };
            match (text, &setting) {
                (Some(text), Some(setting)) if text.contains(' ') => {
                    self.rules.push((String::clone(setting), text));
                }
                (Some(text), _) if !text.is_empty() && text.chars().all(is_of_name) => {
                    // `training.batch_size` is the field `batch_size`.
                    setting = text.rsplit('.').next().map(str::to_owned);
                }
                _ => {}
            }
        }
    }
}

fn is_of_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '.'
}

/// The text of `#[doc = "…"]` and nothing of other attributes.
fn documentation(attribute: &Group) -> String {
    let tokens: Vec<TokenTree> = attribute.stream().into_iter().collect();
    match &tokens[..] {
        [TokenTree::Ident(word), _, TokenTree::Literal(text)] if word == "doc" => {
            string(text).unwrap_or_default() + "\n"
        }
        _ => String::new(),
    }
}

/// The sizes of the numbers in a text: `1,048,576`, `0..=1e6`, `10⁻³`, `±60`.
fn numbers(text: &str) -> Vec<f64> {
    let mut plain = String::new();
    let mut before = ' ';
    for c in text.replace("..=", " ").replace("..", " ").replace('⁻', "-").chars() {
        match "⁰¹²³⁴⁵⁶⁷⁸⁹".chars().position(|digit| digit == c) {
            // 10³ is 1e3; the sign of a power stands before its digits.
            Some(digit) => {
                plain = plain.strip_suffix("10").map(|rest| format!("{rest}1e")).unwrap_or(plain);
                plain = plain.strip_suffix("10-").map(|rest| format!("{rest}1e-")).unwrap_or(plain);
                plain += &digit.to_string();
            }
            None if c == ',' && before.is_ascii_digit() => {}
            None => plain.push(c),
        }
        before = c;
    }
    let is_part = |c: char| c.is_ascii_digit() || "e.-".contains(c);
    let words = plain.split(|c| !is_part(c)).map(|word| word.trim_matches(['.', '-']));
    words.filter_map(|word| word.parse::<f64>().ok()).map(f64::abs).collect()
}

/// The rules of files whose numbers are documented nowhere. 0, 1 and 2 have words: no, above, odd.
fn undocumented(files: &[File]) -> Vec<Rule> {
    let documents = |docs: &str, number: f64| numbers(docs).contains(&number);
    let is_stated = |file: &File, name: &str, number: f64| {
        documents(&file.docs, number)
            || files.iter().any(|file| file.fields.get(name).is_some_and(|docs| documents(docs, number)))
    };
    let mut found = Vec::new();
    for file in files {
        for (name, rule) in &file.rules {
            let is_field = files.iter().any(|file| file.fields.contains_key(name));
            let limits = numbers(rule).into_iter().filter(|number| *number > 2.0 || number.fract() > 0.0);
            if is_field && !limits.into_iter().all(|number| is_stated(file, name, number)) {
                found.push((name.clone(), rule.clone()));
            }
        }
    }
    found
}

/// The rules of a library that its docs do not state.
pub(crate) fn of_library(sources: impl IntoIterator<Item = TokenStream>) -> Vec<Rule> {
    undocumented(&sources.into_iter().map(File::read).collect::<Vec<_>>())
}

#[test]
fn limits_without_docs_are_found() {
    let file = |docs: &str| -> TokenStream {
        let source = format!(
            r#"
            pub struct Config {{
                /// Rounds, {docs}.
                #[serde(default)]
                pub rounds: usize,
                /// A factor.
                pub scale: f64,
            }}
            fn check(config: &Config) -> Checked {{
                let rule = "at most 5000 rounds";
                require(config.rounds <= 5_000, "rounds", rule, config.rounds)?;
                for (setting, value, rule) in [("scale", config.scale, "0.01 to 100")] {{
                    require(true, setting, rule, value)?;
                }}
            }}
            "#
        );
        source.parse().unwrap()
    };
    let found =
        |docs| -> Vec<String> { of_library([file(docs)]).into_iter().map(|(name, _)| name).collect() };
    assert_eq!(found("at most 5,000"), ["scale"]);
    assert_eq!(found("1 or more"), ["rounds", "scale"]);
    assert_eq!(
        numbers("0..=1e30, 1..=1,048,576, −3 or 10⁻³⁰ to 10³⁰."),
        [0.0, 1e30, 1.0, 1_048_576.0, 3.0, 1e-30, 1e30]
    );
}
