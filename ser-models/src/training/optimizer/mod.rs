//! Optimisers as PyTorch and Keras define them.

mod config;
mod update;

pub use config::{Framework, OptimizerConfig};

use crate::parameters::{Parameter, Parameters};
use crate::setting::{Checked, TRAINING};
use candle_core::backprop::GradStore;
use candle_core::{CpuStorage, InplaceOp2, Layout, Result as CandleResult, Var, bail};
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use update::Update;

/// An optimiser of a model's trainable parameters, with its state.
///
/// It is a `candle_nn::Optimizer`: [`step`](candle_nn::Optimizer::step) moves every variable that has a gradient, at the
/// learning rate that was [set](candle_nn::Optimizer::set_learning_rate).
#[derive(Debug, Clone)]
pub struct Optimizer {
    config: OptimizerConfig,
    learning_rate: f64,
    steps: u64,
    slots: Vec<Slot>,
}

/// A variable with its name and two state values for each of its elements.
#[derive(Debug, Clone)]
struct Slot {
    name: String,
    var: Var,
    /// The factor of this variable's learning rate to the common one.
    factor: f64,
    running: [Vec<f32>; 2],
}

impl Optimizer {
    /// A fresh optimiser for a model's trainable parameters. The settings are not checked; [`Optimizer::new`](candle_nn::Optimizer::new)
    /// checks them.
    pub fn for_parameters(config: OptimizerConfig, learning_rate: f64, parameters: &Parameters) -> Self {
        let trainable = parameters.iter().filter(Parameter::is_trainable);
        let slots = trainable.map(|p| Slot::new(p.name(), p.var())).collect();
        Self { config, learning_rate, steps: 0, slots }
    }

    /// Sets learning rates of the parameters whose names begin with a key of `rates`. The longest matching key applies. These rates follow
    /// changes of the common one in proportion.
    ///
    /// # Errors
    /// If no parameter's name begins with a key.
    pub(crate) fn set_rates(&mut self, rates: &BTreeMap<String, f64>) -> Checked {
        for beginning in rates.keys() {
            let is_used = self.slots.iter().any(|slot| slot.name.starts_with(beginning));
            let rule = "the beginning of the name of a weight of the network";
            TRAINING.require(is_used, "learning_rates", rule, beginning)?;
        }
        for slot in &mut self.slots {
            let own = rates.iter().filter(|(beginning, _)| slot.name.starts_with(beginning.as_str()));
            let own = own.max_by_key(|(beginning, _)| beginning.len());
            slot.factor = own.map_or(1.0, |(_, rate)| rate / self.learning_rate);
        }
        Ok(())
    }

    /// The number of steps taken so far.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// The state values with the names of their parameters.
    pub(crate) fn running(&self) -> impl Iterator<Item = (&str, &[Vec<f32>; 2])> {
        self.slots.iter().map(|slot| (&*slot.name, &slot.running))
    }

    /// Restores the number of steps and the state values. `find` returns the values of a parameter and slot, of the given length.
    pub(crate) fn restore<E>(
        &mut self,
        steps: u64,
        find: impl Fn(&str, usize, usize) -> Result<Vec<f32>, E>,
    ) -> Result<(), E> {
        self.steps = steps;
        for Slot { name, running, .. } in &mut self.slots {
            for (i, running) in running.iter_mut().enumerate() {
                *running = find(name, i, running.len())?;
            }
        }
        Ok(())
    }
}

/// Checks the settings of an optimiser and its learning rate.
pub(super) fn check(config: &OptimizerConfig, learning_rate: f64) -> Checked {
    TRAINING.positive("learning_rate", learning_rate)?;
    config.check()
}

impl Slot {
    fn new(name: &str, var: &Var) -> Self {
        let zeros = vec![0.0; var.elem_count()];
        Self { name: name.to_owned(), var: var.clone(), factor: 1.0, running: [zeros.clone(), zeros] }
    }
}

