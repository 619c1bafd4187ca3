//! Code shared by recurrent layers: one layer in one direction of time.

use super::Init;
use crate::kernels::{Cell, Real, Recurrence};
use crate::layer::{Backward, LayerError, Mode, Padded, add_gradient, elements, for_element_type, tensor};
use crate::parameters::Scope;
use candle_core::{Tensor, Var};
use serde::{Deserialize, Serialize};

/// The output of a recurrent layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum States {
    /// The state after the last step of each clip, [batch, units], or [batch, 2 · units] in both directions: at its last valid frame, not
    /// after its padding. In the backward direction the last step is the clip's first frame.
    #[default]
    Last,
    /// The states of all frames, [batch, time, units] or [batch, time, 2 · units], zero where a clip is padded.
    Sequence,
}

/// One layer in one direction.
#[derive(Debug)]
pub(super) struct Direction {
    pub(super) weight: Var,
    pub(super) bias: Var,
    cell: Cell,
    inputs: usize,
    units: usize,
    reverse: bool,
}

impl Direction {
    /// Makes `weight` (gates · units, inputs + units) and `bias` (gates · units). The input's part of the weight is drawn by `init`. The
    /// state's part is orthogonal over all gates together, as Keras's.
    pub(super) fn new(
        cell: Cell,
        (inputs, units): (usize, usize),
        init: Init,
        forget_bias: f64,
        reverse: bool,
        scope: &Scope<'_>,
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

    /// Returns the states of a batch of frames, whose shape and lengths were checked, and in training their backward pass.
    pub(super) fn forward(
        &self,
        x: &Padded,
        states: States,
        mode: &Mode<'_>,
    ) -> Result<(Tensor, Option<Backward>), LayerError> {
        for_element_type!(x.values(), self.run(x, states, mode))
    }

    fn run<T: Real>(
        &self,
        x: &Padded,
        states: States,
        mode: &Mode<'_>,
    ) -> Result<(Tensor, Option<Backward>), LayerError> {
        let (_, time, _) = x.values().dims3()?;
        let sizes = Recurrence {
            cell: self.cell,
            inputs: self.inputs,
            units: self.units,
            time,
            lengths: x.lengths_of(time),
            reverse: self.reverse,
            sequence: states == States::Sequence,
        };
        let x = x.values().contiguous()?;
        let (weight, bias) = (self.weight.clone(), self.bias.clone());
        let (y, saved) = {
            let (x, weight, bias) = (elements(&x)?, elements(&weight)?, elements(&bias)?);
            sizes.forward::<T>(x.slice()?, weight.slice()?, bias.slice()?, mode.is_training())
        };
        let y = tensor(y, sizes.shape())?;
        let Some(saved) = saved else { return Ok((y, None)) };
        let backward: Backward = Box::new(move |dy, input_wanted, gradients| {
            let dy = dy.contiguous()?;
            let found = {
                let (x, weight, dy) = (elements(&x)?, elements(&weight)?, elements(&dy)?);
                sizes.backward::<T>(saved, x.slice()?, weight.slice()?, dy.slice()?, input_wanted)
            };
            add_gradient(gradients, &weight, tensor(found.dweight, weight.dims())?)?;
            add_gradient(gradients, &bias, tensor(found.dbias, bias.dims())?)?;
            found.dx.map(|dx| tensor(dx, x.dims())).transpose()
        });
        Ok((y, Some(backward)))
    }
}

/// Checks a batch of frames [batch, time, features].
pub(super) fn check_sequences(layer: &'static str, x: &Padded, features: usize) -> Result<(), LayerError> {
    match *x.dims() {
        [] | [0, ..] => Err(LayerError::EmptyBatch { layer, given: x.dims().to_vec() }),
        [_, ref rest @ ..] => check_frames(layer, rest, features),
    }?;
    x.check(layer, x.dims()[1])
}

/// Checks the shape [time, features] of one example.
pub(super) fn check_frames(
    layer: &'static str,
    example: &[usize],
    features: usize,
) -> Result<(), LayerError> {
    match *example {
        [0, given] if given == features => Err(LayerError::TooShort { layer, window: 1, length: 0 }),
        [_, given] if given == features => Ok(()),
        _ => Err(LayerError::input_shape(layer, format!("[time, {features}]"), example)),
    }
}

/// Returns the valid frames of the output.
pub(super) fn lengths_of(x: &Padded, states: States) -> Option<Vec<usize>> {
    x.lengths().filter(|_| states == States::Sequence).map(<[usize]>::to_vec)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer::{Forward, Layer};
    use crate::layers::gradient_check::{
        answer, check, check_layer, difference, input, padded, train, values, variable,
    };
    use crate::layers::reference;
    use crate::{Generator, Parameters};
    use candle_core::DType;

    const CELLS: [Cell; 2] = [Cell::Tanh, Cell::Lstm];

    /// One direction, tested as a layer.
    #[derive(Debug)]
    struct Single(Direction, States);

    impl Layer for Single {
        fn forward(&self, x: &Padded, mode: &mut Mode<'_>) -> Result<Forward, LayerError> {
            let (y, backward) = self.0.forward(x, self.1, mode)?;
            Ok(Forward::from_parts(y, backward))
        }

        fn output_shape(&self, input: &[usize]) -> Result<Vec<usize>, LayerError> {
            Ok(input.to_vec())
        }

        fn kind(&self) -> &'static str {
            "Single"
        }

        fn weights(&self) -> Vec<&Var> {
            vec![&self.0.weight, &self.0.bias]
        }
    }

