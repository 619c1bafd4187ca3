//! Shows progress on standard error if it is a terminal.

use std::fmt::Display;
use std::io::{self, IsTerminal};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Creates a progress bar of `length` steps with the time left. It is hidden if standard error is not a terminal.
pub fn bar(length: u64, what: &'static str) -> ProgressBar {
    styled(length, what, "{prefix} {bar:30} {pos}/{len} {msg} ({eta} left)")
}

/// Creates a progress bar like [`bar`] that shows per cent instead of the number of steps.
pub fn percent(length: u64, what: &'static str) -> ProgressBar {
    styled(length, what, "{prefix} {bar:30} {percent} % {msg} ({eta} left)")
}

fn styled(length: u64, what: &'static str, template: &str) -> ProgressBar {
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    let bar = ProgressBar::with_draw_target(Some(length), target()).with_style(style).with_prefix(what);
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

/// Shows the message `what`, such as the name of a large file that is read, while `work` runs.
pub fn busy<T>(what: impl Display, work: impl FnOnce() -> T) -> T {
    let spinner = ProgressBar::with_draw_target(None, target()).with_message(what.to_string());
    spinner.enable_steady_tick(Duration::from_millis(200));
    let done = work();
    spinner.finish_and_clear();
    done
}

/// Returns standard error if it is a terminal, otherwise a hidden target.
fn target() -> ProgressDrawTarget {
    if io::stderr().is_terminal() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() }
}
