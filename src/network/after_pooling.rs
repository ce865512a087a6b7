//! The layers after the pooling, prepared for running: from pooled vectors to embeddings.
//!
//! They may branch: a layer can name the pooling, or any layer after it, as what it reads.
//!
//! ```text
//! statistics (D,) ─┬─ linear ──────────────────┬─ concat ─► embedding (E,)
//!                  └─ linear ─ linear ─ relu … ┘
//! ```

use super::{
    Layer,
    join::{self, Rows},
    operation::{Operation, one_operation},
    source::Source,
};
use std::borrow::Cow;
use zeroize::Zeroize;

/// All layers after the pooling. Values are numbered: value 0 is the pooled vector, each step makes
/// the next one, and the last one is the embedding.
#[derive(Debug)]
pub(super) struct AfterPooling {
    steps: Vec<Step>,
}

#[derive(Debug)]
struct Step {
    work: Work,
    /// Numbers of the values that it reads.
    inputs: Vec<usize>,
    /// Numbers of those inputs that no later step reads. They are freed after this step.
    freed: Vec<usize>,
}

#[derive(Debug)]
enum Work {
    Map(Operation),
    Channels { first: usize, count: usize },
    Concat,
    Add,
    Multiply,
}

impl AfterPooling {
    /// Prepares the layers of a checked list whose last pooling is at index `pooling`.
    pub fn new(layers: &[Layer], pooling: usize, weights: Source) -> Self {
        let after = layers.iter().enumerate().skip(pooling + 1);
        let step = |(index, layer): (usize, &Layer)| Step {
            work: match *layer {
                Layer::Channels { first, count, .. } => Work::Channels { first, count },
                Layer::Concat { .. } => Work::Concat,
                Layer::Add { .. } => Work::Add,
                Layer::Multiply { .. } => Work::Multiply,
                _ => Work::Map(one_operation(layer, index, weights.in_f32())),
            },
            inputs: layer.reads(index).map(|read| read - pooling).collect(),
            freed: vec![],
        };
        let mut steps: Vec<Step> = after.map(step).collect();
        let mut is_read = vec![false; steps.len() + 1];
        for step in steps.iter_mut().rev() {
            for input in &step.inputs {
                if !std::mem::replace(&mut is_read[*input], true) {
                    step.freed.push(*input);
                }
            }
        }
        AfterPooling { steps }
    }

    /// Whether a value is the pooled vector or some of its channels. These are no part of an embedding.
    fn is_of_statistics(&self, value: usize) -> bool {
        match value.checked_sub(1).map(|step| &self.steps[step]) {
            None => true,
            Some(step) => matches!(step.work, Work::Channels { .. }) && step.inputs == [0],
        }
    }

    /// Runs on `count` = N pooled vectors at once, so that the weights are read once. `(N, D) -> (N, E)`
    pub fn run(&self, pooled: Vec<f32>, count: usize) -> Vec<f32> {
        let all = Cow::Borrowed(&pooled[..]);
        let mut values = vec![all.clone()];
        for step in &self.steps {
            let inputs: Vec<&[f32]> = step.inputs.iter().map(|n| &values[*n][..]).collect();
            let is_all = |width: usize| step.inputs == [0] && width * count == pooled.len();
            values.push(match step.work {
                Work::Channels { count, .. } if is_all(count) => all.clone(),
                _ => Cow::Owned(step.work.apply(&inputs, count)),
            });
            for freed in &step.freed {
                let value = std::mem::take(&mut values[*freed]);
                if let (Cow::Owned(mut value), false) = (value, self.is_of_statistics(*freed)) {
                    value.zeroize(); // part of an embedding
                }
            }
        }
        values.swap_remove(self.steps.len()).into_owned()
    }
}

impl Work {
    /// Computes `count` rows from `count` rows of each input.
    fn apply(&self, inputs: &[&[f32]], count: usize) -> Vec<f32> {
        let widths = || inputs.iter().map(|x| x.len() / count);
        let rows = inputs.iter().zip(widths()).map(|(values, width)| Rows {
            frames_each: Some(1),
            values,
            first: 0,
            width,
        });
        let (x, of_x) = (inputs[0], inputs[0].len() / count);
        let width = match self {
            Work::Map(operation) => operation.width(of_x),
            Work::Channels { count, .. } => *count,
            Work::Concat => widths().sum(),
            Work::Add | Work::Multiply => of_x,
        };
        // It has its full size from the start: a vector that grows would leave parts of an
        // embedding in freed memory.
        let mut y = vec![0.0; count * width];
        match self {
            Work::Map(operation) => operation.apply(x, &mut y),
            Work::Channels { first, .. } => {
                for (y, x) in y.chunks_exact_mut(width).zip(x.chunks_exact(of_x)) {
                    y.copy_from_slice(&x[*first..][..width]);
                }
            }
            Work::Concat => join::concat(0, &mut y, width, rows),
            Work::Add => join::values(0, &mut y, width, rows, |a, b| a + b),
            Work::Multiply => join::values(0, &mut y, width, rows, |a, b| a * b),
        }
        y
    }
}
