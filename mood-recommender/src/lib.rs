#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod catalog;
mod date;
mod feature;
mod index;
mod journey;
mod mood;
mod neighbours;
mod options;
mod profile;
mod reading;
mod reason;
mod recommender;
mod scan;
mod select;
mod song;
mod stats;
mod strategy;

pub use catalog::{Catalog, CatalogBuilder, CatalogError, Duplicate};
pub use date::{InvalidDate, ReleaseDate};
pub use feature::Feature;
pub use mood::{Mood, UnknownMood};
pub use options::{Filter, Options, RecommendError, Shuffle};
pub use profile::Profile;
pub use reading::{Reading, ReadingError};
pub use recommender::{Recommendation, Recommender};
pub use song::Song;
pub use stats::Stats;
pub use strategy::{Aim, Point, Strategy};
