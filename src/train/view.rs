//! What a network sees of the features: the cepstra, without the means of
//! [`MfccConfig::mean_channels`](crate::features::MfccConfig::mean_channels), or log mels.
//!
//! In training, features are multiplied by a matrix V (C, C_in). Afterwards V is folded into the
//! weights of the first layer, so that the finished network takes all features. If the first layer
//! is a Conv2d, V becomes a layer before it.

use super::{architecture::conv, batch::Batch, rounding};
use crate::{
    Result,
    features::Mfcc,
    network::{Affine, Layer, Network, Weights},
};

/// The matrix V.
pub(super) struct View {
    /// `(C, C_in)` row-major; none for the identity.
    matrix: Option<Vec<f32>>,
    /// C_in
    num_features: usize,
}

impl View {
    /// The view of the features of `mfcc`: of log mels, or of the cepstra.
    ///
    /// # Errors
    /// [`Error::Usage`](crate::Error::Usage) for log mels that the features do not show.
    pub fn new(mfcc: &Mfcc, sees_log_mels: bool) -> Result<Self> {
        let config = mfcc.config();
        let num_features = mfcc.num_channels();
        if !config.mean_channels && !sees_log_mels {
            return Ok(View {
                matrix: None,
                num_features,
            });
        }
        let channels = config.num_frame_channels();
        let identity = || {
            let diagonal = |i| if i % (channels + 1) == 0 { 1.0 } else { 0.0 };
            (0..channels * channels).map(diagonal).collect()
        };
        let seen: Vec<f32> = match sees_log_mels {
            true => mfcc.log_mel_matrix()?,
            false => identity(),
        };
        let mut matrix = vec![];
        for row in seen.chunks_exact(channels) {
            matrix.extend(row);
            if config.mean_channels {
                matrix.extend(std::iter::repeat_n(0.0, channels));
            }
        }
        Ok(View {
            matrix: Some(matrix),
            num_features,
        })
    }

    /// Multiplies each frame by V: `(ΣT, C_in) -> (ΣT, C)`.
    pub fn of(&self, features: Batch) -> Batch {
        let Some(matrix) = &self.matrix else {
            return features;
        };
        let channels = matrix.len() / self.num_features;
        let pointwise = Affine {
            shape: (channels, self.num_features, 1),
            stride: 1,
            dilation: 1,
            padding: 0,
            groups: 1,
        };
        let seen = pointwise.forward(&features, matrix, &[], false);
        features.give_back();
        seen
    }

    /// Turns the network that was trained with this view into one that takes all features. Its
    /// weights are rounded to the precision of a model file.
    ///
    /// # Errors
    /// As [`Network::new`].
    pub fn network(&self, (mut layers, mut weights): (Vec<Layer>, Weights)) -> Result<Network> {
        match layers.first() {
            Some(Layer::Conv2d(_)) => self.prepend(&mut layers, &mut weights),
            _ => self.fold(&mut layers, &mut weights),
        }
        rounding::rounded(layers, weights, self.num_features)
    }

    /// The opposite of [`Self::network`], for training it further: the weights of a network that
    /// takes all features, without those for features outside this view. The view's features must
    /// be the first of all. None if the network's layers, apart from the number of features, are
    /// not `layers`.
    pub fn weights_of(&self, network: &Network, layers: &[Layer]) -> Option<Weights> {
        let mut of_all = layers.to_vec();
        let Some(Layer::Conv1d(first)) = of_all.first_mut() else {
            return None;
        };
        let (seen, taps) = (first.in_channels, first.kernel_size);
        first.in_channels = self.num_features;
        if of_all != network.layers() {
            return None;
        }
        let mut weights = network.weights().clone();
        let weight = weights.get_mut("0.weight")?;
        let rows = weight.chunks_exact(self.num_features * taps);
        *weight = rows.flat_map(|row| &row[..seen * taps]).copied().collect();
        Some(weights)
    }

