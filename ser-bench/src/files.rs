//! Files written whole or not at all.

use std::io::{self, Write};
use std::path::Path;

use anyhow::{Context, ensure};

/// Refuses a path whose folder is not there, before long work is done for it.
///
/// # Errors
/// The error names path and folder.
pub fn check_folder(path: &Path) -> anyhow::Result<()> {
    let folder = folder(path);
    ensure!(folder.is_dir(), "{}: there is no folder {} to write it to", path.display(), folder.display());
    Ok(())
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Writes a temporary file beside its place and then gives it its name, so that no half of it is ever seen.
///
/// # Errors
/// If it cannot be written; the error names it.
pub fn write(path: &Path, content: &[u8]) -> anyhow::Result<()> {
    let write = || -> io::Result<()> {
        let mut builder = tempfile::Builder::new();
        #[cfg(unix)]
        {
            // Those of any new file, less the umask: temporary files are private otherwise.
            use std::os::unix::fs::PermissionsExt;
            builder.permissions(std::fs::Permissions::from_mode(0o666));
        }
        let mut file = builder.tempfile_in(folder(path))?;
        file.write_all(content)?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        Ok(())
    };
    write().with_context(|| path.display().to_string())
}
