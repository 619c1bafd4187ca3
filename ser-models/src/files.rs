//! Atomic writes of files, and file errors.

use crate::setting::Settings;
use crate::weights::{Weights, WeightsError, one_line};
use std::error::Error;
use std::fs::{self, Metadata, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Errors of writing and reading a file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// The file cannot be read.
    #[error("{file}: cannot be read: {cause}")]
    Read {
        /// The file.
        file: String,
        /// The system's reason, which is part of the text.
        #[source]
        cause: io::Error,
    },
    /// The file cannot be written.
    #[error("{file}: cannot be written: {cause}")]
    Write {
        /// The file.
        file: String,
        /// The system's reason, which is part of the text.
        #[source]
        cause: io::Error,
    },
    /// The file is cut, damaged, or of another kind.
    #[error("{file}: cannot be read as {kind}: {cause}", cause = one_line(.cause))]
    Damaged {
        /// The file.
        file: String,
        /// The expected kind, e.g. `a checkpoint`.
        kind: &'static str,
        /// The error found, which is part of the text: a [`WeightsError`], a [`SettingError`](crate::SettingError), or an error of
        /// `safetensors` or `serde_json`.
        #[source]
        cause: Box<dyn Error + Send + Sync>,
    },
    /// The file has a format that this version does not support.
    #[error(
        "{file}: format must be {expected}, got {given} (make the file again, or read it with the version of ser-models that made it)"
    )]
    Format {
        /// The file.
        file: String,
        /// The format of the file.
        given: u64,
        /// The supported format.
        expected: u64,
    },
    /// A tensor is missing or does not fit.
    #[error("{file}: {cause}")]
    Weights {
        /// The file.
        file: String,
        /// The cause, which is part of the text.
        #[source]
        cause: WeightsError,
    },
}

impl FileError {
    /// The error of a file that is damaged or of another kind.
    pub(crate) fn not_a(
        kind: &'static str,
        file: &str,
        cause: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Self {
        Self::Damaged { file: file.to_owned(), kind, cause: cause.into() }
    }

    /// The error of a file whose content could not be serialised.
    pub(crate) fn not_written(file: &str, cause: serde_json::Error) -> Self {
        Self::Write { file: file.to_owned(), cause: cause.into() }
    }

    pub(crate) fn weights(file: &str, cause: WeightsError) -> Self {
        Self::Weights { file: file.to_owned(), cause }
    }
}

/// Reads a file.
pub(crate) fn read_file(path: &Path) -> Result<Vec<u8>, FileError> {
    fs::read(path).map_err(|cause| FileError::Read { file: path.display().to_string(), cause })
}

/// Reads the tensors and the metadata of a file. The caller checks the digest.
pub(crate) fn read_weights(
    bytes: &[u8],
    file: &str,
    kind: &'static str,
) -> Result<(Weights, String), FileError> {
    Weights::from_safetensors(bytes).map_err(|cause| match cause {
        WeightsError::File { .. } | WeightsError::Metadata { .. } => FileError::not_a(kind, file, cause),
        cause => FileError::weights(file, cause),
    })
}

/// Reads the tensors and the metadata (as text and as JSON) of a file whose `format` must be `format`. The caller checks the digest.
pub(crate) fn open_weights(
    bytes: &[u8],
    file: &str,
    kind: &'static str,
    format: u64,
) -> Result<(Weights, String, serde_json::Value), FileError> {
    let (weights, text) = read_weights(bytes, file, kind)?;
    let json: serde_json::Value = serde_json::from_str(&text).map_err(|e| FileError::not_a(kind, file, e))?;
    match json["format"].as_u64() {
        Some(given) if given == format => Ok((weights, text, json)),
        Some(given) => Err(FileError::Format { file: file.to_owned(), given, expected: format }),
        None => {
            let cause = Settings("metadata").error("format", format.to_string(), "none");
            Err(FileError::not_a(kind, file, cause))
        }
    }
}

/// Like [`write_file`], with an error that names the file.
pub(crate) fn save_file(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    write_file(path, bytes).map_err(|cause| FileError::Write { file: path.display().to_string(), cause })
}

/// Writes a file atomically: even after a crash, a regular file has either its old content or the new content.
///
/// A symbolic link stays, and its target is written. A device, a pipe or another special file is opened and written to, and never replaced.
///
/// ```
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("history.csv");
/// ser_models::write_file(&path, b"epoch,train_loss\n")?;
/// assert_eq!(std::fs::read(&path)?, b"epoch,train_loss\n");
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
/// The system's error, such as a missing folder or a full disk. An existing file is then unchanged.
pub fn write_file(path: impl AsRef<Path>, bytes: &[u8]) -> io::Result<()> {
    write_file_with(path, |file| file.write_all(bytes))
}

/// Like [`write_file`], for content that is too large for memory. `write` is called once and writes the content piece by piece.
///
/// # Errors
/// As [`write_file`], and errors of `write`.
pub fn write_file_with(
    path: impl AsRef<Path>,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    let path = path.as_ref();
    let Some((place, old)) = replaceable(path)? else {
        let mut file = OpenOptions::new().write(true).truncate(true).open(path)?;
        write(&mut file)?;
        return file.flush();
    };
    let mut builder = tempfile::Builder::new();
    builder.prefix(".ser-models-");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(fs::Permissions::from_mode(0o666)); // as a new file's, less the umask
    }
    let mut file = builder.tempfile_in(folder(&place))?;
    write(&mut file)?;
    if let Some(old) = old {
        file.as_file().set_permissions(old.permissions())?;
    }
    file.as_file().sync_all()?;
    file.persist(place)?;
    Ok(())
}

