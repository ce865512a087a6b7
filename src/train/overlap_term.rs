//! The overlap term: what the statistics of the network add to the logit of overlapped speech.
//!
//! ```text
//! detector of overlapped speech (1,) ───┐
//! pooled statistics of the network (D,) ─┴─ linear discriminant ─► logit
//! ```
//!
//! The detector is small, and over a telephone it misses many second voices. The statistics of the
//! network also change with a second voice, although the network was not trained for that. The
//! discriminant is a ridge regression to 0 for one voice and 1 for two. Its answers are scaled to
//! log-odds, as if those for one voice and those for two were normally distributed with the same
//! variance (Hastie, Tibshirani & Friedman 2009, "The Elements of Statistical Learning", section
//! 4.3).

use super::{
    crops::MIN_FRAMES,
    descent::{Descent, Progress, in_blocks},
    options::OverlapTermOptions,
    overlap::{Voices, is_overlapped},
    random::Random,
    ridge::{self, LinearMap},
    rounding,
};
use crate::{
    Error, Result, audio,
    features::Mfcc,
    network::{Layer, Network},
};
use rayon::prelude::*;

/// The logit of overlapped speech as a linear function.
pub struct OverlapTerm {
    /// (D,) -> (1,), with the bias.
    of_statistics: LinearMap,
    /// Weight of the detector's logit.
    of_detector: f32,
}

/// Fits the term on examples made of the recordings of `descent`, half of them of two speakers.
/// `statistics` is the network up to its pooling. `None` if `on_progress` stopped the fit by
/// answering `false`.
///
/// # Errors
/// [`Error::Usage`] where no example has enough speech, or the ridge is too small.
pub fn fit(
    descent: &Descent,
    statistics: &Network,
    detector: &Network,
    options: &OverlapTermOptions,
    on_progress: &mut dyn FnMut(Progress) -> bool,
) -> Result<Option<OverlapTerm>> {
    let mfcc = Mfcc::new(descent.options.front_end.clone())?;
    let min_frames = statistics.receptive_field().max(MIN_FRAMES);
    let mut crops = descent.crops(&mfcc, options.seconds, min_frames)?;
    crops.augment = &options.augment;
    // A recording without a label may have several voices.
    crops.by_speaker.truncate(descent.manifest.speakers.len());
    let voices = Voices::new(crops);
    // (D + 1,): the statistics, then the detector's logit. None if the example has too few frames.
    let inputs = |number: usize| -> Result<Option<Vec<f32>>> {
        let random = &mut Random::new(descent.options.seed, "overlap term", &[number as u64]);
        let mut samples = voices.mixture(is_overlapped(number), random)?;
        let speech = audio::speech_frames(&samples);
        voices.crops.disturb(&mut samples, random)?;
        let frames = mfcc.frames(&samples);
        let features = mfcc.select(&frames, &speech);
        if features.num_frames() < min_frames {
            return Ok(None);
        }
        let mut inputs = statistics.embed(&features);
        inputs.push(detector.embed(&mfcc.with_pauses(&frames))[0]);
        Ok(Some(inputs))
    };
    // An example whose files cannot be read is left out; the joint embedding has named these files.
    let inputs = |number| inputs(number).ok().flatten();
    let Some(found) = in_blocks(options.examples, inputs, on_progress) else {
        return Ok(None);
    };
    let answer = |number| match is_overlapped(number) {
        true => &[1.0f32][..],
        false => &[0.0],
    };
    let pairs: Vec<(&[f32], &[f32])> = (found.iter().enumerate())
        .filter_map(|(number, inputs)| Some((&inputs.as_ref()?[..], answer(number))))
        .collect();
    let has = |answer: f32| pairs.iter().any(|(_, y)| y[0] == answer);
    if !has(0.0) || !has(1.0) {
        return Err(Error::Usage(
            "training option joint.overlap: no example of one speaker, or none of two, has enough \
             speech; give more recordings, or set joint.overlap to null"
                .into(),
        ));
    }
    let map = ridge::fit(&pairs, options.ridge)?.map;
    Ok(Some(OverlapTerm::from_regression(map, &pairs)))
}

impl OverlapTerm {
    /// Makes the term from a regression to 0 and 1. The mean and the variance of its answers to the
    /// examples give the scale that turns them into log-odds.
    fn from_regression(map: LinearMap, examples: &[(&[f32], &[f32])]) -> Self {
        let answers: Vec<(f64, bool)> = (examples.par_iter())
            .map(|(x, y)| (f64::from(map.answer(x)[0]), y[0] > 0.5))
            .collect();
        // Mean and variance of the answers to examples of one voice, or of two.
        let moments = |two: bool| {
            let chosen = answers.iter().filter(|(_, is_two)| *is_two == two);
            let chosen: Vec<f64> = chosen.map(|(answer, _)| *answer).collect();
            let n = chosen.len() as f64;
            let mean = chosen.iter().sum::<f64>() / n;
            let squares: f64 = chosen.iter().map(|answer| (answer - mean).powi(2)).sum();
            (mean, squares / n)
        };
        let ((one, of_one), (two, of_two)) = (moments(false), moments(true));
        let slope = (two - one) / (0.5 * (of_one + of_two));
        let middle = 0.5 * (one + two);
        let last = map.weight.ncols() - 1;
        let weight = map.weight * slope;
        OverlapTerm {
            of_detector: weight[last] as f32,
            of_statistics: LinearMap {
                weight: weight.remove_column(last),
                bias: (map.bias.add_scalar(-middle)) * slope,
            },
        }
    }

