//! Files that `ffmpeg` makes of the bundled clip, where it is installed.

use std::path::Path;
use std::process::Command;

use crate::support::sample;

/// Whether a file was made with these arguments. `ffmpeg` may be missing, or lack a codec: that is told.
pub(crate) fn made(path: &Path, arguments: &[&str]) -> bool {
    let mut command = Command::new("ffmpeg");
    command.args(["-v", "error", "-y", "-i"]).arg(sample()).args(arguments).arg(path);
    let Ok(output) = command.output() else {
        println!("skipped: there is no ffmpeg");
        return false;
    };
    let (is_made, said) = (output.status.success(), String::from_utf8_lossy(&output.stderr));
    // Whatever else goes wrong is a fault of the arguments.
    assert!(is_made || said.contains("Unknown encoder"), "{}: {said}", path.display());
    if !is_made {
        println!("skipped: ffmpeg lacks the codec of {}", path.display());
    }
    is_made
}
