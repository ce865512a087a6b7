//! Joins several networks, each with a pair head, into one network with one head.
//!
//! A member's layers become a group of channels in one list of layers, its whitening becomes part of
//! the last Linear, and the head normalises each member's part of the embedding separately. The logit
//! is the mean of the members' log-likelihood ratios (Dietterich 2000, "Ensemble methods").

use crate::{
    Error, Result,
    network::{Affine, Layer, Network, Weights},
    scoring::{PairHead, Projection},
};
use half::f16;

/// Joins `members` into one network whose score is the mean of theirs; `num_features` is C_in. A
/// single member stays as it is.
///
/// # Errors
/// [`Error::Usage`] for networks that differ in their layers.
pub fn join(
    mut members: Vec<(Network, PairHead)>,
    num_features: usize,
) -> Result<(Network, PairHead)> {
    if members.len() == 1 {
        return Ok(members.remove(0));
    }
    let of_one = |(network, head): &(Network, PairHead)| -> Vec<Layer> {
        let mut one = network.layers().to_vec();
        for layer in &mut one {
            if let Layer::Linear { out_features, .. } = layer {
                // The size of the embedding after the whitening, which becomes part of this layer.
                *out_features = head.voice_size();
            }
        }
        one
    };
    let layers = of_one(&members[0]);
    if members.iter().any(|member| of_one(member) != layers) {
        return Err(Error::Usage(
            "these networks differ in their layers; only networks of one architecture are joined"
                .into(),
        ));
    }
    let mut joined = vec![];
    let mut weights = Weights::new();
    for (index, mut layer) in grouped(&layers, members.len()).into_iter().enumerate() {
        let tensor = |name: &str| format!("{index}.{name}");
        if let Layer::Linear { out_features, .. } = &mut layer {
            let (weight, bias) = whitened(&members, index);
            *out_features = bias.len();
            weights.insert(tensor("weight"), weight);
            weights.insert(tensor("bias"), bias);
        } else {
            for (name, _) in layer.tensors() {
                let of =
                    |(network, _): &(Network, PairHead)| network.weights()[&tensor(name)].clone();
                weights.insert(tensor(name), members.iter().flat_map(of).collect());
            }
        }
        joined.push(layer);
    }
    let network = rounded(joined, weights, num_features)?;
    let head = mean_of_heads(&members);
    head.check(network.embedding_size())?;
    Ok((network, head))
}

/// The network and its head, with the whitening as part of the last Linear. Both stay as they are
/// if there is no whitening, or another last layer.
///
/// # Errors
/// As [`Network::new`].
pub(super) fn whitened_inside(network: &Network, head: &PairHead) -> Result<(Network, PairHead)> {
    let is_outside = head.projection.whiten.is_some() && last_groups(network).is_some();
    if !is_outside {
        return Ok((network.as_made(), head.clone()));
    }
    let members = [(network.as_made(), head.clone())];
    let index = network.layers().len() - 1;
    let (mut layers, mut weights) = (network.layers().to_vec(), network.weights().clone());
    let (weight, bias) = whitened(&members, index);
    if let Some(Layer::Linear { out_features, .. }) = layers.last_mut() {
        *out_features = bias.len();
    }
    weights.insert(format!("{index}.weight"), weight);
    weights.insert(format!("{index}.bias"), bias);
    let network = rounded(layers, weights, network.num_features())?;
    Ok((network, mean_of_heads(&members)))
}

/// Whether the whitening is part of the last Linear and there is no joint embedding.
pub(super) fn is_whitened_inside(network: &Network, head: &PairHead) -> bool {
    head.projection.whiten.is_none() && last_groups(network) == Some(head.projection.groups)
}

/// The groups of the last layer, if it is a Linear.
fn last_groups(network: &Network) -> Option<usize> {
    match network.layers().last()? {
        Layer::Linear { groups, .. } => Some(*groups),
        _ => None,
    }
}

/// Rounds all values to the nearest F16, which halves the model file. Its 11 bits are more exact than
/// training is. If F16 cannot hold one of the values, all stay as they are.
pub fn round(values: &mut [f32]) {
    let halves: Vec<f32> = values.iter().map(|v| f16::from_f32(*v).to_f32()).collect();
    if halves.iter().all(|half| half.is_finite()) {
        values.copy_from_slice(&halves);
    }
}

/// The network with its weights rounded to what a model file keeps.
///
/// # Errors
/// As [`Network::new`].
pub(super) fn rounded(
    layers: Vec<Layer>,
    mut weights: Weights,
    num_features: usize,
) -> Result<Network> {
    weights.values_mut().for_each(|values| round(values));
    Network::new(layers, weights, num_features)
}

/// Whether the layer is the first one with weights. It reads the features, which all groups share.
fn sees_features(layers: &[Layer], index: usize) -> bool {
    layers[..index].iter().all(|l| Affine::of(l).is_none())
}

/// The layers of `count` networks together, from those of one.
fn grouped(layers: &[Layer], count: usize) -> Vec<Layer> {
    let of_each = layers.iter().enumerate();
    of_each
        .map(|(index, layer)| with_groups(layer, count, sees_features(layers, index)))
        .collect()
}

