//! Tests that the peak memory of `recognize` does not grow with the length of the recording.

use std::io::{self, BufWriter, Write};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::{clip, program};

/// Returns the peak memory of a process in megabytes. Reads it repeatedly while the process runs. Only Linux reports it.
fn peak_megabytes(child: &mut Child) -> u64 {
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    while child.try_wait().unwrap().is_none() {
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok());
        peak = peak.max(kilobytes.unwrap_or(0_u64) / 1000);
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(peak > 0, "the process ended before its memory was read");
    peak
}

/// Writes a WAV file that repeats the bundled clip for `seconds`. Each sample is repeated `hold` times, and the sample rate is `hold` times
/// as high. All channels are equal.
fn write_long(to: impl Write, seconds: u32, hold: u32, channels: u16) -> io::Result<()> {
    let (clip, rate) = (clip(), 22_050 * hold);
    let frame = 2 * u32::from(channels);
    let mut to = BufWriter::new(to);
    to.write_all(b"RIFF")?;
    to.write_all(&(36 + seconds * rate * frame).to_le_bytes())?;
    to.write_all(b"WAVEfmt \x10\0\0\0\x01\0")?;
    to.write_all(&channels.to_le_bytes())?;
    to.write_all(&rate.to_le_bytes())?;
    to.write_all(&(rate * frame).to_le_bytes())?;
    to.write_all(&(frame as u16).to_le_bytes())?;
    to.write_all(b"\x10\0data")?;
    to.write_all(&(seconds * rate * frame).to_le_bytes())?;
    for sample in clip.iter().cycle().take(seconds as usize * 22_050) {
        let bytes = ((sample * 32_767.0) as i16).to_le_bytes();
        to.write_all(&bytes.repeat(hold as usize * usize::from(channels)))?;
    }
    to.flush()
}

/// Returns the peak memory of `recognize` with the small model in megabytes, for a recording on standard input.
fn peak_of_input(seconds: u32, hold: u32, channels: u16) -> u64 {
    let mut command = Command::new(program("recognize"));
    let command = command.args(["-", "--model", "small"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let input = child.stdin.take().unwrap();
    let (peak, written) = std::thread::scope(|scope| {
        let written = scope.spawn(move || write_long(input, seconds, hold, channels));
        let peak = peak_megabytes(&mut child);
        (peak, written.join().unwrap())
    });
    let output = io::read_to_string(child.stdout.take().unwrap()).unwrap();
    let clock = format!("standard input  {}:{:02}  ", seconds / 60, seconds % 60);
    assert!(child.wait().unwrap().success() && (seconds >= 3600 || output.starts_with(&clock)), "{output}");
    written.unwrap();
    peak
}

#[test]
fn standard_input_is_not_held_in_memory() {
    let peak = peak_of_input(36, 8, 16);
    println!("{peak} MB for 203 MB on standard input");
    assert!(peak < 150, "{peak} MB");
}

/// `cargo test --workspace --test examples -- --ignored --nocapture an_hour`
#[test]
#[ignore = "takes minutes"]
fn an_hour_takes_less_than_150_megabytes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hour.wav");
    write_long(std::fs::File::create(&path).unwrap(), 3600, 1, 1).unwrap();
    for model in ["small", "voices"] {
        let mut command = Command::new(program("recognize"));
        let started = Instant::now();
        let mut child = command.arg(&path).args(["--model", model]).stdout(Stdio::null()).spawn().unwrap();
        let peak = peak_megabytes(&mut child);
        println!("{model}: {peak} MB, {:.1?}", started.elapsed());
        assert!(child.wait().unwrap().success() && peak < 150, "{peak} MB");
    }
    let peak = peak_of_input(3600, 1, 1);
    println!("standard input: {peak} MB");
    assert!(peak < 150, "{peak} MB");
}
