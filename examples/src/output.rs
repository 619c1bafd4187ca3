//! Files that an example writes.

use std::path::Path;

use anyhow::{Context, ensure};

/// Refuses a path whose folder does not exist, before long work is done for it.
///
/// # Errors
/// If the folder does not exist. The error names path and folder.
pub fn check_folder(path: &Path) -> anyhow::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    ensure!(folder.is_dir(), "{}: folder must exist, got none at {}", path.display(), folder.display());
    Ok(())
}

/// Writes a file by [`ser_models::write_file`].
///
/// # Errors
/// If the file cannot be written. The error names it.
pub fn write(path: &Path, content: &[u8]) -> anyhow::Result<()> {
    ser_models::write_file(path, content).with_context(|| format!("{}: cannot be written", path.display()))
}
