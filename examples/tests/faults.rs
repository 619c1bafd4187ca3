//! Tests of full disks, of files and folders without read or write permission, and of files with times in the past or future.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, SystemTime};

use tempfile::TempDir;

use crate::support::{made_up_ravdess, prints, program, sample, text, write};

/// The commands that write a file: name, output file, and arguments from the data and the output file. The last command reads a file that
/// another one writes.
type Writer = (&'static str, &'static str, fn(&Path, &Path) -> Vec<String>);
const WRITERS: [Writer; 4] = [
    ("train", "model.safetensors", |data, output| words("--data", data, "--output", output, "--epochs 1")),
    ("extract_features", "features.safetensors", |data, output| {
        words("--data", data, "--output", output, "--features mfcc")
    }),
    ("recommend_songs", "list.csv", |_, output| {
        words("--playlist", output, "--mood", Path::new("sad"), "--count 9")
    }),
    ("train", "history.csv", |data, output| {
        let model = output.with_file_name("other.safetensors");
        let mut words = words("--data", data, "--output", &model, "--epochs 1 --history");
        words.push(output.display().to_string());
        words
    }),
];

fn words(option: &str, value: &Path, other: &str, other_value: &Path, rest: &str) -> Vec<String> {
    let (value, other_value) = (value.display().to_string(), other_value.display().to_string());
    let mut words = vec![option.to_owned(), value, other.to_owned(), other_value];
    words.extend(rest.split(' ').map(String::from));
    words
}

/// Returns the content of each file in a folder.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| (path.clone(), std::fs::read(&path).unwrap())).collect()
}

/// Asserts that the last line on standard error is the only error, names the file and contains `reason`.
fn failed(output: &Output, file: &Path, reason: &str) {
    let lines = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{lines}");
    let errors = lines.lines().filter(|line| line.starts_with("error: ")).count();
    let error = lines.lines().last().unwrap_or_default();
    assert!(error.starts_with("error: ") && errors == 1, "{lines}");
    assert!(error.contains(reason), "{reason:?} is not in {error:?}");
    assert!(error.contains(&*file.file_stem().unwrap().to_string_lossy()), "{file:?} is not in {error:?}");
}

fn run(mut command: Command) -> Output {
    command.stdin(Stdio::null()).output().unwrap()
}

/// Returns a command whose files can have at most one kilobyte. Writing more fails, as on a full disk.
fn limited(name: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' XFSZ; ulimit -f 1; exec \"$@\"", "sh"]).arg(program(name));
    command
}

#[test]
fn a_disk_that_fills_leaves_the_old_file_and_no_part_of_the_new_one() {
    let data = made_up_ravdess();
    for (name, file, arguments) in &WRITERS[..3] {
        let folder = TempDir::new().unwrap();
        let output = folder.path().join(file);
        write(&folder, file, "old");
        let before = files(folder.path());
        let mut command = limited(name);
        command.args(arguments(data.path(), &output));
        failed(&run(command), &output, "File too large");
        assert_eq!(files(folder.path()), before, "{name} {file}");
    }
}

#[test]
fn a_device_without_room_is_an_error() {
    let data = made_up_ravdess();
    for (name, file, arguments) in WRITERS {
        let folder = TempDir::new().unwrap();
        let output = folder.path().join(file);
        symlink("/dev/full", &output).unwrap();
        if !output.exists() {
            println!("skipped: there is no /dev/full");
            return;
        }
        let mut command = Command::new(program(name));
        command.args(arguments(data.path(), &output));
        failed(&run(command), &output, "No space left on device");
        assert!(output.is_symlink(), "{name} {file}");
    }
}

