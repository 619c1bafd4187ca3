//! Files that are written whole or not at all.

use std::fs::{self, Metadata, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// Writes a file. A regular file holds its old content or the new content at any moment, a crash included: the content goes to
/// a temporary file in the same folder, which is renamed.
///
/// A symbolic link is followed and stays. A device or a pipe is opened and written to, never replaced.
pub(crate) fn write_file(
    path: &Path,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    let Some((place, old)) = replaceable(path)? else {
        let mut writer = BufWriter::new(OpenOptions::new().write(true).truncate(true).open(path)?);
        write(&mut writer)?;
        return writer.flush();
    };
    let mut builder = tempfile::Builder::new();
    builder.prefix(".mood-recommender-");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(fs::Permissions::from_mode(0o666)); // as a new file's, less the umask
    }
    let mut writer = BufWriter::new(builder.tempfile_in(folder(&place))?);
    write(&mut writer)?;
    let file = writer.into_inner().map_err(io::IntoInnerError::into_error)?;
    if let Some(old) = old {
        file.as_file().set_permissions(old.permissions())?;
    }
    file.as_file().sync_all()?;
    file.persist(place)?;
    Ok(())
}

/// Where a file is replaced, and what is there now: a regular file, or none yet, at a path that is no link. `None` where something is written
/// through instead: a device, a pipe, or a file that no path leads to, such as a deleted one that is still open.
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

/// Where a chain of links ends whose last target is missing.
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

/// The folder that holds a file.
fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
    use std::process::Command;

    use super::*;

    fn put(path: &Path, bytes: &[u8]) -> io::Result<()> {
        write_file(path, |writer| writer.write_all(bytes))
    }

    #[test]
    fn a_link_stays_and_its_target_gets_the_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("elsewhere")).unwrap();
        symlink("elsewhere/target.csv", at("first")).unwrap();
        symlink(at("first"), at("second")).unwrap();
        // The target is missing at first, then there.
        for content in [&b"one"[..], b"two"] {
            put(&at("second"), content).unwrap();
            for link in ["first", "second"] {
                assert!(fs::symlink_metadata(at(link)).unwrap().is_symlink(), "{link}");
            }
            assert_eq!(fs::read(at("elsewhere/target.csv")).unwrap(), content);
            assert_eq!(fs::read_dir(at("elsewhere")).unwrap().count(), 1);
        }
        symlink("loop", at("loop")).unwrap();
        assert!(put(&at("loop"), b"x").is_err());
        symlink("elsewhere/other.csv", at("dangling")).unwrap();
        assert!(write_file(&at("dangling"), |_| Err(io::ErrorKind::StorageFull.into())).is_err());
        assert!(!at("elsewhere/other.csv").exists(), "a failure leaves nothing");
    }

    /// No path leads to a deleted file that is open, so its name in /proc is written through.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_deleted_file_that_is_open_gets_the_bytes() {
        use std::os::fd::AsRawFd;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("songs.csv");
        fs::write(&path, b"longer than new").unwrap();
        let mut open = fs::File::open(&path).unwrap();
        fs::remove_file(&path).unwrap();
        // Linux gives the deleted file this name, which may be another file's.
        let other = folder.path().join("songs.csv (deleted)");
        fs::write(&other, b"another file").unwrap();
        put(Path::new(&format!("/proc/self/fd/{}", open.as_raw_fd())), b"new").unwrap();
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
        put(&path, b"through the pipe").unwrap();
        assert_eq!(reader.join().unwrap(), b"through the pipe");
        assert!(fs::symlink_metadata(&path).unwrap().file_type().is_fifo());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    /// A second name of the system's null device, in a folder of the test's own: the system's own is not touched.
    #[test]
    fn a_device_stays_a_device() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("null");
        let made = Command::new("mknod").arg(&path).args(["c", "1", "3"]).output();
        if !made.is_ok_and(|made| made.status.success()) || fs::write(&path, b"probe").is_err() {
            println!("skipped: this user may not make devices");
            return;
        }
        put(&path, b"nothing is kept").unwrap();
        assert!(fs::symlink_metadata(&path).unwrap().file_type().is_char_device());
    }

    #[test]
    fn a_private_file_stays_private_and_a_failure_leaves_the_old_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("songs.csv");
        fs::write(&path, b"old").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert!(write_file(&path, |_| Err(io::ErrorKind::StorageFull.into())).is_err());
        assert_eq!(fs::read(&path).unwrap(), b"old");
        put(&path, b"new").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
