//! A whole network prepared for running: its operations before the pooling, in branches or as a
//! graph, its pooling, and its operations on the pooled vector.

use super::{
    Affine, Layer,
    after_pooling::AfterPooling,
    graph::{Graph, is_graph},
    operation::{Operation, Pooling, operations, pooling},
    shape,
    source::Source,
};

/// All operations of a network, in order.
#[derive(Debug)]
pub(super) struct Operations {
    /// Operations on frames, in parallel branches of separate channels up to the pooling. There is
    /// one branch, or one per group of channels, which keeps the activations and weights of a group
    /// in the cache. All branches have the same strides, dilations and padding.
    pub branches: Vec<Vec<Operation>>,
    /// The layers before the pooling, if they are more than a list: then there are no branches.
    pub graph: Option<Graph>,
    pub pooling: Pooling,
    /// The layers after it.
    pub after: AfterPooling,
}

impl Operations {
    /// One operation per layer of a checked list, except that a ReLU is merged into the affine map
    /// before it.
    pub fn new(layers: &[Layer], num_features: usize, weights: Source) -> Self {
        match weights.is_int8() {
            true => Self::int8(layers, num_features, weights),
            false => Self::not_quantised(layers, num_features, weights),
        }
    }

    /// As [`Self::new`], but layers that run in int8 have no weights yet.
    pub fn not_quantised(layers: &[Layer], num_features: usize, weights: Source) -> Self {
        if !is_graph(layers) {
            return Self::in_branches(layers, weights, num_branches(layers));
        }
        let at = layers.iter().rposition(Layer::is_pooling);
        let at = at.expect("a checked list pools");
        let outputs = shape::outputs(layers, num_features).expect("checked before");
        Operations {
            branches: vec![],
            graph: Some(Graph::new(layers, &outputs, at, num_features, weights)),
            pooling: pooling(&layers[at]).expect("found above"),
            after: AfterPooling::new(layers, at, weights),
        }
    }

    /// As [`Self::new`], with all channels in one branch.
    pub fn in_one_branch(layers: &[Layer], weights: Source) -> Self {
        Self::in_branches(layers, weights, 1)
    }

    fn in_branches(layers: &[Layer], weights: Source, count: usize) -> Self {
        let at = layers.iter().position(Layer::is_pooling);
        let at = at.expect("a checked list pools once");
        Operations {
            branches: operations(&layers[..at], 0, weights, count),
            graph: None,
            pooling: pooling(&layers[at]).expect("found above"),
            after: AfterPooling::new(layers, at, weights),
        }
    }
}

/// Number of branches before the pooling. If all Conv1d and Linear layers after the first have the same
/// number of groups, each group is a branch, and the outputs of the first layer are divided among them.
/// Otherwise there is one branch.
fn num_branches(layers: &[Layer]) -> usize {
    let at = layers.iter().position(Layer::is_pooling);
    let (before, pooling) = layers.split_at(at.unwrap_or(layers.len()));
    let mut groups = before.iter().filter_map(Affine::of).map(|a| a.groups);
    let first_is_whole = before.first().and_then(Affine::of).is_some() && groups.next() == Some(1);
    match groups.next() {
        Some(count)
            if first_is_whole
                && groups.all(|other| other == count)
                && !matches!(pooling.first(), Some(Layer::Flatten { .. })) =>
        {
            count
        }
        _ => 1,
    }
}
