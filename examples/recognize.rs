//! Recognises the moods of many recordings and prints a line for each as soon as it is known.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

use anyhow::{Context, bail};
use clap::{Parser, ValueEnum};
use indicatif::ProgressBar;
use mood_recommender::mark_formula;
use ser_data::AudioOptions;
use ser_examples::inputs::{self, Decoding, Input};
use ser_examples::model::{ModelArguments, ModelId};
use ser_examples::shard::Shard;
use ser_examples::speech::Labelling;
use ser_examples::truth::Truth;
use ser_examples::{cli, interrupt, listening, output, progress, segments};
use ser_models::{Recognizer, Timeline, TimelineConfig, VoiceProfile};
use serde::Serialize;

/// Recognises the moods of recordings of any length: files, folders, or standard input (`-`).
///
/// A recording is analysed in windows of three seconds, one every second. Windows without speech are left out. The mood of the recording is
/// that of the mean over its windows. `--timeline` also prints how the mood changes from start to end.
#[derive(Parser)]
#[command(after_help = cli::epilogue(
    "  cargo run --release --example recognize -- recordings --timeline\n  \
       cargo run --release --example recognize -- recordings --format csv --skip-bad > moods.csv"
))]
struct Arguments {
    /// Audio files, folders that are searched for them, or `-` for standard input.
    #[arg(required = true)]
    input: Vec<PathBuf>,
    /// Format of the results.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    /// Also print the stretches of the recording with their moods.
    #[arg(long)]
    timeline: bool,
    #[command(flatten)]
    model: ModelArguments,
    /// Write a voice profile of the only speaker in these recordings, instead of recognising moods. `--profile` then improves the
    /// recognition of this speaker. Five clips in several moods are enough. Each recording has the same weight, regardless of its length:
    /// cut a long one into clips first. The profile contains averages only. Needs a model that reads the statistics of an encoder, such as
    /// `voices`.
    #[arg(long, value_name = "JSON", conflicts_with_all = ["timeline", "labels", "profile"])]
    learn_voice: Option<PathBuf>,
    /// Compare the answers with these true moods, and print accuracy, UAR and the confusion matrix on standard error. The true moods are a
    /// CSV file with the columns `file` and `mood`, or labelled speech as for `train`. May be given several times.
    #[arg(long, value_name = "PATH")]
    labels: Vec<PathBuf>,
    #[command(flatten)]
    labelling: Labelling,
    /// Seconds from the start of one window to the start of the next.
    #[arg(long, value_name = "SECONDS", default_value_t = 1.0)]
    hop: f64,
    /// Recognise all sound, not only speech.
    #[arg(long)]
    any_sound: bool,
    /// Report files that can't be read or hold no speech, and continue with the others.
    #[arg(long)]
    skip_bad: bool,
    #[command(flatten)]
    decoding: Decoding,
    /// Recognise only the I-th of N parts of the recordings.
    #[arg(long, value_name = "I/N")]
    shard: Option<Shard>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Text for human readers.
    Table,
    /// One JSON object per line.
    Jsonl,
    /// A row for each recording; with --timeline, a row for each stretch of one mood.
    Csv,
}

fn main() -> ExitCode {
    cli::exit(run)
}

fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let mut inputs = inputs::find(&arguments.input, arguments.skip_bad)?;
    if let Some(shard) = arguments.shard {
        inputs = shard.part(inputs).collect();
    }
    let config = TimelineConfig {
        hop: arguments.hop,
        detect_speech: !arguments.any_sound,
        ..TimelineConfig::default()
    };
    let model = arguments.model.open()?;
    // Only for a human reader. A program that parses standard error finds the model in the JSON output.
    if std::io::stderr().is_terminal() {
        cli::note(format_args!("recognised by {}", model.name()));
    }
    if let Some(path) = &arguments.learn_voice {
        return learn_voice(model.recognizer()?, &inputs, path, arguments);
    }
    let open = || -> anyhow::Result<Recognizer> { Ok(model.recognizer()?.with_config(config.clone())?) };
    let recognizer = open()?;
    let labels = recognizer.labels().to_vec();
    let truth = || Truth::open(&arguments.labels, &labels, &arguments.labelling);
    let mut truth = (!arguments.labels.is_empty()).then(truth).transpose()?;

    let decoding = arguments.decoding.options();
    let stop = interrupt::on_ctrl_c()?;
    let next = AtomicUsize::new(0);
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(inputs.len());
    let (answers, received) = mpsc::sync_channel(2 * threads);
    let mut recognizers = vec![recognizer];
    while recognizers.len() < threads {
        recognizers.push(open()?);
    }
    let mut printer = Printer::new(arguments, &labels, model.id());
    let mut skipped = 0;
    let bar = progress::percent(inputs.len() as u64 * listening::STEPS, "recognizing");
    std::thread::scope(|scope| {
        for mut recognizer in recognizers {
            let (answers, inputs, next, stop, bar) = (answers.clone(), &inputs, &next, &stop, &bar);
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(input) = inputs.get(at) else { break };
                    let name = input.to_string();
                    let answer = input
                        .open(&decoding)
                        .inspect_err(|_| bar.inc(listening::STEPS))
                        .and_then(|mut reader| listening::listen(&mut recognizer, &mut reader, &name, bar));
                    if answers.send((at, answer)).is_err() {
                        break;
                    }
                }
            });
        }
        drop(answers);
        for (done, (at, answer)) in received.into_iter().enumerate() {
            let input = &inputs[at];
            bar.set_message(format!("{}/{}", done + 1, inputs.len()));
            match answer {
                Ok(timeline) => {
                    bar.suspend(|| printer.print(input, &timeline))?;
                    if let Some(truth) = &mut truth {
                        truth.score(&input.to_string(), &timeline.overall.label);
                    }
                }
                Err(error) if arguments.skip_bad => {
                    skipped += 1;
                    bar.suspend(|| cli::note(format_args!("skipped: {}", cli::message(&error))))
                }
                Err(error) => {
                    stop.store(true, Ordering::Relaxed);
                    return Err(error);
                }
            }
        }
        bar.finish_and_clear();
        match stop.load(Ordering::Relaxed) {
            true => Err(cli::Stopped::new("every line that was printed is complete").into()),
            false if skipped > 0 && skipped == inputs.len() => {
                bail!("recordings: one must be recognised, got {skipped} that were skipped")
            }
            false => printer.finish(),
        }
    })?;
    if let Some(truth) = truth {
        truth.report()?.lines().for_each(cli::note);
    }
    Ok(())
}

/// Writes a profile of the voice in the recordings to `path`.
fn learn_voice(
    mut recognizer: Recognizer,
    inputs: &[Input],
    path: &Path,
    arguments: &Arguments,
) -> anyhow::Result<()> {
    output::check_folder(path)?;
    let decoding = arguments.decoding.options();
    let bar = progress::percent(inputs.len() as u64 * listening::STEPS, "learning");
    let mut voice: Option<VoiceProfile> = None;
    for input in inputs {
        let clip = match profile(&mut recognizer, input, &decoding, &bar) {
            Ok(clip) => clip,
            Err(error) if arguments.skip_bad => {
                bar.suspend(|| cli::note(format_args!("skipped: {}", cli::message(&error))));
                continue;
            }
            Err(error) => return Err(error),
        };
        voice = Some(match voice {
            Some(voice) => voice.and(&clip)?,
            None => clip,
        });
    }
    bar.finish_and_clear();
    let Some(voice) = voice else { bail!("--learn-voice: recordings must be 1 or more, got 0") };
    voice.save(path)?;
    cli::print(format!("{}: a voice in {} recordings", path.display(), voice.clips()))
}

/// Computes the profile of the voice in one recording.
fn profile(
    recognizer: &mut Recognizer,
    input: &Input,
    decoding: &AudioOptions,
    bar: &ProgressBar,
) -> anyhow::Result<VoiceProfile> {
    let name = input.to_string();
    let mut reader = input.open(decoding).inspect_err(|_| bar.inc(listening::STEPS))?;
    let samples = listening::samples(&mut reader, &name, bar)?;
    recognizer.profile(&samples, reader.sample_rate()).context(name)
}

/// A recording as a line of JSON.
#[derive(Serialize)]
struct Line<'a> {
    file: String,
    seconds: f64,
    mood: &'a str,
    confident: bool,
    probabilities: BTreeMap<&'a str, f32>,
    model: &'a ModelId,
    #[serde(skip_serializing_if = "Option::is_none")]
    timeline: Option<Vec<Stretch<'a>>>,
}

/// A stretch of one mood. `mood` is null for a stretch without speech.
#[derive(Serialize)]
struct Stretch<'a> {
    start: f64,
    end: f64,
    mood: Option<&'a str>,
    confident: Option<bool>,
    probabilities: Option<BTreeMap<&'a str, f32>>,
}

