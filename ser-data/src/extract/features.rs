use ndarray::{Array1, Array2, ArrayView2, Axis, concatenate};
use ser_features::{Feature, Features};

/// The features of one clip, computed or out of the cache: what [`Features`] holds, with its vector of means.
#[derive(Debug, Clone, PartialEq)]
pub struct ClipFeatures {
    matrices: Vec<(Feature, Array2<f32>)>,
    vector: Array1<f32>,
}

impl ClipFeatures {
    pub(super) fn from_parts(matrices: Vec<(Feature, Array2<f32>)>, vector: Array1<f32>) -> Self {
        Self { matrices, vector }
    }

    /// One feature as a matrix `[rows, frames]`; `None` when it was not configured.
    pub fn get(&self, feature: Feature) -> Option<&Array2<f32>> {
        self.iter().find(|(name, _)| *name == feature).map(|(_, matrix)| matrix)
    }

    /// Each feature with its matrix `[rows, frames]`, in the configured order.
    pub fn iter(&self) -> impl Iterator<Item = (Feature, &Array2<f32>)> {
        self.matrices.iter().map(|(name, matrix)| (*name, matrix))
    }

    /// Frames of every matrix.
    pub fn n_frames(&self) -> usize {
        self.matrices.first().map_or(0, |(_, matrix)| matrix.ncols())
    }

    /// The mean over time of every row, as [`Features::vector`] gives it: 193 values by default.
    pub fn vector(&self) -> &Array1<f32> {
        &self.vector
    }

    /// All matrices on top of each other, `[total rows, frames]`, features in the configured order.
    pub fn stack(&self) -> Array2<f32> {
        let views: Vec<ArrayView2<'_, f32>> = self.matrices.iter().map(|(_, matrix)| matrix.view()).collect();
        // All matrices come from one signal and have its number of frames.
        concatenate(Axis(0), &views).unwrap_or_default()
    }
}

impl From<&Features> for ClipFeatures {
    fn from(features: &Features) -> Self {
        let matrices = features.iter().map(|(feature, matrix)| (feature, matrix.clone())).collect();
        Self { matrices, vector: features.vector() }
    }
}