/// Returns the path to replace, which is no link, and the metadata of the regular file there, if one exists. Returns `None` if the existing
/// file must be opened and written to: a device, a pipe, or a file without a path, such as a deleted one that is still open.
fn replaceable(path: &Path) -> io::Result<Option<(PathBuf, Option<Metadata>)>> {
    match fs::metadata(path) {
        Ok(old) if old.is_file() => {
            let is_same = |real: &PathBuf| fs::symlink_metadata(real).is_ok_and(|it| same_file(&it, &old));
            let real = fs::canonicalize(path).ok().filter(is_same);
            Ok(real.map(|real| (real, Some(old))))
        }
        Ok(_) => Ok(None),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Some((end_of_links(path), None))),
        Err(error) => Err(error),
    }
}

/// Returns the end of a chain of links whose last target is missing.
fn end_of_links(path: &Path) -> PathBuf {
    const MOST: usize = 40; // as Linux follows
    let mut path = path.to_path_buf();
    for _ in 0..MOST {
        let Ok(next) = fs::read_link(&path) else { break };
        path = folder(&path).join(next);
    }
    path
}

#[cfg(unix)]
fn same_file(a: &Metadata, b: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    (a.dev(), a.ino()) == (b.dev(), b.ino())
}

#[cfg(not(unix))]
fn same_file(a: &Metadata, _: &Metadata) -> bool {
    a.is_file()
}

/// Returns the folder of a file.
fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_damaged_file_keeps_its_cause_and_tells_it_in_one_line() {
        let json = serde_json::from_str::<u8>("\"a\\nb\"").unwrap_err();
        let error = FileError::not_a("a checkpoint", "a.safetensors", json);
        let expected =
            r#"a.safetensors: cannot be read as a checkpoint: invalid type: string "a\nb", expected u8"#;
        assert!(error.to_string().starts_with(expected), "{error}");
        assert!(error.source().unwrap().is::<serde_json::Error>());

        let error = read_weights(b"RIFF", "a.wav", "a checkpoint").unwrap_err();
        assert_eq!(error.to_string(), "a.wav: cannot be read as a checkpoint: safetensors: header too small");
        let cause = error.source().unwrap();
        assert!(matches!(cause.downcast_ref(), Some(WeightsError::File { .. })), "{cause:?}");
        assert!(cause.source().unwrap().is::<safetensors::SafeTensorError>());

        let error = FileError::Format { file: "a".to_owned(), given: 9, expected: 3 };
        assert!(
            error.to_string().starts_with("a: format must be 3, got 9 (make the file again, "),
            "{error}"
        );
    }

    #[test]
    fn a_file_is_replaced_whole_and_nothing_else_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.bin");
        write_file(&path, b"older").unwrap();
        write_file(&path, b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        assert!(write_file(folder.path().join("none/a.bin"), b"x").is_err());
        assert!(write_file(folder.path(), b"x").is_err(), "a folder is no file");
    }
}

