#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod error;
mod istft;
mod matrix;
mod stft;
mod window;

pub use error::{ConfigError, SignalError};
pub use istft::Istft;
pub use stft::{Stft, StftConfig};
pub use window::Window;
