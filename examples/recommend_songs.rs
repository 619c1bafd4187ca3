//! The main example: recognises the mood of a voice clip and recommends songs that suit it.

use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::{Parser, ValueEnum};
use mood_recommender::{
    Catalog, Mood, Options, Playlist, PlaylistFormat, Reading, Recommendation, Recommender, Strategy,
};
use ser_data::AudioReader;
use ser_examples::answer::Answer;
use ser_examples::catalog::CatalogArguments;
use ser_examples::inputs::{Decoding, Input};
use ser_examples::model::ModelArguments;
use ser_examples::palette::painted;
use ser_examples::{assets, cli, listening, output, progress, segments};
use ser_models::{Recognition, Timeline};

/// Recognises the mood of a voice clip and recommends songs that suit it.
///
/// Without arguments it uses a bundled clip, a bundled model and a bundled starter catalogue.
#[derive(Parser)]
#[command(after_help = cli::epilogue(
    "  cargo run --release --example recommend_songs -- voice.wav --catalog data_moods.csv --count 3 --playlist songs.m3u8"
))]
struct Arguments {
    /// The clip, or `-` for standard input: WAV, FLAC, MP3, AAC-LC, ALAC, Vorbis or Opus in their usual containers, including videos, with
    /// any sample rate and number of channels.
    clip: Option<PathBuf>,
    /// Recommend for this mood, without a clip: Calm, Happy, Sad or Energetic.
    #[arg(long, value_name = "MOOD", conflicts_with_all = ["clip", "model", "at", "allow_truncated"])]
    mood: Option<Mood>,
    #[command(flatten)]
    model: ModelArguments,
    #[command(flatten)]
    catalog: CatalogArguments,
    /// Maximum number of songs.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    count: u32,
    /// Strategy that chooses songs for the mood.
    #[arg(long, value_enum, default_value_t = StrategyName::Balance)]
    strategy: StrategyName,
    /// Part of the recording whose mood the songs suit.
    #[arg(long, value_enum, value_name = "PART", default_value_t = At::Whole)]
    at: At,
    /// Mood at the end of a journey (`--strategy journey`): Calm, Happy, Sad or Energetic.
    #[arg(long, default_value_t = Mood::Happy, value_name = "MOOD")]
    target: Mood,
    /// Also write the songs to a playlist. The file extension decides the format: .m3u8, .xspf, .jspf, .csv or .txt.
    #[arg(long, value_name = "FILE")]
    playlist: Option<PathBuf>,
    /// Make the entries of --playlist point to the files in this folder whose tags name the songs. Needs the feature `files`: run the
    /// example as `cargo run --release --example recommend_songs --features files -- ...`.
    #[arg(long, value_name = "FOLDER", requires = "playlist")]
    music: Option<PathBuf>,
    /// Print one JSON object: mood, probabilities (name → value) and songs (key, name, artist, link, mood_estimated, score,
    /// reason).
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    decoding: Decoding,
}