/// An optimiser's settings with its learning rate, in the form that `candle_nn::Optimizer` takes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OptimizerParams {
    /// The optimiser and its settings.
    pub config: OptimizerConfig,
    /// The learning rate, positive.
    pub learning_rate: f64,
}

impl candle_nn::Optimizer for Optimizer {
    type Config = OptimizerParams;

    /// Makes an optimiser for these variables, before its first step.
    ///
    /// # Errors
    /// If a setting or the learning rate is out of its range.
    fn new(vars: Vec<Var>, OptimizerParams { config, learning_rate }: OptimizerParams) -> CandleResult<Self> {
        check(&config, learning_rate).map_err(candle_core::Error::wrap)?;
        let slots =
            vars.iter().enumerate().map(|(number, var)| Slot::new(&number.to_string(), var)).collect();
        Ok(Self { config, learning_rate, steps: 0, slots })
    }

    /// Updates every variable that has a gradient.
    ///
    /// # Errors
    /// If the tensors are not of `f32` or do not lie in CPU memory.
    fn step(&mut self, gradients: &GradStore) -> CandleResult<()> {
        self.steps += 1;
        let (config, steps, rate) = (&self.config, self.steps, self.learning_rate);
        self.slots.par_iter_mut().try_for_each(|Slot { var, factor, running: [first, second], .. }| {
            let Some(gradient) = gradients.get(var) else { return Ok(()) };
            let update = Update::new(config, steps, rate * *factor);
            let slots = Mutex::new((&mut first[..], &mut second[..]));
            var.inplace_op2(&gradient.contiguous()?, &Move { update, slots })
        })
    }

    fn learning_rate(&self) -> f64 {
        self.learning_rate
    }

    fn set_learning_rate(&mut self, learning_rate: f64) {
        self.learning_rate = learning_rate;
    }
}

/// Updates one parameter in place.
struct Move<'a> {
    update: Update,
    /// The two state values for each weight.
    slots: Mutex<(&'a mut [f32], &'a mut [f32])>,
}

impl InplaceOp2 for Move<'_> {
    fn name(&self) -> &'static str {
        "optimizer"
    }

    fn cpu_fwd(
        &self,
        weights: &mut CpuStorage,
        weights_layout: &Layout,
        gradient: &CpuStorage,
        gradient_layout: &Layout,
    ) -> CandleResult<()> {
        let (CpuStorage::F32(weights), CpuStorage::F32(gradient)) = (weights, gradient) else {
            bail!("an optimiser moves weights of f32")
        };
        let (Some(weights_at), Some(gradient_at)) =
            (weights_layout.contiguous_offsets(), gradient_layout.contiguous_offsets())
        else {
            bail!("an optimiser needs contiguous tensors")
        };
        let weights = &mut weights[weights_at.0..weights_at.1];
        let gradient = &gradient[gradient_at.0..gradient_at.1];
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let (first, second) = &mut *slots;
        self.update.apply(weights, gradient, first, second);
        Ok(())
    }
}

