//! What recurrent layers share: one pass through time, in one direction.

use super::kernels::{Cell, Gradients, Operation, Real, Recurrence, Saved, apply3};
use super::{Init, LayerError, Mode};
use crate::parameters::Scope;
use candle_core::{D, Device, Result as CandleResult, Shape, Tensor, Var, bail};
use serde::{Deserialize, Serialize};
use std::any::Any;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What a recurrent layer gives out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum States {
    /// The state after the last step of each clip, [batch, units]: a clip's own last frame, not its padding's. Backward in
    /// time the last step is the clip's first frame.
    #[default]
    Last,
    /// The states of all frames, [batch, time, units], zero where a clip is padded.
    Sequence,
}

/// One layer in one direction.
#[derive(Debug)]
pub(crate) struct Pass {
    pub(crate) weight: Var,
    pub(crate) bias: Var,
    cell: Cell,
    inputs: usize,
    units: usize,
    reverse: bool,
}

impl Pass {
    /// Makes `weight` (gates · units, inputs + units) and `bias` (gates · units). The input's part of the weight is drawn
    /// by `init`, the state's is orthogonal over all gates together, as Keras's.
    pub(crate) fn new(
        cell: Cell,
        (inputs, units): (usize, usize),
        init: Init,
        forget_bias: f64,
        reverse: bool,
        scope: &mut Scope<'_>,
    ) -> Result<Self, LayerError> {
        let width = cell.gates().saturating_mul(units);
        let weight = scope.packed_weight("weight", &[width, inputs.saturating_add(units)], |generator| {
            let input = init.values(&[width, inputs], generator);
            let state = Init::Orthogonal.values(&[width, units], generator);
            let rows = input.chunks_exact(inputs).zip(state.chunks_exact(units));
            rows.flat_map(|(input, state)| input.iter().chain(state)).copied().collect()
        })?;
        let bias = scope.packed_weight("bias", &[width], |_| {
            let forget = |row| cell == Cell::Lstm && row / units == 1;
            (0..width).map(|row| if forget(row) { forget_bias } else { 0.0 }).collect()
        })?;
        Ok(Self { weight, bias, cell, inputs, units, reverse })
    }

    /// `x` [batch, time, inputs] and `lengths` are checked before.
    pub(crate) fn forward(
        &self,
        x: &Tensor,
        lengths: Option<&[usize]>,
        states: States,
        mode: &Mode<'_>,
    ) -> CandleResult<Tensor> {
        let (batch, time, _) = x.dims3()?;
        let sizes = Recurrence {
            cell: self.cell,
            inputs: self.inputs,
            units: self.units,
            time,
            lengths: lengths.map_or_else(|| vec![time; batch], <[usize]>::to_vec),
            reverse: self.reverse,
            sequence: states == States::Sequence,
        };
        let (weight, bias) = (mode.tensor(&self.weight), mode.tensor(&self.bias));
        if !x.device().is_cpu() {
            return composed(x, &weight, &bias, &sizes);
        }
        let keep = x.track_op() || weight.track_op();
        apply3(x, &weight, &bias, Recur { sizes, keep, saved: Mutex::new(None) })
    }
}

/// Checks the shape of an input [batch, time, features] and the clips' lengths.
pub(crate) fn check_sequences(
    layer: &'static str,
    x: &Tensor,
    features: usize,
    lengths: Option<&[usize]>,
) -> Result<(), LayerError> {
    match *x.dims() {
        [] | [0, ..] => Err(LayerError::EmptyBatch { layer, given: x.dims().to_vec() }),
        [_, ref rest @ ..] => check_frames(layer, rest, features),
    }?;
    lengths.map_or(Ok(()), |lengths| check_lengths(layer, lengths, x.dim(0)?, x.dim(1)?))
}

/// Checks the real frames of each of a batch's clips.
pub(crate) fn check_lengths(
    layer: &'static str,
    lengths: &[usize],
    batch: usize,
    frames: usize,
) -> Result<(), LayerError> {
    let given = match lengths.iter().find(|length| **length == 0 || **length > frames) {
        _ if lengths.len() != batch => format!("{} were given", lengths.len()),
        Some(length) => format!("{length} was given"),
        None => return Ok(()),
    };
    Err(LayerError::Lengths { layer, frames, batch, given })
}

