//! What every example's command line shares: errors on one line, bars for people, exit codes for programs.

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use ser_features::SignalError;
use ser_models::RecognizeError;

/// What every example says of its exit codes; [`exit`] and clap give them.
const EXIT_CODES: &str = "Exit codes: 0 done, 1 failed, 2 the command line is wrong, 3 a clip holds no speech (silent, too short), \
                          130 stopped by Ctrl-C before the end.";

/// The end of an example's `--help`: real calls, one a line, and the exit codes.
pub fn epilogue(calls: &str) -> String {
    format!("Example:\n{calls}\n\n{EXIT_CODES}")
}

/// Work that Ctrl-C ended before its end.
#[derive(Debug, thiserror::Error)]
#[error("stopped; {advice}")]
pub struct Stopped {
    /// What to do next.
    pub advice: &'static str,
}

/// Turns a command's result into its exit code: 0, or another with the error and its causes on standard error. 3 stands for a clip
/// that can be read but holds no speech, 130 for [`Stopped`], 1 for all other errors.
///
/// Whoever closes our output, as `head` does, has read enough: that is no error.
pub fn exit(result: anyhow::Result<()>) -> ExitCode {
    let closed = |error: &io::Error| error.kind() == io::ErrorKind::BrokenPipe;
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.downcast_ref().is_some_and(closed) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            code(&error).into()
        }
    }
}

fn code(error: &anyhow::Error) -> u8 {
    let silent = |error: &SignalError| {
        matches!(error, SignalError::Silent { .. } | SignalError::TooShort { .. } | SignalError::Empty)
    };
    // An error that is transparent stands for its cause, which is then no link of the chain.
    let no_speech = error.chain().any(|cause| match cause.downcast_ref() {
        Some(RecognizeError::Signal(signal)) => silent(signal),
        _ => cause.downcast_ref().is_some_and(silent),
    });
    match error.downcast_ref::<Stopped>() {
        Some(_) => 130,
        None if no_speech => 3,
        None => 1,
    }
}

/// Prints a text and a line end to standard output.
///
/// # Errors
/// Where `println!` would panic: if the output is closed or full.
pub fn print(text: impl Display) -> anyhow::Result<()> {
    Ok(writeln!(io::stdout().lock(), "{text}")?)
}

/// A progress bar of `length` steps on standard error, with the time left; silent where that is not a terminal.
pub fn progress_bar(length: u64, what: &'static str) -> ProgressBar {
    let style = ProgressStyle::with_template("{prefix} {bar:30} {pos}/{len} {msg} ({eta} left)")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    let bar = ProgressBar::with_draw_target(Some(length), target()).with_style(style).with_prefix(what);
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

/// Does what may take a while, such as reading a large file, and says so meanwhile on standard error, where that is a terminal.
pub fn busy<T>(what: impl Display, work: impl FnOnce() -> T) -> T {
    let spinner = ProgressBar::with_draw_target(None, target()).with_message(what.to_string());
    spinner.enable_steady_tick(Duration::from_millis(200));
    let done = work();
    spinner.finish_and_clear();
    done
}

/// Standard error, where that is a terminal.
fn target() -> ProgressDrawTarget {
    if io::stderr().is_terminal() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() }
}

/// The most memory that this process has held so far, in bytes. Known on Linux alone.
pub fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let kilobytes = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(kilobytes.trim().strip_suffix(" kB")?.parse::<u64>().ok()? * 1024)
}

/// A probability as a bar of `width` cells, in eighths of a cell.
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
    use super::{cells, peak_memory};

    #[test]
    fn the_peak_of_memory_holds_what_was_held() {
        let held = std::hint::black_box(vec![1u8; 8 << 20]);
        let peak = peak_memory();
        assert_eq!(peak.is_some(), cfg!(target_os = "linux"));
        assert!(peak.is_none_or(|bytes| bytes > held.len() as u64));
    }

    #[test]
    fn cells_always_fill_the_width() {
        for step in 0..=100 {
            assert_eq!(cells(step as f32 / 100.0, 20).chars().count(), 20);
        }
        assert_eq!(cells(0.5, 4), "██  ");
        assert_eq!(cells(f32::NAN, 4).chars().count(), 4);
    }
}
