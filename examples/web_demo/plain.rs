//! Parses bodies and queries of requests. Errors name place, parameter and rule in plain words.

use axum::extract::Query;
use axum::extract::rejection::QueryRejection;
use axum::http::Uri;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::error::Category;

use crate::problem::Problem;

/// Names of places in errors.
const BODY: &str = "body";
const QUERY: &str = "query";

/// Maximum number of characters of a request's text that an error repeats.
const MAX_REPEATED: usize = 60;

/// Parses a body in JSON. The parts at the JSON pointers `objects` must be objects if they are present. This is checked separately, because
/// derived deserialisers accept lists for structs too.
pub(crate) fn json<T: DeserializeOwned>(content: &[u8], objects: &[&str]) -> Result<T, Problem> {
    let value: Value = serde_json::from_slice(content).map_err(|error| {
        let place = format!("line {}, column {}", error.line(), error.column());
        Problem::invalid(match error.classify() {
            _ if content.trim_ascii().is_empty() => "body: content must be JSON, got nothing".to_owned(),
            Category::Eof => format!("body: content must be JSON, got a part that ends at {place}"),
            _ => format!("body: content must be JSON, got other text from {place} on"),
        })
    })?;
    for pointer in objects {
        if let Some(other) = value.pointer(pointer).filter(|part| !part.is_object()) {
            let got = if other.is_array() { "a list".to_owned() } else { shortened(&other.to_string()) };
            let parameter = parameter(BODY, &pointer.trim_start_matches('/').replace('/', "."));
            return Err(Problem::invalid(format!("{parameter} must be an object, got {got}")));
        }
    }
    serde_path_to_error::deserialize(value).map_err(|error| {
        let (path, message) = (error.path().to_string(), error.inner().to_string());
        Problem::invalid(words(BODY, &path, &message, None))
    })
}

/// Parses the query of an address.
pub(crate) fn query<T: DeserializeOwned>(address: &Uri) -> Result<T, Problem> {
    match Query::try_from_uri(address) {
        Ok(Query(query)) => Ok(query),
        Err(QueryRejection::FailedToDeserializeQueryString(error)) => {
            let text = error.body_text();
            // The text begins with axum's own words. `PARAMETER: MESSAGE` follows.
            let text = text.split_once("query string: ").map_or(&*text, |(_, text)| text);
            let (parameter, message) = text.split_once(": ").unwrap_or(("", text));
            // Messages about numbers do not contain the value.
            let given = Query::<Vec<(String, String)>>::try_from_uri(address);
            let given = given.map(|Query(pairs)| pairs.into_iter().find(|(name, _)| name == parameter));
            let got = given.ok().flatten().map(|(_, value)| value);
            Err(Problem::invalid(words(QUERY, parameter, message, got.as_deref())))
        }
        Err(error) => Err(Problem::invalid(format!("{QUERY}: {}", error.body_text()))),
    }
}

/// Rewrites an error of `serde` or the standard library about the value at `path` below `root` in plain words. `got` is a value that was
/// parsed from text, which `message` does not contain.
fn words(root: &str, path: &str, message: &str, got: Option<&str>) -> String {
    // A line and column, which serde_json may append, mean nothing here because the text was parsed before.
    let message = message.split(" at line ").next().unwrap_or(message);
    let parameter = parameter(root, path);
    let quoted = |text: &str| text.replace('`', "");
    if let Some(kinds) =
        message.strip_prefix("invalid type: ").or_else(|| message.strip_prefix("invalid value: "))
        && let Some((got, expected)) = kinds.rsplit_once(", expected ")
    {
        return format!("{parameter} must be {}, got {}", kind(expected), value(got));
    }
    for (start, what) in [("unknown field ", "parameters"), ("unknown variant ", "values")] {
        if let Some((name, known)) =
            message.strip_prefix(start).and_then(|rest| rest.split_once(", expected "))
        {
            // serde joins two names by ` or `, and three or more by commas.
            let known = quoted(known.trim_start_matches("one of ")).replace(" or ", ", ");
            let name = quoted(name);
            let what = match what {
                "parameters" => format!("{}: parameter", parent(root, path, &name)),
                _ => parameter,
            };
            return format!("{what} must be one of {known}, got {}", shortened(&name));
        }
    }
    for (start, rule) in [("missing field ", "given, got none"), ("duplicate field ", "given once, got more")]
    {
        if let Some(name) = message.strip_prefix(start) {
            let name = quoted(name);
            return format!("{}: {name} must be {rule}", parent(root, path, &name));
        }
    }
    let rule = match message {
        "invalid digit found in string" | "cannot parse integer from empty string" => {
            "a whole number, 0 or more"
        }
        "number too large to fit in target type" | "number too small to fit in target type" => {
            "a whole number within its limits"
        }
        "invalid float literal" | "cannot parse float from empty string" => "a number",
        "provided string was not `true` or `false`" => "true or false",
        // The error of a type with its own rule, which begins with the name of the type.
        other => match other.split_once(" must be ") {
            Some((_, rule)) => return format!("{parameter} must be {}", quoted(rule)),
            None => return format!("{parameter}: {}", shortened(&quoted(other))),
        },
    };
    match got {
        Some("") => format!("{parameter} must be {rule}, got nothing"),
        Some(got) => format!("{parameter} must be {rule}, got {}", shortened(got)),
        None => format!("{parameter} must be {rule}"),
    }
}

