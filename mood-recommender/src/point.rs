//! Places in the valence–energy plane.

use serde::{Deserialize, Serialize};

use crate::number::finite;

/// A place in the valence–energy plane, both from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// From gloomy (0) to happy (1).
    #[serde(deserialize_with = "finite")]
    pub valence: f32,
    /// From still (0) to intense (1).
    #[serde(deserialize_with = "finite")]
    pub energy: f32,
}

impl Point {
    pub(crate) fn distance(self, other: Point) -> f32 {
        self.squared_distance(other).sqrt()
    }

    pub(crate) fn squared_distance(self, other: Point) -> f32 {
        (self.valence - other.valence).powi(2) + (self.energy - other.energy).powi(2)
    }
}
