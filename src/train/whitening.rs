//! Moves the whitening of a head into the last Linear of its network. A joint embedding, which has a
//! whitening of its own, can then stand beside the network's embedding.

use super::rounding;
use crate::{
    Result,
    network::{Layer, Network},
    scoring::{PairHead, Projection},
};

/// The network and its head, with the whitening as part of the last Linear. Both stay as they are
/// if there is no whitening, or another last layer.
///
/// # Errors
/// As [`Network::new`].
pub(super) fn whitened_inside(network: &Network, head: &PairHead) -> Result<(Network, PairHead)> {
    let network = network.as_made();
    if head.projection.whiten.is_none() || last_groups(&network).is_none() {
        return Ok((network, head.clone()));
    }
    let index = network.layers().len() - 1;
    let (mut layers, mut weights) = (network.layers().to_vec(), network.weights().clone());
    let (weight, bias) = whitened(&network, head, index);
    if let Some(Layer::Linear { out_features, .. }) = layers.last_mut() {
        *out_features = bias.len();
    }
    weights.insert(format!("{index}.weight"), weight);
    weights.insert(format!("{index}.bias"), bias);
    let network = rounding::rounded(layers, weights, network.num_features())?;
    Ok((network, without_whitening(head)))
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

/// Weight and bias of the last Linear with the whitening in it: `W·(A·x + b − mean)`.
fn whitened(network: &Network, head: &PairHead, index: usize) -> (Vec<f32>, Vec<f32>) {
    let a = &network.weights()[&format!("{index}.weight")];
    let b = &network.weights()[&format!("{index}.bias")];
    let in_features = a.len() / b.len();
    let projection = &head.projection;
    let (mut weight, mut bias) = (vec![], vec![]);
    for row in (projection.whitening()).chunks_exact(projection.embedding_size()) {
        let mut sums = vec![0.0f64; in_features];
        let mut shift = 0.0f64;
        for (d, w) in row.iter().map(|w| f64::from(*w)).enumerate() {
            for (sum, a) in sums.iter_mut().zip(&a[d * in_features..]) {
                *sum += w * f64::from(*a);
            }
            shift += w * (f64::from(b[d]) - f64::from(projection.mean[d]));
        }
        weight.extend(sums.iter().map(|value| *value as f32));
        bias.push(shift as f32);
    }
    (weight, bias)
}

/// The head for an embedding that is whitened already. It gives log-likelihood ratios.
fn without_whitening(head: &PairHead) -> PairHead {
    let size = head.voice_size();
    let halves = head.weight.chunks_exact(head.size());
    let weight = halves.flat_map(|half| &half[..size]).copied().collect();
    let projection = Projection::identity(size, head.projection.groups);
    let mut inside = PairHead::new(projection, weight);
    inside.bias = head.bias - (head.prior / (1.0 - head.prior)).ln();
    inside
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        features::Features,
        network::fold_batch_norms,
        train::{options::ArchitectureOptions, tape::Trainable},
    };

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
    fn a_whitening_may_become_part_of_the_last_layer() {
        let architecture = ArchitectureOptions {
            channels: 8,
            embedding_size: 6,
            ..ArchitectureOptions::default()
        };
        let trainable = Trainable::new(architecture.layers(5).unwrap(), 1);
        let (layers, weights) = fold_batch_norms(&trainable.layers, &trainable.weights);
        let value = |i: usize| ((i as f32 + 1.0) * 1.7).sin();
        let mean = (0..6).map(|i| 0.1 * value(i)).collect();
        let projection = Projection::new(mean, Some((0..24).map(value).collect()));
        let mut head = PairHead::new(projection, (0..8).map(|i| 0.1 * value(i + 3)).collect());
        (head.bias, head.prior) = (value(40), 0.2);
        let outside = (Network::new(layers, weights, 5).unwrap(), head);

        let inside = whitened_inside(&outside.0, &outside.1).unwrap();
        assert!(!is_whitened_inside(&outside.0, &outside.1));
        assert!(is_whitened_inside(&inside.0, &inside.1));
        let (got, wanted) = (llr(&inside), llr(&outside));
        // Weights are rounded to 11 bits.
        assert!((got - wanted).abs() < 0.01, "{got}, not {wanted}");
    }
}
