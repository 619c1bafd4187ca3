//! Live recognition: prints the mood of a voice from standard input or a microphone every quarter of a second.

mod display;
mod latency;
#[cfg(feature = "microphone")]
mod microphone;
mod source;

use std::io::IsTerminal;
use std::process::ExitCode;
use std::sync::atomic::Ordering;
use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use clap::{Parser, ValueEnum};
use ser_data::{Pcm, PcmEncoding, PcmError};
use ser_examples::model::ModelArguments;
use ser_examples::{cli, interrupt};
use ser_models::live::{Listener, LiveConfig, SILENCE_DB};

use crate::display::Display;
use crate::latency::Latency;
use crate::source::Source;

/// Reads WAV or raw samples from standard input, or sound from a microphone, and prints the mood of the last three seconds every 250 ms of
/// sound.
///
/// The first reading comes after half a second. Silence is shown as `silence`, and sound without speech as `no speech`. An uncertain mood
/// has a question mark. On a terminal one line is rewritten, otherwise each reading is printed on its own line. Standard error names the
/// model at the start. At the end it reports the latency from the last sample of a reading to the printed line.
#[derive(Parser)]
#[command(after_help = cli::epilogue(
    "  arecord -q -f S16_LE -r 22050 -c 1 | cargo run --release --example live -- --raw s16le --rate 22050\n  \
       ffmpeg -v error -i voice.mp3 -f wav - | cargo run --release --example live\n  \
       cargo run --release --example live --features microphone -- --microphone"
))]
struct Arguments {
    /// Read raw samples in this encoding from standard input, instead of WAV.
    #[arg(long, value_enum, value_name = "ENCODING", requires = "rate")]
    raw: Option<Raw>,
    /// Sample rate of raw samples in hertz, 1000 to 384000.
    #[arg(long, value_name = "HZ", requires = "raw")]
    rate: Option<u32>,
    /// Number of interleaved channels of raw samples, 1 to 64.
    #[arg(long, default_value_t = 1, requires = "raw")]
    channels: u16,
    /// Listen to the default microphone until Ctrl-C. Needs the feature `microphone`: see the last example below.
    #[arg(long, conflicts_with = "raw")]
    microphone: bool,
    #[command(flatten)]
    model: ModelArguments,
    /// Level in dB relative to full scale below which sound is reported as silence. The level is lower while all sound so far is quiet.
    #[arg(long, value_name = "DB", default_value_t = SILENCE_DB, allow_negative_numbers = true)]
    silence_db: f32,
    /// Print each reading as one line of JSON: seconds, mood, confident and probabilities (null without speech), level_db and latency_ms.
    #[arg(long)]
    json: bool,
}

/// Encoding of raw samples.
#[derive(Clone, Copy, ValueEnum)]
enum Raw {
    /// Signed 16-bit integers, little-endian.
    S16le,
    /// 32-bit floating point within ±1, little-endian.
    F32le,
}

impl From<Raw> for PcmEncoding {
    fn from(raw: Raw) -> Self {
        match raw {
            Raw::S16le => Self::S16le,
            Raw::F32le => Self::F32le,
        }
    }
}

fn main() -> ExitCode {
    cli::exit(run)
}

fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let model = arguments.model.open()?;
    let recognizer = model.recognizer()?;
    let labels = recognizer.labels().to_vec();
    let source = if arguments.microphone { open_microphone()? } else { open_input(arguments)? };
    cli::note(format_args!("recognised by {}, digest {}", model.name(), model.id().digest));
    let config = LiveConfig { silence_db: arguments.silence_db, ..LiveConfig::default() };
    let mut listener = Listener::new(recognizer, source.sample_rate, config)?;

    let stop = interrupt::on_ctrl_c()?;
    let mut display = Display::new(arguments.json, labels);
    let mut latency = Latency::default();
    let mut last = None;
    let result = loop {
        if stop.load(Ordering::Relaxed) {
            break Ok(());
        }
        let piece = match source.pieces.recv_timeout(Duration::from_millis(100)) {
            Ok(Ok(piece)) => piece,
            Ok(Err(error)) => break Err(error),
            Err(RecvTimeoutError::Timeout) => continue,
            Err(RecvTimeoutError::Disconnected) => break Ok(()),
        };
        let read = listener.push(&piece.samples, |reading| -> anyhow::Result<()> {
            display.show(&reading, piece.age())?;
            latency.note(piece.age());
            Ok(())
        });
        if read.is_err() {
            break read;
        }
        last = Some(piece);
    };
    let ended = result.and_then(|()| match listener.finish()? {
        Some(reading) => display.show(&reading, last.map_or(Duration::ZERO, |piece| piece.age())),
        None => Ok(()),
    });
    display.finish();
    for warning in source.warnings.try_iter() {
        cli::note(format_args!("warning: {}: {warning}", source.name));
    }
    ended.context(source.name)?;
    if let Some(lost) = source.lost.as_ref().map(|lost| lost.load(Ordering::Relaxed)).filter(|lost| *lost > 0)
    {
        let name = source.name;
        cli::note(format_args!(
            "warning: {name}: {lost} blocks of samples were lost because they arrived faster than they were read"
        ));
    }
    eprintln!("{latency}");
    Ok(())
}

/// Advice with a command that streams any file.
const PIPED: &str = "try `ffmpeg -v error -i FILE -f wav - | cargo run --release --example live`";

fn open_input(arguments: &Arguments) -> anyhow::Result<Source> {
    let mut input = std::io::stdin();
    if input.is_terminal() {
        bail!("{}: audio must be piped in, got a terminal ({PIPED})", source::STANDARD_INPUT);
    }
    let pcm = match (arguments.raw, arguments.rate) {
        (Some(encoding), Some(rate)) => Pcm::raw(encoding.into(), rate, arguments.channels),
        _ => Pcm::of_wav(&mut input),
    };
    let pcm = pcm.map_err(|error| match error {
        PcmError::NotWav => {
            anyhow!("stream must be WAV, got other bytes ({PIPED}, or --raw and --rate for raw samples)")
        }
        error => error.into(),
    });
    Ok(Source::reading(input, pcm.context(source::STANDARD_INPUT)?))
}

#[cfg(feature = "microphone")]
fn open_microphone() -> anyhow::Result<Source> {
    microphone::open()
}

#[cfg(not(feature = "microphone"))]
fn open_microphone() -> anyhow::Result<Source> {
    bail!(
        "--microphone: program must have the feature microphone, got none; `cargo run --release --example live --features microphone -- \
         --microphone` has it"
    )
}
