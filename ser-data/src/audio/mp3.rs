//! Checks that the MPEG layer III decoder does not make: checksums, and frames whose bits lie in missing frames (ISO/IEC 11172-3, 2.4.1.7
//! and 2.4.3.1; ISO/IEC 13818-3).

use super::AudioErrorKind;
use super::source::be;

/// The bits that frames left for those that follow, and whether their checksums can be trusted.
#[derive(Debug, Default)]
pub(super) struct Reservoir {
    /// Bytes of main data that no frame has read.
    unread: u64,
    /// Whether a frame found all that it refers to.
    whole: bool,
    /// Frames before that: their bits stand before the start.
    lost: u64,
    /// Whether a checksum was correct: some encoders write wrong ones only.
    trusted: bool,
}

impl Reservoir {
    /// Takes the next frame.
    ///
    /// # Errors
    /// If its checksum is wrong, or it refers to bits that the frames before it don't have.
    pub(super) fn take(&mut self, frame: &[u8]) -> Result<(), AudioErrorKind> {
        let Some(side) = Side::parse(frame) else { return Ok(()) };
        match side.sum {
            Some((declared, found)) if declared != found => {
                if self.trusted {
                    return Err(AudioErrorKind::malformed(
                        "checksum of an MP3 frame must match its bytes, got another",
                    ));
                }
            }
            sum => self.trusted |= sum.is_some(),
        }
        let missing = side.begin.saturating_sub(self.unread);
        if missing > 0 && self.whole {
            return Err(AudioErrorKind::malformed(format!(
                "frames before an MP3 frame must hold the bytes that it needs, got {missing} too few"
            )));
        }
        self.whole |= missing == 0;
        self.lost += u64::from(missing > 0);
        self.unread = (side.begin - missing + side.data).saturating_sub(side.bits.div_ceil(8));
        Ok(())
    }

    /// Frames at the start whose bits stand before it.
    pub(super) fn lost(&self) -> u64 {
        self.lost
    }
}

/// What a frame's side information tells.
#[derive(Debug, PartialEq)]
struct Side {
    /// The checksum that it declares, and that it has, where there is one.
    sum: Option<(u16, u16)>,
    /// How many bytes before this frame's main data its bits begin.
    begin: u64,
    /// Bytes of main data in this frame.
    data: u64,
    /// Bits that its granules read.
    bits: u64,
}

impl Side {
    /// `None` if the frame is not of layer III, or cut.
    fn parse(frame: &[u8]) -> Option<Self> {
        let header = be(frame, 0, 4)?;
        let bit = |at: u32, count: u32| header >> at & ((1 << count) - 1);
        if bit(21, 11) != 0x7FF || bit(17, 2) != 1 {
            return None;
        }
        let (is_first, channels) = (bit(19, 2) == 3, if bit(6, 2) == 3 { 1 } else { 2 });
        let summed = bit(16, 1) == 0;
        let bytes = match (is_first, channels) {
            (true, 2) => 32,
            (true, _) | (false, 2) => 17,
            _ => 9,
        };
        let start = if summed { 6 } else { 4 };
        let info = frame.get(start..start + bytes)?;
        let field = |at: usize, count: usize| {
            (at..at + count).fold(0u64, |value, at| value << 1 | u64::from(info[at / 8] >> (7 - at % 8) & 1))
        };
        // Private bits, and in MPEG-1 four bits a channel for scale factors that are shared, stand before the granules.
        let (begin, granules, first, size) = match (is_first, channels) {
            (true, 1) => (field(0, 9), 2, 9 + 5 + 4, 59),
            (true, _) => (field(0, 9), 2, 9 + 3 + 8, 59),
            (false, 1) => (field(0, 8), 1, 8 + 1, 63),
            (false, _) => (field(0, 8), 1, 8 + 2, 63),
        };
        let bits = (0..granules * channels).map(|part| field(first + part * size, 12)).sum();
        let sum = summed.then(|| (be(frame, 4, 2).unwrap_or(0) as u16, crc(crc(0xFFFF, &frame[2..4]), info)));
        Some(Self { sum, begin, data: (frame.len() - start - bytes) as u64, bits })
    }
}

/// CRC-16 with the polynomial 0x8005, the highest bit first.
fn crc(crc: u16, bytes: &[u8]) -> u16 {
    bytes.iter().fold(crc, |crc, &byte| {
        (0..8).fold(
            crc ^ u16::from(byte) << 8,
            |crc, _| if crc >> 15 == 1 { crc << 1 ^ 0x8005 } else { crc << 1 },
        )
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)] // a test may panic
mod tests {
    use super::*;

    /// A mono frame of MPEG-1 with a checksum, whose first granule reads `bits`, and which begins `begin` bytes before its own data.
    fn frame(begin: u16, bits: u16) -> Vec<u8> {
        let mut frame = vec![0xFF, 0xFA, 0x90, 0xC0, 0, 0];
        let mut side = [0u8; 17];
        side[..2].copy_from_slice(&(begin << 7).to_be_bytes());
        // Twelve bits at bit 18.
        side[2..5].copy_from_slice(&(u32::from(bits) << 10).to_be_bytes()[1..]);
        frame.extend(side);
        let sum = crc(crc(0xFFFF, &frame[2..4]), &frame[6..]);
        frame[4..6].copy_from_slice(&sum.to_be_bytes());
        frame.resize(417, 0x55);
        frame
    }

    #[test]
    fn a_frame_tells_its_bits_and_checksum() {
        let side = Side::parse(&frame(300, 1001)).unwrap();
        assert_eq!((side.begin, side.bits, side.data), (300, 1001, 417 - 23));
        assert_eq!(side.sum.map(|(declared, found)| declared == found), Some(true));
        assert_eq!(Side::parse(&frame(0, 0)[..20]), None);
        // The check value of this CRC, known as CRC-16/CMS.
        assert_eq!(crc(0xFFFF, b"123456789"), 0xAEE7);
    }

    #[test]
    fn bits_of_a_missing_frame_are_missed() {
        let mut reservoir = Reservoir::default();
        // The first one's bits stand before the start.
        reservoir.take(&frame(100, 100)).unwrap();
        assert_eq!(reservoir.lost(), 1);
        // Of 394 bytes 94 are left, and the next frame reads these and its own.
        let mut reservoir = Reservoir::default();
        reservoir.take(&frame(0, 300 * 8)).unwrap();
        reservoir.take(&frame(94, 488 * 8)).unwrap();
        let error = reservoir.take(&frame(1, 0)).unwrap_err().to_string();
        assert!(error.contains("got 1 too few"), "{error}");
        assert_eq!(reservoir.lost(), 0);
    }

    #[test]
    fn a_wrong_checksum_is_an_error_where_others_were_right() {
        let (right, mut wrong) = (frame(0, 80), frame(0, 80));
        wrong[10] ^= 1;
        let mut reservoir = Reservoir::default();
        reservoir.take(&wrong).unwrap();
        reservoir.take(&right).unwrap();
        assert!(reservoir.take(&wrong).unwrap_err().to_string().contains("checksum"));
    }
}