/// Tests of permissions, links, pipes and devices, which only Unix has.
#[cfg(all(test, unix))]
mod unix_tests {
    use super::*;
    use std::fs::File;
    use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
    use std::process::Command;

    #[test]
    fn a_private_file_stays_private() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.bin");
        fs::write(&path, b"old").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        write_file(&path, b"new").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_link_stays_and_its_target_gets_the_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("elsewhere")).unwrap();
        symlink("elsewhere/target.bin", at("first")).unwrap();
        symlink(at("first"), at("second")).unwrap();
        // At first the target is missing, then it exists.
        for content in [&b"one"[..], b"two"] {
            write_file(at("second"), content).unwrap();
            for link in ["first", "second"] {
                assert!(fs::symlink_metadata(at(link)).unwrap().is_symlink(), "{link}");
            }
            assert_eq!(fs::read(at("elsewhere/target.bin")).unwrap(), content);
            assert_eq!(fs::read_dir(at("elsewhere")).unwrap().count(), 1);
        }
        symlink("loop", at("loop")).unwrap();
        assert!(write_file(at("loop"), b"x").is_err());
        symlink("elsewhere/other.bin", at("dangling")).unwrap();
        assert!(write_file_with(at("dangling"), |_| Err(io::ErrorKind::StorageFull.into())).is_err());
        assert!(!at("elsewhere/other.bin").exists(), "a failure leaves nothing");
    }

    /// A deleted file that is open has no path, so it is written through its name in /proc.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_deleted_file_that_is_open_gets_the_bytes() {
        use std::os::fd::AsRawFd;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.bin");
        fs::write(&path, b"longer than new").unwrap();
        let mut open = File::open(&path).unwrap();
        fs::remove_file(&path).unwrap();
        // Linux reports this name for the deleted file, but it may belong to another file.
        let other = folder.path().join("a.bin (deleted)");
        fs::write(&other, b"another file").unwrap();
        write_file(format!("/proc/self/fd/{}", open.as_raw_fd()), b"new").unwrap();
        assert_eq!(io::read_to_string(&mut open).unwrap(), "new");
        assert_eq!(fs::read(&other).unwrap(), b"another file");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_pipe_stays_and_its_reader_gets_the_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pipe");
        assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
        let reader = {
            let path = path.clone();
            std::thread::spawn(move || fs::read(path).unwrap())
        };
        write_file(&path, b"through the pipe").unwrap();
        assert_eq!(reader.join().unwrap(), b"through the pipe");
        assert!(fs::symlink_metadata(&path).unwrap().file_type().is_fifo());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    /// A second device node of the system's null device, in the test's own folder, so that the system's node is not touched.
    #[test]
    fn a_device_stays_a_device() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("null");
        let made = Command::new("mknod").arg(&path).args(["c", "1", "3"]).output();
        if !made.is_ok_and(|made| made.status.success()) || fs::write(&path, b"probe").is_err() {
            println!("skipped: this user may not make devices");
            return;
        }
        write_file(&path, b"nothing is kept").unwrap();
        assert!(fs::symlink_metadata(&path).unwrap().file_type().is_char_device());
        assert_eq!(fs::read(&path).unwrap(), b"");
        // The device is also written through a link, which stays a link.
        let link = folder.path().join("link");
        symlink(&path, &link).unwrap();
        write_file(&link, b"nothing is kept").unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert!(fs::symlink_metadata(&path).unwrap().file_type().is_char_device());
    }

    #[test]
    fn a_full_device_is_an_error_and_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("full");
        let made = Command::new("mknod").arg(&path).args(["c", "1", "7"]).output();
        if !made.is_ok_and(|made| made.status.success()) || File::open(&path).is_err() {
            println!("skipped: this user may not make devices");
            return;
        }
        assert_eq!(write_file(&path, b"x").unwrap_err().kind(), io::ErrorKind::StorageFull);
        assert!(fs::symlink_metadata(&path).unwrap().file_type().is_char_device());
    }
}
