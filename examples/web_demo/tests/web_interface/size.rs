//! Tests of small files with a lot of sound.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::client::{agent, memory_kilobytes, post};
use crate::server::Server;

#[test]
fn a_few_kilobytes_that_hold_an_hour_or_a_gigabyte_take_little_memory() {
    let server = Server::start(&["--workers", "1"]);
    // An hour of silence, of which the first ten minutes are analysed block by block.
    let hour = silent_flac(44_100, 1, 2_400);
    let answer = post(&format!("{}/api/recognize", server.address), &hour);
    assert_eq!((answer.status, &answer.body["code"]), (422, &json!("silence")), "{}", answer.body);
    // One minute in eight channels at the highest sample rate that a FLAC file can declare.
    let gigabyte = silent_flac(655_350, 8, 590);
    assert!(gigabyte.len() < 50_000);
    let begin = Instant::now();
    let answer = post(&format!("{}/api/recognize", server.address), &gigabyte);
    assert_eq!((answer.status, &answer.body["code"]), (413, &json!("too-large")), "{}", answer.body);
    assert!(answer.body["detail"].as_str().unwrap().contains("8 channels at 655350 Hz"), "{}", answer.body);
    assert!(begin.elapsed() < Duration::from_secs(1), "refused before it is decoded");
    // Pictures of many samples keep only the drawn values in memory.
    let fast = silent_flac(384_000, 1, 600);
    let most = |query: &str| {
        let answer = post(&format!("{}/api/recognize?{query}", server.address), &fast);
        assert_eq!((answer.status, &answer.body["code"]), (422, &json!("silence")), "{}", answer.body);
        memory_kilobytes(server.process.id(), "VmHWM:")
    };
    if let (Some(without), Some(with)) = (most("pictures=false"), most("pictures=true")) {
        assert!(with < without + 30_000, "{without} kB without pictures, {with} kB with them");
    }
    // The WAV file has at most as many samples as ten minutes at 48 kHz, at any sample rate.
    let mut response = agent().post(format!("{}/api/wav", server.address)).send(&fast[..]).unwrap();
    let played = response.body_mut().with_config().limit(100_000_000).read_to_vec().unwrap();
    assert_eq!(played.len(), 44 + 2 * 600 * 48_000);
    if let Some(kilobytes) = memory_kilobytes(server.process.id(), "VmHWM:") {
        assert!(kilobytes < 260_000, "{kilobytes} kB");
    }
}

/// Returns a FLAC file of `blocks` blocks with 65,535 frames of zeros each, 16 bit. A block takes a few bytes.
pub(crate) fn silent_flac(sample_rate: u64, channels: u8, blocks: u32) -> Vec<u8> {
    let block = |number: u32| {
        // The block size of 65,535 follows in 16 bits. Sample rate and bits are those of the file. The subframes are constant zeros.
        let mut frame = vec![0xFF, 0xF8, 0x70, (channels - 1) << 4];
        let number = number.min(0x7FF);
        if number < 0x80 {
            frame.push(number as u8);
        } else {
            frame.extend([0xC0 | (number >> 6) as u8, 0x80 | (number & 0x3F) as u8]);
        }
        frame.extend(65_534u16.to_be_bytes());
        frame.push(crc8(&frame));
        (0..channels).for_each(|_| frame.extend([0x00, 0, 0]));
        frame.extend(crc16(&frame).to_be_bytes());
        frame
    };
    let mut flac = b"fLaC\x80\x00\x00\x22".to_vec();
    flac.extend(65_535u16.to_be_bytes());
    flac.extend(65_535u16.to_be_bytes());
    flac.extend([0; 6]);
    // 20 bits of sample rate, 3 bits of channels − 1, 5 bits of bits per sample − 1, 36 bits of the number of samples (0 is unknown).
    flac.extend(((sample_rate << 44) | (u64::from(channels - 1) << 41) | (15 << 36)).to_be_bytes());
    flac.extend([0; 16]);
    (0..blocks).for_each(|number| flac.extend(block(number)));
    flac
}

fn crc8(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(crc ^ byte, |crc: u8, _| if crc & 0x80 != 0 { crc << 1 ^ 0x07 } else { crc << 1 })
    })
}

fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, byte| {
        let crc = crc ^ u16::from(*byte) << 8;
        (0..8).fold(crc, |crc: u16, _| if crc & 0x8000 != 0 { crc << 1 ^ 0x8005 } else { crc << 1 })
    })
}