/// A layer of one group, changed to `count` groups.
fn with_groups(layer: &Layer, count: usize, sees_features: bool) -> Layer {
    let mut layer = layer.clone();
    let scaled = |size: &mut usize| *size *= count;
    match &mut layer {
        Layer::Conv1d(conv) => {
            scaled(&mut conv.out_channels);
            if !sees_features {
                scaled(&mut conv.in_channels);
                conv.groups = count;
            }
        }
        Layer::StatsPool { groups, .. } => *groups = count,
        Layer::Linear {
            in_features,
            out_features,
            groups,
        } => {
            scaled(in_features);
            scaled(out_features);
            *groups = count;
        }
        _ => {}
    }
    layer
}

/// Weight and bias of the last Linear with the whitening in it: `W_n·(A_n·x + b_n − mean_n)` for each
/// member n, one group each.
fn whitened(members: &[(Network, PairHead)], index: usize) -> (Vec<f32>, Vec<f32>) {
    let (mut weight, mut bias) = (vec![], vec![]);
    for (network, head) in members {
        let a = &network.weights()[&format!("{index}.weight")];
        let b = &network.weights()[&format!("{index}.bias")];
        let in_features = a.len() / b.len();
        for whiten in head
            .projection
            .whitening()
            .chunks_exact(head.projection.embedding_size())
        {
            let mut own = vec![0.0f64; in_features];
            let mut shift = 0.0f64;
            for (d, w) in whiten.iter().map(|w| f64::from(*w)).enumerate() {
                for (sum, a) in own.iter_mut().zip(&a[d * in_features..]) {
                    *sum += w * f64::from(*a);
                }
                shift += w * (f64::from(b[d]) - f64::from(head.projection.mean[d]));
            }
            weight.extend(own.iter().map(|value| *value as f32));
            bias.push(shift as f32);
        }
    }
    (weight, bias)
}

/// The head for an embedding that is whitened already: the mean of the members' log-likelihood ratios.
fn mean_of_heads(members: &[(Network, PairHead)]) -> PairHead {
    let share = 1.0 / members.len() as f32;
    let size = members.iter().map(|(_, head)| head.voice_size()).sum();
    let half = |second: bool| {
        members.iter().flat_map(move |(_, head)| {
            let (product, squares) = head.weight.split_at(head.size());
            let weights = if second { squares } else { product };
            weights[..head.voice_size()].iter().map(move |w| w * share)
        })
    };
    let groups = members.iter().map(|(_, head)| head.projection.groups).sum();
    let weight = half(false).chain(half(true)).collect();
    let mut mean = PairHead::new(Projection::identity(size, groups), weight);
    let llr_bias =
        |(_, head): &(Network, PairHead)| head.bias - (head.prior / (1.0 - head.prior)).ln();
    mean.bias = members.iter().map(|member| llr_bias(member) * share).sum();
    mean
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        features::Features,
        train::{options::ArchitectureOptions, tape::Trainable},
    };

    fn member(seed: u64, pool: &str) -> (Network, PairHead) {
        let architecture = ArchitectureOptions {
            channels: 8,
            embedding_size: 6,
            pool: pool.into(),
            ..ArchitectureOptions::default()
        };
        let trainable = Trainable::new(architecture.layers(5).unwrap(), seed);
        let (layers, weights) =
            crate::network::fold_batch_norms(&trainable.layers, &trainable.weights);
        let value = |i: usize| ((i as f32 + 1.0) * (seed as f32 + 0.7)).sin();
        let projection = Projection::new(
            (0..6).map(|i| 0.1 * value(i)).collect(),
            Some((0..24).map(value).collect()),
        );
        let weight = (0..8).map(|i| 0.1 * value(i + 3)).collect();
        let mut head = PairHead::new(projection, weight);
        (head.bias, head.prior) = (value(40), 0.2);
        (Network::new(layers, weights, 5).unwrap(), head)
    }

    /// The LLR of two utterances.
    fn llr((network, head): &(Network, PairHead)) -> f32 {
        let [a, b] = [1, 2].map(|seed: usize| {
            let values = (0..5 * 60).map(|i| ((i * (seed + 3)) as f32 * 0.37).sin());
            let features = Features::new(values.collect(), 5);
            head.project(&network.embed(&features))
        });
        head.llr(&a, &b)
    }

    #[test]
    fn joined_members_say_the_mean_of_what_they_say_alone() {
        for pool in ["stats", "mean"] {
            let members = || vec![member(1, pool), member(2, pool), member(3, pool)];
            let (network, head) = join(members(), 5).unwrap();
            let wanted: f32 = members().iter().map(llr).sum::<f32>() / 3.0;
            let got = llr(&(network, head));
            // Weights are rounded to 11 bits.
            assert!(
                (got - wanted).abs() < 0.01,
                "{pool}: {got}, wanted {wanted}"
            );
        }
    }

    #[test]
    fn a_whitening_may_become_part_of_the_last_layer() {
        let outside = member(1, "stats");
        let inside = whitened_inside(&outside.0, &outside.1).unwrap();
        assert!(
            is_whitened_inside(&inside.0, &inside.1) && !is_whitened_inside(&outside.0, &outside.1)
        );
        let (got, wanted) = (llr(&inside), llr(&outside));
        // Weights are rounded to 11 bits.
        assert!((got - wanted).abs() < 0.01, "{got}, not {wanted}");
    }

    #[test]
    fn rounding_keeps_what_it_cannot_reach() {
        let mut values = [0.1f32, 1.0];
        round(&mut values);
        assert_eq!(values[1], 1.0);
        assert!(values[0] != 0.1 && (values[0] - 0.1).abs() < 1e-4);
        let mut large = [0.1f32, 1e6];
        round(&mut large);
        assert_eq!(large, [0.1, 1e6]);
    }
}
