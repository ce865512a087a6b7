//! The parameters of a pair head in training, made from a head and turned back into one.

use super::plda;
use crate::scoring::{PairHead, Projection, log_odds};
use nalgebra::DMatrix;

/// The trained numbers, or their gradient.
#[derive(Debug, Clone)]
pub(super) struct Parameters {
    pub whiten: DMatrix<f64>, // (L, D)
    pub outputs: Vec<Output>,
}

/// One linear output.
#[derive(Debug, Clone)]
pub(super) struct Output {
    pub product: Vec<f64>, // (L,)
    pub squares: Vec<f64>, // (L,)
    pub bias: f64,
}

/// One number for each block of parameters, such as the unit that its values move in.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scales {
    pub whiten: f64,
    pub weight: f64,
    pub bias: f64,
}

impl Parameters {
    /// The parameters of a head, at this prior. Two outputs start as minus half and plus half of the
    /// logit, so that their difference is the logit.
    pub fn of(head: &PairHead, prior: f64, num_outputs: usize) -> Self {
        let size = head.size();
        let whiten = head.projection.whitening();
        let whiten = whiten.iter().map(|&w| f64::from(w));
        let bias = f64::from(head.bias) - log_odds(f64::from(head.prior)) + log_odds(prior);
        let output = |share: f64| {
            let weight: Vec<f64> = head.weight.iter().map(|&w| share * f64::from(w)).collect();
            Output {
                product: weight[..size].to_vec(),
                squares: weight[size..].to_vec(),
                bias: share * bias,
            }
        };
        Parameters {
            whiten: DMatrix::from_row_iterator(size, head.projection.embedding_size(), whiten),
            outputs: match num_outputs {
                1 => vec![output(1.0)],
                _ => vec![output(-0.5), output(0.5)],
            },
        }
    }

    /// Makes a head of the parameters. Its logit is the output, or the difference of two outputs.
    pub fn into_head(self, from: &PairHead, prior: f64) -> PairHead {
        let mut outputs = self.outputs.into_iter();
        let first = outputs.next().expect("one output or two");
        let logit = match outputs.next() {
            None => first,
            Some(same) => {
                let minus = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a - b).collect();
                Output {
                    product: minus(&same.product, &first.product),
                    squares: minus(&same.squares, &first.squares),
                    bias: same.bias - first.bias,
                }
            }
        };
        let whiten = plda::to_f32(self.whiten.transpose().as_slice());
        let projection = Projection::new(from.projection.mean.clone(), Some(whiten));
        let weight = plda::to_f32(&[logit.product, logit.squares].concat());
        let mut head = PairHead::new(projection, weight);
        (head.bias, head.prior) = (logit.bias as f32, prior as f32);
        head
    }

    /// Changes every output to scale·output + offset.
    pub fn rescale(&mut self, scale: f64, offset: f64) {
        for output in &mut self.outputs {
            let weights = output.product.iter_mut().chain(&mut output.squares);
            weights.for_each(|w| *w *= scale);
            output.bias = scale * output.bias + offset;
        }
    }

    /// The unit of each block. Each of two outputs has half the unit for its bias, because their
    /// difference is the logit.
    pub fn scales(&self) -> Scales {
        let rms = |v: &[f64]| (v.iter().map(|x| x * x).sum::<f64>() / v.len() as f64).sqrt();
        Scales {
            whiten: rms(self.whiten.as_slice()),
            weight: rms(&self.outputs[0].product),
            bias: 1.0 / self.outputs.len() as f64,
        }
    }

    pub fn flat_len(&self) -> usize {
        self.flat().count()
    }

    /// Every number in one order: whitening, then each output's weights and bias.
    pub fn flat(&self) -> impl Iterator<Item = f64> {
        let numbers_of = |o: &Output| {
            let weights = o.product.iter().chain(&o.squares);
            weights.chain([&o.bias]).copied().collect::<Vec<_>>()
        };
        let outputs = self.outputs.iter().flat_map(numbers_of);
        self.whiten.iter().copied().chain(outputs)
    }

    pub fn flat_mut(&mut self) -> impl Iterator<Item = &mut f64> {
        let outputs = self.outputs.iter_mut().flat_map(|o| {
            let weights = o.product.iter_mut().chain(&mut o.squares);
            weights.chain([&mut o.bias])
        });
        self.whiten.iter_mut().chain(outputs)
    }

    /// The unit of each number, in the order of [`Self::flat`].
    pub fn per_block(&self, units: &Scales) -> impl Iterator<Item = f64> + use<> {
        let (weight, bias) = (units.weight, units.bias);
        let per_output = 2 * self.outputs[0].product.len();
        let outputs = (0..self.outputs.len())
            .flat_map(move |_| std::iter::repeat_n(weight, per_output).chain([bias]));
        std::iter::repeat_n(units.whiten, self.whiten.len()).chain(outputs)
    }
}