    fn pass(cell: Cell, inputs: usize, units: usize, reverse: bool) -> Direction {
        let parameters = Parameters::new(5, DType::F64);
        let scope = &parameters.scope("pass");
        let pass = Direction::new(cell, (inputs, units), Init::GlorotUniform, 1.0, reverse, scope).unwrap();
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
    fn gradients_are_correct_for_both_outputs_and_directions_with_and_without_padding() {
        for (cell, reverse, states, lengths) in cases() {
            for (inputs, units) in [(4, 3), (1, 5)] {
                let single = Single(pass(cell, inputs, units, reverse), states);
                let what = format!("{cell:?} reverse {reverse} {states:?} {lengths:?}");
                check_layer(&what, &single, &variable(&[3, 5, inputs], 4), lengths.as_deref());
            }
        }
    }

    #[test]
    fn the_reference_is_the_same_and_its_gradients_are_correct() {
        for (cell, reverse, states, lengths) in cases() {
            let single = Single(pass(cell, 4, 3, reverse), states);
            let Single(pass, _) = &single;
            let x = variable(&[3, 5, 4], 4);
            let sizes = Recurrence {
                cell,
                inputs: 4,
                units: 3,
                time: 5,
                lengths: lengths.clone().unwrap_or(vec![5; 3]),
                reverse,
                sequence: states == States::Sequence,
            };
            let composition = || reference::recurrence(&x, &pass.weight, &pass.bias, &sizes).unwrap();
            let what = format!("reference {cell:?} reverse {reverse} {states:?} {lengths:?}");
            check(&what, &[&x, &pass.weight, &pass.bias], composition);
            let y = answer(&single, padded(&x, lengths.as_deref()));
            assert!(difference(&y, &composition()) < 1e-14, "{what}");
        }
    }

    #[test]
    fn padding_holds_the_state_gives_zeros_and_gets_no_gradient() {
        for cell in CELLS {
            for reverse in [false, true] {
                let x = variable(&[2, 6, 2], 4);
                let lengths = Some(&[4, 6][..]);
                let states = Single(pass(cell, 2, 3, reverse), States::Sequence);
                let states = answer(&states, padded(&x, lengths));
                let beyond = values(&states.narrow(1, 4, 2).unwrap().narrow(0, 0, 1).unwrap());
                assert!(beyond.iter().all(|h| *h == 0.0));
                let last = train(&Single(pass(cell, 2, 3, reverse), States::Last), padded(&x, lengths), 0);
                let end = if reverse { 0 } else { 3 };
                let at_end = states.narrow(0, 0, 1).unwrap().narrow(1, end, 1).unwrap();
                assert_eq!(values(&last.narrow(0, 0, 1).unwrap()), values(&at_end));
                let gradient = last.sum_all().unwrap().backward().unwrap();
                let dx = gradient.get(&x).unwrap().narrow(0, 0, 1).unwrap().narrow(1, 4, 2).unwrap();
                assert!(values(&dx).iter().all(|d| *d == 0.0));
            }
        }
    }

    #[test]
    fn a_clip_gives_the_same_bits_alone_and_among_others_and_on_any_number_of_threads() {
        // The sizes are large enough that the work is split among threads.
        let parameters = Parameters::new(5, DType::F32);
        let scope = &parameters.scope("pass");
        let pass = Direction::new(Cell::Lstm, (8, 64), Init::GlorotUniform, 1.0, false, scope).unwrap();
        let single = Single(pass, States::Sequence);
        let x = input(&[19, 40, 8], 1).to_dtype(DType::F32).unwrap();
        let lengths: Vec<usize> = (0..19).map(|i| 40 - i).collect();
        let run = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let y = train(&single, padded(&x, Some(&lengths)), 0);
                let gradients = y.sqr().unwrap().sum_all().unwrap().backward().unwrap();
                let flat = |t: &Tensor| t.flatten_all().unwrap().to_vec1::<f32>().unwrap();
                let Single(pass, _) = &single;
                (flat(&y), [&pass.weight, &pass.bias].map(|var| flat(gradients.get(var).unwrap())))
            })
        };
        let one = run(1);
        assert!(one == run(2) && one == run(3) && one == run(5));
        for clip in [0, 7, 18] {
            let alone = padded(&x.narrow(0, clip, 1).unwrap(), Some(&lengths[clip..=clip]));
            let alone = answer(&single, alone).flatten_all().unwrap().to_vec1::<f32>().unwrap();
            let among = &one.0[clip * 40 * 64..][..40 * 64];
            assert!(alone.iter().zip(among).all(|(a, b)| (a - b).abs() < 1e-6));
        }
    }

    #[test]
    fn gradients_asked_for_twice_and_lengths_that_do_not_fit_are_refused() {
        let single = Single(pass(Cell::Lstm, 2, 3, false), States::Last);
        let x = input(&[2, 6, 2], 4);
        let y = in_training(&single, &x);
        let loss = y.sum_all().unwrap();
        loss.backward().unwrap();
        assert!(loss.backward().unwrap_err().to_string().contains("once"));
        let error = |lengths: &[usize]| {
            let x = Padded::of(x.clone(), Some(lengths.to_vec()));
            check_sequences("Lstm", &x, 2).unwrap_err().to_string()
        };
        let rule = "Lstm: lengths must be 1 to 6 frames for each of 2 examples, got";
        assert_eq!(error(&[3]), format!("{rule} 1 lengths"));
        assert_eq!(error(&[3, 0]), format!("{rule} 0"));
        assert_eq!(error(&[7, 2]), format!("{rule} 7"));
        let wrong = check_sequences("Lstm", &x.into(), 4).unwrap_err().to_string();
        assert_eq!(wrong, "Lstm: each example must have shape [time, 4], got [6, 2]");
    }

    fn in_training(layer: &dyn Layer, x: &Tensor) -> Tensor {
        crate::layers::in_graph(layer, &x.into(), &mut Mode::Training(&mut Generator::new(0))).unwrap()
    }
}
