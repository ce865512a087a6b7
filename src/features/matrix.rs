//! [`Features`]: the frames of a recording as the networks take them.

/// `(T, C)` row-major, finite. T may be 0: compare it with the network's receptive field.
#[derive(Debug, Clone, PartialEq)]
pub struct Features {
    values: Vec<f32>,
    num_channels: usize,
}

impl Features {
    /// Takes `(T, C)` row-major values.
    ///
    /// # Panics
    /// If `values` is not a whole number of frames of `num_channels` (at least one).
    pub fn new(values: Vec<f32>, num_channels: usize) -> Self {
        assert!(
            values.len().is_multiple_of(num_channels) && num_channels > 0,
            "{} values are no whole frames of {num_channels} channels",
            values.len()
        );
        Features {
            values,
            num_channels,
        }
    }

    /// T.
    pub fn num_frames(&self) -> usize {
        self.values.len() / self.num_channels
    }

    /// C.
    pub fn num_channels(&self) -> usize {
        self.num_channels
    }

    /// `(T, C)` row-major.
    pub fn values(&self) -> &[f32] {
        &self.values
    }
}
