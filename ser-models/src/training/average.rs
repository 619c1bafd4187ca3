//! Averaged weights.

use crate::parameters::Parameters;
use crate::weights::Weights;
use candle_core::{DType, Result as CandleResult};

/// Updates an exponential moving average of all weights and statistics after step number `steps`: `a += (1 − d) · (w − a)`. So that the
/// initial weights lose their influence early, d starts small: `min(decay, (1 + steps) / (10 + steps))`, as TensorFlow's
/// `ExponentialMovingAverage` with `num_updates`.
pub(super) fn update_average(
    average: &mut Weights,
    decay: f64,
    steps: u64,
    parameters: &Parameters,
) -> CandleResult<()> {
    let decay = decay.min((1.0 + steps as f64) / (10.0 + steps as f64));
    let share = (1.0 - decay) as f32;
    for parameter in parameters.iter() {
        let Some(average) = average.0.get_mut(parameter.name()) else { continue };
        let weights = parameter.var().as_detached_tensor().to_dtype(DType::F32)?;
        let weights = weights.flatten_all()?.to_vec1::<f32>()?;
        average.values.iter_mut().zip(weights).for_each(|(a, w)| *a += share * (w - *a));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::Init;
    use candle_core::{Device, Tensor};

    #[test]
    fn the_average_follows_fast_at_first_and_then_by_its_decay() {
        let parameters = Parameters::new(0, DType::F32);
        let w = parameters.scope("a").weight("w", &[2], Init::Zeros).unwrap();
        let mut average = parameters.values().unwrap();
        w.set(&Tensor::new(&[1.0f32, -2.0], &Device::Cpu).unwrap()).unwrap();
        // The decays are (1 + 2) / (10 + 2) = 0.25, then 0.9.
        update_average(&mut average, 0.9, 2, &parameters).unwrap();
        assert_eq!(average.0["a.w"].values, [0.75, -1.5]);
        update_average(&mut average, 0.9, 1000, &parameters).unwrap();
        assert!((average.0["a.w"].values[0] - 0.775).abs() < 1e-6);
    }
}
