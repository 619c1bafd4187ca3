#![doc = include_str!("../README.md")]

mod generator;
pub mod layers;
mod parameters;

pub use generator::Generator;
pub use parameters::{Parameter, Parameters, Scope};
