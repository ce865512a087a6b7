//! Losses of pair heads: the loss and its gradient for the outputs of one pair, in forms that cannot
//! overflow. Checks that a head has the number of outputs that its loss needs.
//!
//! | loss | outputs | answer |
//! | --- | --- | --- |
//! | BCE with logits | 1 logit | z |
//! | softmax cross-entropy | N ≥ 2; of a pair head "different" and "same" | z_same − z_different |
//! | mean squared error | 1 linear | a grade, made an LLR by calibration |

use super::{calibration::sigmoid, options::PairLoss};
use crate::{Error, Result, eval::sweep::softplus, remedy::Remedy};

impl PairLoss {
    /// Number of outputs that a pair head needs for this loss.
    pub fn num_outputs(self) -> usize {
        match self {
            PairLoss::Softmax => 2,
            PairLoss::Bce | PairLoss::Mse => 1,
        }
    }

    /// Refuses a number of outputs that does not suit the loss.
    ///
    /// # Errors
    /// [`Error::Refused`] or [`Error::Usage`] with the reason.
    pub fn check(self, num_outputs: usize) -> Result<()> {
        let error = match (self, num_outputs) {
            (PairLoss::Softmax, 1) => Error::refused(
                "softmax over one output is always 1 and always answers class 0, whatever the \
                 logit, and its gradient is 0",
                Remedy::Option(&[
                    "use ",
                    "head",
                    " bce with one logit, or softmax with two outputs",
                ]),
            ),
            (PairLoss::Bce, n) if n != 1 => Error::refused(
                "BCE takes one logit: sigmoids over several outputs are no distribution over \
                 answers that exclude each other",
                Remedy::Option(&["use ", "head", " softmax"]),
            ),
            (PairLoss::Mse, n) if n != 1 => Error::Usage(
                "mean squared error takes one linear output: a pair has one grade".into(),
            ),
            (PairLoss::Softmax, n) if n != 2 => {
                Error::Usage("a pair is of one speaker or of two: softmax takes two outputs".into())
            }
            _ => return Ok(()),
        };
        Err(error)
    }

    /// The loss of one pair. Replaces `outputs` by the gradient. `target` is 1 for the same speaker, 0
    /// for different ones, or the grade.
    pub fn of(self, outputs: &mut [f64], target: f64) -> f64 {
        match self {
            PairLoss::Bce => {
                let (loss, gradient) = bce(outputs[0], target);
                outputs[0] = gradient;
                loss
            }
            PairLoss::Softmax => softmax(outputs, usize::from(target > 0.5)),
            PairLoss::Mse => {
                let (loss, gradient) = mse(outputs[0], target);
                outputs[0] = gradient;
                loss
            }
        }
    }
}

/// Binary cross-entropy: the loss max(z, 0) − z·y + ln(1 + e^−|z|), and its gradient σ(z) − y. The
/// naive −ln σ(z) is infinite from z = −746 down in f64 (from −104 in f32), where σ(z) has become
/// 0.
pub fn bce(logit: f64, label: f64) -> (f64, f64) {
    (softplus(logit) - logit * label, sigmoid(logit) - label)
}

/// Softmax cross-entropy: returns the loss ln Σ e^(z − max) + max − z_class, and replaces the
/// logits, two or more, by its gradient: softmax − one-hot.
pub fn softmax(logits: &mut [f64], class: usize) -> f64 {
    let top = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let total: f64 = logits.iter().map(|z| (z - top).exp()).sum();
    let loss = total.ln() + top - logits[class];
    logits
        .iter_mut()
        .for_each(|z| *z = (*z - top).exp() / total);
    logits[class] -= 1.0;
    loss
}

/// Squared error: the loss (o − t)², and its gradient 2(o − t).
pub fn mse(output: f64, target: f64) -> (f64, f64) {
    let error = output - target;
    (error * error, 2.0 * error)
}

