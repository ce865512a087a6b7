//! Joins the outputs of several nodes, frame by frame: sums, products, and channels side by side.

use super::Input;

/// The frames of an input that were computed: values, number of the first frame, width.
pub type Rows<'a> = (&'a Input, (&'a [f32], isize, usize));

/// Joins the inputs, two or more, value by value: `(T, C), (T, C) or (C), … -> (T, C)`. The first
/// frame of `y` is frame `start`.
pub fn values<'a>(
    start: isize,
    y: &mut [f32],
    width: usize,
    inputs: impl Iterator<Item = Rows<'a>>,
    operation: impl Fn(f32, f32) -> f32,
) {
    let row = |(input, (x, first, _)): Rows<'a>, t: isize| {
        let row = (input.frame(t) - first) as usize;
        &x[row * width..][..width]
    };
    let inputs: Vec<Rows> = inputs.collect();
    for (t, y) in (start..).zip(y.chunks_exact_mut(width)) {
        let both = row(inputs[0], t).iter().zip(row(inputs[1], t));
        for (y, (a, b)) in y.iter_mut().zip(both) {
            *y = operation(*a, *b);
        }
        for other in &inputs[2..] {
            for (y, x) in y.iter_mut().zip(row(*other, t)) {
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
    for (input, (x, first, of)) in inputs {
        for (t, y) in (start..).zip(y.chunks_exact_mut(width)) {
            let row = (input.frame(t) - first) as usize;
            y[at..at + of].copy_from_slice(&x[row * of..][..of]);
        }
        at += of;
    }
}
