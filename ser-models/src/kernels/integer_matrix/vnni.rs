//! AVX-512 VNNI: four 8-bit products for each sum. One of the factors is unsigned.

use super::instructions::Instructions;
use pulp::NullaryFnOnce;
use pulp::bytemuck::cast;
use std::arch::x86_64::{__m512i, _mm512_dpbusd_epi32, _mm512_set1_epi32};

pulp::simd_type! {
    pub(super) struct Vnni {
        avx512f: "avx512f",
        avx512bw: "avx512bw",
        avx512dq: "avx512dq",
        avx512vl: "avx512vl",
        fma: "fma",
        vnni: "avx512vnni",
    }
}

impl Instructions for Vnni {
    type Register = __m512i;
    type Packed = [i32; 16];
    type Element = u8;
    const ROWS: usize = 12;
    const SHIFT: i32 = 128;

    fn new() -> Option<Self> {
        Self::try_new()
    }

    #[inline(always)]
    fn vectorize(self, product: impl NullaryFnOnce<Output = ()>) {
        Self::vectorize(self, product);
    }

    #[inline(always)]
    fn element(shifted: u32) -> u8 {
        shifted as u8
    }

    #[inline(always)]
    fn unpack(self, weights: Self::Packed) -> __m512i {
        cast(weights)
    }

    #[inline(always)]
    #[allow(unsafe_code)]
    fn dot(self, sums: __m512i, x: u32, weights: __m512i) -> __m512i {
        // SAFETY: a `Vnni` exists only if the processor has AVX-512F and AVX-512 VNNI, which are all that these two functions need.
        unsafe { _mm512_dpbusd_epi32(sums, _mm512_set1_epi32(x.cast_signed()), weights) }
    }
}
