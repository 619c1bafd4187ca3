//! Dropout masks.

use super::ForEachItem;
use crate::generator::Generator;
use rayon::prelude::*;

/// Number of elements that one generator draws.
const BLOCK: usize = 1 << 15;

/// Draws for each of `n` elements whether it is kept. An element is dropped with probability `rate`, in steps of 2⁻¹⁶. All threads draw,
/// each block from its own stream.
pub(crate) fn keep_mask(n: usize, rate: f64, generator: &mut Generator) -> Vec<bool> {
    let dropped = (rate * 65536.0).round() as u32;
    let seed = u64::from(generator.bits()) << 32 | u64::from(generator.bits());
    let mut kept = vec![false; n];
    kept.par_chunks_mut(BLOCK).enumerate().for_each_item(&|(block, kept)| {
        let mut generator = Generator::with_stream(seed, block as u64);
        let mut bytes = [0; 1024];
        for kept in kept.chunks_mut(bytes.len() / 2) {
            generator.fill(&mut bytes);
            for (kept, bits) in kept.iter_mut().zip(bytes.chunks_exact(2)) {
                *kept = u32::from(u16::from_le_bytes([bits[0], bits[1]])) >= dropped;
            }
        }
    });
    kept
}
