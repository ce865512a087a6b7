//! Takes networks out of a joined model by their numbers, and joins them again.

mod random_model;

use random_model::random_model;
use spkver::{
    audio,
    features::Mfcc,
    network::Network,
    scoring::PairHead,
    train::ensemble::{join_weighted, pick},
};
use std::{iter::once, path::Path};

/// Six networks with random weights, joined, and their number of features.
fn joined() -> (Network, PairHead, usize) {
    let models = [1, 2, 3, 4, 5, 6].map(|seed| random_model(seed, 6, 4));
    let num_features = models[0].front_end.num_channels();
    let members = models.map(|model| (model.network, model.head));
    let (network, head) = join_weighted(&members, &[1.0; 6], num_features).unwrap();
    (network, head, num_features)
}

fn score(network: &Network, head: &PairHead, voices: [&str; 2]) -> f32 {
    let mfcc = Mfcc::new(Default::default()).unwrap();
    let [a, b] = voices.map(|name| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/voices");
        let waveform = audio::read(&folder.join(name), &Default::default()).unwrap();
        let values = network.embed(&mfcc.extract(&waveform));
        head.project_enrollment(once(&values[..]))
    });
    head.llr(&a, &b)
}

#[test]
fn the_score_of_picked_networks_is_the_sum_of_their_scores_joined_again_or_not() {
    let (network, head, num_features) = joined();
    let pair = pick(&network, &head, &[2, 5]).unwrap();
    let alone = [2, 5].map(|number| pick(&network, &head, &[number]).unwrap());
    let again = join_weighted(&alone, &[1.0, 1.0], num_features).unwrap();
    for voices in [["anna-1.wav", "anna-2.wav"], ["anna-1.wav", "david-1.wav"]] {
        let picked = score(&pair.0, &pair.1, voices);
        let of_each: f32 = alone.iter().map(|one| score(&one.0, &one.1, voices)).sum();
        let joined = score(&again.0, &again.1, voices);
        assert!(picked.abs() > 0.1);
        // Sums in another order.
        assert!((picked - of_each).abs() < 1e-3, "{picked} {of_each}");
        // Joining moves the head's mean into the weights, which are rounded to F16.
        assert!((picked - joined).abs() < 0.05, "{picked} {joined}");
    }
}

#[test]
fn a_network_that_the_model_does_not_have_cannot_be_picked() {
    let (network, head, _) = joined();
    for numbers in [&[0][..], &[1, 7]] {
        let refused = pick(&network, &head, numbers).unwrap_err().to_string();
        assert!(refused.contains("networks 1 to 6"), "{refused}");
    }
}
