//! The definition of every kernel as a plain loop in f64 (or exact integers). Tests compare all
//! instances with it.

use super::{
    Channel, MfccPlan, Outer, PANEL_ROWS, Packed, PackedInt8, Panel, Probes, Quantiser, Steps,
};
use realfft::RealFftPlanner;
use std::f64::consts::TAU;

/// `y[t] = act(bias + Σ_k W_k x[t·s + k·d])`.
pub fn affine(x: &[f32], weights: &Packed, steps: Steps, y: &mut [f32]) {
    let (c_in, c_out) = (weights.c_in, weights.c_out);
    for (t, out) in y.chunks_mut(weights.out_stride).enumerate() {
        for (o, value) in out[..c_out].iter_mut().enumerate() {
            let panel = weights.panel(o / weights.nr);
            let mut sum = f64::from(weights.bias()[o]);
            for k in 0..weights.taps {
                let start = (t * steps.stride + k * steps.dilation) * weights.in_stride;
                let row = &x[start..][..c_in];
                for (i, &xi) in row.iter().enumerate() {
                    let w = panel[(k * c_in + i) * weights.nr + o % weights.nr];
                    sum += f64::from(xi) * f64::from(w);
                }
            }
            *value = if steps.relu {
                sum.max(0.0) as f32
            } else {
                sum as f32
            };
        }
    }
}

/// `g[i, o] += Σ_t x[t, i] · dy[t, o]`.
pub fn outer(job: Outer, g: &mut [f32]) {
    for (row, i) in (job.inputs.0..job.inputs.1).enumerate() {
        for o in 0..job.c_out {
            let products = job.dy.chunks_exact(job.c_out).enumerate();
            let sum: f64 = products
                .map(|(t, dy)| f64::from(job.x[t * job.x_step + i]) * f64::from(dy[o]))
                .sum();
            g[row * job.c_out + o] += sum as f32;
        }
    }
}

/// `bounds[q, r] = scale[r]·Σ_i w[q,i]·cell[i,r] + constant[r] + norm[q]·residual[r]`, and the
/// maximum over r for each q.
pub fn scan(panel: Panel, probes: Probes, bounds: &mut [f32], peaks: &mut [f32]) {
    let size = panel.cells.len() / PANEL_ROWS;
    for (q, norm) in probes.norms.iter().enumerate() {
        let row = &mut bounds[q * PANEL_ROWS..][..PANEL_ROWS];
        for (r, bound) in row.iter_mut().enumerate() {
            let products = probes.weights[q * size..][..size].iter().enumerate();
            let sum: f64 = products
                .map(|(i, &w)| f64::from(w) * f64::from(panel.cells[i * PANEL_ROWS + r]))
                .sum();
            let rest =
                f64::from(panel.constant[r]) + f64::from(*norm) * f64::from(panel.residual[r]);
            *bound = (f64::from(panel.scale[r]) * sum + rest) as f32;
        }
        peaks[q] = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    }
}

/// For each frame: subtract the mean, pre-emphasis, window, |DFT|² of the bins below Nyquist, mel
/// filters, ln, DCT.
pub fn mfcc(plan: &MfccPlan, frames: &[&[f32]], out: &mut [f32]) {
    let n = plan.fft_size;
    let turns: Vec<(f64, f64)> = (0..n)
        .map(|i| (TAU * i as f64 / n as f64).sin_cos())
        .collect();
    let bin = |samples: &[f64], bin: usize| {
        let (mut re, mut im) = (0.0, 0.0);
        for (i, x) in samples.iter().enumerate() {
            let (sin, cos) = turns[i * bin % n];
            re += x * cos;
            im -= x * sin;
        }
        re * re + im * im
    };
    mfcc_from(plan, frames, out, |samples| {
        (0..n / 2).map(|k| bin(samples, k)).collect()
    });
}

/// As [`mfcc`], but with an FFT in f32, of any size.
pub fn mfcc_of_any_size(plan: &MfccPlan, frames: &[&[f32]], out: &mut [f32]) {
    let fft = RealFftPlanner::<f32>::new().plan_fft_forward(plan.fft_size);
    let (mut padded, mut bins) = (fft.make_input_vec(), fft.make_output_vec());
    let mut scratch = fft.make_scratch_vec();
    mfcc_from(plan, frames, out, |samples| {
        padded.fill(0.0);
        for (to, x) in padded.iter_mut().zip(samples) {
            *to = *x as f32;
        }
        fft.process_with_scratch(&mut padded, &mut bins, &mut scratch)
            .expect("all buffers are made for this size");
        let bins = &bins[..plan.fft_size / 2];
        bins.iter().map(|x| f64::from(x.norm_sqr())).collect()
    });
}

