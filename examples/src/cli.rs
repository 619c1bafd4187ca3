//! Code shared by the command lines of all examples: `--help`, exit codes, printing, and errors on one line.

use std::fmt::Display;
use std::io::{self, Write};
use std::panic;
use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use clap::error::{ContextKind, ContextValue};
use ser_features::SignalError;
use ser_models::RecognizeError;
use ser_models::live::LiveError;

/// The exit codes that [`exit`] and clap return.
const EXIT_CODES: &str = "Exit codes: 0 done, 1 failed, 2 the command line is wrong, 3 a clip holds no speech (silent, too short, music, noise), \
                          130 stopped by Ctrl-C before the end.";

/// Returns the end of an example's `--help`: example calls, one per line, and the exit codes.
pub fn epilogue(calls: &str) -> String {
    format!("Example:\n{calls}\n\n{EXIT_CODES}")
}

/// Error of work that Ctrl-C stopped before its end.
#[derive(Debug, thiserror::Error)]
#[error("Ctrl-C: stopped; {advice}")]
#[non_exhaustive]
pub struct Stopped {
    /// The next step for the user.
    pub advice: &'static str,
}

impl Stopped {
    /// Creates the error with the next step for the user.
    pub const fn new(advice: &'static str) -> Self {
        Self { advice }
    }
}

/// Runs a command with the arguments of the command line and returns its exit code. Prints an error and its causes on standard error. The
/// exit code is 2 for a wrong command line, 3 for a clip that can be read but holds no speech, 130 for [`Stopped`], and 1 for all other
/// errors.
///
/// A closed standard output, as after `| head`, is not an error. The message of a panic in a decoder is not printed, because the panic is
/// reported as an error of the recording.
pub fn exit<A: Parser>(command: impl FnOnce(&A) -> anyhow::Result<()>) -> ExitCode {
    let report = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        if !panic.location().is_some_and(|place| is_decoder(place.file())) {
            report(panic);
        }
    }));
    let closed = |error: &io::Error| error.kind() == io::ErrorKind::BrokenPipe;
    let arguments = A::try_parse().unwrap_or_else(|error| without_orders(error).exit());
    match command(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.downcast_ref().is_some_and(closed) => ExitCode::SUCCESS,
        Err(error) => {
            note(format_args!("error: {}", message(&error)));
            code(&error).into()
        }
    }
}

/// Makes the words of the command line in an error [printable].
fn without_orders(mut error: clap::Error) -> clap::Error {
    // The suggestion repeats the words with styles, so it is removed.
    error.remove(ContextKind::Suggested);
    let words: Vec<_> = error.context().map(|(kind, value)| (kind, value.clone())).collect();
    for (kind, value) in words {
        match value {
            ContextValue::String(word) => error.insert(kind, ContextValue::String(printable(&word))),
            ContextValue::Strings(words) => {
                let words = words.iter().map(|word| printable(word)).collect();
                error.insert(kind, ContextValue::Strings(words))
            }
            _ => None,
        };
    }
    error
}

/// Returns whether a source file belongs to one of the decoders that `ser-data` uses.
fn is_decoder(file: &str) -> bool {
    ["symphonia-", "opus-pure-"].iter().any(|crate_| file.contains(crate_))
}

fn code(error: &anyhow::Error) -> u8 {
    let silent = |error: &SignalError| {
        matches!(error, SignalError::Silent { .. } | SignalError::TooShort { .. } | SignalError::Empty)
    };
    let recognized = |error: &RecognizeError| match error {
        RecognizeError::Signal(signal) => silent(signal),
        RecognizeError::NoSpeech { .. } => true,
        _ => false,
    };
    let no_speech = |error: &LiveError| match error {
        LiveError::Signal(signal) => silent(signal),
        LiveError::Recognize(error) => recognized(error),
        _ => false,
    };
    // Only the error itself is tested, because its causes may concern one clip among many.
    let no_speech = error.downcast_ref().is_some_and(silent)
        || error.downcast_ref().is_some_and(recognized)
        || error.downcast_ref().is_some_and(no_speech);
    match error.downcast_ref::<Stopped>() {
        Some(_) => 130,
        None if no_speech => 3,
        None => 1,
    }
}

/// Formats an error and its causes in one line. Leaves out a cause whose text is already part of the text before it.
pub fn message(error: &anyhow::Error) -> String {
    let mut text = String::new();
    let mut last = String::new();
    for cause in error.chain() {
        // Some causes contain line ends.
        let cause = cause.to_string().lines().collect::<Vec<_>>().join(" ");
        if last.is_empty() || !last.contains(&cause) {
            text += if text.is_empty() { "" } else { ": " };
            text += &cause;
        }
        last = cause;
    }
    text
}

/// Prints a text and a line end to standard output.
///
/// # Errors
/// If the output is closed or full, where `println!` would panic.
pub fn print(text: impl Display) -> anyhow::Result<()> {
    write(format!("{text}\n").as_bytes())
}

/// Writes bytes to standard output.
///
/// # Errors
/// As [`print()`].
pub fn write(bytes: &[u8]) -> anyhow::Result<()> {
    io::stdout().lock().write_all(bytes).context("standard output: cannot be written")
}

/// Prints a line on standard error. The text is made [printable], because it may contain file names.
pub fn note(text: impl Display) {
    eprintln!("{}", printable(&text.to_string()));
}

/// Makes a text from outside the program safe for a terminal: replaces control characters, and those that change the direction of text, by
/// spaces.
pub fn printable(text: &str) -> String {
    text.replace(is_order, " ")
}