    /// Inserts V as a layer before the others.
    fn prepend(&self, layers: &mut Vec<Layer>, weights: &mut Weights) {
        let Some(matrix) = &self.matrix else { return };
        let channels = matrix.len() / self.num_features;
        for layer in layers.iter_mut() {
            layer.named_mut().iter_mut().for_each(|name| *name += 1);
        }
        layers.insert(0, conv(self.num_features, channels, 1, 1));
        let later = std::mem::take(weights).into_iter().map(|(name, values)| {
            let (index, tensor) = name.split_once('.').expect("a layer's tensor");
            let index: usize = index.parse().expect("its index");
            (format!("{}.{tensor}", index + 1), values)
        });
        weights.extend(later);
        weights.insert("0.weight".into(), matrix.clone());
        weights.insert("0.bias".into(), vec![0.0; channels]);
    }

    /// Makes V part of the first affine map: W'_k = W_k·V for each tap k.
    fn fold(&self, layers: &mut [Layer], weights: &mut Weights) {
        let Some(matrix) = &self.matrix else { return };
        let mut affines = layers.iter().enumerate();
        let first = affines.find_map(|(index, layer)| Some((index, Affine::of(layer)?)));
        let Some((index, affine)) = first else { return };
        let (_, channels, taps) = affine.shape;
        let Some(weight) = weights.get_mut(&format!("{index}.weight")) else {
            return;
        };
        let mut folded = vec![];
        for row in weight.chunks_exact(channels * taps) {
            for i in 0..self.num_features {
                let seen = |c: usize| f64::from(matrix[c * self.num_features + i]);
                for tap in 0..taps {
                    let part = |c: usize| f64::from(row[c * taps + tap]) * seen(c);
                    folded.push((0..channels).map(part).sum::<f64>() as f32);
                }
            }
        }
        *weight = folded;
        match &mut layers[index] {
            Layer::Conv1d(conv) => conv.in_channels = self.num_features,
            Layer::Linear { in_features, .. } => *in_features = self.num_features,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{features::MfccConfig, network::Conv1dOptions};

    fn mfcc(mean_channels: bool) -> Mfcc {
        let config = MfccConfig {
            num_mel_bins: 12,
            num_ceps: 12,
            mean_channels,
            ..MfccConfig::default()
        };
        Mfcc::new(config).unwrap()
    }

    /// A batch of a tone's features.
    fn features(mfcc: &Mfcc) -> Batch {
        let samples: Vec<f32> = (0..8000).map(|n| 0.3 * (n as f32 * 0.3).sin()).collect();
        let features = mfcc.extract_samples(&samples, &[]);
        Batch::of_features(&[features], mfcc.num_channels())
    }

    #[test]
    fn with_the_means_in_channels_of_their_own_a_network_sees_only_the_cepstra() {
        let view = View::new(&mfcc(true), false).unwrap();
        let (seen, wanted) = (view.of(features(&mfcc(true))), features(&mfcc(false)));
        assert_eq!(seen.channels, 12);
        for (a, b) in seen.values.iter().zip(&wanted.values) {
            // The same numbers, times 1 and plus zeros.
            assert!((a - b).abs() < 1e-4, "{a} {b}");
        }
    }

    #[test]
    fn a_map_behind_a_view_and_the_map_that_it_is_folded_into_say_the_same() {
        let mfcc = mfcc(true);
        let mut layers = vec![Layer::Conv1d(Conv1dOptions::new(12, 3, 2))];
        let values = (0..72).map(|n| (n as f32 * 0.7).sin()).collect();
        let bias = vec![0.1, 0.2, 0.3];
        let mut weights = Weights::from([("0.weight".into(), values), ("0.bias".into(), bias)]);
        let view = View::new(&mfcc, true).unwrap();
        let run = |layers: &[Layer], weights: &Weights, x: &Batch| {
            let affine = Affine::of(&layers[0]).unwrap();
            affine.forward(x, &weights["0.weight"], &weights["0.bias"], false)
        };
        let wanted = run(&layers, &weights, &view.of(features(&mfcc)));
        view.fold(&mut layers, &mut weights);
        let got = run(&layers, &weights, &features(&mfcc));
        assert_eq!(got.values.len(), wanted.values.len());
        for (a, b) in got.values.iter().zip(&wanted.values) {
            // Sums of 48 products of numbers up to 100, in another order.
            assert!((a - b).abs() < 2e-3, "{a} {b}");
        }
    }
}
