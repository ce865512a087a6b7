//! Builds the layer list of the network that is trained: the x-vector TDNN (Snyder et al. 2018), or
//! a residual network, whose convolutions go over mel bins and frames.

use super::{
    options::{ArchitectureOptions, ResidualOptions, TrainOptions},
    tape::Trainable,
};
use crate::{
    Error, Result,
    network::{Conv1dOptions, Conv2dOptions, Layer, Shapes, infer},
};

/// How many frames of 10 ms the pooling `flatten` keeps: two seconds.
const FLATTEN_FRAMES: usize = 200;

impl ArchitectureOptions {
    /// A TDNN has five Conv1d, each with activation and BatchNorm, then pooling, Linear to D,
    /// BatchNorm. The Conv1d have kernels of 5, 3, 3, 1 and 1 frames. The first has the stride, the
    /// second and the third have dilations of 2 and 3 frames of 10 ms, and the fifth has 3C
    /// channels. The fifth BatchNorm comes after the pooling. In a residual network, the layers of
    /// [`add_residual`] take the place of the first four, and the fifth has C channels.
    ///
    /// # Errors
    /// [`Error::Usage`] for an unknown activation or pooling.
    pub fn layers(&self, num_features: usize) -> Result<Vec<Layer>> {
        let activation = match self.activation.as_str() {
            "relu" => Layer::Relu,
            "leaky-relu" => Layer::leaky_relu(0.01),
            "sigmoid" => Layer::Sigmoid,
            "tanh" => Layer::Tanh,
            "identity" => Layer::Identity,
            other => {
                return Err(Error::Usage(format!(
                    "activation {other:?}: choose relu, leaky-relu, tanh, sigmoid or identity"
                )));
            }
        };
        let c = self.channels;
        let top = match self.residual {
            Some(_) => c,
            None => 3 * c,
        };
        let flatten_frames = FLATTEN_FRAMES.div_ceil(self.stride);
        let (pool, pooled) = match self.pool.as_str() {
            "stats" => (Layer::stats_pool(1e-5), 2 * top),
            "mean" => (Layer::MeanPool, top),
            "flatten" => (
                Layer::Flatten {
                    num_frames: flatten_frames,
                },
                flatten_frames * top,
            ),
            other => {
                return Err(Error::Usage(format!(
                    "pool {other:?}: choose stats, mean or flatten"
                )));
            }
        };
        // Dilations are given in frames of 10 ms. After a first layer with a stride, frames are further
        // apart, so smaller dilations cover the same time.
        let conv = |in_channels, out_channels, kernel_size, dilation: usize| {
            let dilation = dilation.div_ceil(self.stride);
            conv(in_channels, out_channels, kernel_size, dilation)
        };
        let mut layers = vec![];
        let width = match &self.residual {
            Some(residual) => add_residual(&mut layers, residual, num_features, self.stride),
            None => {
                let mut first = conv(num_features, c, 5, 1);
                if let Layer::Conv1d(conv) = &mut first {
                    conv.stride = self.stride;
                }
                for conv in [first, conv(c, c, 3, 2), conv(c, c, 3, 3), conv(c, c, 1, 1)] {
                    layers.extend([conv, activation.clone(), norm(c)]);
                }
                c
            }
        };
        layers.extend([conv(width, top, 1, 1), activation, pool, norm(pooled)]);
        layers.push(Layer::linear(pooled, self.embedding_size));
        layers.push(norm(self.embedding_size));
        Ok(layers)
    }
}

impl TrainOptions {
    /// The layer list, which still contains the BatchNorms.
    ///
    /// # Errors
    /// [`Error::Usage`] for an unknown activation or pooling, and for layers that do not fit
    /// together.
    pub fn layers(&self) -> Result<Vec<Layer>> {
        let layers = self.architecture.layers(self.num_seen())?;
        self.shapes(&layers)?;
        Ok(layers)
    }

    /// Checks that the layers fit together, and infers their [`Shapes`].
    ///
    /// # Errors
    /// [`Error::Usage`] for layers that do not fit together.
    pub(super) fn shapes(&self, layers: &[Layer]) -> Result<Shapes> {
        // The BatchNorm of a Conv2d has to be folded before shapes are known.
        let (folded, _) = Trainable::new(layers.to_vec(), 0).folded();
        infer(&folded, self.num_seen())
            .map_err(|e| Error::Usage(format!("the architecture does not fit together: {e}")))
    }
}