/// Checks the shape [time, features] of one example.
pub(crate) fn check_frames(
    layer: &'static str,
    example: &[usize],
    features: usize,
) -> Result<(), LayerError> {
    match *example {
        [0, given] if given == features => Err(LayerError::TooShort { layer, window: 1, length: 0 }),
        [_, given] if given == features => Ok(()),
        _ => Err(LayerError::InputShape {
            layer,
            expected: format!("[time, {features}]"),
            given: example.to_vec(),
        }),
    }
}

/// The operation on the CPU: (x, weight, bias). Its gradient can be asked for once, since the gates become their own
/// gradients on the way back.
#[derive(Debug)]
struct Recur {
    sizes: Recurrence,
    keep: bool,
    /// A [`Saved`] of the inputs' element type.
    saved: Mutex<Option<Box<dyn Any + Send>>>,
}

impl Recur {
    fn saved(&self) -> MutexGuard<'_, Option<Box<dyn Any + Send>>> {
        self.saved.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Operation<3> for Recur {
    const NAME: &'static str = "ser-models-recurrence";

    fn output_shape(&self) -> Shape {
        self.sizes.shape().into()
    }

    fn forward<T: Real>(&self, [x, weight, bias]: [&[T]; 3]) -> CandleResult<Vec<T>> {
        let (y, saved) = self.sizes.forward(x, weight, bias, self.keep);
        *self.saved() = saved.map(|saved| Box::new(saved) as Box<dyn Any + Send>);
        Ok(y)
    }

    fn backward<T: Real>(
        &self,
        [x, weight, _]: [&[T]; 3],
        _y: &[T],
        dy: &[T],
        [x_wanted, ..]: [bool; 3],
    ) -> CandleResult<Gradients<T, 3>> {
        match self.saved().take().map(|saved| saved.downcast::<Saved<T>>()) {
            Some(Ok(saved)) => Ok(self.sizes.backward(*saved, x, weight, dy, x_wanted)),
            _ => bail!("a recurrent layer's gradients can be asked for once"),
        }
    }
}

/// The same from Candle's own operations.
fn composed(x: &Tensor, weight: &Tensor, bias: &Tensor, sizes: &Recurrence) -> CandleResult<Tensor> {
    let (batch, time, units) = (sizes.lengths.len(), sizes.time, sizes.units);
    let device = x.device();
    let x = if sizes.reverse { reversed(x, &sizes.lengths)? } else { x.clone() };
    let input_weight = weight.narrow(1, 0, sizes.inputs)?.t()?;
    let state_weight = weight.narrow(1, sizes.inputs, units)?.t()?.contiguous()?;
    let shares = x.reshape((batch * time, sizes.inputs))?.matmul(&input_weight.contiguous()?)?;
    let shares = shares.broadcast_add(bias)?.reshape((batch, time, ()))?;
    let mut state = Tensor::zeros((batch, units), x.dtype(), device)?;
    let (mut cell, mut states) = (state.clone(), Vec::with_capacity(time));
    for step in 0..time {
        let a = (shares.narrow(1, step, 1)?.squeeze(1)? + state.matmul(&state_weight)?)?;
        let (new_cell, new_state) = match sizes.cell {
            Cell::Tanh => (cell.clone(), a.tanh()?),
            Cell::Lstm => {
                let gate = |number| a.narrow(1, number * units, units);
                let [i, f, o] = [sigmoid(&gate(0)?)?, sigmoid(&gate(1)?)?, sigmoid(&gate(3)?)?];
                let cell = ((f * &cell)? + (i * gate(2)?.tanh()?)?)?;
                let state = (o * cell.tanh()?)?;
                (cell, state)
            }
        };
        let inside: Vec<u8> = sizes.lengths.iter().map(|length| u8::from(*length > step)).collect();
        let inside = Tensor::from_vec(inside, (batch, 1), device)?.broadcast_as((batch, units))?;
        state = inside.where_cond(&new_state, &state)?;
        cell = inside.where_cond(&new_cell, &cell)?;
        if sizes.sequence {
            states.push(inside.where_cond(&new_state, &new_state.zeros_like()?)?);
        }
    }
    if !sizes.sequence {
        return Ok(state);
    }
    let states = Tensor::stack(&states, 1)?;
    if sizes.reverse { reversed(&states, &sizes.lengths) } else { Ok(states) }
}

fn sigmoid(x: &Tensor) -> CandleResult<Tensor> {
    (x.neg()?.exp()? + 1.0)?.recip()
}

/// Each clip's frames backward in time, its padding left at the end.
pub(crate) fn reversed(x: &Tensor, lengths: &[usize]) -> CandleResult<Tensor> {
    let (batch, time, features) = x.dims3()?;
    let frames = lengths.iter().enumerate().flat_map(|(clip, length)| {
        (0..time).map(move |t| (clip * time + if t < *length { length - 1 - t } else { t }) as u32)
    });
    let frames = Tensor::from_vec(frames.collect::<Vec<_>>(), batch * time, &Device::Cpu)?;
    let frames = frames.to_device(x.device())?;
    x.reshape((batch * time, features))?.index_select(&frames, 0)?.reshape(x.shape())
}

/// Ones for the frames of each clip and zeros for its padding, [batch, time].
pub(crate) fn frame_mask(lengths: &[usize], time: usize, like: &Tensor) -> CandleResult<Tensor> {
    let inside = lengths.iter().flat_map(|length| (0..time).map(move |t| f64::from(u8::from(t < *length))));
    let mask = Tensor::from_vec(inside.collect::<Vec<_>>(), (lengths.len(), time), &Device::Cpu)?;
    mask.to_dtype(like.dtype())?.to_device(like.device())
}

/// Two directions' outputs side by side.
pub(crate) fn side_by_side(forward: Tensor, backward: Tensor) -> CandleResult<Tensor> {
    Tensor::cat(&[forward, backward], D::Minus1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::gradient_check::{check, input};
    use crate::{Generator, Parameters};
    use candle_core::DType;

    const CELLS: [Cell; 2] = [Cell::Tanh, Cell::Lstm];

    fn pass(cell: Cell, inputs: usize, units: usize, reverse: bool) -> Pass {
        let mut parameters = Parameters::new(5, DType::F64, &Device::Cpu);
        let scope = &mut parameters.scope("pass");
        let pass = Pass::new(cell, (inputs, units), Init::GlorotUniform, 1.0, reverse, scope).unwrap();
        pass.bias.set(&input(&[cell.gates() * units], 8)).unwrap();
        pass
    }

    fn cases() -> impl Iterator<Item = (Cell, bool, States, Option<Vec<usize>>)> {
        CELLS.into_iter().flat_map(|cell| {
            [false, true].into_iter().flat_map(move |reverse| {
                [States::Last, States::Sequence].into_iter().flat_map(move |states| {
                    [None, Some(vec![3, 5, 1])].map(|lengths| (cell, reverse, states, lengths))
                })
            })
        })
    }

    #[test]
    fn gradients_are_right_for_both_outputs_and_directions_with_and_without_padding() {
        for (cell, reverse, states, lengths) in cases() {
            for (inputs, units) in [(4, 3), (1, 5)] {
                let pass = pass(cell, inputs, units, reverse);
                let x = Var::from_tensor(&input(&[3, 5, inputs], 4)).unwrap();
                let mode = Mode::Training(&mut Generator::new(0));
                let what = format!("{cell:?} reverse {reverse} {states:?} {lengths:?}");
                let vars = [&x, &pass.weight, &pass.bias];
                check(&what, &vars, || pass.forward(&x, lengths.as_deref(), states, &mode).unwrap());
            }
        }
    }

    #[test]
    fn the_composition_is_the_same_and_its_gradients_are_right() {
        for (cell, reverse, states, lengths) in cases() {
            let pass = pass(cell, 4, 3, reverse);
            let x = Var::from_tensor(&input(&[3, 5, 4], 4)).unwrap();
            let sizes = Recurrence {
                cell,
                inputs: 4,
                units: 3,
                time: 5,
                lengths: lengths.clone().unwrap_or(vec![5; 3]),
                reverse,
                sequence: states == States::Sequence,
            };
            let composition = || composed(&x, &pass.weight, &pass.bias, &sizes).unwrap();
            let what = format!("composed {cell:?} reverse {reverse} {states:?} {lengths:?}");
            check(&what, &[&x, &pass.weight, &pass.bias], composition);
            let y = pass.forward(&x, lengths.as_deref(), states, &Mode::Inference).unwrap();
            let error = (y - composition()).unwrap().abs().unwrap().max_all().unwrap();
            assert!(error.to_scalar::<f64>().unwrap() < 1e-14, "{what}");
        }
    }

    #[test]
    fn padding_holds_the_state_gives_zeros_and_gets_no_gradient() {
        for cell in CELLS {
            for reverse in [false, true] {
                let pass = pass(cell, 2, 3, reverse);
                let x = Var::from_tensor(&input(&[2, 6, 2], 4)).unwrap();
                let mode = Mode::Training(&mut Generator::new(0));
                let lengths = [4, 6];
                let values = |t: Tensor| t.flatten_all().unwrap().to_vec1::<f64>().unwrap();
                let states = pass.forward(&x, Some(&lengths), States::Sequence, &mode).unwrap();
                assert!(
                    values(states.narrow(1, 4, 2).unwrap().narrow(0, 0, 1).unwrap())
                        .iter()
                        .all(|h| *h == 0.0)
                );
                let last = pass.forward(&x, Some(&lengths), States::Last, &mode).unwrap();
                let end = if reverse { 0 } else { 3 };
                let at_end = states.narrow(0, 0, 1).unwrap().narrow(1, end, 1).unwrap();
                assert_eq!(values(last.narrow(0, 0, 1).unwrap()), values(at_end));
                let gradient = last.sum_all().unwrap().backward().unwrap();
                let dx = gradient.get(&x).unwrap().narrow(0, 0, 1).unwrap().narrow(1, 4, 2).unwrap();
                assert!(values(dx).iter().all(|d| *d == 0.0));
            }
        }
    }

    #[test]
    fn a_clip_gives_the_same_bits_alone_and_among_others_and_on_any_number_of_threads() {
        // Large enough to be split among threads.
        let mut parameters = Parameters::new(5, DType::F32, &Device::Cpu);
        let scope = &mut parameters.scope("pass");
        let pass = Pass::new(Cell::Lstm, (8, 64), Init::GlorotUniform, 1.0, false, scope).unwrap();
        let x = input(&[19, 40, 8], 1).to_dtype(DType::F32).unwrap();
        let lengths: Vec<usize> = (0..19).map(|i| 40 - i).collect();
        let train = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let mode = Mode::Training(&mut Generator::new(0));
                let y = pass.forward(&x, Some(&lengths), States::Sequence, &mode).unwrap();
                let gradients = y.sqr().unwrap().sum_all().unwrap().backward().unwrap();
                let flat = |t: &Tensor| t.flatten_all().unwrap().to_vec1::<f32>().unwrap();
                (
                    flat(&y),
                    flat(gradients.get(&pass.weight).unwrap()),
                    flat(gradients.get(&pass.bias).unwrap()),
                )
            })
        };
        let one = train(1);
        assert!(one == train(2) && one == train(3) && one == train(5));
        for clip in [0, 7, 18] {
            let alone = x.narrow(0, clip, 1).unwrap();
            let y = pass.forward(&alone, Some(&lengths[clip..=clip]), States::Sequence, &Mode::Inference);
            let alone = y.unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
            let among = &one.0[clip * 40 * 64..][..40 * 64];
            assert!(alone.iter().zip(among).all(|(a, b)| (a - b).abs() < 1e-6));
        }
    }

    #[test]
    fn gradients_asked_for_twice_and_lengths_that_do_not_fit_are_refused() {
        let pass = pass(Cell::Lstm, 2, 3, false);
        let x = input(&[2, 6, 2], 4);
        let y = pass.forward(&x, None, States::Last, &Mode::Training(&mut Generator::new(0))).unwrap();
        let loss = y.sum_all().unwrap();
        loss.backward().unwrap();
        assert!(loss.backward().unwrap_err().to_string().contains("once"));
        let error =
            |lengths: &[usize]| check_sequences("Lstm", &x, 2, Some(lengths)).unwrap_err().to_string();
        let rule = "Lstm: there must be a length of 1 to 6 frames for each of 2 clips,";
        assert_eq!(error(&[3]), format!("{rule} 1 were given"));
        assert_eq!(error(&[3, 0]), format!("{rule} 0 was given"));
        assert_eq!(error(&[7, 2]), format!("{rule} 7 was given"));
        let wrong = check_sequences("Lstm", &x, 4, None).unwrap_err().to_string();
        assert_eq!(wrong, "Lstm: each example must have shape [time, 4], [6, 2] was given");
    }
}
