//! The kernels as plain loops, in f64 or whole sums: definition and oracle.

use super::{Outer, Packed, PackedInt8, Quantiser, Steps};

/// `y[t] = act(bias + Σ_k W_k x[t·s + k·d])`.
pub fn affine(x: &[f32], weights: &Packed, steps: Steps, y: &mut [f32]) {
    let (c_in, c_out) = (weights.c_in, weights.c_out);
    for (t, out) in y.chunks_exact_mut(c_out).enumerate() {
        for (o, value) in out.iter_mut().enumerate() {
            let panel = weights.panel(o / weights.nr);
            let mut sum = f64::from(weights.bias()[o]);
            for k in 0..weights.taps {
                let row = &x[(t * steps.stride + k * steps.dilation) * c_in..][..c_in];
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

/// u8 = x·inverse + zero per channel, rounded (halves to even), within 0..=255; one to a word.
pub fn quantise(x: &[f32], quantiser: &Quantiser, y: &mut [i32]) {
    let channels = quantiser.inverse.len();
    for (t, row) in x.chunks_exact(channels).enumerate() {
        for (c, value) in row.iter().enumerate() {
            let v = value * quantiser.inverse[c] + f32::from(quantiser.zero);
            y[t * channels + c] = rounded(v);
        }
    }
}

/// Sums in i32, `sum·scale + bias` rounded to u8; one to a word.
pub fn affine_int8(x: &[i32], weights: &PackedInt8, steps: Steps, y: &mut [i32]) {
    let mut scaled = vec![0.0; y.len()];
    affine_int8_to_f32(x, weights, steps, &mut scaled);
    for (y, v) in y.iter_mut().zip(scaled) {
        *y = rounded(v);
    }
}

/// Sums in i32, `act(sum·scale + bias)`. Weights may be packed in groups, and activations with them.
pub fn affine_int8_to_f32(x: &[i32], weights: &PackedInt8, steps: Steps, y: &mut [f32]) {
    let (c_in, group, nr) = (weights.c_in, weights.group, weights.nr);
    let words = c_in.div_ceil(group);
    let bits = 32 / group;
    let (scale, bias) = weights.scale_and_bias();
    for (t, out) in y.chunks_exact_mut(weights.c_out).enumerate() {
        for (o, value) in out.iter_mut().enumerate() {
            let panel = weights.panel(o / nr);
            let mut sum = weights.offset()[o];
            for k in 0..weights.taps {
                let row = &x[(t * steps.stride + k * steps.dilation) * words..][..words];
                for i in 0..c_in {
                    let w = panel[(k * words + i / group) * nr + o % nr];
                    let at = i % group * bits;
                    // Sign-extended from the group's bits.
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
