//! Memory that is used again, step after step: fresh memory from the system costs more than most passes over it.

use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, PoisonError};

/// How many buffers are kept at most, of each element type.
const KEPT: usize = 64;

/// The buffers of one element type that nobody uses now.
#[derive(Debug)]
pub(crate) struct Pool<T>(Mutex<Vec<Vec<T>>>);

impl<T: Copy + Default> Pool<T> {
    pub(crate) const fn new() -> Self {
        Self(Mutex::new(Vec::new()))
    }

    /// A buffer of so many elements with anything in it: the smallest that is large enough, or a new one.
    fn take(&self, length: usize) -> Vec<T> {
        let mut free = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let fitting = free.iter().enumerate().filter(|(_, buffer)| buffer.len() >= length);
        // One much too large is left for those who need it.
        let best =
            fitting.min_by_key(|(_, buffer)| buffer.len()).filter(|(_, b)| b.len() <= 4 * length + 1024);
        let found = best.map(|(at, _)| at).map(|at| free.swap_remove(at));
        drop(free);
        found.unwrap_or_else(|| vec![T::default(); length])
    }

    fn give(&self, buffer: Vec<T>) {
        let mut free = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if free.len() == KEPT {
            free.remove(0);
        }
        free.push(buffer);
    }
}

/// The pools of the element types that kernels work with.
pub(crate) trait Pooled: Copy + Default + Send + 'static {
    fn pool() -> &'static Pool<Self>;
}

macro_rules! pooled {
    ($($element:ty),*) => {$(
        impl Pooled for $element {
            fn pool() -> &'static Pool<Self> {
                static POOL: Pool<$element> = Pool::new();
                &POOL
            }
        }
    )*};
}

pooled!(f32, f64, u8);

/// A slice of memory that is lent and goes back when dropped.
#[derive(Debug)]
pub(crate) struct Buffer<T: Pooled> {
    data: Vec<T>,
    length: usize,
}

impl<T: Pooled> Buffer<T> {
    /// So many elements with anything in them.
    pub(crate) fn new(length: usize) -> Self {
        Self { data: if length == 0 { Vec::new() } else { T::pool().take(length) }, length }
    }

    /// Makes it so many elements long, with anything in them.
    pub(crate) fn resize(&mut self, length: usize) {
        if length > self.data.len() {
            *self = Self::new(length);
        }
        self.length = length;
    }
}

impl<T: Pooled> Deref for Buffer<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.data[..self.length]
    }
}

impl<T: Pooled> DerefMut for Buffer<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.data[..self.length]
    }
}

impl<T: Pooled> Drop for Buffer<T> {
    fn drop(&mut self) {
        if !self.data.is_empty() {
            T::pool().give(std::mem::take(&mut self.data));
        }
    }
}