/// `spectrum` computes |DFT|² of the bins below Nyquist from the samples of a frame, without the
/// zeros that follow them.
fn mfcc_from(
    plan: &MfccPlan,
    frames: &[&[f32]],
    out: &mut [f32],
    mut spectrum: impl FnMut(&[f64]) -> Vec<f64>,
) {
    let ln = |x: f64, floor: f32| x.max(f64::from(floor)).min(f64::from(plan.bounds.1)).ln();
    for (frame, out) in frames.iter().zip(out.chunks_exact_mut(plan.num_channels)) {
        let mut samples: Vec<f64> = frame.iter().map(|&x| f64::from(x)).collect();
        if plan.remove_mean {
            let mean = samples.iter().sum::<f64>() / samples.len() as f64;
            samples.iter_mut().for_each(|x| *x -= mean);
        }
        let raw_energy: f64 = samples.iter().map(|x| x * x).sum();
        for i in (0..samples.len()).rev() {
            let emphasised = samples[i] - f64::from(plan.preemph_coeff) * samples[i.max(1) - 1];
            samples[i] = emphasised * 2.0 * f64::from(plan.window.as_flattened()[i]);
        }
        let mut power = spectrum(&samples);
        if plan.magnitude {
            power.iter_mut().for_each(|p| *p = p.sqrt());
        }
        if plan.filters.is_empty() {
            let bins = out.iter_mut().zip(power);
            bins.for_each(|(bin, power)| *bin = power as f32);
            continue;
        }
        let log_mel = plan.filters.iter().map(|(first, weights)| {
            let terms = power[*first..].iter().zip(weights);
            ln(terms.map(|(p, &w)| p * f64::from(w)).sum(), plan.bounds.0)
        });
        let log_mel: Vec<f64> = log_mel.collect();
        for (c, value) in out.iter_mut().enumerate() {
            *value = match (plan.channel(c), plan.energy) {
                (Channel::Output(k), _) => plan.output(&log_mel, k),
                (Channel::Energy, None) => 0.0,
                (Channel::Energy, Some(energy)) => match energy.raw_scale {
                    Some(scale) => ln(raw_energy * f64::from(scale), energy.floor),
                    None => ln(samples.iter().map(|x| x * x).sum(), energy.floor),
                },
            } as f32;
        }
    }
}

/// e to the power of every value.
pub fn exp(values: &mut [f32]) {
    values
        .iter_mut()
        .for_each(|x| *x = f64::from(*x).exp() as f32);
}

/// Mean of each column, `(T, C) -> (C)`.
pub fn means(x: &[f32], means: &mut [f32]) {
    let channels = means.len();
    for (c, mean) in means.iter_mut().enumerate() {
        let column = x.iter().skip(c).step_by(channels);
        let sum: f64 = column.map(|&x| f64::from(x)).sum();
        *mean = (sum / (x.len() / channels) as f64) as f32;
    }
}

/// Biased variance of each column in f64. Computes the means itself instead of using the rounded
/// `_means`.
pub fn variances(x: &[f32], _means: &[f32], variances: &mut [f32]) {
    let channels = variances.len();
    let frames = (x.len() / channels) as f64;
    for (c, variance) in variances.iter_mut().enumerate() {
        let column = x.iter().skip(c).step_by(channels).map(|&x| f64::from(x));
        let mean = column.clone().sum::<f64>() / frames;
        *variance = (column.map(|x| (x - mean).powi(2)).sum::<f64>() / frames) as f32;
    }
}

/// u8 = x·scale + shift per channel, rounded (ties to even) and clamped to 0..=255; one u8 per
/// word, in rows of `stride`.
pub fn quantise(x: &[f32], quantiser: &Quantiser, y: &mut [i32], stride: usize) {
    let channels = quantiser.scale.len();
    for (t, row) in x.chunks_exact(channels).enumerate() {
        for (c, value) in row.iter().enumerate() {
            let v = value * quantiser.scale[c] + quantiser.shift[c];
            y[t * stride + c] = rounded(v);
        }
    }
}

/// Sums in i32, then `sum·scale + bias` rounded to u8; one u8 per word.
pub fn affine_int8(x: &[i32], weights: &PackedInt8, steps: Steps, y: &mut [i32]) {
    let mut scaled = vec![0.0; y.len()];
    affine_int8_to_f32(x, weights, steps, &mut scaled);
    let rows = y.chunks_mut(weights.out_stride);
    for (y, v) in rows.zip(scaled.chunks(weights.out_stride)) {
        for o in 0..weights.c_out {
            y[o] = rounded(v[o]);
        }
    }
}

/// Sums in i32, then `act(sum·scale + bias)`. Reads weights and activations packed in groups of any
/// size.
pub fn affine_int8_to_f32(x: &[i32], weights: &PackedInt8, steps: Steps, y: &mut [f32]) {
    let (c_in, group, nr) = (weights.c_in, weights.group, weights.nr);
    let words = c_in.div_ceil(group);
    let bits = 32 / group;
    let (scale, bias) = weights.scale_and_bias();
    for (t, out) in y.chunks_mut(weights.out_stride).enumerate() {
        for (o, value) in out[..weights.c_out].iter_mut().enumerate() {
            let panel = weights.panel(o / nr);
            let mut sum = weights.offset()[o];
            for k in 0..weights.taps {
                let row =
                    &x[(t * steps.stride + k * steps.dilation) * weights.in_stride..][..words];
                for i in 0..c_in {
                    let w = panel[(k * words + i / group) * nr + o % nr];
                    let at = i % group * bits;
                    // Sign-extended from the bits of one weight.
                    let q = w << (32 - bits - at) >> (32 - bits);
                    sum += (row[i / group] >> at & 0xFF) * q;
                }
            }
            let v = sum as f32 * scale[o] + bias[o];
            *value = if steps.relu && v < 0.0 { 0.0 } else { v };
        }
    }
}

fn rounded(v: f32) -> i32 {
    v.clamp(0.0, 255.0).round_ties_even() as i32
}