/// Scales all gradients so that their common Euclidean norm is at most `limit`, as PyTorch's `clip_grad_norm_`.
pub(crate) fn clip_gradients(
    parameters: &Parameters,
    gradients: &mut GradStore,
    limit: f64,
) -> CandleResult<()> {
    let trainable: Vec<Var> =
        parameters.iter().filter(Parameter::is_trainable).map(|p| p.var().clone()).collect();
    let mut squares = 0.0;
    for gradient in trainable.iter().filter_map(|var| gradients.get(var)) {
        let values = gradient.flatten_all()?.to_vec1::<f32>()?;
        squares += values.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>();
    }
    let norm = squares.sqrt();
    if norm > limit {
        for var in &trainable {
            if let Some(gradient) = gradients.remove(var) {
                gradients.insert(var, (gradient * (limit / norm))?);
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::Init;
    use candle_core::DType;

    #[test]
    fn settings_out_of_range_are_refused() {
        let adam = OptimizerConfig::adam();
        let OptimizerConfig::Adam { beta2, eps, weight_decay, framework, .. } = adam else { panic!() };
        let steep = OptimizerConfig::Adam { beta1: 2.0, beta2, eps, weight_decay, framework };
        for (config, learning_rate, expected) in [
            (steep, 0.1, "training: optimizer.beta1 must be 0 or more and below 1, got 2"),
            (adam, f64::NAN, "training: learning_rate must be positive, got NaN"),
        ] {
            let error = <Optimizer as candle_nn::Optimizer>::new(
                Vec::new(),
                OptimizerParams { config, learning_rate },
            )
            .unwrap_err();
            assert!(error.to_string().starts_with(expected), "{error}");
        }
    }

    #[test]
    fn weights_with_a_rate_of_their_own_move_as_by_that_rate_alone() {
        let network = || {
            let parameters = Parameters::new(0, DType::F32);
            let make =
                |name: &str| parameters.scope(name).weight("weight", &[3], Init::GlorotUniform).unwrap();
            let vars = ["block_1", "block_2", "head"].map(make);
            (parameters, vars)
        };
        let moved = |rates: &[(&str, f64)], common: f64| {
            let (parameters, vars) = network();
            let mut optimizer = Optimizer::for_parameters(OptimizerConfig::adamw(0.1), 1e-2, &parameters);
            let rates = rates.iter().map(|(name, rate)| ((*name).to_owned(), *rate)).collect();
            optimizer.set_rates(&rates).unwrap();
            let loss = vars.iter().map(|var| var.sqr().unwrap().sum_all().unwrap());
            let gradients = loss.reduce(|sum, x| (sum + x).unwrap()).unwrap().backward().unwrap();
            for factor in [1.0, 0.5] {
                candle_nn::Optimizer::set_learning_rate(&mut optimizer, common * factor);
                candle_nn::Optimizer::step(&mut optimizer, &gradients).unwrap();
            }
            vars.map(|var| var.to_vec1::<f32>().unwrap())
        };
        let own = moved(&[("block", 1e-3), ("block_2", 2e-3)], 1e-2);
        // 1e-3 is a tenth of the common rate and 2e-3 a fifth. With these as common rates the weights move as far.
        assert_eq!(own[0], moved(&[], 1e-3)[0]);
        assert_eq!(own[1], moved(&[], 2e-3)[1]);
        assert_eq!(own[2], moved(&[], 1e-2)[2]);
        let (parameters, _) = network();
        let mut optimizer = Optimizer::for_parameters(OptimizerConfig::adam(), 1e-2, &parameters);
        let error = optimizer.set_rates(&BTreeMap::from([("blok".to_owned(), 1.0)])).unwrap_err();
        assert_eq!(
            error.to_string(),
            "training: learning_rates must be the beginning of the name of a weight of the network, got blok"
        );
    }

    #[test]
    fn gradients_are_clipped_to_one_common_norm() {
        let parameters = Parameters::new(0, DType::F32);
        let a = parameters.scope("a").weight("w", &[2], Init::Ones).unwrap();
        let b = parameters.scope("b").weight("w", &[1], Init::Ones).unwrap();
        let loss = ((a.sum_all().unwrap() * 2.0).unwrap() + b.sum_all().unwrap()).unwrap();
        let mut gradients = loss.backward().unwrap();
        // The norm of (2, 2, 1) is 3.
        clip_gradients(&parameters, &mut gradients, 5.0).unwrap();
        assert_eq!(gradients.get(&a).unwrap().to_vec1::<f32>().unwrap(), [2.0, 2.0]);
        clip_gradients(&parameters, &mut gradients, 1.5).unwrap();
        assert_eq!(gradients.get(&a).unwrap().to_vec1::<f32>().unwrap(), [1.0, 1.0]);
        assert_eq!(gradients.get(&b).unwrap().to_vec1::<f32>().unwrap(), [0.5]);
    }
}
