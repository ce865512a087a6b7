//! Rounds the weights of a Conv1d, Conv2d or Linear to i8, in PyTorch's layout.
//!
//! A weight w is first multiplied by the range r of its input channel, the largest activation that the
//! channel's u8 can hold. Then it is rounded: w·r ≈ step_o·q, with q from −127 to 127 and one step for
//! each output o. So channels of any scale share one sum.

use super::levels::ROUND;

/// Weights in i8.
#[derive(Debug, Default)]
pub struct Rounded {
    /// q `(C_out, C_in, K)`.
    pub values: Vec<i8>,
    /// `(C_out,)`
    pub steps: Vec<f32>,
    /// `(C_out,)`: the biases, corrected.
    pub bias: Vec<f32>,
}

impl Rounded {
    /// Adds the outputs of a weight `(C_out, C_in, K)`; of a Conv2d, K is the taps over bins times
    /// those over frames. `ranges` and `means` `(C_in,)` are those of the inputs.
    ///
    /// For inputs that average `means`, rounding the weights shifts the outputs. The bias corrects
    /// this, which removes most of the error (Nagel et al. 2019, "Data-free quantization").
    pub fn add(&mut self, weight: &[f32], bias: &[f32], ranges: &[f32], means: &[f32]) {
        let taps = weight.len() / (bias.len() * ranges.len());
        let mut scaled = vec![0.0f32; ranges.len() * taps];
        for (row, bias) in weight.chunks_exact(ranges.len() * taps).zip(bias) {
            for (k, scaled) in scaled.iter_mut().enumerate() {
                *scaled = row[k] * ranges[k / taps];
            }
            let largest = scaled.iter().fold(0.0f32, |max, w| max.max(w.abs()));
            // A row of zeros has no step; any will do.
            let step = if largest > 0.0 { largest / 127.0 } else { 1.0 };
            let mut lost = 0.0f64;
            for (i, taps_of_one) in scaled.chunks_exact(taps).enumerate() {
                let mut rounded_off = 0.0;
                for w in taps_of_one {
                    // Rounds to nearest like the activations; `round_ties_even` would be a function
                    // call.
                    let q = (w / step + ROUND).to_bits() as i32 - ROUND.to_bits() as i32;
                    rounded_off += w - q as f32 * step;
                    self.values.push(q as i8);
                }
                lost += f64::from(rounded_off * (means[i] / ranges[i]));
            }
            self.steps.push(step);
            self.bias.push(bias + lost as f32);
        }
    }

    /// The weights in f32: q·step/r.
    pub fn to_f32(values: &[i8], steps: &[f32], ranges: &[f32], out: &mut Vec<f32>) {
        let per_row = values.len() / steps.len();
        let taps = per_row / ranges.len();
        for (row, step) in values.chunks_exact(per_row).zip(steps) {
            let each_input = row.chunks_exact(taps).zip(ranges);
            out.extend(each_input.flat_map(|(taps, range)| {
                let scale = step / range;
                taps.iter().map(move |q| f32::from(*q) * scale)
            }));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounded_weights_come_back_within_half_a_step_and_round_to_themselves() {
        let weight: Vec<f32> = (0..2 * 3 * 5)
            .map(|i| ((i * 37 % 29) as f32 - 14.0) / 7.0)
            .collect();
        let (ranges, means) = ([0.5, 2.0, 8.0], [0.0; 3]);
        let mut rounded = Rounded::default();
        rounded.add(&weight, &[1.0, -1.0], &ranges, &means);
        assert_eq!(rounded.bias, [1.0, -1.0]);
        let mut back = vec![];
        Rounded::to_f32(&rounded.values, &rounded.steps, &ranges, &mut back);
        for (at, (w, back)) in weight.iter().zip(&back).enumerate() {
            let half_a_step = 0.5 * rounded.steps[at / 15] / ranges[at % 15 / 5];
            assert!((w - back).abs() <= 1.001 * half_a_step, "{at}: {w} {back}");
        }
        let mut again = Rounded::default();
        again.add(&back, &[1.0, -1.0], &ranges, &means);
        assert_eq!(again.values, rounded.values);
    }
}
