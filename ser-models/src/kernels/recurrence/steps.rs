//! One step of a recurrent layer for one clip, and its gradients.

use super::Real;
use pulp::Simd;

/// Computes each unit's state from its sum.
#[inline(always)]
pub(super) fn tanh_step<S: Simd, T: Real>(gates: &mut [T], state: &mut [T]) {
    for (gate, state) in gates.iter_mut().zip(state) {
        *gate = Real::tanh::<S>(*gate);
        *state = *gate;
    }
}

/// Returns the four gates of all units: (i, f, g, o).
#[inline(always)]
fn quarters<T>(gates: &mut [T]) -> (&mut [T], &mut [T], &mut [T], &mut [T]) {
    let units = gates.len() / 4;
    let (i, rest) = gates.split_at_mut(units);
    let (f, rest) = rest.split_at_mut(units);
    let (g, o) = rest.split_at_mut(units);
    (i, f, g, o)
}

/// Computes gates, cell and state from the sums for each unit's gates.
#[inline(always)]
pub(super) fn lstm_step<S: Simd, T: Real>(gates: &mut [T], cell: &mut [T], state: &mut [T]) {
    let (i, f, g, o) = quarters(gates);
    i.iter_mut().for_each(|i| *i = Real::sigmoid::<S>(*i));
    f.iter_mut().for_each(|f| *f = Real::sigmoid::<S>(*f));
    g.iter_mut().for_each(|g| *g = Real::tanh::<S>(*g));
    o.iter_mut().for_each(|o| *o = Real::sigmoid::<S>(*o));
    for (((c, i), f), g) in cell.iter_mut().zip(&*i).zip(&*f).zip(&*g) {
        *c = *f * *c + *i * *g;
    }
    for ((h, c), o) in state.iter_mut().zip(&*cell).zip(&*o) {
        *h = *o * Real::tanh::<S>(*c);
    }
}

/// Replaces the states by the gradients for the sums.
#[inline(always)]
pub(super) fn tanh_step_backward<T: Real>(gates: &mut [T], dstate: &[T]) {
    for (gate, dstate) in gates.iter_mut().zip(dstate) {
        *gate = *dstate * (T::ONE - *gate * *gate);
    }
}

/// With c' = f · c + i · g and h = o · tanh(c'): replaces `gates` by the gradients for the four sums, and `dcell`, the gradient for c', by
/// that for c. Each loop uses few slices, so that the compiler can prove that they don't overlap.
#[inline(always)]
pub(super) fn lstm_step_backward<T: Real>(
    gates: &mut [T],
    before: &[T],
    tangents: &[T],
    dcell: &mut [T],
    dstate: &[T],
) {
    let (i, f, g, o) = quarters(gates);
    for (((dc, o), tangent), dh) in dcell.iter_mut().zip(&*o).zip(tangents).zip(dstate) {
        *dc += *dh * *o * (T::ONE - *tangent * *tangent);
    }
    for ((o, tangent), dh) in o.iter_mut().zip(tangents).zip(dstate) {
        *o = *dh * *tangent * *o * (T::ONE - *o);
    }
    for ((i, g), dc) in i.iter_mut().zip(g).zip(&*dcell) {
        let (input, candidate) = (*i, *g);
        *i = *dc * candidate * input * (T::ONE - input);
        *g = *dc * input * (T::ONE - candidate * candidate);
    }
    for ((f, dc), c) in f.iter_mut().zip(dcell).zip(before) {
        let forget = *f;
        *f = *dc * *c * forget * (T::ONE - forget);
        *dc *= forget;
    }
}