    /// Returns `network` with its part of the logit as one more output, and `detector`, which ends
    /// in a Linear, scaled so that it gives its own part. The sum of both is the logit.
    ///
    /// # Errors
    /// As [`Network::new`].
    pub fn applied(&self, network: &Network, detector: &Network) -> Result<(Network, Network)> {
        let mut layers = network.layers().to_vec();
        let mut weights = network.weights().clone();
        let embedding = layers.len() - 1;
        let pooling = layers.iter().rposition(Layer::is_pooling);
        let pooling = pooling.expect("every network pools");
        (self.of_statistics).append_branch(pooling, &mut layers, &mut weights);
        layers.push(Layer::concat([embedding, layers.len() - 1]));
        let network = rounding::rounded(layers, weights, network.num_features())?;

        let last = detector.layers().len() - 1;
        let mut weights = detector.weights().clone();
        for tensor in ["weight", "bias"] {
            let values = weights.get_mut(&format!("{last}.{tensor}"));
            let values = values.expect("a Linear").iter_mut();
            values.for_each(|value| *value *= self.of_detector);
        }
        let layers = detector.layers().to_vec();
        let detector = rounding::rounded(layers, weights, detector.num_features())?;
        Ok((network, detector))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        features::Features,
        train::{options::ArchitectureOptions, tape::Trainable},
    };
    use nalgebra::{DMatrix, DVector};

    /// A network with `outputs` outputs.
    fn network(seed: u64, outputs: usize) -> Network {
        let architecture = ArchitectureOptions {
            channels: 8,
            embedding_size: outputs,
            ..ArchitectureOptions::default()
        };
        let trainable = Trainable::new(architecture.layers(5).unwrap(), seed);
        let (layers, weights) = trainable.folded();
        Network::new(layers, weights, 5).unwrap()
    }

    #[test]
    fn the_network_and_the_detector_add_up_to_the_logit() {
        let (joint, detector) = (network(1, 3), network(2, 1));
        let statistics = super::super::joint::without_last(&joint).unwrap();
        let size = statistics.embedding_size();
        let term = OverlapTerm {
            of_statistics: LinearMap {
                weight: DMatrix::from_fn(1, size, |_, i| (i as f64).sin()),
                bias: DVector::from_element(1, 0.5),
            },
            of_detector: 0.4,
        };
        let features = Features::new((0..5 * 60).map(|i| (i as f32 * 0.37).sin()).collect(), 5);
        let pooled = statistics.embed(&features);
        let of_statistics = term.of_statistics.answer(&pooled)[0];
        let wanted = of_statistics + 0.4 * detector.embed(&features)[0];

        let (more, scaled) = term.applied(&joint, &detector).unwrap();
        let outputs = more.embed(&features);
        let got = outputs[3] + scaled.embed(&features)[0];
        // Weights are rounded to 11 bits.
        assert!((got - wanted).abs() < 0.01, "{got}, not {wanted}");
        let before = joint.embed(&features);
        let alike = |(a, b): (&f32, &f32)| (a - b).abs() < 0.01;
        assert!(
            before.iter().zip(&outputs).all(alike),
            "{before:?} {outputs:?}"
        );
    }

    #[test]
    fn what_a_regression_answers_becomes_log_odds() {
        // One voice at -1, two at 2, of variance 1 each: the log-odds of x are 3 (x - 0.5).
        let mut state = 7u64;
        let mut normal = || {
            let mut uniform = || {
                state = state
                    .wrapping_mul(6364136223846793005)
                    .wrapping_add(1442695040888963407);
                (state >> 40) as f32 / (1u64 << 24) as f32
            };
            (0..12).map(|_| uniform()).sum::<f32>() - 6.0
        };
        let answers: Vec<[f32; 1]> = (0..20_000).map(|i| [f32::from(is_overlapped(i))]).collect();
        let inputs: Vec<[f32; 2]> = answers
            .iter()
            .map(|[two]| [3.0 * two - 1.0 + normal(), normal()])
            .collect();
        let pairs = inputs.iter().zip(&answers);
        let pairs: Vec<(&[f32], &[f32])> = pairs.map(|(x, y)| (&x[..], &y[..])).collect();
        let term = OverlapTerm::from_regression(ridge::fit(&pairs, 1e-6).unwrap().map, &pairs);
        let LinearMap { weight, bias } = term.of_statistics;
        let got = [weight[0] as f32, bias[0] as f32, term.of_detector];
        // Of 20,000 examples.
        for (got, wanted) in got.iter().zip([3.0, -1.5, 0.0]) {
            assert!((got - wanted).abs() < 0.15, "{got}, not {wanted}");
        }
    }
}
