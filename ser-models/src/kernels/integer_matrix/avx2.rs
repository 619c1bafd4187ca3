//! AVX2: two products of 16 bits for each sum, exact in `i32`.
//!
//! The instruction for four 8-bit products (`vpmaddubsw`) sums two of them in `i16`. One factor must first be made unsigned, and the sums
//! must be widened afterwards, so it needs as many instructions for the same number of products.

use super::instructions::Instructions;
use pulp::NullaryFnOnce;
use pulp::bytemuck::cast;
use pulp::x86::V3;
use std::arch::x86_64::{__m128i, __m256i};

impl Instructions for V3 {
    type Register = __m256i;
    /// 8 bits in memory, widened to 16 in a register. The widening takes no time beside the products.
    type Packed = [u64; 2];
    type Element = i16;
    /// Twelve registers of sums, two of weights and two of products use all 16 registers.
    const ROWS: usize = 6;
    const SHIFT: i32 = 0;

    fn new() -> Option<Self> {
        Self::try_new()
    }

    #[inline(always)]
    fn vectorize(self, product: impl NullaryFnOnce<Output = ()>) {
        Self::vectorize(self, product);
    }

    #[inline(always)]
    fn element(shifted: u32) -> i16 {
        i16::from(shifted as u8) - 128
    }

    #[inline(always)]
    fn unpack(self, weights: Self::Packed) -> __m256i {
        self.avx2._mm256_cvtepi8_epi16(cast::<_, __m128i>(weights))
    }

    #[inline(always)]
    fn dot(self, sums: __m256i, x: u32, weights: __m256i) -> __m256i {
        let x = self.avx._mm256_set1_epi32(x.cast_signed());
        self.avx2._mm256_add_epi32(sums, self.avx2._mm256_madd_epi16(x, weights))
    }
}
