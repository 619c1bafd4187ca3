//! A batch whose examples may be padded in time.

use super::LayerError;
use candle_core::{Device, Result as CandleResult, Tensor};

/// A batch of examples [batch, …], with the number of valid frames of each if some are padded in time.
///
/// Convolutions and pooling have time as the last axis, [batch, …, time]. Recurrent layers and attention have it as the second axis,
/// [batch, time, features]; [`TimeFirst`](crate::layers::TimeFirst) moves it there. The frames after an example's valid ones are padding.
/// Outputs for valid frames do not depend on padding: layers read the valid frames alone, or refuse padded examples. There are two exceptions:
/// an example shorter than a pooling window without padding ([`MaxPool`](crate::layers::MaxPool)), and a
/// [`CandleModule`](crate::layers::CandleModule) that mixes frames.
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use ser_models::layers::Padded;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let clips = Tensor::zeros((2, 40, 862), DType::F32, &Device::Cpu)?; // [batch, rows, time]
/// let batch = Padded::new(clips.clone(), Some(vec![130, 97]))?;
/// assert_eq!(batch.lengths(), Some(&[130, 97][..]));
/// // Without lengths, every frame is valid.
/// assert_eq!(Padded::from(&clips).lengths(), None);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Padded {
    values: Tensor,
    lengths: Option<Vec<usize>>,
}

impl Padded {
    /// `values` [batch, …] with the number of valid frames of each example, 1 or more; `None` if no example is padded, or examples
    /// have no time axis. The layer that reads them checks each length against its time axis.
    ///
    /// # Errors
    /// [`LayerError::Lengths`] if there is not one length for each example, or one is 0 or above the longest axis after the batch axis.
    pub fn new(values: Tensor, lengths: Option<Vec<usize>>) -> Result<Self, LayerError> {
        let batch = values.dims().first().copied().unwrap_or(0);
        let longest = values.dims().iter().skip(1).copied().max().unwrap_or(0);
        if let Some(lengths) = &lengths {
            check_lengths("Padded", lengths, batch, longest)?;
        }
        Ok(Self { values, lengths })
    }

    /// Makes a batch whose lengths are known to fit.
    pub(crate) fn of(values: Tensor, lengths: Option<Vec<usize>>) -> Self {
        Self { values, lengths }
    }

    /// Returns other values of the same examples, with the same valid frames.
    pub(crate) fn with_values(&self, values: Tensor) -> Self {
        Self { values, lengths: self.lengths.clone() }
    }

    /// The examples, padding included.
    pub fn values(&self) -> &Tensor {
        &self.values
    }

    /// The examples, padding included.
    pub fn into_values(self) -> Tensor {
        self.values
    }

    /// The valid frames of each example; `None` where no example is padded.
    pub fn lengths(&self) -> Option<&[usize]> {
        self.lengths.as_deref()
    }

    /// Returns the valid frames of each example, which are all `frames` if no example is padded.
    pub(crate) fn lengths_of(&self, frames: usize) -> Vec<usize> {
        self.lengths.clone().unwrap_or_else(|| vec![frames; self.len()])
    }

    /// The shape of the values, the batch axis first.
    pub fn dims(&self) -> &[usize] {
        self.values.dims()
    }

    /// The number of examples.
    pub fn len(&self) -> usize {
        self.dims().first().copied().unwrap_or(0)
    }

    /// Whether there are no examples.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Concatenates batches of examples of one shape, all with valid lengths or all without; `None` if there is no batch.
    pub(crate) fn together(batches: &[Self]) -> CandleResult<Option<Self>> {
        if batches.is_empty() {
            return Ok(None);
        }
        let values: Vec<&Tensor> = batches.iter().map(Self::values).collect();
        let lengths = batches.iter().map(Self::lengths).collect::<Option<Vec<_>>>();
        let lengths = lengths.map(|lengths| lengths.concat());
        Ok(Some(Self::of(Tensor::cat(&values, 0)?, lengths)))
    }

    /// Returns the examples at these places, in this order.
    pub(crate) fn select(&self, places: &[usize]) -> CandleResult<Self> {
        let size: usize = self.dims().iter().skip(1).product();
        let mut values = Vec::with_capacity(places.len() * size);
        let all = super::elements(&self.values)?;
        let all = all.slice::<f32>()?;
        places.iter().for_each(|at| values.extend_from_slice(&all[at * size..][..size]));
        let lengths = self.lengths.as_ref().map(|lengths| places.iter().map(|at| lengths[*at]).collect());
        let mut dims = self.dims().to_vec();
        dims[0] = places.len();
        Ok(Self { values: Tensor::from_vec(values, dims, &Device::Cpu)?, lengths })
    }

    /// Checks that every length is within a time axis of `frames`.
    pub(crate) fn check(&self, layer: &'static str, frames: usize) -> Result<(), LayerError> {
        match &self.lengths {
            Some(lengths) => check_lengths(layer, lengths, self.len(), frames),
            None => Ok(()),
        }
    }
}

fn check_lengths(
    layer: &'static str,
    lengths: &[usize],
    batch: usize,
    frames: usize,
) -> Result<(), LayerError> {
    let given = match lengths.iter().find(|length| **length == 0 || **length > frames) {
        _ if lengths.len() != batch => format!("{} lengths", lengths.len()),
        Some(length) => length.to_string(),
        None => return Ok(()),
    };
    Err(LayerError::Lengths { layer, frames, batch, given })
}

impl From<Tensor> for Padded {
    fn from(values: Tensor) -> Self {
        Self { values, lengths: None }
    }
}

impl From<&Tensor> for Padded {
    fn from(values: &Tensor) -> Self {
        values.clone().into()
    }
}
