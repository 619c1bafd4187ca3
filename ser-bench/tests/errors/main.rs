//! All error texts of the libraries in one table, `docs/errors.md`, so that they can be read side by side, and the rules that they keep.
//!
//! `WRITE=1 cargo test --workspace --test errors` writes the table again.

#![allow(clippy::unwrap_used)] // a test may panic

use std::fmt::Write;

use texts::Text;

#[path = "../page/mod.rs"]
mod page;
mod ranges;
mod reasons;
mod texts;

const LIBRARIES: [&str; 4] = ["ser-features", "mood-recommender", "ser-data", "ser-models"];

/// Types whose texts have no place, because another error shows them behind one.
const WRAPPED: [&str; 1] = ["AudioErrorKind"];

/// The error types of a library.
struct Library {
    texts: Vec<Text>,
    /// The reasons that code gives, with the names of their errors.
    reasons: Vec<(&'static str, String)>,
}

impl Library {
    fn read(name: &str) -> Self {
        let mut library = Self { texts: Vec::new(), reasons: Vec::new() };
        for source in texts::sources(name) {
            library.texts.extend(texts::texts(source.clone()));
            for reason in reasons::reasons(name, source) {
                if !library.reasons.contains(&reason) {
                    library.reasons.push(reason);
                }
            }
        }
        library
    }

    /// The errors that have a text of their own.
    fn texts(&self) -> impl Iterator<Item = (&Text, &str)> {
        self.texts.iter().filter_map(|error| Some((error, error.text.as_deref()?)))
    }

    /// Whether a text is only those of other errors of the library.
    fn passes_on(&self, error: &Text) -> bool {
        let is_bare = error.text.as_deref().is_some_and(|text| without_values(text).is_empty());
        is_bare && self.texts.iter().any(|other| error.holds(other.of.split("::").next().unwrap()))
    }

    /// The reasons that code gives to an error.
    fn reasons<'a>(&'a self, of: &'a str) -> impl Iterator<Item = &'a str> {
        self.reasons.iter().filter(move |(error, _)| *error == of).map(|(_, reason)| &**reason)
    }
}

#[test]
fn the_table_of_error_texts_is_that_of_the_code() {
    let mut table = "# Error texts\n\nThe errors and warnings of each library. `{…}` stands for a value; rows that begin \
                     with … list the reasons and rules that the code inserts. Variants that only pass on another error are left out.\n"
        .to_owned();
    for name in LIBRARIES {
        let library = Library::read(name);
        write!(table, "\n## {name}\n\n| error | text |\n| --- | --- |\n").unwrap();
        for (Text { of, .. }, text) in library.texts() {
            writeln!(table, "| `{of}` | {} |", text.replace('|', "\\|")).unwrap();
            library
                .reasons(of)
                .for_each(|reason| writeln!(table, "| | … {} |", reason.replace('|', "\\|")).unwrap());
        }
    }
    page::check("errors", &table);
}

/// A text without what stands for values.
fn without_values(text: &str) -> String {
    let parts = text.split('{').enumerate();
    parts
        .map(|(n, part)| if n == 0 { part } else { part.split_once('}').map_or("", |(_, rest)| rest) })
        .collect()
}

/// The rules of language that a text or reason breaks: it is one line without a full stop, holds none of some vague or blaming words, and
/// does not say `must …, but …`.
fn broken_language(text: &str) -> Vec<&'static str> {
    let words = without_values(text).to_lowercase();
    let vague = ["invalid", "illegal", "failed", "please", "unexpected", "oops", "error"];
    let has = |word: &&str| words.split(|c: char| !c.is_alphanumeric()).any(|other| other == *word);
    let mut broken: Vec<&str> = vague.into_iter().filter(has).collect();
    let mut rule = |holds: bool, what| broken.extend((!holds).then_some(what));
    rule(!text.ends_with(['.', '!']), "must end without a full stop");
    rule(!words.contains("must") || !words.contains(", but "), "must say `must be …, got …`");
    rule(!text.contains("  ") && !text.contains('\n'), "must be one line of single spaces");
    broken
}

/// Whether a text begins with the name of a place, or a value that stands for it: `split: ` or `clip {id}: `.
fn has_place(text: &str) -> bool {
    let place = text.split_once(": ").map(|(place, _)| place);
    place
        .is_some_and(|place| !place.contains("must") && without_values(place).split_whitespace().count() <= 4)
}

/// Whether a text ends with its cause, or with a text made of it.
fn is_wrapper(text: &str, has_source: bool) -> bool {
    let causes = ["{cause}", "{error}", "{reason}", "{kind}", "{0}"];
    let before = causes.into_iter().find_map(|cause| text.strip_suffix(cause));
    before.is_some_and(|before| before.is_empty() || before.ends_with(": "))
        || has_source && text.ends_with(": {}")
}

