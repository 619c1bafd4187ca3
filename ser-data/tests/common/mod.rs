//! What several tests need: the small encodings, WAV files made to measure, and RAVDESS where it is there.
#![allow(dead_code, clippy::unwrap_used)]

use std::path::PathBuf;

/// A file of `audio`.
pub(crate) fn encoding(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../audio").join(name)
}

/// All of RAVDESS as FLAC, where it is there.
pub(crate) fn ravdess() -> Option<PathBuf> {
    shared("ravdess")
}

/// Another corpus, where it is there.
pub(crate) fn corpus(name: &str) -> Option<PathBuf> {
    shared(&format!("corpora/{name}"))
}

/// Two WAV files as the archive has them, where they are there.
pub(crate) fn ravdess_originals() -> Option<PathBuf> {
    shared("ravdess-originals")
}

/// Small recordings that are odd, where they are there.
pub(crate) fn cases() -> Option<PathBuf> {
    shared("cases")
}

fn shared(folder: &str) -> Option<PathBuf> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data").join(folder);
    if path.is_dir() {
        return Some(path);
    }
    println!("skipped: {} is not there", path.display());
    None
}

/// A RIFF chunk with its padding.
pub(crate) fn chunk(id: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let mut bytes = id.to_vec();
    bytes.extend((body.len() as u32).to_le_bytes());
    bytes.extend(body);
    bytes.resize(bytes.len() + body.len() % 2, 0);
    bytes
}

/// The body of a plain `fmt ` chunk.
pub(crate) fn fmt(tag: u16, channels: u16, rate: u32, bits: u16) -> Vec<u8> {
    let align = channels * bits.div_ceil(8);
    let mut body = Vec::new();
    body.extend(tag.to_le_bytes());
    body.extend(channels.to_le_bytes());
    body.extend(rate.to_le_bytes());
    body.extend((rate * u32::from(align)).to_le_bytes());
    body.extend(align.to_le_bytes());
    body.extend(bits.to_le_bytes());
    body
}

/// A WAV file of the given chunks.
pub(crate) fn riff(chunks: &[Vec<u8>]) -> Vec<u8> {
    let body = chunks.concat();
    let mut bytes = b"RIFF".to_vec();
    bytes.extend((body.len() as u32 + 4).to_le_bytes());
    bytes.extend(b"WAVE");
    bytes.extend(body);
    bytes
}

/// A 16-bit mono WAV file.
pub(crate) fn wav(samples: &[i16], rate: u32) -> Vec<u8> {
    let data: Vec<u8> = samples.iter().flat_map(|s| s.to_le_bytes()).collect();
    riff(&[chunk(b"fmt ", &fmt(1, 1, rate, 16)), chunk(b"data", &data)])
}

/// A tone of half a second that differs with `number`, as a 16-bit WAV file at 8 kHz.
pub(crate) fn tone(number: u32) -> Vec<u8> {
    let step = (f64::from(number) * 0.013 + 0.1).sin().abs() * 0.8 + 0.05;
    let samples: Vec<i16> = (0..4000).map(|n| ((f64::from(n) * step).sin() * 12_000.0) as i16).collect();
    wav(&samples, 8000)
}

/// A second of a tone at 8 kHz, which every mistake in the frame's size would change.
pub(crate) fn second() -> Vec<i16> {
    (0..8000).map(|n| ((f64::from(n) * 0.1).sin() * 9000.0) as i16).collect()
}

/// The pages of an OGG file.
pub(crate) fn pages(mut file: &[u8]) -> Vec<Vec<u8>> {
    let mut pages = Vec::new();
    while !file.is_empty() {
        let table = 27 + usize::from(file[26]);
        let body: usize = file[27..table].iter().map(|&lace| usize::from(lace)).sum();
        let (page, rest) = file.split_at(table + body);
        pages.push(page.to_vec());
        file = rest;
    }
    pages
}

/// Makes the checksum of an OGG page right.
pub(crate) fn sum(page: &mut [u8]) {
    page[22..26].fill(0);
    let crc = page.iter().fold(0u32, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte) << 24, |crc, _| {
            if crc >> 31 == 1 { crc << 1 ^ 0x04C1_1DB7 } else { crc << 1 }
        })
    });
    page[22..26].copy_from_slice(&crc.to_le_bytes());
}
