//! What a model is given of a clip.

use ser_features::Features;
use serde::{Deserialize, Serialize};

/// What a model is given of a clip.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum ModelInput {
    /// The time means of all features ([`Features::vector`]).
    Vector {
        /// Length of the vector; 193 for the features of Issa et al.
        features: usize,
    },
}

impl ModelInput {
    /// The shape of one input.
    pub fn shape(&self) -> Vec<usize> {
        match *self {
            Self::Vector { features } => vec![features],
        }
    }

    /// One input from a clip's features, in row-major order. Its length is not checked.
    pub fn of(&self, features: &Features) -> Vec<f32> {
        match self {
            Self::Vector { .. } => features.vector().to_vec(),
        }
    }
}
