//! Files that `ffmpeg` makes of the bundled clip, where it is installed.

use std::path::Path;
use std::process::Command;

use crate::support::sample;

/// Whether a file was made with these arguments. `ffmpeg` may be missing, or lack a codec: that is told.
pub(crate) fn made(path: &Path, arguments: &[&str]) -> bool {
    let mut command = Command::new("ffmpeg");
    command.args(["-v", "error", "-y", "-i"]).arg(sample()).args(arguments).arg(path);
    let is_made = command.status().is_ok_and(|status| status.success());
    if !is_made {
        println!("skipped: no ffmpeg makes {}", path.display());
    }
    is_made
}
