//! What a model is asked at once.

use crate::layers::LayerError;
use candle_core::Tensor;

/// Inputs that a model answers together, and how many of each one's frames are real.
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use ser_models::models::Batch;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let clips = Tensor::zeros((2, 40, 862), DType::F32, &Device::Cpu)?; // [batch, rows, frames]
/// let batch = Batch { values: clips.clone(), lengths: Some(vec![130, 97]) };
/// assert_eq!(batch.checked_lengths(862)?, [130, 97]);
/// // Without lengths, every frame is real.
/// assert_eq!(Batch::from(&clips).checked_lengths(862)?, [862, 862]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Batch {
    /// The inputs [batch, …], each of [`Model::input`](super::Model::input)'s shape.
    pub values: Tensor,
    /// For each input its real frames, from the first on: 1 or more, at most as many as the input has. What follows them is
    /// padding. `None` where inputs have no padding, or no frames at all.
    pub lengths: Option<Vec<usize>>,
}

impl Batch {
    /// The real frames of each input: all `frames` where no lengths were given.
    ///
    /// # Errors
    /// [`LayerError::Setting`] if there is not one length for each input, or one is not within 1..=`frames`.
    pub fn checked_lengths(&self, frames: usize) -> Result<Vec<usize>, LayerError> {
        let batch = self.values.dims().first().copied().unwrap_or(0);
        let Some(lengths) = &self.lengths else { return Ok(vec![frames; batch]) };
        if lengths.len() != batch {
            let given = format!("{} for {batch}", lengths.len());
            return Err(LayerError::setting("batch", "lengths", "must be one for each input", given));
        }
        match lengths.iter().find(|length| !(1..=frames).contains(*length)) {
            Some(length) => {
                let given = format!("{length} of {frames}");
                Err(LayerError::setting("batch", "lengths", "must be 1 or more and within the input", given))
            }
            None => Ok(lengths.clone()),
        }
    }
}

impl Batch {
    /// The inputs in so many parts of equal size, in order.
    pub(super) fn split(&self, parts: usize) -> Result<Vec<Self>, LayerError> {
        let batch = self.values.dims().first().copied().unwrap_or(0);
        if !batch.is_multiple_of(parts) {
            let (rule, given) = ("must be as many for each member", format!("{batch} for {parts}"));
            return Err(LayerError::setting("batch", "inputs", rule, given));
        }
        let each = batch / parts;
        (0..batch)
            .step_by(each.max(1))
            .map(|from| {
                let lengths = self.lengths.as_ref().and_then(|lengths| lengths.get(from..from + each));
                let values = self.values.narrow(0, from, each)?.contiguous()?;
                Ok(Self { values, lengths: lengths.map(<[usize]>::to_vec) })
            })
            .collect()
    }
}

impl From<Tensor> for Batch {
    fn from(values: Tensor) -> Self {
        Self { values, lengths: None }
    }
}

impl From<&Tensor> for Batch {
    fn from(values: &Tensor) -> Self {
        values.clone().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::{DType, Device};

    #[test]
    fn lengths_that_do_not_fit_are_refused() {
        let values = Tensor::zeros((2, 3, 5), DType::F32, &Device::Cpu).unwrap();
        let error = |lengths: &[usize]| {
            let batch = Batch { values: values.clone(), lengths: Some(lengths.to_vec()) };
            batch.checked_lengths(5).unwrap_err().to_string()
        };
        assert_eq!(error(&[5]), "batch: lengths must be one for each input, 1 for 2 was given");
        assert!(error(&[5, 0]).ends_with("must be 1 or more and within the input, 0 of 5 was given"));
        assert!(error(&[6, 5]).ends_with("6 of 5 was given"));
    }
}
