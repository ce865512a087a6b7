//! Fuses networks that were trained apart into one wide network, to be trained on.
//!
//! The channels of the wide network are those of its members, side by side. Weights between the
//! channels of two members start at 0, so at first it says what the members say together; training puts
//! these weights to use (Chen et al. 2016, "Net2Net").

use super::{
    checkpoint::State,
    optimizer::AdamW,
    tape::Trainable,
    view::{View, behind},
};
use crate::{
    Error, Result,
    network::{Affine, Layer, Weights},
};
use std::mem::discriminant;

/// A member: its last state, and the part of the features that it sees.
pub type Member = (State, View);

/// The start of a wide network with these layers and this view. The first `num_classes` rows of each
/// state are those of the classes.
///
/// # Errors
/// [`Error::Usage`] where the members do not fit into the layers or the view.
pub fn fuse(
    members: &[Member],
    layers: Vec<Layer>,
    view: &View,
    num_classes: usize,
) -> Result<State> {
    let mut weights = Trainable::new(layers.clone(), 0).weights;
    weights.values_mut().for_each(|values| values.fill(0.0));
    // Of each affine layer, how many channels the members before have taken.
    let mut taken = vec![0; layers.len()];
    for (state, own_view) in members {
        let own = &state.trainable;
        let is_alike = |(a, b): (&Layer, &Layer)| discriminant(a) == discriminant(b);
        if own.layers.len() != layers.len() || !own.layers.iter().zip(&layers).all(is_alike) {
            return Err(misfit("have the same kinds of layers"));
        }
        let mut first = Some(own_view.within(view)?);
        // Where the member's channels are among those of the wide network.
        let mut places: Vec<usize> = vec![];
        let mut num_wide = 0;
        for (index, (narrow, wide)) in own.layers.iter().zip(&layers).enumerate() {
            let name = |tensor: &str| format!("{index}.{tensor}");
            match (Affine::of(narrow), Affine::of(wide), narrow) {
                (Some(narrow), Some(wide), _) => {
                    let (num_out, num_in, taps) = narrow.shape;
                    let mut weight = own.weights[&name("weight")].clone();
                    if let Some(band) = first.take() {
                        weight = behind(&weight, &band, num_in, taps);
                        places = (0..num_in).collect(); // all members see the same features
                    }
                    let from = taken[index];
                    taken[index] += num_out;
                    num_wide = wide.shape.0;
                    if taken[index] > num_wide {
                        return Err(misfit(
                            "have no more channels together than the wide network",
                        ));
                    }
                    let to = tensor(&mut weights, &name("weight"));
                    for (o, row) in weight.chunks_exact(num_in * taps).enumerate() {
                        for (place, kernel) in places.iter().zip(row.chunks_exact(taps)) {
                            let at = ((from + o) * wide.shape.1 + place) * taps;
                            to[at..at + taps].copy_from_slice(kernel);
                        }
                    }
                    places = (from..from + num_out).collect();
                    scatter(&mut weights, &own.weights, &name("bias"), &places);
                }
                (_, _, Layer::BatchNorm { .. }) => {
                    for each in ["weight", "bias", "running_mean", "running_var"] {
                        scatter(&mut weights, &own.weights, &name(each), &places);
                    }
                }
                (_, _, Layer::StatsPool { .. }) => {
                    // The means of all channels come before the deviations of all.
                    let deviations: Vec<usize> = places.iter().map(|c| num_wide + c).collect();
                    places.extend(deviations);
                }
                (_, _, Layer::Flatten { .. }) => {
                    return Err(misfit("pool by statistics or means"));
                }
                _ => {}
            }
        }
    }
    Ok(State {
        step: 0,
        speakers: rows(members, num_classes),
        trainable: Trainable { layers, weights },
        optimizer: AdamW::default(),
    })
}

/// The members' rows, end to end. A class's rows are scaled to one length, so that its angle to an
/// embedding is about the mean of the members' angles.
fn rows(members: &[Member], num_classes: usize) -> Vec<f32> {
    let sizes: Vec<usize> = members
        .iter()
        .map(|(state, _)| embedding_size(state))
        .collect();
    let num_rows = members
        .first()
        .map_or(0, |(state, _)| state.speakers.len() / sizes[0]);
    let mut all = Vec::with_capacity(num_rows * sizes.iter().sum::<usize>());
    for row in 0..num_rows {
        let own: Vec<&[f32]> = members
            .iter()
            .zip(&sizes)
            .map(|((state, _), size)| &state.speakers[row * size..(row + 1) * size])
            .collect();
        let lengths: Vec<f32> = own
            .iter()
            .map(|row| row.iter().map(|v| v * v).sum::<f32>().sqrt())
            .collect();
        let mean = lengths.iter().sum::<f32>() / lengths.len() as f32;
        for (own, length) in own.iter().zip(lengths) {
            let scale = match row < num_classes && length > 0.0 {
                true => mean / length,
                false => 1.0,
            };
            all.extend(own.iter().map(|v| v * scale));
        }
    }
    all
}

