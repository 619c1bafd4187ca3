//! Shows readings as one line that is rewritten, as separate lines, or as JSON.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::time::Duration;

use console::style;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use ser_examples::cli;
use ser_examples::palette::painted;
use ser_models::live::LiveReading;
use serde::Serialize;

/// Prints readings to standard output.
pub(crate) struct Display {
    json: bool,
    labels: Vec<String>,
    /// The line that is rewritten, if standard output is a terminal.
    line: Option<ProgressBar>,
}

/// Label of a window with sound but without speech.
const NO_SPEECH: &str = "no speech";

/// A reading as `--json` prints it.
#[derive(Serialize)]
struct Line<'a> {
    seconds: f64,
    mood: Option<&'a str>,
    confident: Option<bool>,
    probabilities: Option<BTreeMap<&'a str, f32>>,
    level_db: f32,
    latency_ms: f64,
}

impl Display {
    pub(crate) fn new(json: bool, labels: Vec<String>) -> Self {
        let line = (!json && std::io::stdout().is_terminal()).then(|| {
            // `wide_msg` cuts the line to the terminal's width. A longer line would wrap, and old rows of it would stay on the terminal.
            let style = ProgressStyle::with_template("{wide_msg}");
            let line = ProgressBar::with_draw_target(None, ProgressDrawTarget::stdout());
            line.with_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()))
        });
        Self { json, labels, line }
    }

    pub(crate) fn show(&mut self, reading: &LiveReading, latency: Duration) -> anyhow::Result<()> {
        if self.json {
            return cli::print(serde_json::to_string(&Line::new(reading, latency))?);
        }
        let text = self.text(reading, latency);
        match &self.line {
            Some(line) => {
                line.set_message(text);
                line.tick();
                Ok(())
            }
            None => cli::print(text),
        }
    }

    /// Leaves the last reading on the terminal.
    pub(crate) fn finish(&self) {
        if let Some(line) = &self.line {
            line.abandon();
            // Prints the end of the line. A closed standard output is not an error.
            let _ = cli::print("");
        }
    }

    fn text(&self, reading: &LiveReading, latency: Duration) -> String {
        let LiveReading { seconds, level_db, silent, recognition } = reading;
        // Every field has a fixed width, so that only the bars move. `style` leaves out colours where standard output is not a terminal.
        let widest = self.labels.iter().map(|label| label.len() + 1).max().unwrap_or(0).max(NO_SPEECH.len());
        let mood = match recognition {
            Some(recognition) => recognition.label.as_str(),
            None if *silent => "silence",
            None => NO_SPEECH,
        };
        // If the mood is uncertain, the question mark says so, and the bars show the next most likely mood.
        let is_unsure = recognition.as_ref().is_some_and(|recognition| !recognition.confident);
        let shown = format!("{mood}{}", if is_unsure { "?" } else { "" });
        let mut text = format!("{seconds:6.2} s {}", style(format!("{shown:<widest$}")).bold());
        let cells = self.cells(widest);
        for (n, label) in self.labels.iter().enumerate() {
            let share = recognition.as_ref().map_or(0.0, |recognition| recognition.probabilities[n].1);
            let bar = cli::cells(share, cells);
            let bar = if mood == label { painted(label, bar) } else { style(bar).dim().to_string() };
            let percent = recognition.as_ref().map_or("–".to_string(), |_| format!("{:.0}", share * 100.0));
            text += &format!(" {label} {bar}{percent:>4}%");
        }
        let milliseconds = latency.as_secs_f64() * 1000.0;
        format!("{text} {level_db:4.0} dB {milliseconds:5.1} ms").replace('-', "−")
    }

    /// Returns the length of a bar in cells. With it, a terminal of 80 columns shows all four bars, and a wider one also level and latency.
    fn cells(&self, widest: usize) -> usize {
        if self.line.is_none() {
            return 6;
        }
        let labels: usize = self.labels.iter().map(|label| label.len() + " ".len() * 2 + " 100%".len()).sum();
        let rest = "  0.00 s ".len() + widest + labels + " -120 dB   0.0 ms".len();
        let columns = usize::from(console::Term::stdout().size().1);
        (columns.saturating_sub(rest) / self.labels.len().max(1)).clamp(3, 12)
    }
}

impl<'a> Line<'a> {
    fn new(reading: &'a LiveReading, latency: Duration) -> Self {
        let recognition = reading.recognition.as_ref();
        Self {
            seconds: reading.seconds,
            mood: recognition.map(|recognition| recognition.label.as_str()),
            confident: recognition.map(|recognition| recognition.confident),
            probabilities: recognition
                .map(|recognition| recognition.probabilities.iter().map(|(l, p)| (&**l, *p)).collect()),
            level_db: reading.level_db,
            latency_ms: latency.as_secs_f64() * 1000.0,
        }
    }
}
