//! What layers with moving windows share: the shapes that come out, and the valid frames.

use crate::kernels::{Placed, Window};
use crate::layer::LayerError;

/// The windows over an example [channels, …] as over an image [channels, height, width]; `channels` are those expected.
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
        return Err(LayerError::InputShape { layer, expected, given: input.to_vec() });
    }
    let mut placed = [Placed::SINGLE; 2];
    let axes = &mut placed[2 - windows.len()..];
    for ((placed, window), length) in axes.iter_mut().zip(windows).zip(&input[1..]) {
        *placed = window.over(*length).map_err(|short| LayerError::too_short(layer, short))?;
    }
    Ok(placed)
}

/// The shape that comes out of an example: with as many `filters` as channels, or its own channels for `None`.
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

/// The valid frames that come out: as many as of the example alone, but at least one, and no more than there are frames.
pub(super) fn lengths_after(windows: &[Window], lengths: &[usize], dims: &[usize]) -> Vec<usize> {
    let frames = dims.last().copied().unwrap_or(1);
    let left = |length: &usize| {
        let placed = windows.last().and_then(|window| window.over(*length).ok());
        placed.map_or(1, |placed| placed.output).clamp(1, frames)
    };
    lengths.iter().map(left).collect()
}
