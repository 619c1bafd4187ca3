//! Scratch memory of a model. Reusing it avoids fresh memory from the system, which costs more than most passes over it.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, PoisonError};

/// The largest number of free buffers of one element type that are kept.
const CAPACITY: usize = 64;

/// The free buffers that the layers of one model share, with its clones. They have no influence on results.
#[derive(Clone, Default)]
pub(crate) struct Memory(Arc<Pools>);

#[derive(Default)]
struct Pools {
    f32: Mutex<Vec<Vec<f32>>>,
    #[cfg(any(test, feature = "f64"))]
    f64: Mutex<Vec<Vec<f64>>>,
    u8: Mutex<Vec<Vec<u8>>>,
}

impl Memory {
    /// Returns a buffer of `length` elements, contents unspecified: the smallest free one that is large enough, or a new one.
    pub(crate) fn buffer<T: Element>(&self, length: usize) -> Buffer<T> {
        let data = if length == 0 { Vec::new() } else { self.take(length) };
        Buffer { data, length, memory: self.clone() }
    }

    fn take<T: Element>(&self, length: usize) -> Vec<T> {
        let mut free = T::pool(self).lock().unwrap_or_else(PoisonError::into_inner);
        let fitting = free.iter().enumerate().filter(|(_, buffer)| buffer.len() >= length);
        // A buffer that is much too large is left for larger requests.
        let best =
            fitting.min_by_key(|(_, buffer)| buffer.len()).filter(|(_, b)| b.len() <= 4 * length + 1024);
        let found = best.map(|(at, _)| at).map(|at| free.swap_remove(at));
        drop(free);
        found.unwrap_or_else(|| vec![T::default(); length])
    }

    fn give<T: Element>(&self, buffer: Vec<T>) {
        let mut free = T::pool(self).lock().unwrap_or_else(PoisonError::into_inner);
        if free.len() == CAPACITY {
            free.remove(0);
        }
        free.push(buffer);
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Memory")
    }
}

/// An element type for which buffers are kept.
pub(crate) trait Element: Copy + Default + Send + Sync + 'static {
    #[doc(hidden)]
    fn pool(memory: &Memory) -> &Mutex<Vec<Vec<Self>>>;
}

macro_rules! element {
    ($($(#[$cfg:meta])? $element:ident),*) => {$(
        $(#[$cfg])?
        impl Element for $element {
            fn pool(memory: &Memory) -> &Mutex<Vec<Vec<Self>>> {
                &memory.0.$element
            }
        }
    )*};
}

element!(
    f32,
    #[cfg(any(test, feature = "f64"))]
    f64,
    u8
);

/// A buffer that returns to its [`Memory`] when it is dropped.
#[derive(Debug)]
pub(crate) struct Buffer<T: Element> {
    data: Vec<T>,
    length: usize,
    memory: Memory,
}

impl<T: Element> Buffer<T> {
    /// Changes the length to `length`; contents are then unspecified.
    pub(crate) fn resize(&mut self, length: usize) {
        if length > self.data.len() {
            *self = self.memory.clone().buffer(length);
        }
        self.length = length;
    }
}

impl<T: Element> Deref for Buffer<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.data[..self.length]
    }
}

impl<T: Element> DerefMut for Buffer<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.data[..self.length]
    }
}

impl<T: Element> Drop for Buffer<T> {
    fn drop(&mut self) {
        if !self.data.is_empty() {
            self.memory.give(std::mem::take(&mut self.data));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_buffer_is_used_again_where_it_fits() {
        let memory = Memory::default();
        let first = memory.buffer::<f32>(1000);
        let at = first.as_ptr();
        drop(first);
        let second = memory.buffer::<f32>(900);
        assert_eq!((second.as_ptr(), second.len()), (at, 900));
        // `second` still uses the first buffer, so this is another one.
        assert_ne!(memory.buffer::<f32>(900).as_ptr(), at);
        drop(second);
        assert_eq!(memory.buffer::<u8>(5).len(), 5);
    }

    #[test]
    fn no_more_than_the_capacity_is_kept() {
        let memory = Memory::default();
        let buffers: Vec<Buffer<u8>> = (0..CAPACITY + 9).map(|_| memory.buffer(10)).collect();
        drop(buffers);
        assert_eq!(memory.0.u8.lock().unwrap().len(), CAPACITY);
    }
}
