//! Any bytes are refused with an error that names the file, or become sound that holds together; in bounded time and memory.
//!
//! `mkdir -p fuzz/corpus/decode && cp audio/*.* fuzz/corpus/decode/`, then
//! `cargo +nightly fuzz run decode -- -timeout=20 -rss_limit_mb=1024 -max_len=40000`.

#![no_main]

use std::sync::Once;
use std::time::{Duration, Instant};

use ser_data::{Audio, AudioLimits, AudioOptions};

/// The most that a file may hold here: less than the fuzzer's limits on memory and time.
const LIMITS: AudioLimits = AudioLimits { duration: Duration::from_secs(300), samples: 4_000_000 };

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    // A decoder's panic becomes an error, which the fuzzer's own hook would not let happen.
    static QUIET: Once = Once::new();
    QUIET.call_once(|| std::panic::set_hook(Box::new(|_| {})));
    let started = Instant::now();
    // At the end, so that files are seeds as they are.
    let (&flags, file) = bytes.split_last().unwrap_or((&0, &[]));
    let mut file = file.to_vec();
    if flags & 1 == 1 {
        repair_pages(&mut file);
    }
    let options = AudioOptions { limits: LIMITS, allow_truncated: flags & 2 == 2 };
    let hint = if flags & 4 == 4 { Some("mp3") } else { None };
    let mut failure = None;
    match Audio::decode_with(&options, &file, hint, "fuzz") {
        Ok(audio) => {
            let whole =
                audio.channels >= 1 && audio.sample_rate >= 1 && audio.samples.len() % audio.channels == 0;
            if !whole || audio.samples.is_empty() || !audio.samples.iter().all(|sample| sample.abs() <= 10.0)
            {
                failure = Some("the sound doesn't hold together");
            }
        }
        Err(error) if error.to_string().starts_with("fuzz: ") && !error.to_string().contains('\n') => {}
        Err(_) => failure = Some("the error isn't one line that names the file"),
    }
    if started.elapsed() > Duration::from_secs(20) {
        failure = Some("it took more than 20 s");
    }
    if let Some(failure) = failure {
        eprintln!("{failure}");
        std::process::abort();
    }
});

/// Makes the checksums of OGG pages right, so that what they protect is reached.
fn repair_pages(file: &mut [u8]) {
    let mut at = 0;
    while file.get(at..at + 4) == Some(b"OggS") {
        let Some(&segments) = file.get(at + 26) else { return };
        let table = at + 27..at + 27 + usize::from(segments);
        let Some(lacing) = file.get(table.clone()) else { return };
        let end = table.end + lacing.iter().map(|&lace| usize::from(lace)).sum::<usize>();
        let Some(page) = file.get_mut(at..end) else { return };
        page[22..26].fill(0);
        let crc = page.iter().fold(0u32, |crc, &byte| {
            (0..8).fold(crc ^ u32::from(byte) << 24, |crc, _| {
                if crc >> 31 == 1 { crc << 1 ^ 0x04C1_1DB7 } else { crc << 1 }
            })
        });
        page[22..26].copy_from_slice(&crc.to_le_bytes());
        at = end;
    }
}
