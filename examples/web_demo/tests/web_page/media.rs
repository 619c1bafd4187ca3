//! Makes files from the bundled clip with `ffmpeg`, if it is installed.

use std::path::Path;
use std::process::Command;

use crate::support::sample;

/// Makes a file with these arguments. Returns false and prints a message if `ffmpeg` or the codec is missing.
pub(crate) fn made(path: &Path, arguments: &[&str]) -> bool {
    let mut command = Command::new("ffmpeg");
    command.args(["-v", "error", "-y", "-i"]).arg(sample()).args(arguments).arg(path);
    let Ok(output) = command.output() else {
        println!("skipped: there is no ffmpeg");
        return false;
    };
    let (is_made, said) = (output.status.success(), String::from_utf8_lossy(&output.stderr));
    // Any other error is caused by the arguments.
    assert!(is_made || said.contains("Unknown encoder"), "{}: {said}", path.display());
    if !is_made {
        println!("skipped: ffmpeg lacks the codec of {}", path.display());
    }
    is_made
}
