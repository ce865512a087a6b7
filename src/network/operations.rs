//! A whole network prepared for running: its layers before the last pooling, that pooling, and the
//! layers on the pooled vector.

use super::{
    Layer,
    after_pooling::AfterPooling,
    graph::Graph,
    operation::{Pooling, pooling},
    source::Source,
};

/// All layers of a network.
#[derive(Debug)]
pub(super) struct Operations {
    /// The layers before the last pooling.
    pub graph: Graph,
    pub pooling: Pooling,
    /// The layers after it.
    pub after: AfterPooling,
}

impl Operations {
    /// From a checked list.
    pub fn new(layers: &[Layer], num_features: usize, weights: Source) -> Self {
        let at = layers.iter().rposition(Layer::is_pooling);
        let at = at.expect("a checked list pools");
        let graph = Graph::new(layers, num_features, weights);
        Operations {
            graph: match weights.is_int8() {
                true => graph.int8(layers, weights),
                false => graph,
            },
            pooling: pooling(&layers[at]).expect("found above"),
            after: AfterPooling::new(layers, at, weights),
        }
    }
}
