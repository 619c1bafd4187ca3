//! Recognises a recording while it is decoded, and shows progress.

use std::sync::mpsc;
use std::thread;

use anyhow::Context;
use indicatif::ProgressBar;
use ser_data::{AudioError, AudioReader};
use ser_models::{Recognizer, Timeline};

use crate::cli;

/// Steps of a progress bar for each recording.
pub const STEPS: u64 = 1000;

/// Maximum number of blocks that are decoded ahead.
const AHEAD: usize = 16;

/// Recognises a recording block by block, so that memory does not grow with its length. Prints its warnings on standard error. Advances
/// `bar` by [`STEPS`], also if the recording fails.
///
/// # Errors
/// If the recording is damaged, holds no speech or the model fails. The error names the recording by `name`.
pub fn listen(
    recognizer: &mut Recognizer,
    reader: &mut AudioReader<'_>,
    name: &str,
    bar: &ProgressBar,
) -> anyhow::Result<Timeline> {
    let named = || name.to_owned();
    let listening = recognizer.listen(reader.sample_rate()).with_context(named);
    let mut listening = listening.inspect_err(|_| bar.inc(STEPS))?;
    read(reader, name, bar, |block| listening.push(block).with_context(named))?;
    listening.finish().with_context(named)
}

/// Reads a recording to its end and gives its blocks to `take`. Handles warnings and `bar` as [`listen`] does.
///
/// # Errors
/// If the recording is damaged, or if `take` returns an error.
pub fn read(
    reader: &mut AudioReader<'_>,
    name: &str,
    bar: &ProgressBar,
    take: impl FnMut(&[f32]) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut done = 0;
    let read = read_blocks(reader, bar, &mut done, take);
    bar.inc(STEPS - done);
    bar.suspend(|| {
        for warning in reader.warnings() {
            cli::note(format_args!("warning: {name}: {warning}"));
        }
    });
    read
}

/// Reads all samples of a recording as one channel. Handles warnings and `bar` as [`listen`] does.
///
/// # Errors
/// If the recording is damaged.
pub fn samples(reader: &mut AudioReader<'_>, name: &str, bar: &ProgressBar) -> anyhow::Result<Vec<f32>> {
    let mut samples = Vec::new();
    read(reader, name, bar, |block| {
        samples.extend_from_slice(block);
        Ok(())
    })?;
    Ok(samples)
}

/// Decodes on a separate thread, at most [`AHEAD`] blocks ahead of `take`.
fn read_blocks(
    reader: &mut AudioReader<'_>,
    bar: &ProgressBar,
    done: &mut u64,
    mut take: impl FnMut(&[f32]) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let (blocks, decoded) = mpsc::sync_channel(AHEAD);
    thread::scope(|scope| {
        let decoder = scope.spawn(move || decode(reader, &blocks));
        for (block, progress) in decoded {
            take(&block)?;
            let now = (progress * STEPS as f64) as u64;
            bar.inc(now.saturating_sub(*done));
            *done = now.max(*done);
        }
        decoder.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)).map_err(Into::into)
    })
}

/// Sends one second of samples at a time with the reader's progress (0 to 1), until the end or until the receiver is dropped.
fn decode(
    reader: &mut AudioReader<'_>,
    blocks: &mpsc::SyncSender<(Vec<f32>, f64)>,
) -> Result<(), AudioError> {
    loop {
        let mut block = vec![0.0; reader.sample_rate() as usize];
        let read = reader.read(&mut block)?;
        block.truncate(read);
        if read == 0 || blocks.send((block, reader.progress())).is_err() {
            return Ok(());
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)] // a test may panic
mod tests {
    use std::io::Cursor;

    use ser_data::AudioOptions;

    use super::*;
    use crate::assets;

    #[test]
    fn every_recording_takes_its_steps_of_the_bar() {
        let mut recognizer = Recognizer::from_bytes(assets::SMALL).unwrap();
        let mut listen = |bytes: &[u8]| {
            let bar = ProgressBar::hidden();
            let options = AudioOptions::default();
            let mut reader = AudioReader::new(Cursor::new(bytes), Some("wav"), "a.wav", &options).unwrap();
            let timeline = super::listen(&mut recognizer, &mut reader, "a.wav", &bar);
            assert_eq!(bar.position(), STEPS);
            timeline
        };
        assert_eq!(listen(assets::SAMPLE_WAV).unwrap().overall.label, "Happy");
        let mut silent = assets::SAMPLE_WAV.to_vec();
        silent[44..].fill(0);
        assert!(format!("{:#}", listen(&silent).unwrap_err()).starts_with("a.wav: "));
    }
}
