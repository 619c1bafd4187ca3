//! AVX2: two products of 16 bits for each sum, exact in `i32`.
//!
//! The instruction for four products of eight bits (`vpmaddubsw`) sums two of them in `i16`, for which one factor must lose its sign first
//! and the sums must be widened after: as many instructions for as many products.

use super::instructions::Instructions;
use pulp::NullaryFnOnce;
use pulp::bytemuck::cast;
use pulp::x86::V3;
use std::arch::x86_64::{__m128i, __m256i};

impl Instructions for V3 {
    type Register = __m256i;
    /// Eight bits in memory, widened to 16 in a register: that costs no time beside the products.
    type Packed = [u64; 2];
    type Element = i16;
    /// Twelve registers of sums, two of weights and two of products are all that there are.
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