fn embedding_size(state: &State) -> usize {
    let mut affines = state.trainable.layers.iter().filter_map(Affine::of);
    affines.next_back().map_or(1, |affine| affine.shape.0)
}

/// Copies each value of a member's vector to the place of its channel.
fn scatter(to: &mut Weights, from: &Weights, name: &str, places: &[usize]) {
    let values = tensor(to, name);
    for (place, value) in places.iter().zip(&from[name]) {
        values[*place] = *value;
    }
}

fn tensor<'w>(weights: &'w mut Weights, name: &str) -> &'w mut Vec<f32> {
    weights.get_mut(name).expect("made of the same layers")
}

fn misfit(wanted: &str) -> Error {
    Error::Usage(format!("training option fused: its members must {wanted}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        features::{Mfcc, MfccConfig},
        train::{
            batch::Batch,
            options::{ArchitectureOptions, Seen},
        },
    };

    fn layers(channels: usize, embedding_size: usize) -> Vec<Layer> {
        let architecture = ArchitectureOptions {
            channels,
            embedding_size,
            ..ArchitectureOptions::default()
        };
        architecture.layers(12).unwrap()
    }

    fn mfcc() -> Mfcc {
        Mfcc::new(MfccConfig {
            num_mel_bins: 12,
            num_ceps: 12,
            mean_channels: true,
            ..MfccConfig::default()
        })
        .unwrap()
    }

    fn view(high_freq_hz: f32) -> View {
        let seen = Seen {
            high_freq_hz: Some(high_freq_hz),
            mean_norm: false,
        };
        View::new(&mfcc(), seen).unwrap()
    }

    fn member(channels: usize, seed: u64, high_freq_hz: f32) -> Member {
        let mut state = State::fresh(layers(channels, 4), 5, 4, seed);
        // BatchNorms that do something.
        for (name, values) in &mut state.trainable.weights {
            if name.contains("running") || name == "2.weight" {
                let value = |i: usize| 1.0 + 0.3 * ((i as f32 + seed as f32) * 0.7).sin();
                values
                    .iter_mut()
                    .enumerate()
                    .for_each(|(i, v)| *v = value(i));
            }
        }
        (state, view(high_freq_hz))
    }

    #[test]
    fn a_fused_network_says_what_its_members_say_end_to_end() {
        let members = [member(3, 1, 7600.0), member(5, 2, 3800.0)];
        let wide = view(7600.0);
        let fused = fuse(&members, layers(8, 8), &wide, 3).unwrap();
        let samples: Vec<f32> = (0..12_000).map(|n| (n as f32 * 0.05).sin()).collect();
        let features = || Batch::of_features(&[mfcc().extract_samples(&samples, &[])], 24);
        let embed = |state: &State, view: &View| {
            let network = view.network(state.trainable.folded()).unwrap();
            let features = features();
            network.embed(&crate::features::Features::new(features.values, 24))
        };
        let wanted: Vec<f32> = members.iter().flat_map(|(s, v)| embed(s, v)).collect();
        let got = embed(&fused, &wide);
        assert_eq!(got.len(), wanted.len());
        for (a, b) in got.iter().zip(&wanted) {
            // Weights are rounded to 11 bits, and sums are in another order.
            assert!((a - b).abs() < 2e-2 * (1.0 + b.abs()), "{got:?} {wanted:?}");
        }
        // Rows of classes have parts of one length, the map to the teacher stays as it is.
        let length = |row: &[f32]| row.iter().map(|v| v * v).sum::<f32>().sqrt();
        let rows: Vec<&[f32]> = fused.speakers.chunks_exact(8).collect();
        assert!((length(&rows[0][..4]) - length(&rows[0][4..])).abs() < 1e-6);
        assert_eq!(rows[4][..4], members[0].0.speakers[16..]);
    }

    #[test]
    fn members_that_do_not_fit_are_refused() {
        let two = || [member(3, 1, 7600.0), member(5, 2, 3800.0)];
        assert!(fuse(&two(), layers(7, 8), &view(7600.0), 3).is_err());
        // A member that sees more than the wide network.
        assert!(fuse(&two(), layers(8, 8), &view(3800.0), 3).is_err());
    }
}