/// Returns whether a character controls a terminal instead of being shown.
fn is_order(letter: char) -> bool {
    letter.is_control()
        || matches!(letter, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Escapes the characters that [`printable`] replaces, so that JSON is safe for a terminal. Programs read the same texts from it.
pub fn json(json: &str) -> String {
    // Strings in JSON contain no unescaped control characters. Between strings there are line ends, which stay.
    let is_escaped = |letter: &char| is_order(*letter) && !letter.is_ascii_whitespace();
    let mut escaped = String::with_capacity(json.len());
    for letter in json.chars() {
        match is_escaped(&letter) {
            true => escaped.push_str(&format!("\\u{:04x}", u32::from(letter))),
            false => escaped.push(letter),
        }
    }
    escaped
}

/// Formats a song for a list: artist and name, both [printable], each cut to 60 characters so that they fit in a line.
pub fn title(artist: &str, name: &str) -> String {
    const MOST: usize = 60;
    let cut = |text: &str| match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    };
    printable(&format!("{} – {}", cut(artist), cut(name)))
}

/// Returns a text that links to an address (OSC 8) if standard output is a terminal that supports this, otherwise the text alone.
pub fn hyperlink(text: &str, address: &str) -> String {
    if supports_hyperlinks::on(supports_hyperlinks::Stream::Stdout) {
        format!("\u{1b}]8;;{}\u{1b}\\{text}\u{1b}]8;;\u{1b}\\", printable(address))
    } else {
        text.to_string()
    }
}

/// Draws a probability as a bar of `width` cells, with a resolution of an eighth of a cell.
pub fn cells(fraction: f32, width: usize) -> String {
    const EIGHTHS: [char; 8] = [' ', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];
    let eighths = (fraction.clamp(0.0, 1.0) * (width * 8) as f32).round() as usize;
    let mut bar = "█".repeat(eighths / 8);
    if !eighths.is_multiple_of(8) {
        bar.push(EIGHTHS[eighths % 8]);
    }
    let drawn = bar.chars().count();
    bar.push_str(&" ".repeat(width - drawn));
    bar
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_always_fill_the_width() {
        for step in 0..=100 {
            assert_eq!(cells(step as f32 / 100.0, 20).chars().count(), 20);
        }
        assert_eq!(cells(0.5, 4), "██  ");
        assert_eq!(cells(f32::NAN, 4).chars().count(), 4);
    }

    #[test]
    fn texts_from_outside_give_the_terminal_no_orders() {
        assert_eq!(printable("A\u{1b}[31m\r\nB\u{202e}C"), "A [31m  B C");
        assert_eq!(title("A\u{7}", &"é".repeat(61)), format!("A  – {}…", "é".repeat(60)));
        let text = "A\u{1b}\u{7f}\u{9b}2J\u{202e}\u{61c}é\n";
        let json = json(&serde_json::to_string_pretty(&[text]).unwrap());
        assert_eq!(json, "[\n  \"A\\u001b\\u007f\\u009b2J\\u202e\\u061cé\\n\"\n]");
        assert_eq!(serde_json::from_str::<[String; 1]>(&json).unwrap()[0], text);
        assert_eq!(hyperlink("text", "https://example.org"), "text", "tests have no terminal");
    }

    #[test]
    fn only_panics_of_decoders_go_unreported() {
        assert!(is_decoder("/registry/src/symphonia-codec-aac-0.6.1/src/aac/ics/mod.rs"));
        assert!(is_decoder("/registry/src/opus-pure-0.2.2/src/silk/decode.rs"));
        assert!(!is_decoder("ser-data/src/audio/opus.rs") && !is_decoder("examples/src/cli.rs"));
    }

    #[test]
    fn a_cause_is_told_once() {
        let cause = io::Error::other("a damaged disk");
        let file = ser_models::FileError::Read { file: "a.wav".to_owned(), cause };
        assert_eq!(
            message(&anyhow::Error::new(file).context("clip 3")),
            "clip 3: a.wav: cannot be read: a damaged disk"
        );
        assert_eq!(message(&anyhow::anyhow!("one").context("two")), "two: one");
        let labels = ser_data::LabelMap::parse("own.toml", "[emotions.a]\nword = 1").unwrap_err();
        let text = labels.to_string();
        assert_eq!(message(&labels.into()), text);
        let sound = ser_data::Audio::open("no.wav").unwrap_err();
        let text = sound.to_string();
        assert_eq!(message(&sound.into()), text);
        // The text of the error of `toml` ends in a line end.
        let recipe = ser_models::RecipeFile::parse("a.toml", "\n[training").unwrap_err();
        assert!(std::error::Error::source(&recipe).is_some());
        let text = recipe.to_string();
        assert!(text.starts_with("a.toml: line 2: "), "{text}");
        assert_eq!(message(&anyhow::Error::from(recipe)), text);
    }

    #[test]
    fn exit_codes_tell_failures_apart() {
        let silent = || SignalError::TooShort { minimum: 2, given: 1 };
        let not_finite = SignalError::NotFinite { index: 0, value: f32::NAN };
        let code = |error: anyhow::Error| super::code(&error.context("clip.wav"));
        assert_eq!(code(silent().into()), 3);
        assert_eq!(code(RecognizeError::Signal(silent()).into()), 3);
        assert_eq!(code(LiveError::Signal(silent()).into()), 3);
        assert_eq!(code(LiveError::Recognize(silent().into()).into()), 3);
        assert_eq!(code(LiveError::Signal(not_finite).into()), 1);
        assert_eq!(code(Stopped::new("the same command with --resume continues").into()), 130);
        assert_eq!(code(io::Error::other("a damaged disk").into()), 1);
    }
}
