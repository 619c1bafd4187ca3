#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod catalog;
mod date;
mod error;
mod feature;
mod index;
mod journey;
mod mood;
mod neighbours;
mod options;
mod point;
mod profile;
mod reading;
mod reason;
mod recommendation;
mod recommender;
mod scan;
mod select;
mod song;
mod stats;
mod strategy;
mod taste;

pub use catalog::{Catalog, CatalogBuilder, CatalogError, Duplicate};
pub use date::{InvalidDate, ReleaseDate};
pub use error::RecommendError;
pub use feature::Feature;
pub use mood::{Mood, UnknownMood};
pub use options::{Filter, Options, Shuffle};
pub use point::Point;
pub use profile::Profile;
pub use reading::{Reading, ReadingError};
pub use recommendation::Recommendation;
pub use recommender::Recommender;
pub use song::Song;
pub use stats::Stats;
pub use strategy::{Aim, Strategy};