/// Returns place and name of a parameter, such as `options: count` or `body: mood`. The whole body is `body: content`.
fn parameter(root: &str, path: &str) -> String {
    match path.rsplit_once('.') {
        _ if path.is_empty() || path == "." => format!("{root}: content"),
        Some((place, name)) => format!("{place}: {name}"),
        None => format!("{root}: {path}"),
    }
}

/// Returns the place of a field that is unknown or missing. The path ends with the field, or with the object that should contain it.
fn parent<'a>(root: &'a str, path: &'a str, field: &str) -> &'a str {
    let place = path.strip_suffix(field).unwrap_or(path).trim_end_matches('.');
    if place.is_empty() { root } else { place }
}

/// Rewrites the type that serde expects as a rule in plain words.
fn kind(expected: &str) -> &str {
    match expected {
        "u16" => "a whole number, 0 to 65535",
        "u8" | "u32" | "u64" | "usize" => "a whole number, 0 or more",
        "f32" | "f64" => "a number",
        "a boolean" => "true or false",
        "a string" => "a text",
        "a sequence" => "a list",
        "a map" => "an object",
        "string or map" | "variant identifier" => "one of its names",
        expected if expected.starts_with("struct ") => "an object",
        expected => expected,
    }
}

/// Rewrites serde's description of the value that it found.
fn value(got: &str) -> String {
    match got {
        "null" | "unit value" | "Option value" => "null".to_owned(),
        "sequence" => "a list".to_owned(),
        "map" => "an object".to_owned(),
        got => {
            let kinds = ["string ", "integer ", "floating point ", "boolean ", "character "];
            let bare = kinds.iter().find_map(|kind| got.strip_prefix(kind)).unwrap_or(got);
            shortened(bare.trim_matches('`'))
        }
    }
}

