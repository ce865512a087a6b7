//! Keeps buffers that nobody uses now for later calls, because new memory costs page faults.

use std::{ops::RangeInclusive, sync::Mutex};

/// Keeps buffers of f32 values, whatever they hold.
#[derive(Debug)]
pub struct Idle {
    buffers: Mutex<Vec<Vec<f32>>>,
    /// Largest number of buffers that are kept.
    most: usize,
    /// Capacities of the buffers that are kept, in values.
    capacities: RangeInclusive<usize>,
}

impl Idle {
    /// Without any buffers yet.
    pub const fn new(most: usize, capacities: RangeInclusive<usize>) -> Self {
        Idle {
            buffers: Mutex::new(vec![]),
            most,
            capacities,
        }
    }

    /// The smallest buffer with room for `len` values, if there is one.
    pub fn take(&self, len: usize) -> Option<Vec<f32>> {
        // After a panic elsewhere the buffers are still good: they hold no state.
        let mut buffers = self.buffers.lock().unwrap_or_else(|held| held.into_inner());
        let fitting = (0..buffers.len()).filter(|at| buffers[*at].capacity() >= len);
        let smallest = fitting.min_by_key(|at| buffers[*at].capacity());
        smallest.map(|at| buffers.swap_remove(at))
    }

    /// A buffer of `len` values. It can hold anything, so all must be written.
    pub fn buffer(&self, len: usize) -> Vec<f32> {
        let mut buffer = self.take(len).unwrap_or_default();
        buffer.resize(len, 0.0);
        buffer
    }

    /// Keeps the buffer. If there are too many, the smallest is dropped, which costs least to make anew.
    pub fn give_back(&self, buffer: Vec<f32>) {
        if !self.capacities.contains(&buffer.capacity()) {
            return;
        }
        let mut buffers = self.buffers.lock().unwrap_or_else(|held| held.into_inner());
        buffers.push(buffer);
        if buffers.len() > self.most {
            let smallest = (0..buffers.len()).min_by_key(|at| buffers[*at].capacity());
            smallest.map(|at| buffers.swap_remove(at));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Idle;

    #[test]
    fn the_smallest_that_fits_is_taken_and_the_largest_are_kept() {
        let idle = Idle::new(2, 10..=1000);
        for capacity in [5, 100, 20, 2000, 50] {
            idle.give_back(Vec::with_capacity(capacity));
        }
        assert!(idle.take(101).is_none());
        assert_eq!(idle.take(10).unwrap().capacity(), 50);
        assert_eq!(idle.take(10).unwrap().capacity(), 100);
        assert!(idle.take(10).is_none());
    }
}
