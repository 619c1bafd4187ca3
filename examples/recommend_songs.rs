//! The main job: a voice clip in, its mood and songs that suit it out.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Parser, ValueEnum};
use mood_recommender::{Catalog, Options, Reading, Recommendation, Recommender, Strategy};
use ser_data::{Audio, AudioOptions, printable};
use ser_examples::answer::Answer;
use ser_examples::{assets, cli, progress, segments};
use ser_models::{Recognition, Recognizer, Timeline};

/// Recognises the mood of a voice clip and recommends songs that suit it.
///
/// Without arguments it listens to a bundled clip, with a bundled model and a bundled starter catalogue.
#[derive(Parser)]
#[command(after_help = cli::epilogue(
    "  cargo run --release --example recommend_songs -- voice.wav --catalog data_moods.csv --count 3"
))]
struct Arguments {
    /// The clip: WAV, FLAC, MP3, AAC-LC, ALAC, Vorbis or Opus in any common container, videos too; any rate and channels.
    clip: Option<PathBuf>,
    /// A checkpoint that `train` wrote, for the four moods.
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,
    /// A catalogue with the columns of data_moods.csv.
    #[arg(long, value_name = "CSV")]
    catalog: Option<PathBuf>,
    /// Songs to recommend at most.
    #[arg(long, default_value_t = 5)]
    count: usize,
    /// How the mood leads to songs.
    #[arg(long, value_enum, default_value_t = StrategyName::Complement)]
    strategy: StrategyName,
    /// Which part of the recording the songs are for.
    #[arg(long, value_enum, value_name = "PART", default_value_t = At::Whole)]
    at: At,
    /// Print one JSON object: mood, probabilities (name → value) and songs (key, name, artist, link, score,
    /// reason).
    #[arg(long)]
    json: bool,
    /// Read a clip that is cut short or damaged up to that place.
    #[arg(long)]
    allow_truncated: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum At {
    /// All of it.
    Whole,
    /// Its last ten seconds of speech.
    End,
}

#[derive(Clone, Copy, ValueEnum)]
enum StrategyName {
    /// Songs that balance the mood: Sad → happy, Calm → energetic, Energetic → calm, Happy → kept.
    Complement,
    /// Songs of the same mood.
    Match,
    /// Happy songs, whatever the mood.
    Uplift,
}

impl From<StrategyName> for Strategy {
    fn from(name: StrategyName) -> Self {
        match name {
            StrategyName::Complement => Strategy::Complement,
            StrategyName::Match => Strategy::Match,
            StrategyName::Uplift => Strategy::Uplift,
        }
    }
}

fn main() -> ExitCode {
    cli::exit(run(&Arguments::parse()))
}

fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let decoding = AudioOptions { allow_truncated: arguments.allow_truncated, ..Default::default() };
    let (name, audio) = match &arguments.clip {
        Some(path) => (path.display().to_string(), Audio::open_with(&decoding, path)?),
        None => {
            ("the bundled sample".to_string(), Audio::decode(assets::SAMPLE_WAV, Some("wav"), "sample.wav")?)
        }
    };
    for warning in &audio.warnings {
        eprintln!("warning: {}: {warning}", printable(&name));
    }
    let mut recognizer = match &arguments.model {
        Some(path) => Recognizer::load(path)?,
        None => Recognizer::from_bytes(assets::MODEL)?,
    };
    let catalog = match &arguments.catalog {
        Some(path) => progress::busy(format_args!("reading {}", path.display()), || Catalog::open(path))?,
        None => Catalog::starter(),
    };

    let samples = audio.to_mono().with_context(|| name.clone())?;
    let timeline = recognizer.timeline(&samples, audio.sample_rate).with_context(|| name.clone())?;
    let recognition = match arguments.at {
        At::Whole => timeline.overall.clone(),
        At::End => timeline.at_end(10.0),
    };
    let reading = Reading::from_probabilities(recognition.probabilities.iter().map(|(label, p)| (label, *p)))
        .with_context(|| match &arguments.model {
            Some(path) => format!("{}: its labels must be the moods", path.display()),
            None => "the bundled model".to_string(),
        })?;
    let recommender = Recommender::new(catalog).with_context(|| match &arguments.catalog {
        Some(path) => path.display().to_string(),
        None => "the bundled catalogue".to_string(),
    })?;
    let options =
        Options { count: arguments.count, strategy: arguments.strategy.into(), ..Options::default() };
    let songs = recommender.recommend(reading, &options)?;

    if arguments.json {
        cli::print(serde_json::to_string_pretty(&Answer::new(&recognition, &songs))?)
    } else {
        cli::print(describe(&name, &audio, &timeline, &recognition, &songs))
    }
}

fn describe(
    name: &str,
    audio: &Audio,
    timeline: &Timeline,
    recognition: &Recognition,
    songs: &[Recommendation<'_>],
) -> String {
    let seconds = audio.duration().as_secs_f32();
    let mut lines = vec![format!("{}: {seconds:.1} s at {} Hz\n", printable(name), audio.sample_rate)];
    if timeline.windows.len() > 1 {
        let colors = console::colors_enabled();
        lines.push(segments::cells(&timeline.segments, timeline.seconds, 60, colors));
        lines.push(format!("{}\n", segments::line(&timeline.segments)));
    }
    lines.push(match recognition.confident {
        true => format!("Mood: {}", recognition.label),
        false => format!("Mood: {}", segments::in_words(recognition)),
    });
    for (label, probability) in &recognition.probabilities {
        lines.push(format!("  {label:<10} {} {:5.1} %", cli::cells(*probability, 30), probability * 100.0));
    }
    lines.push("\nSongs:".to_string());
    if songs.is_empty() {
        lines.push("  none in this catalogue".to_string());
    }
    for (at, Recommendation { song, score, reason }) in songs.iter().enumerate() {
        lines.push(format!("{:3}. {} – {}  (score {score:.2})", at + 1, song.artist, song.name));
        lines.push(format!("     {reason}"));
    }
    lines.join("\n")
}