/// Returns a command that runs as a user other than root, because permissions do not restrict root. Returns `None` if there is no such
/// user.
fn unprivileged(name: &str) -> Option<Command> {
    let program = program(name);
    let probe = TempDir::new().unwrap();
    if std::fs::metadata(probe.path()).unwrap().uid() != 0 {
        return Some(Command::new(program));
    }
    let as_nobody = |program: &OsStr| {
        let mut command = Command::new("setpriv");
        command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]).arg(program);
        command
    };
    let mut probe = as_nobody("test".as_ref());
    probe.arg("-x").arg(&program);
    if !probe.output().is_ok_and(|probe| probe.status.success()) {
        println!("skipped: no user without rights can run the programs");
        return None;
    }
    Some(as_nobody(program.as_os_str()))
}

fn mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_folder_that_may_not_be_written_is_an_error() {
    let data = made_up_ravdess();
    mode(data.path(), 0o755);
    for (name, file, arguments) in &WRITERS[..3] {
        let folder = TempDir::new().unwrap();
        let output = folder.path().join(file);
        mode(folder.path(), 0o555);
        let Some(mut command) = unprivileged(name) else { return };
        command.args(arguments(data.path(), &output));
        let failure = run(command);
        mode(folder.path(), 0o755);
        failed(&failure, folder.path().join(file).as_path(), "Permission denied");
        assert!(files(folder.path()).is_empty(), "{name} {file}");
    }
}

#[test]
fn a_file_that_may_not_be_read_is_an_error() {
    let folder = TempDir::new().unwrap();
    mode(folder.path(), 0o777);
    let output = folder.path().join("features.csv");
    let clip = PathBuf::from(write(&folder, "clip.wav", std::fs::read(sample()).unwrap()));
    let songs = PathBuf::from(write(&folder, "songs.csv", "name,artist,energy\nA,B,0.5\n"));
    let model = PathBuf::from(write(&folder, "model.safetensors", ""));
    for path in [&clip, &songs, &model] {
        mode(path, 0o000);
    }
    let sample = sample();
    let cases: [(&str, [&Path; 3], &Path); 4] = [
        ("recognize", [&clip, Path::new("--model"), Path::new("small")], &clip),
        ("recognize", [&sample, Path::new("--model"), &model], &model),
        ("recommend_songs", [Path::new("--mood=sad"), Path::new("--catalog"), &songs], &songs),
        ("extract_features", [&clip, Path::new("--output"), &output], &clip),
    ];
    for (name, arguments, file) in cases {
        let Some(mut command) = unprivileged(name) else { return };
        command.args(arguments);
        failed(&run(command), file, "Permission denied");
    }
}

/// `clippy.toml` forbids reading the time of day, so only file times can jump.
#[test]
fn the_times_of_files_change_nothing() {
    let data = made_up_ravdess();
    let folder = TempDir::new().unwrap();
    let cache = folder.path().join("cache");
    let model = folder.path().join("model.safetensors");
    let train = || {
        let mut arguments = words("--data", data.path(), "--output", &model, "--epochs 2 --cache");
        arguments.push(cache.display().to_string());
        prints("train", arguments);
        std::fs::read(&model).unwrap()
    };
    let first = train();
    let century = Duration::from_secs(100 * 365 * 86_400);
    for time in [SystemTime::UNIX_EPOCH, SystemTime::UNIX_EPOCH + 2 * century] {
        let mut touched = 0;
        let mut folders = vec![cache.clone(), data.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    let file = std::fs::File::options().append(true).open(path).unwrap();
                    file.set_modified(time).unwrap();
                    touched += 1;
                }
            }
        }
        assert!(touched >= 80, "{touched} files of clips and of the cache");
        assert!(train() == first, "the model differs with files of {time:?}");
    }
}

#[test]
fn a_user_without_rights_writes_to_a_device() {
    let folder = TempDir::new().unwrap();
    mode(folder.path(), 0o755);
    let clip = write(&folder, "clip.wav", std::fs::read(sample()).unwrap());
    let Some(mut command) = unprivileged("extract_features") else { return };
    command.args([&clip, "--features", "mfcc", "--output", "/dev/null"]);
    let output = run(command);
    assert!(output.status.success(), "{}", text(&output.stderr));
}
