//! Detects HE-AAC: the AAC-LC decoder ignores the upper half of its spectrum (ISO/IEC 14496-3, 4.4.2.7 and 4.6.18).
//!
//! An HE-AAC stream is an AAC-LC stream in which each block has a fill element with the data of spectral band replication (SBR). The header
//! need not declare HE-AAC; the fill elements are then the only sign.

/// Counts the blocks that have SBR.
#[derive(Debug, Default)]
pub(super) struct Replication {
    blocks: u64,
    replicated: u64,
}

impl Replication {
    /// Takes the next block.
    pub(super) fn take(&mut self, block: &[u8]) {
        self.blocks += 1;
        self.replicated += u64::from(has_sbr(block));
    }

    /// Whether the stream is HE-AAC: most blocks have SBR. A single block may seem to have it by chance.
    pub(super) fn is_found(&self) -> bool {
        self.replicated > self.blocks / 2
    }
}

/// Whether a raw data block ends with a fill element of SBR. The elements before it are not parsed: a fill element counts if its length
/// reaches exactly to the end of the block.
fn has_sbr(block: &[u8]) -> bool {
    const FILL: u64 = 6;
    const END: u64 = 7;
    const SBR: [u64; 2] = [13, 14];
    // The block ends with three bits and zeros up to a whole byte.
    let Some(&last) = block.last().filter(|last| **last != 0) else { return false };
    let Some(end) = (8 * block.len()).checked_sub(last.trailing_zeros() as usize + 3) else { return false };
    if bits(block, end, 3) != END {
        return false;
    }
    // Four bits hold a length up to 14 bytes. For more, all four are set and eight further bits hold the length minus 14.
    (1..=14 + 255).any(|bytes| {
        let long = bytes >= 15;
        let head = if long { 15 } else { 7 };
        let Some(start) = end.checked_sub(head + 8 * bytes) else { return false };
        let counted = match bits(block, start + 3, 4) {
            15 if long => 14 + bits(block, start + 7, 8),
            15 => return false,
            count => count,
        };
        bits(block, start, 3) == FILL
            && counted == bytes as u64
            && SBR.contains(&bits(block, start + head, 4))
    })
}

/// Some bits, the highest first.
fn bits(bytes: &[u8], at: usize, count: usize) -> u64 {
    (at..at + count).fold(0, |value, at| {
        value << 1 | bytes.get(at / 8).map_or(0, |byte| u64::from(byte >> (7 - at % 8) & 1))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `lead` bits, a fill element with `bytes` bytes of the type `kind`, and the end.
    fn block(lead: usize, bytes: usize, kind: u64) -> Vec<u8> {
        let mut all = Vec::new();
        let mut push =
            |value: u64, count: usize| all.extend((0..count).rev().map(|bit| value >> bit & 1 == 1));
        (0..lead).for_each(|bit| push(u64::from(bit % 3 == 0), 1));
        push(6, 3);
        match bytes {
            15.. => {
                push(15, 4);
                push(bytes as u64 - 14, 8);
            }
            _ => push(bytes as u64, 4),
        }
        push(kind, 4);
        (0..bytes * 8 - 4).for_each(|bit| push(u64::from(bit % 5 < 2), 1));
        push(7, 3);
        all.chunks(8)
            .map(|byte| byte.iter().enumerate().fold(0, |sum, (at, bit)| sum | u8::from(*bit) << (7 - at)))
            .collect()
    }

    #[test]
    fn fill_elements_of_sbr_are_found_at_the_end_of_blocks() {
        for lead in 100..116 {
            for bytes in [1, 2, 13, 14, 15, 16, 40, 269] {
                for kind in 0..16 {
                    let block = block(lead, bytes, kind);
                    assert_eq!(has_sbr(&block), kind == 13 || kind == 14, "{lead} {bytes} {kind}");
                }
            }
        }
        assert!(!has_sbr(&[]) && !has_sbr(&[0, 0]) && !has_sbr(&[7]) && !has_sbr(&[0xE0]));
    }

    #[test]
    fn most_blocks_decide() {
        let mut found = Replication::default();
        assert!(!found.is_found());
        (0..3).for_each(|_| found.take(&block(100, 20, 13)));
        (0..2).for_each(|_| found.take(&block(100, 20, 0)));
        assert!(found.is_found());
        (0..2).for_each(|_| found.take(&[0xFF]));
        assert!(!found.is_found());
    }
}