#[derive(Clone, Copy, ValueEnum)]
enum At {
    /// The whole recording.
    Whole,
    /// The last ten seconds of speech.
    End,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum StrategyName {
    /// Songs that balance the mood: happy songs for Sad, energetic for Calm, calm for Energetic, and happy for Happy.
    Balance,
    /// More of the same mood.
    Keep,
    /// Happy songs for every mood.
    CheerUp,
    /// A playlist that begins at the mood and moves to the target in small steps.
    Journey,
}

fn main() -> ExitCode {
    cli::exit(run)
}

fn run(arguments: &Arguments) -> anyhow::Result<()> {
    if let Some(path) = &arguments.playlist {
        PlaylistFormat::of_path(path)?;
        output::check_folder(path)?;
    }
    check_music(arguments)?;
    let catalog = arguments.catalog.open()?;
    let recognized = match arguments.mood {
        None => Recognized::of_clip(arguments)?,
        Some(mood) => Recognized::given(mood),
    };
    let recognition = &recognized.recognition;
    let reading = Reading::from_probabilities(recognition.probabilities.iter().map(|(label, p)| (label, *p)))
        .with_context(|| format!("{}: labels must be moods", recognized.by))?;
    let recommender = Recommender::new(catalog).with_context(|| arguments.catalog.name())?;
    let strategy = match arguments.strategy {
        StrategyName::Balance => Strategy::Balance,
        StrategyName::Keep => Strategy::Keep,
        StrategyName::CheerUp => Strategy::CheerUp,
        StrategyName::Journey => Strategy::journey_to(arguments.target),
    };
    let options = Options { count: arguments.count as usize, strategy, ..Options::default() };
    let songs = recommender.recommend(reading, &options)?;
    let catalog = recommender.catalog();
    if songs.is_empty() {
        bail!("{}: {}", arguments.catalog.name(), missing(&options.strategy, reading, catalog));
    }
    let lacking = lacking(&options.strategy, reading, catalog);
    if !lacking.is_empty() {
        let (name, held) = (arguments.catalog.name(), held(catalog));
        cli::note(format_args!(
            "note: {name}: no {} songs here, the catalogue holds {held}",
            in_words(&lacking)
        ));
    }
    if let Some(path) = &arguments.playlist {
        let mut playlist = Playlist::new(format!("Songs for {}", recognition.label), &songs);
        if let Some(folder) = arguments.catalog.catalog.as_deref().and_then(Path::parent) {
            playlist.resolve_paths(std::path::absolute(Path::new(".").join(folder))?);
        }
        find_music(arguments, &mut playlist)?;
        playlist.save(path)?;
    }

    if arguments.json {
        cli::print(cli::json(&serde_json::to_string_pretty(&Answer::new(recognition, &songs))?))
    } else {
        cli::print(format!("{}{}", recognized.describe(), recognized.list(&options.strategy, &songs)))
    }
}

/// The mood to recommend songs for, and its source.
struct Recognized {
    recognition: Recognition,
    /// Name of the source of the mood in errors: a model or `--mood`.
    by: String,
    clip: Option<Clip>,
}

/// A recording and its timeline.
struct Clip {
    name: String,
    sample_rate: u32,
    timeline: Timeline,
}

impl Recognized {
    /// Recognises the mood of the clip on the command line, or of the bundled clip.
    fn of_clip(arguments: &Arguments) -> anyhow::Result<Self> {
        let decoding = arguments.decoding.options();
        let (name, mut reader) = match &arguments.clip {
            Some(path) => {
                let input = Input::of(path);
                (input.to_string(), input.open(&decoding)?)
            }
            None => {
                let sample = Cursor::new(assets::SAMPLE_WAV);
                let reader = AudioReader::new(sample, Some("wav"), "sample.wav", &decoding)?;
                ("the bundled sample".to_string(), reader)
            }
        };
        let model = arguments.model.open()?;
        let mut recognizer = model.recognizer()?;
        let bar = progress::percent(listening::STEPS, "listening");
        let timeline = listening::listen(&mut recognizer, &mut reader, &name, &bar);
        bar.finish_and_clear();
        let timeline = timeline?;
        let recognition = match arguments.at {
            At::Whole => timeline.overall.clone(),
            At::End => timeline.at_end(10.0),
        };
        let clip = Some(Clip { name, sample_rate: reader.sample_rate(), timeline });
        Ok(Recognized { recognition, by: model.name().to_owned(), clip })
    }

    /// Returns the mood of `--mood`, with probability 1.
    fn given(mood: Mood) -> Self {
        let probability = |other: Mood| (other.to_string(), f32::from(u8::from(other == mood)));
        let probabilities = Mood::ALL.map(probability).to_vec();
        let recognition = Recognition { label: mood.to_string(), probabilities, confident: true };
        Recognized { recognition, by: "--mood".into(), clip: None }
    }

    /// Describes the recognition in paragraphs. Returns an empty string if there is no clip.
    fn describe(&self) -> String {
        let Some(Clip { name, sample_rate, timeline }) = &self.clip else { return String::new() };
        let mut lines =
            vec![format!("{}: {:.1} s at {sample_rate} Hz\n", cli::printable(name), timeline.seconds)];
        if timeline.seconds >= LONG_SECONDS {
            let colors = console::colors_enabled();
            lines.push(segments::cells(&timeline.segments, timeline.seconds, 60, colors));
            lines.push(format!("{}\n", segments::line(&timeline.segments)));
        }
        let recognition = &self.recognition;
        lines.push(match recognition.confident {
            true => format!("Mood: {}", recognition.label),
            false => format!("Mood: {}", segments::in_words(recognition)),
        });
        for (label, probability) in &recognition.probabilities {
            let bar = painted(label, cli::cells(*probability, 30));
            lines.push(format!("  {label:<10} {bar} {:5.1} %", probability * 100.0));
        }
        lines.join("\n") + "\n\n"
    }

