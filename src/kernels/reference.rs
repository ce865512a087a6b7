//! The kernels as plain loops, in f64 sums: definition and oracle.

use super::{Outer, PANEL_ROWS, Packed, Panel, Probes, Steps};

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

/// `bounds[q, r] = scale[r]·Σ_i w[q,i]·cell[i,r] + constant[r] + norm[q]·residual[r]`, and the largest
/// of each row of them.
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
