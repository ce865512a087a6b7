//! Fits a joint embedding: one more part of a model's embedding, computed from the pooled
//! statistics of its network.
//!
//! ```text
//! statistics of the network (D,) ─hidden layer─► the teacher's directions (E,) ─LDA, PLDA─► (L,)
//! ```
//!
//! The network itself stays as it is. The map becomes a branch of layers after the pooling, beside
//! the network's own embedding, and the log-likelihood ratio of the joint embedding is added to the
//! score. It helps because the teacher was trained on far more sessions and telephone lines than
//! the network. The map learns the teacher's answers, as far as the network's statistics show them.

use super::{
    Labelled,
    descent::{Descent, Progress},
    hidden::{self, HiddenMap},
    options::JointOptions,
    plda::{self, PldaOptions},
    recipe, ridge, rounding, whitening,
};
use crate::{
    Error, Result,
    network::{Layer, Network},
    scoring::{PairHead, Projection},
};
use rayon::prelude::*;

/// Adds a joint embedding to a trained network and its head. The new network has it as the last
/// part of its embedding. The new head must be calibrated. `descent` has the recordings and a teacher's
/// vectors of them. `None` if `on_progress` stopped the fit by answering `false`.
///
/// # Errors
/// [`Error::Usage`] for a network that already has a joint embedding, for options that do not fit
/// it, and without a teacher.
pub fn fit(
    descent: &Descent,
    network: &Network,
    head: &PairHead,
    on_progress: &mut dyn FnMut(Progress) -> bool,
) -> Result<Option<(Network, PairHead)>> {
    let options = &descent.options.joint;
    let Some(teacher) = descent.teacher else {
        return Err(Error::Usage("a joint embedding needs a teacher".into()));
    };
    let (network, head) = &whitening::whitened_inside(network, head)?;
    check(network, head, options)?;
    let statistics = without_last(network)?;
    let taught: Vec<usize> = (0..descent.manifest.utterances.len())
        .filter(|u| teacher.direction(*u).is_some())
        .collect();
    let copies = (options.copies, options.copy_seconds);
    let embedded = recipe::embedded(descent, &statistics, &taught, copies, on_progress)?;
    let Some(embedded) = embedded else {
        return Ok(None);
    };
    let examples: Vec<(&[f32], &[f32])> = (embedded.utterance_of.iter().zip(&embedded.embeddings))
        .filter_map(|(u, x)| Some((&x[..], teacher.direction(*u)?)))
        .collect();
    if examples.is_empty() {
        return Err(Error::Usage("no recording could be read".into()));
    }
    let regression = ridge::fit(&examples, options.ridge)?;
    let map = hidden::fit(
        &embedded,
        &regression,
        teacher,
        descent.options,
        on_progress,
    )?;
    let Some(map) = map else {
        return Ok(None);
    };
    let (speakers, answers): (Vec<u32>, Vec<Vec<f32>>) = (embedded.utterance_of.par_iter())
        .zip(&embedded.embeddings)
        .filter(|(u, _)| descent.manifest.is_labelled(**u))
        .map(|(u, x)| (descent.manifest.utterances[*u].speaker, map.answer(x)))
        .unzip();
    let plda = PldaOptions {
        size: options.size,
        shrinkage: options.shrinkage,
        groups: options.size / size_per_network(head),
        ..PldaOptions::default()
    };
    let added = plda::fit_head(&Labelled::new(answers, &speakers)?, &plda)?;
    let map = HiddenMap {
        answer: map.answer.then(&added.projection),
        ..map
    };
    let network = with_map(network, &map)?;
    let head = with_share(head, &added, options.share);
    head.check(network.embedding_size())?;
    Ok(Some((network, head)))
}

/// Refuses a network that cannot get a joint embedding of this size.
fn check(network: &Network, head: &PairHead, options: &JointOptions) -> Result<()> {
    if !whitening::is_whitened_inside(network, head) {
        return Err(Error::Usage(
            "a joint embedding can be added only to a model that `train` made and that has none yet"
                .into(),
        ));
    }
    let per_network = size_per_network(head);
    if options.size == 0 || !options.size.is_multiple_of(per_network) {
        return Err(Error::Usage(format!(
            "training option joint.size: expected a multiple of {per_network}, the size of one \
             network's embedding"
        )));
    }
    Ok(())
}

/// The size of one network's embedding.
fn size_per_network(head: &PairHead) -> usize {
    head.voice_size() / head.projection.groups
}

/// The network without its last layer, a Linear.
pub fn without_last(network: &Network) -> Result<Network> {
    let last = network.layers().len() - 1;
    let of_last = format!("{last}.");
    let weights = network.weights().iter();
    let weights = weights.filter(|(name, _)| !name.starts_with(&of_last));
    let weights = weights.map(|(name, values)| (name.clone(), values.clone()));
    let layers = network.layers()[..last].to_vec();
    Network::new(layers, weights.collect(), network.num_features())
}

