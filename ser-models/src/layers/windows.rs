//! Code shared by layers with moving windows: output shapes, and valid frames.

use crate::kernels::{Placed, Real, Window};
use crate::layer::LayerError;

/// Returns the windows over an example [channels, …] as windows over an image [channels, height, width]. `channels` is the expected number.
pub(super) fn place(
    layer: &'static str,
    windows: &[Window],
    channels: Option<usize>,
    input: &[usize],
) -> Result<[Placed; 2], LayerError> {
    if input.len() != windows.len() + 1
        || input[0] == 0
        || channels.is_some_and(|channels| input[0] != channels)
    {
        let channels = channels.map_or_else(|| "channels".to_owned(), |channels| channels.to_string());
        let axes = if windows.len() == 1 { "length" } else { "height, width" };
        let expected = format!("[{channels}, {axes}]");
        return Err(LayerError::input_shape(layer, expected, input));
    }
    let mut placed = [Placed::SINGLE; 2];
    let axes = &mut placed[2 - windows.len()..];
    for ((placed, window), length) in axes.iter_mut().zip(windows).zip(&input[1..]) {
        *placed = window.over(*length).map_err(|short| LayerError::too_short(layer, short))?;
    }
    Ok(placed)
}

/// Returns the output shape of an example. It has `filters` channels, or for `None` those of the input.
pub(super) fn shape_after(
    layer: &'static str,
    windows: &[Window],
    filters: Option<(usize, usize)>,
    input: &[usize],
) -> Result<Vec<usize>, LayerError> {
    let placed = place(layer, windows, filters.map(|(channels, _)| channels), input)?;
    let lengths = placed[2 - windows.len()..].iter().map(|window| window.output);
    Ok(std::iter::once(filters.map_or(input[0], |(_, filters)| filters)).chain(lengths).collect())
}

/// Returns the number of valid output frames of each clip: those of the clip without padding, but 1 to `frames`.
///
/// # Errors
/// [`LayerError::Setting`] if the position of the windows depends on the amount of padding.
pub(super) fn lengths_after(
    layer: &'static str,
    windows: &[Window],
    lengths: Option<&[usize]>,
    frames: usize,
) -> Result<Option<Vec<usize>>, LayerError> {
    let (Some(lengths), Some(window)) = (lengths, windows.last()) else { return Ok(None) };
    if window.depends_on_length() {
        let rule = "valid, or causal in a convolution, where the stride is above 1 and clips are padded";
        return Err(LayerError::setting(layer, "padding", rule, "same"));
    }
    let left = |length: &usize| window.over(*length).map_or(1, |placed| placed.output).clamp(1, frames);
    Ok(Some(lengths.iter().map(left).collect()))
}

/// Whether a window without dilation reads padding at the end of a clip. `lengths` are the valid input frames, `after` the valid output
/// frames.
pub(super) fn sees_padding(window: &Placed, lengths: &[usize], after: &[usize]) -> bool {
    lengths.iter().zip(after).any(|(length, after)| window.range(after - 1).end > *length)
}

/// Sets the frames (the last axis of `dims`) after the valid ones to `with`.
pub(super) fn fill_padding<T: Real>(values: &mut [T], dims: &[usize], lengths: &[usize], with: T) {
    let frames = dims[dims.len() - 1];
    let size: usize = dims[1..].iter().product();
    for (example, length) in values.chunks_exact_mut(size).zip(lengths) {
        example.chunks_exact_mut(frames).for_each(|row| row[*length..].fill(with));
    }
}
