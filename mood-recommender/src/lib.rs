#![doc = include_str!("../README.md")]
// docs.rs shows which items need a cargo feature.
#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]

mod catalog;
mod date;
mod error;
mod estimate;
mod extra;
mod feature;
mod formula;
mod index;
mod journey;
mod mood;
#[cfg(feature = "files")]
mod music;
mod names;
mod neighbours;
mod number;
mod options;
mod output;
mod playlist;
mod point;
mod profile;
mod reading;
mod reason;
mod recommendation;
mod recommender;
mod search;
mod select;
mod song;
mod stats;
mod strategy;
mod taste;
mod threads;

pub use catalog::{Catalog, CatalogBuilder, CatalogError, CatalogFormat, Duplicate, ReadOptions, SkippedRow};
pub use compact_str::CompactString;
pub use date::{InvalidDate, ReleaseDate};
pub use error::RecommendError;
pub use extra::Extra;
pub use feature::SongFeature;
pub use formula::{mark_formula, unmark_formula};
pub use mood::{Mood, UnknownMood};
#[cfg(feature = "files")]
pub use music::{MusicFolder, MusicFolderError, NotFound};
pub use options::{Filter, Options, Shuffle};
pub use playlist::{Playlist, PlaylistEntry, PlaylistError, PlaylistFormat};
pub use point::Point;
pub use profile::Profile;
pub use reading::{Reading, ReadingError};
pub use recommendation::Recommendation;
pub use recommender::Recommender;
pub use song::Song;
pub use stats::Stats;
pub use strategy::{Aim, Strategy};