/// The network with `map` as a branch that reads the pooled statistics. Its embedding is the old
/// one, followed by the output of `map`.
fn with_map(network: &Network, map: &HiddenMap) -> Result<Network> {
    let mut layers = network.layers().to_vec();
    let mut weights = network.weights().clone();
    let embedding = layers.len() - 1;
    (map.bottleneck).append_branch(embedding - 1, &mut layers, &mut weights);
    map.units.append(&mut layers, &mut weights);
    layers.push(Layer::Relu);
    map.answer.append(&mut layers, &mut weights);
    let joint = layers.len() - 1;
    layers.push(Layer::concat([embedding, joint]));
    rounding::rounded(layers, weights, network.num_features())
}

/// The head whose score is that of `head` plus `share` times that of `added`.
fn with_share(head: &PairHead, added: &PairHead, share: f32) -> PairHead {
    let base = head.uncalibrated();
    let halves = base.weight.chunks_exact(base.size());
    let added_halves = added.weight.chunks_exact(added.size());
    let weight = halves.zip(added_halves).flat_map(|(base, added)| {
        base.iter()
            .copied()
            .chain(added.iter().map(move |w| w * share))
    });
    let groups = base.projection.groups + added.projection.groups;
    let size = base.size() + added.size();
    let mut head = PairHead::new(Projection::identity(size, groups), weight.collect());
    (head.bias, head.prior) = (base.bias + share * added.bias, base.prior);
    head
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        features::Features,
        network::fold_batch_norms,
        train::{options::ArchitectureOptions, ridge::LinearMap, tape::Trainable},
    };
    use nalgebra::{DMatrix, DVector};

    /// A network and its head.
    fn network_and_head() -> (Network, PairHead) {
        let architecture = ArchitectureOptions {
            channels: 8,
            embedding_size: 3,
            ..ArchitectureOptions::default()
        };
        let trainable = Trainable::new(architecture.layers(5).unwrap(), 1);
        let (layers, weights) = fold_batch_norms(&trainable.layers, &trainable.weights);
        let value = |i: usize| ((i as f32 + 1.0) * 1.7).sin();
        let projection = Projection::new(
            (0..3).map(|i| 0.1 * value(i)).collect(),
            Some((0..9).map(value).collect()),
        );
        let mut head = PairHead::new(projection, (0..6).map(|i| 0.1 * value(i + 3)).collect());
        head.bias = value(40);
        (Network::new(layers, weights, 5).unwrap(), head)
    }

    #[test]
    fn the_score_is_that_of_the_network_plus_a_share_of_the_joint_one() {
        let (network, head) = network_and_head();
        let (network, head) = whitening::whitened_inside(&network, &head).unwrap();
        let statistics = without_last(&network).unwrap();
        let value = |i: usize| (i as f64 * 1.7).sin();
        let linear = |inputs: usize, outputs: usize| LinearMap {
            weight: DMatrix::from_fn(outputs, inputs, |i, j| value(i + 5 * j)),
            bias: DVector::from_fn(outputs, |i, _| value(i + 99)),
        };
        let map = HiddenMap {
            bottleneck: linear(statistics.embedding_size(), 3),
            units: linear(3, 7),
            answer: linear(7, 4),
        };
        let whiten = (0..24).map(|i| value(i + 7) as f32).collect();
        let projection = Projection::new(vec![0.1, 0.2, -0.3, 0.0], Some(whiten));
        let weight = (0..12).map(|i| 0.1 * value(i) as f32).collect();
        let mut added = PairHead::new(projection, weight);
        (added.projection.groups, added.bias) = (2, 0.4);

        let projected = HiddenMap {
            answer: map.answer.then(&added.projection),
            bottleneck: map.bottleneck.clone(),
            units: map.units.clone(),
        };
        let joint = with_map(&network, &projected).unwrap();
        let whole = with_share(&head, &added, 0.25);
        whole.check(joint.embedding_size()).unwrap();
        let features = [3, 4].map(|seed: usize| {
            let values = (0..5 * 60).map(|i| ((i * seed) as f32 * 0.37).sin());
            Features::new(values.collect(), 5)
        });
        let llr = |head: &PairHead, embed: &dyn Fn(&Features) -> Vec<f32>| {
            let [a, b] = [&features[0], &features[1]].map(|x| head.project(&embed(x)));
            head.llr(&a, &b)
        };
        let of_map = llr(&added, &|x| map.answer(&statistics.embed(x)));
        let wanted = llr(&head, &|x| network.embed(x)) + 0.25 * of_map;
        let got = llr(&whole, &|x| joint.embed(x));
        // Weights are rounded to 11 bits.
        assert!((got - wanted).abs() < 0.02, "{got}, wanted {wanted}");
    }
}
