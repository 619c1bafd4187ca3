//! Voice quality: periods, noise, resonances and the balance of its spectrum.
//!
//! Names and definitions are those of Eyben et al., *The Geneva Minimalistic Acoustic Parameter Set (GeMAPS) for voice research and affective
//! computing* (IEEE Transactions on Affective Computing 7, 2016), and of Praat's manual.

mod balance;
mod formants;
mod quality;
mod roots;

pub(crate) use balance::Balance;
pub use balance::{SpectralBalance, SpectralBalanceConfig, SpectralBalanceFrames};
pub use formants::{FormantConfig, FormantFrames, Formants};
pub(crate) use quality::{Periods, Quality};
pub use quality::{VoiceQuality, VoiceQualityFrames};
