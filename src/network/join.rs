//! Joins the outputs of several layers, frame by frame: sums, products, and channels side by side.

/// The frames of an input that were computed.
#[derive(Clone, Copy)]
pub struct Rows<'a> {
    /// How many consecutive frames of the output read the same frame of this input. None if all
    /// read its only frame.
    pub frames_each: Option<usize>,
    /// `(frames, width)`
    pub values: &'a [f32],
    /// Number of the first frame.
    pub first: isize,
    pub width: usize,
}

impl<'a> Rows<'a> {
    /// The frame of the input that frame `t` reads, `(width,)`.
    fn row(&self, t: isize) -> &'a [f32] {
        let row = (frame_read(self.frames_each, t) - self.first) as usize;
        &self.values[row * self.width..][..self.width]
    }
}

/// The frame of an input that frame `t` of the output reads. `frames_each` is as in [`Rows`].
pub fn frame_read(frames_each: Option<usize>, t: isize) -> isize {
    frames_each.map_or(0, |each| t / each as isize)
}

/// Joins the inputs, two or more, value by value: `(T, C), (T, C) or (C), … -> (T, C)`. The first
/// frame of `y` is frame `start`.
pub fn values<'a>(
    start: isize,
    y: &mut [f32],
    width: usize,
    inputs: impl Iterator<Item = Rows<'a>>,
    operation: impl Fn(f32, f32) -> f32,
) {
    let inputs: Vec<Rows> = inputs.collect();
    for (t, y) in (start..).zip(y.chunks_exact_mut(width)) {
        let both = inputs[0].row(t).iter().zip(inputs[1].row(t));
        for (y, (a, b)) in y.iter_mut().zip(both) {
            *y = operation(*a, *b);
        }
        for other in &inputs[2..] {
            for (y, x) in y.iter_mut().zip(other.row(t)) {
                *y = operation(*y, *x);
            }
        }
    }
}

/// Lays the channels of the inputs side by side: `(T, C_1), (T, C_2) or (C_2), … -> (T, width)`. The first
/// frame of `y` is frame `start`.
pub fn concat<'a>(
    start: isize,
    y: &mut [f32],
    width: usize,
    inputs: impl Iterator<Item = Rows<'a>>,
) {
    let mut at = 0;
    for rows in inputs {
        for (t, y) in (start..).zip(y.chunks_exact_mut(width)) {
            y[at..at + rows.width].copy_from_slice(rows.row(t));
        }
        at += rows.width;
    }
}
