//! The tag that an MP3 encoder writes into a first frame without sound: Xing, Info or VBRI, with LAME's part.

use crate::audio::source::be;

/// What the tag says.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Tag {
    /// MPEG frames after the tag's own.
    pub(super) count: Option<u64>,
    /// Bytes of the stream, from the tag's frame.
    pub(super) bytes: Option<u64>,
    /// Samples of delay and padding.
    pub(super) gaps: Option<(u64, u64)>,
    /// Whether it tells a delay and a padding that are not to be trusted: its checksum is wrong, or it has none and they are too long.
    pub(super) is_damaged: bool,
}

impl Tag {
    /// Reads the tag of a frame of layer III; `None` where it has none. `is_first` is whether the frame is of MPEG-1.
    pub(super) fn parse(frame: &[u8], is_first: bool, channels: u16) -> Option<Self> {
        let side = match (is_first, channels) {
            (true, 2) => 32,
            (true, _) | (false, 2) => 17,
            _ => 9,
        };
        if frame.get(36..40) == Some(b"VBRI") {
            return Some(Self { count: be(frame, 50, 4), bytes: be(frame, 46, 4), ..Self::default() });
        }
        let start = 4 + side;
        let body = frame.get(start..)?;
        let rest = body.strip_prefix(b"Xing").or_else(|| body.strip_prefix(b"Info"))?;
        let flags = be(rest, 0, 4)?;
        let mut at = 4;
        let mut field = |bit: u64, bytes: usize| {
            let value = (flags & bit != 0).then(|| be(rest, at, 4.min(bytes))).flatten();
            at += if flags & bit != 0 { bytes } else { 0 };
            value
        };
        let (count, bytes) = (field(1, 4), field(2, 4));
        let _ = (field(4, 100), field(8, 4));
        // LAME's part: the encoder's name in 9 bytes, and further on 12 bits of delay and 12 of padding. FFmpeg writes it too.
        let named = rest
            .get(at..at + 4)
            .is_some_and(|name| [b"LAME", b"Lavc", b"Lavf", b"L3.9"].iter().any(|n| name == *n));
        let gaps = be(rest, at + 21, 3).filter(|_| named).map(|gaps| (gaps >> 12, gaps & 0xFFF));
        let is_damaged =
            gaps.is_some_and(|(delay, padding)| match is_sum_right(frame, start + 4 + at + 34) {
                Some(is_right) => !is_right,
                None => delay.max(padding) > LONGEST,
            });
        let (count, gaps) = (count.filter(|&count| count > 0), gaps.filter(|_| !is_damaged));
        Some(Self { count, bytes, gaps, is_damaged })
    }
}

/// The longest delay or padding that is credible in a tag without a checksum: two frames. LAME writes up to 1,727.
const LONGEST: u64 = 2304;

/// Whether the tag's checksum, which stands at `at`, is right; `None` where it isn't there, or is 0, as encoders leave it.
///
/// LAME sums the bytes before it. FFmpeg sums 190 bytes from the start of the frame, which lack the sum itself and end with zeros where the
/// frame is shorter. Both are the same in stereo of MPEG-1.
fn is_sum_right(frame: &[u8], at: usize) -> Option<bool> {
    const SUMMED: usize = 190;
    let declared = be(frame, at, 2).filter(|&sum| sum > 0)? as u16;
    let mut padded = frame.to_vec();
    padded[at..at + 2].fill(0);
    padded.resize(SUMMED, 0);
    Some([&frame[..at], &padded].iter().any(|bytes| crc(bytes) == declared))
}

/// CRC-16 with the polynomial 0x8005, the lowest bit first, from 0 on (CRC-16/ARC).
fn crc(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, &byte| {
        (0..8).fold(crc ^ u16::from(byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xA001 } else { crc >> 1 })
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)] // a test may panic
mod tests {
    use super::*;

    /// The first frame of an MP3 file in mono of MPEG-2, 216 bytes long, with a tag of LAME's; and where its checksum is.
    fn frame(delay: u32, padding: u32) -> (Vec<u8>, usize) {
        let mut frame = vec![0xFF, 0xF3, 0x60, 0xC0];
        frame.extend([0; 9]);
        frame.extend(b"Info\0\0\0\x0F");
        frame.extend([0, 0, 0, 10, 0, 0, 9, 0]);
        frame.extend([7; 104]);
        frame.extend(b"LAME3.100");
        frame.extend([0; 12]);
        frame.extend(&(delay << 12 | padding).to_be_bytes()[1..]);
        frame.extend([3; 10]);
        let at = frame.len();
        frame.resize(216, 0);
        (frame, at)
    }

    fn with_sum(mut frame: Vec<u8>, at: usize, sum: u16) -> Option<Tag> {
        frame[at..at + 2].copy_from_slice(&sum.to_be_bytes());
        Tag::parse(&frame, false, 1)
    }

    #[test]
    fn the_checksums_of_lame_and_ffmpeg_are_right_and_others_are_damage() {
        // The check value of this CRC.
        assert_eq!(crc(b"123456789"), 0xBB3D);
        let (frame, at) = frame(576, 1000);
        let right = Tag { count: Some(10), bytes: Some(2304), gaps: Some((576, 1000)), is_damaged: false };
        let (lame, ffmpeg) = (crc(&frame[..at]), crc(&frame[..190]));
        assert_ne!(lame, ffmpeg);
        for sum in [lame, ffmpeg] {
            assert_eq!(with_sum(frame.clone(), at, sum), Some(right));
        }
        // A frame that is shorter than what FFmpeg sums.
        let short = frame[..at + 10].to_vec();
        assert_eq!(with_sum(short, at, ffmpeg), Some(right));
        let wrong = with_sum(frame, at, lame ^ 1).unwrap();
        assert_eq!(wrong, Tag { gaps: None, is_damaged: true, ..right });
    }

    #[test]
    fn a_tag_without_a_checksum_is_trusted_within_reason() {
        for (delay, padding, is_damaged) in [(576, 1000, false), (4095, 0, true), (0, 4095, true)] {
            let (frame, at) = frame(delay, padding);
            let tag = with_sum(frame, at, 0).unwrap();
            assert_eq!((tag.is_damaged, tag.gaps.is_none()), (is_damaged, is_damaged), "{delay} {padding}");
        }
    }
}
