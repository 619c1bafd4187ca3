#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

pub mod experiments;
pub mod songs;
pub mod sounds;
pub mod subjects;
pub mod timing;
pub mod voices;
