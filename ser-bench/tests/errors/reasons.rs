//! The reasons and rules that code gives to errors: string literals of arguments and fields, of variables too.

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};

use crate::texts::{is_punct, string, without_tests, words};

/// Where a call or a struct holds the reason.
#[derive(Clone, Copy)]
pub(crate) enum Place {
    Argument(usize),
    Field(&'static str),
}
use Place::{Argument, Field};

/// A function, closure or variant that takes a reason, and the error that shows it.
#[derive(Clone)]
struct Giver {
    name: String,
    place: Place,
    error: &'static str,
}

/// By library. Functions that are called by a path are named by it.
pub(crate) const GIVERS: [(&str, &str, Place, &str); 9] = [
    ("ser-features", "ConfigError::require", Argument(2), "ConfigError::OutOfRange"),
    ("ser-features", "Self::require", Argument(2), "ConfigError::OutOfRange"),
    ("ser-features", "refusal", Argument(1), "ConfigError::OutOfRange"),
    ("mood-recommender", "RecommendError::Option", Field("expected"), "RecommendError::Option"),
    ("ser-data", "AudioErrorKind::malformed", Argument(0), "AudioErrorKind::Malformed"),
    ("ser-data", "malformed", Argument(0), "PcmError::Header"),
    ("ser-models", "error", Argument(1), "SettingError"),
    ("ser-models", "require", Argument(2), "SettingError"),
    ("ser-models", "LayerError::setting", Argument(2), "SettingError"),
];

/// The reasons in a file of a library, each with the name of its error.
pub(crate) fn reasons(library: &str, source: TokenStream) -> Vec<(&'static str, String)> {
    let of_library = GIVERS.iter().filter(|giver| giver.0 == library);
    let givers =
        of_library.map(|(_, name, place, error)| Giver { name: (*name).to_owned(), place: *place, error });
    let mut reader = Reader { givers: givers.collect(), names: Vec::new(), found: Vec::new() };
    reader.read(&without_tests(source));
    reader.found
}

/// What a name stands for.
enum Meaning {
    /// `let NAME = …`, `const NAME: … = …` and `for NAME in …`. Several names share the literals of more than one word.
    Value { tokens: Vec<TokenTree>, shared: bool },
    /// The parameter of a closure.
    Parameter { closure: String, number: usize },
}

struct Reader {
    givers: Vec<Giver>,
    names: Vec<(String, Meaning)>,
    found: Vec<(&'static str, String)>,
}

impl Reader {
    fn read(&mut self, tokens: &[TokenTree]) {
        for at in 0..tokens.len() {
            match &tokens[at..] {
                [TokenTree::Ident(word), rest @ ..] if word == "let" || word == "const" => {
                    let before = at.checked_sub(1).map(|before| &tokens[before]);
                    let is_condition = is_punct(before, '&')
                        || before.is_some_and(|word| ["if", "while"].contains(&&*word.to_string()));
                    let end = |token: &TokenTree| {
                        is_punct(Some(token), ';')
                            || token.to_string() == "else"
                            || is_condition && is_block(token)
                    };
                    self.bind(rest, |token| is_punct(Some(token), '='), end);
                }
                [TokenTree::Ident(word), rest @ ..] if word == "for" => {
                    self.bind(rest, |token| token.to_string() == "in", is_block);
                }
                [TokenTree::Ident(_), TokenTree::Group(group), ..] => {
                    self.give(&called(&tokens[..=at]), group)
                }
                [TokenTree::Group(group), ..] => self.read(&inside(group)),
                _ => {}
            }
        }
    }

    /// Notes what the names of `PATTERN: TYPE SIGN VALUE END` stand for.
    fn bind(
        &mut self,
        tokens: &[TokenTree],
        is_sign: impl Fn(&TokenTree) -> bool,
        is_end: impl Fn(&TokenTree) -> bool,
    ) {
        let sign = tokens.iter().position(|token| is_sign(token) || is_end(token));
        let Some(sign) = sign.filter(|sign| is_sign(&tokens[*sign])) else { return };
        let (pattern, value) = (&tokens[..sign], &tokens[sign + 1..]);
        let pattern = pattern.split(|token| is_punct(Some(token), ':')).next().unwrap();
        let value = &value[..value.iter().position(is_end).unwrap_or(value.len())];
        match (pattern, value) {
            ([name], [bar, rest @ ..]) if is_punct(Some(bar), '|') => {
                let parameters = rest.split(|token| is_punct(Some(token), '|')).next().unwrap();
                for (number, parameter) in parts(parameters).enumerate() {
                    let parameter = names(parameter).into_iter().next().unwrap_or_default();
                    self.names.push((parameter, Meaning::Parameter { closure: name.to_string(), number }));
                }
            }
            ([TokenTree::Group(pattern)], [TokenTree::Group(value)])
                if value.delimiter() == Delimiter::Parenthesis =>
            {
                let (pattern, value) = (inside(pattern), inside(value));
                parts(&pattern).zip(parts(&value)).for_each(|(pattern, value)| self.note(pattern, value));
            }
            _ => self.note(pattern, value),
        }
    }