struct Printer<'a> {
    format: Format,
    timeline: bool,
    labels: &'a [String],
    model: &'a ModelId,
    /// Whether the header of a CSV file is still to be printed.
    header: bool,
}

impl<'a> Printer<'a> {
    fn new(arguments: &Arguments, labels: &'a [String], model: &'a ModelId) -> Self {
        Self { format: arguments.format, timeline: arguments.timeline, labels, model, header: true }
    }

    fn print(&mut self, input: &Input, timeline: &Timeline) -> anyhow::Result<()> {
        match self.format {
            Format::Table => {
                let (overall, seconds) = (&timeline.overall, timeline.seconds);
                let mood = segments::in_words(overall);
                cli::print(format!(
                    "{}  {}  {mood}",
                    cli::printable(&input.to_string()),
                    segments::clock(seconds)
                ))?;
                if self.timeline {
                    cli::print(format!("    {}", segments::line(&timeline.segments)))?;
                }
                Ok(())
            }
            Format::Jsonl => cli::print(cli::json(&serde_json::to_string(&self.line(input, timeline))?)),
            Format::Csv => self.csv(input, timeline),
        }
    }

    /// Prints the CSV header if no row was printed, so that the output of a part without recordings has a header too.
    fn finish(&mut self) -> anyhow::Result<()> {
        match self.format {
            Format::Csv if self.header => cli::write(&self.header()?.into_inner()?),
            _ => Ok(()),
        }
    }

    /// Returns a CSV writer that contains the header if it was not printed yet.
    fn header(&mut self) -> anyhow::Result<csv::Writer<Vec<u8>>> {
        let mut rows = csv::Writer::from_writer(Vec::new());
        if std::mem::take(&mut self.header) {
            let first: &[&str] = if self.timeline { &["file", "start", "end"] } else { &["file", "seconds"] };
            let rest = ["mood", "confident"].into_iter().chain(self.labels.iter().map(String::as_str));
            rows.write_record(first.iter().copied().chain(rest).map(|cell| mark_formula(cell).into_owned()))?;
        }
        Ok(rows)
    }

    fn line<'t>(&'t self, input: &Input, timeline: &'t Timeline) -> Line<'t> {
        let overall = &timeline.overall;
        let stretches = || {
            let stretch = |segment: &'t ser_models::Segment| Stretch {
                start: segment.start,
                end: segment.end,
                mood: segment.recognition.as_ref().map(|recognition| recognition.label.as_str()),
                confident: segment.recognition.as_ref().map(|recognition| recognition.confident),
                probabilities: segment.recognition.as_ref().map(by_name),
            };
            timeline.segments.iter().map(stretch).collect()
        };
        Line {
            file: input.to_string(),
            seconds: timeline.seconds,
            mood: &overall.label,
            confident: overall.confident,
            probabilities: by_name(overall),
            model: self.model,
            timeline: self.timeline.then(stretches),
        }
    }

    fn csv(&mut self, input: &Input, timeline: &Timeline) -> anyhow::Result<()> {
        let mut rows = self.header()?;
        let mut row = |first: Vec<String>, recognition: Option<&ser_models::Recognition>| {
            let answer = match recognition {
                Some(recognition) => {
                    let head = [recognition.label.clone(), recognition.confident.to_string()];
                    head.into_iter()
                        .chain(recognition.probabilities.iter().map(|(_, p)| p.to_string()))
                        .collect()
                }
                None => vec![String::new(); 2 + self.labels.len()],
            };
            rows.write_record(first.into_iter().chain(answer).map(|cell| mark_formula(&cell).into_owned()))
        };
        let mut file = input.to_string();
        // A spreadsheet would run the name as a formula, or a reader cut the blank: with `./` it is the same path and plain text.
        if mark_formula(&file) != file || file.starts_with(char::is_whitespace) {
            file.insert_str(0, "./");
        }
        if std::io::stdout().is_terminal() {
            file = cli::printable(&file);
        }
        if self.timeline {
            for segment in &timeline.segments {
                let first = vec![file.clone(), segment.start.to_string(), segment.end.to_string()];
                row(first, segment.recognition.as_ref())?;
            }
        } else {
            row(vec![file, timeline.seconds.to_string()], Some(&timeline.overall))?;
        }
        cli::write(&rows.into_inner()?)
    }
}

fn by_name(recognition: &ser_models::Recognition) -> BTreeMap<&str, f32> {
    recognition.probabilities.iter().map(|(label, p)| (label.as_str(), *p)).collect()
}