/// Cuts a text from a request to [`MAX_REPEATED`] characters.
pub(crate) fn shortened(text: &str) -> String {
    match text.char_indices().nth(MAX_REPEATED) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recognize::RecognizeQuery;
    use crate::recommend::{PlaylistQuery, RecommendBody};

    fn refusal(body: &str) -> String {
        json::<RecommendBody>(body.as_bytes(), RecommendBody::OBJECTS).unwrap_err().detail
    }

    #[test]
    fn what_is_wrong_with_a_body_is_said_in_plain_words() {
        for (body, expected) in [
            ("", "body: content must be JSON, got nothing"),
            ("{", "body: content must be JSON, got a part that ends at line 1, column 1"),
            ("mood=Sad", "body: content must be JSON, got other text from line 1, column 1 on"),
            ("[]", "body: content must be an object, got a list"),
            (r#"{"mood": "Sad", "options": []}"#, "body: options must be an object, got a list"),
            (
                r#"{"mood": "Sad", "options": {"count": "many"}}"#,
                r#"options: count must be a whole number, 0 or more, got "many""#,
            ),
            (
                r#"{"mood": "Sad", "options": {"count": -1}}"#,
                "options: count must be a whole number, 0 or more, got -1",
            ),
            (
                r#"{"mood": "Sad", "options": {"count": 1.5}}"#,
                "options: count must be a whole number, 0 or more, got 1.5",
            ),
            (
                r#"{"mood": "Sad", "options": {"year_from": 70000}}"#,
                "options: year_from must be a whole number, 0 to 65535, got 70000",
            ),
            (
                r#"{"mood": "Sad", "options": {"diversity": null}}"#,
                "options: diversity must be a number, got null",
            ),
            (
                r#"{"mood": "Sad", "options": {"liked": {"a": 1}}}"#,
                "options: liked must be a list, got an object",
            ),
            (
                r#"{"mood": "Sad", "options": {"liked": [true]}}"#,
                "options: liked[0] must be a text, got true",
            ),
            (r#"{"mood": "Bored"}"#, r#"body: mood must be Calm, Happy, Sad or Energetic, got "Bored""#),
            (r#"{"mood": 3}"#, "body: mood must be a text, got 3"),
        ] {
            assert_eq!(refusal(body), expected, "{body}");
        }
        let unknown = refusal(r#"{"mood": "Sad", "colour": "red"}"#);
        assert_eq!(unknown, "body: parameter must be one of mood, probabilities, options, got colour");
        let strategy = refusal(r#"{"mood": "Sad", "options": {"strategy": "sulk"}}"#);
        assert_eq!(strategy, "options: strategy must be one of balance, keep, cheer-up, journey, got sulk");
        let long = refusal(&format!(r#"{{"mood": "Sad", "{}": 1}}"#, "ü".repeat(5000)));
        assert!(long.len() < 300, "{long}");
    }

    /// No error contains words of a parser that only programmers know.
    #[test]
    fn no_parameter_has_words_for_programmers_alone() {
        let values = [
            "null",
            "true",
            "-1",
            "1.5",
            "1e300",
            "99999999999999999999",
            "\"x\"",
            "[]",
            "[1]",
            "{}",
            "{\"a\": 1}",
        ];
        let known = refusal(r#"{"mood": "Sad", "options": {"?": 1}}"#);
        let names = known.strip_prefix("options: parameter must be one of ").unwrap();
        let names = names.strip_suffix(", got ?").unwrap();
        assert!(names.contains("liked") && names.contains("diversity"), "{names}");
        let options =
            names.split(", ").map(|name| format!(r#"{{"mood": "Sad", "options": {{"{name}": VALUE}}}}"#));
        let bodies =
            options.chain(["mood", "probabilities", "options"].map(|name| format!(r#"{{"{name}": VALUE}}"#)));
        for body in bodies {
            for value in values {
                let body = body.replace("VALUE", value);
                let Err(problem) = json::<RecommendBody>(body.as_bytes(), RecommendBody::OBJECTS) else {
                    continue;
                };
                for word in [
                    "expected",
                    "u16",
                    "usize",
                    "f32",
                    "f64",
                    "struct",
                    "sequence",
                    "variant",
                    "invalid type",
                    "at line",
                    "`",
                ] {
                    assert!(!problem.detail.contains(word), "{body}: {}", problem.detail);
                }
            }
        }
    }

    #[test]
    fn what_is_wrong_with_a_query_is_said_in_plain_words() {
        let refusal = |address: &str| query::<RecognizeQuery>(&address.parse().unwrap()).unwrap_err().detail;
        for (address, expected) in [
            ("/?count=many", "query: count must be a whole number, 0 or more, got many"),
            ("/?count=1.5&width=9", "query: count must be a whole number, 0 or more, got 1.5"),
            ("/?count=", "query: count must be a whole number, 0 or more, got nothing"),
            ("/?width=99999999999", "query: width must be a whole number within its limits, got 99999999999"),
            ("/?cut=1", "query: cut must be true or false, got 1"),
            ("/?language=fr", "query: language must be one of en, de, got fr"),
            ("/?silence_db=loud", "query: silence_db must be a number, got loud"),
            ("/?count=1&count=2", "query: count must be given once, got more"),
            (
                "/?colour=red",
                "query: parameter must be one of count, pictures, dark, language, width, cut, silence_db, model, got colour",
            ),
        ] {
            assert_eq!(refusal(address), expected, "{address}");
        }
        let playlist = |address: &str| query::<PlaylistQuery>(&address.parse().unwrap()).unwrap_err().detail;
        assert_eq!(playlist("/"), "query: format must be given, got none");
        assert_eq!(playlist("/?format=doc"), "query: format must be one of m3u8, xspf, csv, got doc");
    }
}
