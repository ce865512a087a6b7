//! Several networks as one: members with a pair head each in, one network with one head out.
//!
//! A member's layers become a group of channels in one list of layers, its whitening goes into the
//! last Linear, and the head scales each member's part of the embedding for itself: the logit is
//! the mean of the members' log-likelihood ratios (Dietterich 2000, "Ensemble methods").

use super::options::TrainOptions;
use crate::{
    Error, Result,
    network::{Affine, Layer, Network, Weights},
    scoring::PairHead,
};
use half::f16;

/// One network that says what `members`, all of one list of layers, say on average; `num_features`
/// is C_in. A single one is left as it is.
///
/// # Errors
/// [`Error::Usage`] for an architecture that has no groups; see [`check`].
pub fn join(
    mut members: Vec<(Network, PairHead)>,
    num_features: usize,
) -> Result<(Network, PairHead)> {
    if members.len() == 1 {
        return Ok(members.remove(0));
    }
    let count = members.len();
    let layers = members[0].0.layers().to_vec();
    let mut joined = vec![];
    let mut weights = Weights::new();
    for (index, layer) in layers.iter().enumerate() {
        let tensor = |name: &str| format!("{index}.{name}");
        let all = |name: &str| -> Vec<f32> {
            let of = members
                .iter()
                .map(|(network, _)| &network.weights()[&tensor(name)][..]);
            of.collect::<Vec<_>>().concat()
        };
        joined.push(match *layer {
            Layer::Conv1d { .. } => {
                weights.insert(tensor("weight"), all("weight"));
                weights.insert(tensor("bias"), all("bias"));
                let is_first = !layers[..index].iter().any(|l| Affine::of(l).is_some());
                grouped(layer, count, is_first)
            }
            Layer::StatsPool { eps, .. } => Layer::StatsPool { eps, groups: count },
            Layer::Linear { in_features, .. } => {
                let (weight, bias) = whitened(&members, index, in_features);
                let out_features = bias.len();
                weights.insert(tensor("weight"), weight);
                weights.insert(tensor("bias"), bias);
                Layer::Linear {
                    in_features: count * in_features,
                    out_features,
                    groups: count,
                }
            }
            _ => layer.clone(),
        });
    }
    weights.values_mut().for_each(|values| round(values));
    let network = Network::new(joined, weights, num_features)?;
    let head = mean_head(&members);
    head.check(network.embedding_size())?;
    Ok((network, head))
}

/// Refuses options whose networks cannot be joined.
///
/// # Errors
/// [`Error::Usage`].
pub fn check(options: &TrainOptions) -> Result<()> {
    match options.architecture.pool.as_str() {
        "flatten" if !options.members.is_empty() => Err(Error::Usage(
            "several members want --pool stats or mean: flatten mixes frames and channels".into(),
        )),
        _ => Ok(()),
    }
}

/// To the nearest F16, in which a model file holds them at half the size; 11 bits are more than the
/// noise of training leaves. What F16 cannot reach stays.
pub fn round(values: &mut [f32]) {
    let halves: Vec<f32> = values.iter().map(|v| f16::from_f32(*v).to_f32()).collect();
    if halves.iter().all(|half| half.is_finite()) {
        values.copy_from_slice(&halves);
    }
}

fn grouped(layer: &Layer, count: usize, is_first: bool) -> Layer {
    let mut layer = layer.clone();
    if let Layer::Conv1d {
        in_channels,
        out_channels,
        groups,
        ..
    } = &mut layer
    {
        *out_channels *= count;
        // All members see the same features.
        if !is_first {
            *in_channels *= count;
            *groups = count;
        }
    }
    layer
}

/// `W_n·(A_n·x + b_n − mean_n)` of every member n, one group each.
fn whitened(
    members: &[(Network, PairHead)],
    index: usize,
    in_features: usize,
) -> (Vec<f32>, Vec<f32>) {
    let (mut weight, mut bias) = (vec![], vec![]);
    for (network, head) in members {
        let a = &network.weights()[&format!("{index}.weight")];
        let b = &network.weights()[&format!("{index}.bias")];
        for whiten in head.whitening().chunks_exact(head.mean.len()) {
            let mut own = vec![0.0f64; in_features];
            let mut shift = 0.0f64;
            for (d, w) in whiten.iter().map(|w| f64::from(*w)).enumerate() {
                for (sum, a) in own.iter_mut().zip(&a[d * in_features..]) {
                    *sum += w * f64::from(*a);
                }
                shift += w * (f64::from(b[d]) - f64::from(head.mean[d]));
            }
            weight.extend(own.iter().map(|value| *value as f32));
            bias.push(shift as f32);
        }
    }
    (weight, bias)
}

/// The mean of the members' log-likelihood ratios, of an embedding that is whitened already.
fn mean_head(members: &[(Network, PairHead)]) -> PairHead {
    let share = 1.0 / members.len() as f32;
    let sizes = members.iter().map(|(_, head)| head.size());
    let size: usize = sizes.sum();
    let half = |second: bool| {
        members.iter().flat_map(move |(_, head)| {
            let (product, squares) = head.weight.split_at(head.size());
            let weights = if second { squares } else { product };
            weights.iter().map(move |w| w * share)
        })
    };
    let llr_bias = |head: &PairHead| head.bias - (head.prior / (1.0 - head.prior)).ln();
    PairHead {
        mean: vec![0.0; size],
        whiten: None,
        weight: half(false).chain(half(true)).collect(),
        groups: members.len(),
        bias: members.iter().map(|(_, head)| llr_bias(head) * share).sum(),
        prior: 0.5,
        quality: None,
        cohort: None,
        knee: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        features::Features,
        train::{architecture::ArchitectureOptions, tape::Trainable},
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
        let head = PairHead {
            mean: (0..6).map(|i| 0.1 * value(i)).collect(),
            whiten: Some((0..24).map(value).collect()),
            weight: (0..8).map(|i| 0.1 * value(i + 3)).collect(),
            groups: 1,
            bias: value(40),
            prior: 0.2,
            quality: None,
            cohort: None,
            knee: None,
        };
        (Network::new(layers, weights, 5).unwrap(), head)
    }

    #[test]
    fn joined_members_say_the_mean_of_what_they_say_alone() {
        for pool in ["stats", "mean"] {
            let members = || vec![member(1, pool), member(2, pool), member(3, pool)];
            let (network, head) = join(members(), 5).unwrap();
            let features = |seed: usize| {
                let values = (0..5 * 60).map(|i| ((i * (seed + 3)) as f32 * 0.37).sin());
                Features::new(values.collect(), 5)
            };
            let (a, b) = (features(1), features(2));
            let llr = |network: &Network, head: &PairHead| {
                let [a, b] = [&a, &b].map(|x| head.project(&network.embed(x)));
                head.llr(&a, &b)
            };
            let wanted: f32 = members().iter().map(|(n, h)| llr(n, h)).sum::<f32>() / 3.0;
            let got = llr(&network, &head);
            // Weights are rounded to 11 bits.
            assert!(
                (got - wanted).abs() < 0.01,
                "{pool}: {got}, wanted {wanted}"
            );
        }
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
