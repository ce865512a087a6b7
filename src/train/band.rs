//! A member that sees a part of the band: features of the whole band in, through the projection P
//! (C, C) of [`crate::features::Mfcc::band_projection`], out; and P made part of the trained weights.

use super::batch::Batch;
use crate::network::{Affine, Layer, Weights};

/// Each frame through P: `(ΣT, C) -> (ΣT, C)`.
pub(super) fn limited(features: &Batch, band: &[f32]) -> Batch {
    let channels = features.channels;
    let pointwise = Affine {
        shape: (channels, channels, 1),
        stride: 1,
        dilation: 1,
        padding: 0,
        groups: 1,
    };
    pointwise.forward(features, band, &[], false)
}

/// The first affine map on features of the whole band: W'_k = W_k·P for each tap k.
pub(super) fn fold(layers: &[Layer], weights: &mut Weights, band: &[f32]) {
    let mut affines = layers.iter().enumerate();
    let first = affines.find_map(|(index, layer)| Some((index, Affine::of(layer)?)));
    let Some((index, affine)) = first else { return };
    let (_, c_in, taps) = affine.shape;
    let Some(weight) = weights.get_mut(&format!("{index}.weight")) else {
        return;
    };
    for row in weight.chunks_exact_mut(c_in * taps) {
        let old: Vec<f64> = row.iter().map(|w| f64::from(*w)).collect();
        for (i, new) in row.chunks_exact_mut(taps).enumerate() {
            for (tap, w) in new.iter_mut().enumerate() {
                let sum = |c: usize| old[c * taps + tap] * f64::from(band[c * c_in + i]);
                *w = (0..c_in).map(sum).sum::<f64>() as f32;
            }
        }
    }
}
