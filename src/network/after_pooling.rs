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
    operation::{Operation, operations},
    source::Source,
};
use std::borrow::Cow;
use zeroize::Zeroize;

/// All layers after the pooling.
#[derive(Debug)]
pub(super) struct AfterPooling {
    steps: Vec<Step>,
    /// The value that is the embedding. Value 0 is the pooled vector; each step makes the next one.
    output: usize,
}

#[derive(Debug)]
struct Step {
    work: Work,
    /// The values that it reads.
    inputs: Vec<usize>,
    /// Those of them that no later step reads.
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
    /// From a checked list whose last pooling is at index `pooling`.
    pub fn new(layers: &[Layer], pooling: usize, weights: Source) -> Self {
        let mut steps: Vec<Step> = vec![];
        // The value of the pooling, then of each layer after it.
        let mut of_layer = vec![0];
        for (index, layer) in layers.iter().enumerate().skip(pooling + 1) {
            let named = layer.named().iter().map(|named| of_layer[named - pooling]);
            let mut inputs: Vec<usize> = named.collect();
            let work = match *layer {
                Layer::Channels { first, count, .. } => Work::Channels { first, count },
                Layer::Concat { .. } => Work::Concat,
                Layer::Add { .. } => Work::Add,
                Layer::Multiply { .. } => Work::Multiply,
                _ => {
                    inputs.push(of_layer[of_layer.len() - 1]);
                    let own = std::slice::from_ref(layer);
                    let mut operations = operations(own, index, weights.in_f32(), 1);
                    Work::Map(operations.remove(0).remove(0))
                }
            };
            let freed = vec![];
            steps.push(Step {
                work,
                inputs,
                freed,
            });
            of_layer.push(steps.len());
        }
        let mut is_read = vec![false; steps.len() + 1];
        for step in steps.iter_mut().rev() {
            for input in &step.inputs {
                if !std::mem::replace(&mut is_read[*input], true) {
                    step.freed.push(*input);
                }
            }
        }
        AfterPooling {
            output: steps.len(),
            steps,
        }
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
            let is_all = |own: usize| step.inputs == [0] && own * count == pooled.len();
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
        values.swap_remove(self.output).into_owned()
    }
}

impl Work {
    // Outputs have their whole capacity from the start: a vector that grows leaves its old contents in freed
    // memory.

    /// `count` rows of each input to `count` rows.
    fn apply(&self, inputs: &[&[f32]], count: usize) -> Vec<f32> {
        let x = inputs[0];
        let width = x.len() / count;
        let elementwise = |of: fn(f32, f32) -> f32| {
            let mut y = x.to_vec();
            for other in &inputs[1..] {
                y.iter_mut().zip(*other).for_each(|(y, x)| *y = of(*y, *x));
            }
            y
        };
        match *self {
            Work::Map(ref operation) => {
                let mut y = vec![0.0; count * operation.width(width)];
                operation.apply(x, &mut y);
                y
            }
            Work::Channels { first, count: own } => {
                let mut y = Vec::with_capacity(count * own);
                for row in x.chunks_exact(width) {
                    y.extend_from_slice(&row[first..first + own]);
                }
                y
            }
            Work::Concat => {
                let mut y = Vec::with_capacity(inputs.iter().map(|x| x.len()).sum());
                for n in 0..count {
                    for x in inputs {
                        let width = x.len() / count;
                        y.extend_from_slice(&x[n * width..][..width]);
                    }
                }
                y
            }
            Work::Add => elementwise(|a, b| a + b),
            Work::Multiply => elementwise(|a, b| a * b),
        }
    }
}