/// Pearson's correlation of outputs with grades; `None` if either does not vary.
pub fn pearson(outputs: &[f64], grades: &[f64]) -> Option<f64> {
    let count = outputs.len() as f64;
    let mean = |v: &[f64]| v.iter().sum::<f64>() / count;
    let (mean_o, mean_g) = (mean(outputs), mean(grades));
    let (mut product, mut square_o, mut square_g) = (0.0, 0.0, 0.0);
    for (o, g) in outputs.iter().zip(grades) {
        let (o, g) = (o - mean_o, g - mean_g);
        product += o * g;
        square_o += o * o;
        square_g += g * g;
    }
    let scale = (square_o * square_g).sqrt();
    (scale > 0.0).then(|| product / scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gradients_agree_with_central_differences() {
        for (loss, outputs, target) in [
            (PairLoss::Bce, vec![0.7], 1.0),
            (PairLoss::Bce, vec![-3.0], 1.0),
            (PairLoss::Bce, vec![2.0], 0.0),
            (PairLoss::Softmax, vec![0.3, -1.2], 1.0),
            (PairLoss::Softmax, vec![4.0, 1.0], 0.0),
            (PairLoss::Mse, vec![0.4], 0.9),
        ] {
            let mut gradient = outputs.clone();
            loss.of(&mut gradient, target);
            for k in 0..outputs.len() {
                let at = |delta: f64| {
                    let mut moved = outputs.clone();
                    moved[k] += delta;
                    loss.of(&mut moved, target)
                };
                let numeric = (at(1e-5) - at(-1e-5)) / 2e-5;
                assert!((numeric - gradient[k]).abs() < 1e-9, "{loss:?} {outputs:?}");
            }
        }
    }

    #[test]
    fn two_softmax_outputs_and_one_logit_agree() {
        for logit in [-800.0, -30.0, -0.5, 0.0, 1.0, 40.0, 900.0] {
            for label in [0, 1] {
                // Only the difference counts, wherever both stand.
                for shift in [-300.0, 0.0, 17.0] {
                    let mut two = [shift, shift + logit];
                    let loss = softmax(&mut two, label);
                    let (one_loss, one_gradient) = bce(logit, label as f64);
                    assert!((loss - one_loss).abs() < 1e-9, "{logit} {label}");
                    assert!((two[1] - one_gradient).abs() < 1e-12, "{logit} {label}");
                    assert!((two[0] + one_gradient).abs() < 1e-12, "{logit} {label}");
                }
            }
        }
    }

    #[test]
    fn the_logits_form_is_finite_where_sigmoid_then_log_is_not() {
        for (logit, label) in [(-800.0, 1.0), (800.0, 0.0)] {
            let p: f64 = 1.0 / (1.0 + f64::exp(-logit));
            let naive = -(label * p.ln() + (1.0 - label) * (1.0 - p).ln());
            assert!(!naive.is_finite(), "{naive}"); // ∞, or 0·−∞
            assert_eq!(
                bce(logit, label),
                (800.0, if label == 1.0 { -1.0 } else { 1.0 })
            );
        }
        // In f32, as networks compute, a logit of −104 is enough.
        let p = 1.0 / (1.0 + 104f32.exp());
        assert_eq!(-p.ln(), f32::INFINITY);
        assert_eq!(bce(-104.0, 1.0).0, 104.0);
    }

    #[test]
    fn softmax_over_one_output_says_nothing_and_is_refused_with_the_reason() {
        for logit in [-5.0, 0.0, 3.0] {
            let mut one = [logit];
            assert_eq!(softmax(&mut one, 0), 0.0); // no loss
            assert_eq!(one, [0.0]); // and nothing to learn from
        }
        let text = PairLoss::Softmax.check(1).unwrap_err().to_string();
        assert!(text.contains("always answers class 0"), "{text}");
        let text = PairLoss::Bce.check(3).unwrap_err().to_string();
        assert!(text.contains("one logit"), "{text}");
        assert!(PairLoss::Mse.check(2).is_err() && PairLoss::Softmax.check(3).is_err());
        for loss in [PairLoss::Bce, PairLoss::Softmax, PairLoss::Mse] {
            assert!(loss.check(loss.num_outputs()).is_ok());
        }
    }

    #[test]
    fn pearson_of_known_sequences() {
        assert!((pearson(&[1.0, 2.0, 4.0], &[2.0, 4.0, 8.0]).unwrap() - 1.0).abs() < 1e-12);
        assert!((pearson(&[1.0, 2.0, 3.0], &[3.0, 1.0, 2.0]).unwrap() + 0.5).abs() < 1e-12);
        assert_eq!(pearson(&[1.0, 1.0], &[0.0, 1.0]), None);
    }
}
