//! Folds BatchNorm layers into their neighbours for inference: fewer layers that compute the same
//! function.
//!
//! With running statistics, a BatchNorm is x·scale + shift per channel. It is folded into the
//! Conv1d or Linear before it (rows of the weight) or after it (columns). Folding into the next
//! layer is possible only without padding, because the padded zeros are not shifted, and without
//! groups. A BatchNorm without a suitable neighbour stays, and so does one whose neighbour another
//! layer reads as well.

use super::{Affine, Layer, Weights, source::Source};

/// Returns the same network with every BatchNorm folded where possible.
///
/// The BatchNorm of a Conv2d has one feature for each of its channels, not for each channel of each
/// bin: it must be folded, and is.
pub fn fold_batch_norms(layers: &[Layer], weights: &Weights) -> (Vec<Layer>, Weights) {
    let mut kept: Vec<(Layer, usize)> = layers.iter().cloned().zip(0..).collect();
    let mut weights = weights.clone();
    // For each layer of the list, the layer that now gives its output.
    let mut now: Vec<usize> = (0..layers.len()).collect();
    let names = |now: &[usize], index: usize| {
        let mut named = layers.iter().flat_map(Layer::named);
        named.any(|name| now.get(*name) == Some(&index))
    };
    let mut at = 0;
    while at < kept.len() {
        let (layer, index) = &kept[at];
        let Layer::BatchNorm { num_features, eps } = *layer else {
            at += 1;
            continue;
        };
        let (scale, shift) = scale_and_shift(Source::Weights(&weights), *index, eps);
        let index = *index;
        let previous = at.checked_sub(1).map(|at| &kept[at]);
        let next = kept.get(at + 1);
        if let Some((before, to)) = previous
            && num_outputs(before) == Some(num_features)
            && !names(&now, *to)
        {
            into_previous(&mut weights, *to, &scale, &shift);
            now[index] = *to;
        } else if let Some((after, to)) = next
            && takes_shift(after, num_features)
            && !names(&now, index)
        {
            into_next(&mut weights, *to, &scale, &shift);
        } else {
            at += 1;
            continue;
        }
        kept.remove(at);
        for name in ["weight", "bias", "running_mean", "running_var"] {
            weights.remove(&format!("{index}.{name}"));
        }
    }
    let mut renamed = Weights::new();
    let mut new_index = vec![0; layers.len()];
    for (new, (layer, old)) in kept.iter().enumerate() {
        new_index[*old] = new;
        for (name, _) in layer.tensors() {
            if let Some(values) = weights.remove(&format!("{old}.{name}")) {
                renamed.insert(format!("{new}.{name}"), values);
            }
        }
    }
    for name in kept.iter_mut().flat_map(|(layer, _)| layer.named_mut()) {
        *name = new_index[now[*name]];
    }
    (kept.into_iter().map(|(layer, _)| layer).collect(), renamed)
}

/// C_out of a Conv1d, Conv2d or Linear.
fn num_outputs(layer: &Layer) -> Option<usize> {
    match layer {
        Layer::Conv2d(conv) => Some(conv.out_channels),
        _ => Affine::of(layer).map(|affine| affine.shape.0),
    }
}

/// scale = weight/sqrt(var + eps), shift = bias − mean·scale.
pub(super) fn scale_and_shift(weights: Source, index: usize, eps: f32) -> (Vec<f32>, Vec<f32>) {
    let tensor = |name: &str| -> Vec<f32> {
        let mut room = vec![];
        weights
            .values(&format!("{index}.{name}"), &mut room)
            .to_vec()
    };
    let (weight, bias) = (tensor("weight"), tensor("bias"));
    let (mean, var) = (tensor("running_mean"), tensor("running_var"));
    let scale: Vec<f32> = weight
        .iter()
        .zip(&var)
        .map(|(w, v)| w / (v + eps).sqrt())
        .collect();
    let shift = bias
        .iter()
        .zip(&mean)
        .zip(&scale)
        .map(|((b, m), s)| b - m * s)
        .collect();
    (scale, shift)
}

fn takes_shift(layer: &Layer, num_features: usize) -> bool {
    Affine::of(layer).is_some_and(|affine| {
        affine.padding == 0 && affine.groups == 1 && affine.shape.1 == num_features
    })
}

/// W' = scale·W, b' = scale·b + shift, per output.
fn into_previous(weights: &mut Weights, index: usize, scale: &[f32], shift: &[f32]) {
    if let Some(weight) = weights.get_mut(&format!("{index}.weight")) {
        let per_output = weight.len() / scale.len();
        for (row, s) in weight.chunks_exact_mut(per_output).zip(scale) {
            row.iter_mut().for_each(|w| *w *= s);
        }
    }
    if let Some(bias) = weights.get_mut(&format!("{index}.bias")) {
        for ((b, s), t) in bias.iter_mut().zip(scale).zip(shift) {
            *b = *b * s + t;
        }
    }
}

/// W'[o, i, k] = W[o, i, k]·scale[i], b'[o] = b[o] + Σ W[o, i, k]·shift[i].
fn into_next(weights: &mut Weights, index: usize, scale: &[f32], shift: &[f32]) {
    let (weight_name, bias_name) = (format!("{index}.weight"), format!("{index}.bias"));
    let mut weight = weights.remove(&weight_name).unwrap_or_default();
    if let Some(bias) = weights.get_mut(&bias_name) {
        let per_output = weight.len() / bias.len();
        let taps = per_output / scale.len();
        for (row, b) in weight.chunks_exact_mut(per_output).zip(bias) {
            let mut sum = f64::from(*b);
            for (i, run) in row.chunks_exact_mut(taps).enumerate() {
                for w in run {
                    sum += f64::from(*w) * f64::from(shift[i]);
                    *w *= scale[i];
                }
            }
            *b = sum as f32;
        }
    }
    weights.insert(weight_name, weight);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        features::Features,
        network::{Conv1dOptions, Network, reference::some_weights},
    };

    #[test]
    fn a_folded_network_computes_the_same() {
        let layers = vec![
            Layer::batch_norm(2, 1e-5),
            Layer::Conv1d(Conv1dOptions {
                padding: 1,
                ..Conv1dOptions::new(2, 3, 2)
            }),
            Layer::Relu,
            Layer::batch_norm(3, 1e-5),
            Layer::Conv1d(Conv1dOptions {
                dilation: 2,
                ..Conv1dOptions::new(3, 2, 2)
            }),
            Layer::batch_norm(2, 1e-5),
            Layer::stats_pool(1e-5),
            Layer::batch_norm(4, 1e-5),
            Layer::linear(4, 2),
        ];
        let weights = some_weights(&layers);
        let features = Features::new((0..14).map(|i| (i as f32).sin()).collect(), 2);
        let (folded_layers, folded_weights) = fold_batch_norms(&layers, &weights);
        let kinds: Vec<_> = folded_layers.iter().map(Layer::kind).collect();
        // The first BatchNorm stays: the layer after it has padding, and there is none before it.
        assert_eq!(
            kinds,
            [
                "batch_norm",
                "conv1d",
                "relu",
                "conv1d",
                "stats_pool",
                "linear"
            ]
        );
        let wanted = Network::new(layers, weights, 2).unwrap().embed(&features);
        let got = Network::new(folded_layers, folded_weights, 2)
            .unwrap()
            .embed(&features);
        for (g, w) in got.iter().zip(&wanted) {
            assert!((g - w).abs() < 1e-5, "{got:?} {wanted:?}");
        }
    }
}