    fn list(&self, strategy: &Strategy, songs: &[Recommendation<'_>]) -> String {
        let you_sound = if self.clip.is_some() { "you sound " } else { "" };
        let listed = moods_of(songs);
        let effect = effect(&self.recognition.label, strategy, &listed)
            .map(|effect| format!(" ({you_sound}{effect})"));
        let mut lines = vec![format!("Songs{}:", effect.unwrap_or_default())];
        for (at, Recommendation { song, score, reason }) in songs.iter().enumerate() {
            let title = cli::title(&song.artist, &song.name);
            lines.push(format!("{:3}. {}  (score {score:.2})", at + 1, cli::hyperlink(&title, &song.link())));
            lines.push(format!("     {reason}"));
        }
        lines.join("\n")
    }
}

/// Reports that the catalogue has no songs for the strategy: the moods that the strategy needs, and those that the catalogue has.
fn missing(strategy: &Strategy, reading: Reading, catalog: &Catalog) -> String {
    let targets = in_words(&strategy.targets(reading));
    format!("songs must be {targets} for --strategy {}, got {}", strategy.as_str(), held(catalog))
}

/// Returns the target moods of the strategy of which the catalogue has no songs.
fn lacking(strategy: &Strategy, reading: Reading, catalog: &Catalog) -> Vec<Mood> {
    // A journey chooses songs by their position in the valence–energy plane, not by their mood.
    if let Strategy::Journey { .. } = strategy {
        return Vec::new();
    }
    let stats = catalog.stats();
    strategy.targets(reading).into_iter().filter(|mood| stats.count(*mood) == 0).collect()
}

/// Describes how many songs of each mood a catalogue has.
fn held(catalog: &Catalog) -> String {
    let stats = catalog.stats();
    let mut held: Vec<String> = Mood::ALL
        .into_iter()
        .filter(|mood| stats.count(*mood) > 0)
        .map(|mood| format!("{} {}", stats.count(mood), mood.as_str().to_lowercase()))
        .collect();
    if stats.unlabelled() > 0 {
        held.push(format!(
            "{} without a mood (it is estimated where valence and energy are known)",
            stats.unlabelled()
        ));
    }
    held.join(", ")
}

/// Joins moods as in `calm or sad`.
fn in_words(moods: &[Mood]) -> String {
    let moods: Vec<String> = moods.iter().map(|mood| mood.as_str().to_lowercase()).collect();
    moods.join(" or ")
}

/// Returns the distinct moods of the listed songs, in the order in which they first occur.
fn moods_of(songs: &[Recommendation<'_>]) -> Vec<Mood> {
    let mut moods = Vec::new();
    for mood in songs.iter().filter_map(|item| item.song.mood) {
        if !moods.contains(&mood) {
            moods.push(mood);
        }
    }
    moods
}

#[cfg(feature = "files")]
fn check_music(_: &Arguments) -> anyhow::Result<()> {
    Ok(())
}

#[cfg(not(feature = "files"))]
fn check_music(arguments: &Arguments) -> anyhow::Result<()> {
    let (Some(music), Some(playlist)) = (&arguments.music, &arguments.playlist) else { return Ok(()) };
    bail!(
        "--music: program must have the feature files, got none; `cargo run --release --example recommend_songs --features files -- \
         --playlist {} --music {}` has it",
        playlist.display(),
        music.display()
    )
}

/// Sets the file of each playlist entry by the tags of the files in `--music`, and reports the songs that were not found.
#[cfg(feature = "files")]
fn find_music(arguments: &Arguments, playlist: &mut Playlist) -> anyhow::Result<()> {
    use mood_recommender::MusicFolder;

    let Some(folder) = &arguments.music else { return Ok(()) };
    let what = format!("reading the tags in {}", folder.display());
    let music = progress::busy(what, || MusicFolder::open(folder))?;
    for (path, reason) in music.unreadable() {
        cli::note(format_args!("skipped: {}: {reason}", path.display()));
    }
    if music.untitled() > 0 {
        cli::note(format_args!("note: files without artist or title in their tags: {}", music.untitled()));
    }
    let songs = playlist.entries.len();
    let missing = music.locate(playlist);
    for missing in &missing {
        let title = cli::title(&missing.entry.artist, &missing.entry.name);
        cli::note(format_args!("not found: {title}: {missing}"));
    }
    let (found, files) = (songs - missing.len(), music.len() + music.untitled());
    cli::note(format_args!("note: {}: found {found} of {songs} songs in {files} files", folder.display()));
    Ok(())
}

#[cfg(not(feature = "files"))]
fn find_music(_: &Arguments, _: &mut Playlist) -> anyhow::Result<()> {
    Ok(())
}

/// Shortest length of a recording, in seconds, whose timeline is shown too.
const LONG_SECONDS: f64 = 10.0;

/// Describes what the strategy does with the mood `label`, and how to get more of the same mood. `listed` are the moods of the songs.
/// Returns `None` if `label` is not one of the four moods.
fn effect(label: &str, strategy: &Strategy, listed: &[Mood]) -> Option<String> {
    let mood: Mood = label.parse().ok()?;
    if let Strategy::Journey { .. } = strategy {
        return Some(in_sentence(mood, &strategy.effect(mood)));
    }
    let target = strategy.targets(mood);
    let (suiting, others): (Vec<Mood>, Vec<Mood>) = listed.iter().partition(|mood| target.contains(mood));
    if suiting.is_empty() {
        let (mood, others) = (in_words(&[mood]), in_words(&others));
        return Some(format!("{mood}, but these are {others} songs, for less likely moods"));
    }
    let more = match strategy {
        Strategy::Balance if strategy.targets(mood) != [mood] => "; `--strategy keep` for more of it",
        _ => "",
    };
    let mut effect = in_sentence(mood, &strategy.effect(mood));
    if !others.is_empty() {
        effect += &format!(", and {} songs for less likely moods", in_words(&others));
    }
    Some(effect + more)
}

/// Writes the mood at the start of `effect` in lower case.
fn in_sentence(mood: Mood, effect: &str) -> String {
    effect.replacen(mood.as_str(), &in_words(&[mood]), 1)
}
