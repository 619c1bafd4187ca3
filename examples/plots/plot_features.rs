//! Draws pictures of clips: waveform, MFCC, mel spectrogram, chroma, contrast and tonnetz, for one clip or several side by side.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use ser_data::Audio;
use ser_examples::inputs::{Decoding, Input, check_standard};
use ser_examples::{assets, cli, listening, progress};
use ser_plots::sound::{Picture, Sound};
use ser_plots::{Page, PictureFile};

/// Draws the waveform and the features of a clip, as a recogniser reads them. Several clips, such as a happy and a sad one, are drawn side
/// by side. The extension of the output file decides the format, PNG or SVG.
///
/// Without clips it draws the bundled one.
#[derive(Parser)]
#[command(after_help = cli::epilogue(
    "  cargo run --release --example plot_features -- happy.wav sad.wav --output features.png"
))]
struct Arguments {
    /// Clips, or `-` for standard input: WAV, FLAC, MP3, AAC-LC, ALAC, Vorbis or Opus in their usual containers, including videos, with any
    /// sample rate and number of channels.
    clips: Vec<PathBuf>,
    #[command(flatten)]
    decoding: Decoding,
    #[command(flatten)]
    picture: PictureFile,
    /// Pictures to draw, separated by commas [default: all].
    #[arg(long, value_enum, value_delimiter = ',')]
    show: Vec<Picture>,
    /// Width of one figure in pixels.
    #[arg(long, default_value_t = 640, value_parser = clap::value_parser!(u32).range(240..=4000))]
    width: u32,
}

fn main() -> ExitCode {
    cli::exit(run)
}

fn run(arguments: &Arguments) -> anyhow::Result<()> {
    arguments.picture.check()?;
    let sounds = if arguments.clips.is_empty() {
        let sample = Audio::decode(assets::SAMPLE_WAV, Some("wav"), "sample.wav")?;
        let sound = Sound::new(&sample.to_mono()?, sample.sample_rate)?;
        vec![("the bundled sample".to_string(), sound)]
    } else {
        let bar = progress::percent(arguments.clips.len() as u64 * listening::STEPS, "listening");
        let decoding = arguments.decoding.options();
        let inputs: Vec<Input> = arguments.clips.iter().map(|path| Input::of(path)).collect();
        check_standard(&inputs)?;
        let open = |input: &Input| {
            let place = input.to_string();
            let mut reader = input.open(&decoding)?;
            let samples = listening::samples(&mut reader, &place, &bar)?;
            let sound = Sound::new(&samples, reader.sample_rate()).with_context(|| place.clone())?;
            let name =
                Path::new(&place).file_name().map_or(place.clone(), |name| name.to_string_lossy().into());
            Ok((name, sound))
        };
        let sounds = inputs.iter().map(open).collect::<anyhow::Result<Vec<_>>>()?;
        bar.finish_and_clear();
        sounds
    };
    let shown = if arguments.show.is_empty() { &Picture::ALL[..] } else { &arguments.show };
    let mut figures = Vec::new();
    for picture in shown {
        for (_, sound) in &sounds {
            figures.push(sound.figure(*picture)?);
        }
    }
    let names: Vec<&str> = sounds.iter().map(|(name, _)| name.as_str()).collect();
    let page = Page {
        title: names.join(" · "),
        columns: sounds.len(),
        ..Page::new(figures, (arguments.width, arguments.width * 3 / 8))
    };
    arguments.picture.save(page)
}