    fn note(&mut self, pattern: &[TokenTree], value: &[TokenTree]) {
        let names = names(pattern);
        let shared = names.len() > 1;
        let meaning = || Meaning::Value { tokens: value.to_vec(), shared };
        self.names.extend(names.into_iter().map(|name| (name, meaning())));
    }

    /// Takes the reasons of a call or a struct, if it is a giver's.
    fn give(&mut self, name: &str, group: &Group) {
        let tokens = inside(group);
        for giver in self.givers.clone().iter().filter(|giver| giver.name == name) {
            let part = match (giver.place, group.delimiter()) {
                (Argument(number), Delimiter::Parenthesis) => parts(&tokens).nth(number),
                (Field(field), Delimiter::Brace) => {
                    parts(&tokens).find(|part| names(part).first().is_some_and(|word| word == field))
                }
                _ => None,
            };
            let value = match (giver.place, part) {
                (_, None) => continue,
                (Field(_), Some([_, _, value @ ..])) => value,
                (_, Some(value)) => value,
            };
            let reasons = self.resolve(value, self.names.len(), giver.error);
            self.found.extend(reasons.into_iter().map(|reason| (giver.error, reason)));
        }
    }

    /// The literals of a value, or of the names in it that stand before `until`. A closure whose parameter is the value gives reasons too.
    fn resolve(&mut self, value: &[TokenTree], until: usize, error: &'static str) -> Vec<String> {
        let mut reasons = literals(value);
        if !reasons.is_empty() {
            return reasons;
        }
        for word in value.iter().map(ToString::to_string) {
            let Some(at) = self.names[..until].iter().rposition(|(name, _)| *name == word) else { continue };
            match &self.names[at].1 {
                Meaning::Value { tokens, shared } => {
                    let (tokens, shared) = (tokens.clone(), *shared);
                    let more = self.resolve(&tokens, at, error);
                    reasons.extend(more.into_iter().filter(|reason| !shared || reason.contains(' ')));
                }
                Meaning::Parameter { closure, number } => {
                    let (name, place) = (closure.clone(), Argument(*number));
                    self.givers.push(Giver { name, place, error });
                }
            }
        }
        reasons
    }
}

/// The name that ends `tokens`, with the type before it.
fn called(tokens: &[TokenTree]) -> String {
    match tokens {
        [.., TokenTree::Ident(of), first, second, name]
            if is_punct(Some(first), ':') && is_punct(Some(second), ':') =>
        {
            format!("{of}::{name}")
        }
        [.., name] => name.to_string(),
        [] => String::new(),
    }
}

fn is_block(token: &TokenTree) -> bool {
    matches!(token, TokenTree::Group(group) if group.delimiter() == Delimiter::Brace)
}

fn inside(group: &Group) -> Vec<TokenTree> {
    group.stream().into_iter().collect()
}

/// What stands between commas.
fn parts(tokens: &[TokenTree]) -> impl Iterator<Item = &[TokenTree]> {
    tokens.split(|token| is_punct(Some(token), ','))
}

fn names(tokens: &[TokenTree]) -> Vec<String> {
    words(tokens.iter().cloned().collect())
}

/// The string literals of an expression; of `format!` the first.
fn literals(tokens: &[TokenTree]) -> Vec<String> {
    let mut literals = Vec::new();
    for at in 0..tokens.len() {
        let formatted = at >= 2
            && tokens[at - 2].to_string().starts_with("format")
            && is_punct(Some(&tokens[at - 1]), '!');
        match &tokens[at] {
            TokenTree::Literal(literal) => {
                literals.extend(string(literal).filter(|text| text.contains(char::is_alphabetic)))
            }
            TokenTree::Group(group) => {
                let tokens = inside(group);
                let end = if formatted { tokens.len().min(1) } else { tokens.len() };
                literals.extend(self::literals(&tokens[..end]));
            }
            _ => {}
        }
    }
    literals
}