/// Adds the layers of a residual network over `num_bins` bins, with ReLUs (He et al. 2016, "Deep
/// Residual Learning for Image Recognition"). Returns the width of their output, F·C.
///
/// A block is conv, BatchNorm, ReLU, conv, BatchNorm; its input is added, and a ReLU follows. Where
/// the block's output has other channels, bins or frames than its input, the input goes through a
/// convolution of one tap before it is added.
fn add_residual(
    layers: &mut Vec<Layer>,
    options: &ResidualOptions,
    num_bins: usize,
    stride: usize,
) -> usize {
    let mut shape = (num_bins, 1); // F, C
    let convolve = |layers: &mut Vec<Layer>, from: (usize, usize), channels, taps, hops| {
        let (stride_frames, stride_bins) = hops;
        let conv = Conv2dOptions {
            stride_frames,
            stride_bins,
            ..Conv2dOptions::new(from.1, channels, from.0, taps)
        };
        layers.extend([Layer::Conv2d(conv), norm(channels)]);
        (conv.out_bins(), channels)
    };
    let hops = (stride, options.stride_bins);
    shape = convolve(layers, shape, options.channels, 3, hops);
    layers.push(Layer::Relu);
    for stage in &options.stages {
        for block in 0..stage.blocks {
            let hops = match block {
                0 => (stage.stride, stage.stride_bins),
                _ => (1, 1),
            };
            let (input, before) = (layers.len() - 1, shape);
            shape = convolve(layers, before, stage.channels, 3, hops);
            layers.push(Layer::Relu);
            shape = convolve(layers, shape, stage.channels, 3, (1, 1));
            let output = layers.len() - 1;
            let mut shortcut = input;
            if before.1 != stage.channels || hops != (1, 1) {
                layers.push(Layer::channels(input, 0, before.0 * before.1));
                convolve(layers, before, stage.channels, 1, hops);
                shortcut = layers.len() - 1;
            }
            let sum = Layer::add([output, shortcut]);
            layers.extend([sum, Layer::Relu]);
        }
    }
    shape.0 * shape.1
}

/// A convolution without stride, padding or groups.
pub(super) fn conv(
    in_channels: usize,
    out_channels: usize,
    kernel_size: usize,
    dilation: usize,
) -> Layer {
    Layer::Conv1d(Conv1dOptions {
        dilation,
        ..Conv1dOptions::new(in_channels, out_channels, kernel_size)
    })
}

/// BatchNorm.
pub(super) fn norm(num_features: usize) -> Layer {
    Layer::batch_norm(num_features, 1e-5)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        features::Features,
        network::Network,
        train::{
            batch::Batch,
            options::{ResidualOptions, StageOptions},
        },
    };

    #[test]
    fn a_residual_network_says_the_same_in_training_and_afterwards() {
        let stage = |channels, blocks, stride, stride_bins| StageOptions {
            channels,
            blocks,
            stride,
            stride_bins,
        };
        let architecture = ArchitectureOptions {
            channels: 24,
            embedding_size: 8,
            residual: Some(ResidualOptions {
                channels: 16,
                stride_bins: 3,
                stages: vec![stage(16, 1, 2, 1), stage(32, 2, 1, 2)],
            }),
            ..ArchitectureOptions::default()
        };
        let mut trainable = Trainable::new(architecture.layers(20).unwrap(), 3);
        let utterances: Vec<Features> = (0..40)
            .map(|u| {
                let values = (0..20 * 40).map(|i| ((i * (u + 3)) as f32 * 0.37).sin() * 3.0);
                Features::new(values.collect(), 20)
            })
            .collect();
        let batch = || Batch::of_features(&utterances, 20);
        // The running statistics come close to those of the batch.
        for _ in 0..100 {
            let tape = trainable.forward(batch());
            trainable.update_running_statistics(&tape);
        }
        let tape = trainable.forward(batch());
        assert!(tape.embeddings().utterance(0) != tape.embeddings().utterance(1));
        let (layers, weights) = trainable.folded();
        let network = Network::new(layers, weights, 20).unwrap();
        for (u, features) in utterances.iter().enumerate() {
            let embedding = network.embed(features);
            for (got, wanted) in embedding.iter().zip(tape.embeddings().utterance(u)) {
                // A BatchNorm keeps the unbiased variance. After the pooling there are 40 vectors, so what it
                // keeps is 40/39 times the variance that it divides by in training.
                let allowed = 0.02 + 0.05 * wanted.abs();
                assert!(
                    (got - wanted).abs() < allowed,
                    "{u}: {got}, wanted {wanted}"
                );
            }
        }
    }
}