#[test]
fn error_texts_keep_the_rules() {
    let mut broken = Vec::new();
    for name in LIBRARIES {
        let library = Library::read(name);
        assert!(library.texts.len() > 10, "{name} has {} texts", library.texts.len());
        for (error, text) in library.texts() {
            let of = &*error.of;
            let mut rule = |holds: bool, what: &str, text: &str| {
                if !holds {
                    broken.push(format!("{name}: {of}: {what}: {text}"));
                }
            };
            for text in [text].into_iter().chain(library.reasons(of)) {
                broken_language(text).into_iter().for_each(|what| rule(false, what, text));
            }
            let owner = of.split("::").next().unwrap();
            if owner.ends_with("Warning") || library.passes_on(error) {
                continue;
            }
            rule(has_place(text) || WRAPPED.contains(&owner), "must begin with a place", text);
            // A reason that the code gives is part of the text.
            let mut texts: Vec<String> = library
                .reasons(of)
                .map(|reason| text.replace("{rule}", reason).replace("{reason}", reason))
                .collect();
            if texts.is_empty() {
                texts.push(text.to_owned());
            }
            for text in texts.iter().filter(|_| !is_wrapper(text, error.has_source())) {
                let is_stated = text.contains(" must ") && text.contains(", got ");
                rule(is_stated, "must say what must hold and what was given", text);
            }
        }
    }
    assert!(broken.is_empty(), "{} texts break rules:\n{}", broken.len(), broken.join("\n"));
}

/// Errors that show one of these begin with a place and end with it, and at least one does.
#[test]
fn texts_without_a_place_stand_behind_one() {
    let libraries = LIBRARIES.map(Library::read);
    for wrapped in WRAPPED {
        let errors = libraries.iter().flat_map(|library| &library.texts);
        let holders: Vec<&Text> = errors.filter(|error| error.holds(wrapped)).collect();
        let is_behind_one = |error: &Text| {
            let text = error.text.as_deref().unwrap_or_default();
            has_place(text) && is_wrapper(text, error.has_source())
        };
        let bare: Vec<&str> =
            holders.iter().filter(|error| !is_behind_one(error)).map(|error| &*error.of).collect();
        assert!(bare.is_empty() && !holders.is_empty(), "{bare:?} must name a place before {wrapped}");
    }
}

#[test]
fn each_giver_gives_reasons() {
    for (name, function, _, of) in reasons::GIVERS {
        assert!(Library::read(name).reasons(of).next().is_some(), "{name}: {function} gives {of} no reason");
    }
}

/// The reasons of a made-up file, each with its error.
fn reasons_of(library: &str, source: &str) -> Vec<(&'static str, String)> {
    reasons::reasons(library, source.parse().unwrap())
}

#[test]
fn limits_of_settings_stand_in_the_docs() {
    for name in LIBRARIES {
        let missing = ranges::of_library(texts::sources(name));
        assert!(missing.is_empty(), "{name}: the docs of a setting must state its rule: {missing:?}");
    }
}

#[test]
fn reasons_are_found_wherever_they_are_written() {
    let source = r#"
        const SHORT: &str = "short";
        fn check(&self) -> Checked {
            TRAINING.require(holds, "two words", "plain", value)?;
            TRAINING.require(holds, "setting", SHORT, value)?;
            let rule = format!("one of {}", words.join(" or "));
            TRAINING.require(holds, "setting", &rule, value)?;
            let (rule, given) = ("of a pair", format!("{} for {}", 1, 2));
            TRAINING.require(holds, "setting", rule, given)?;
            let rule = match kind { Kind::A => "of A", Kind::B => "of B" };
            TRAINING.require(holds, "setting", rule, given)?;
            for (setting, holds, rule) in [("batch_size", a, "in a table")] {
                TRAINING.require(holds, setting, rule, 0)?;
            }
            let refused = |rule, given: String| LayerError::setting("ensemble", "weights", rule, given);
            refused("of a closure", "no".to_owned())?;
            let rules = [(a == b, "of a list")];
            if let Some((_, rule)) = rules.into_iter().find(|(holds, _)| !holds) {
                return Err(TRAINING.error("setting", rule, "another"));
            }
        }
        mod tests {
            fn f() { TRAINING.require(holds, "setting", "of a test", value) }
        }
    "#;
    let found = reasons_of("ser-models", source);
    let expected = [
        "plain",
        "short",
        "one of {}",
        "of a pair",
        "of A",
        "of B",
        "in a table",
        "of a closure",
        "of a list",
    ];
    assert_eq!(found, expected.map(|reason| ("SettingError", reason.to_owned())));

    let source = r#"fn f() { Err(RecommendError::Option { option, expected: "a field", given }) }"#;
    assert_eq!(reasons_of("mood-recommender", source), [("RecommendError::Option", "a field".to_owned())]);
}

#[test]
fn places_and_causes_are_told_from_sentences() {
    for text in
        ["split: folds must be 2", "clip {id}: {cause}", "row {row} (line {line}): cells", "{}: {kind}"]
    {
        assert!(has_place(text), "{text}");
    }
    for text in ["{parameter} must be 1 or more, got 0", "a folder must hold files: got 0", "{0}"] {
        assert!(!has_place(text), "{text}");
    }
    for (text, has_source) in
        [("{file}: cannot be read: {cause}", false), ("{0}", false), ("{file}: {}", true)]
    {
        assert!(is_wrapper(text, has_source), "{text}");
    }
    assert!(!is_wrapper("the header {0}", true) && !is_wrapper("{file}: {}", false));
}
