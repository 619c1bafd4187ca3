//! Quantises the weights of an encoder to eight bits, a quarter of the size of `f32`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use ser_examples::{cli, output};
use ser_models::encoder::quantize;

/// Writes an encoder's file with the weights of its convolutions and dense layers in eight bits, with a scale for each row.
#[derive(Parser)]
struct Arguments {
    /// The encoder: a safetensors file in f32 or f16.
    input: PathBuf,
    /// The file to write.
    output: PathBuf,
}

fn main() -> ExitCode {
    cli::exit(run)
}

fn run(Arguments { input, output }: &Arguments) -> anyhow::Result<()> {
    output::check_folder(output)?;
    let bytes = std::fs::read(input).with_context(|| input.display().to_string())?;
    let small = quantize(&bytes).with_context(|| input.display().to_string())?;
    output::write(output, &small)?;
    cli::print(format!("{}: {} bytes of {}", output.display(), small.len(), bytes.len()))
}
