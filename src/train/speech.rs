//! Trains the speech detector: a small network with one logit for each frame.
//!
//! The labels come from clean speech, where the level alone tells speech from pauses: a frame of a
//! clean crop is speech where [`audio::speech_frames`] says so. The network then gets the crop with
//! inserted silence, noise, rooms, bands and codecs, and learns to give the same labels.

use super::{
    architecture::{conv, norm},
    batch::Batch,
    checkpoint::State,
    crops::{Crops, retried},
    descent::{Descent, Progress, descend_by},
    distortion::energy,
    loss::Loss,
    options::SpeechOptions,
    random::Random,
    rounding,
};
use crate::{
    Result,
    audio::{self, SPEECH_HOP},
    features::{Features, Mfcc, MfccConfig},
    network::{Layer, Network, infer},
};
use rayon::prelude::*;

/// Smallest difference between loud and quiet frames of a recording, in dB. With less, it is not
/// clean enough to label frames by their level.
const MIN_RANGE_DB: f32 = 35.0;
/// Shortest and longest inserted silence, in seconds.
const SILENCE_SECONDS: (f32, f32) = (0.2, 0.8);
/// Examples are cut to this many frames; filtering longer ones would cost twice as much.
const MAX_FRAMES: usize = 350;
/// Inserted silence is digital or holds faint noise. The noise is between these two numbers of dB
/// softer than the speech.
const FAINT_DB: (f32, f32) = (35.0, 70.0);

/// An utterance with a label for each frame.
struct Example {
    features: Features,
    is_speech: Vec<bool>,
}

/// Three Conv1d, each with ReLU and BatchNorm, then a Conv1d of one tap to one channel:
/// `(T + 28, num_features) -> (T, 1)`. Last, the mean over T. The three have kernels of 5, 3 and 3
/// frames and dilations of 1, 4 and 8.
pub fn layers(options: &SpeechOptions, num_features: usize) -> Vec<Layer> {
    let c = options.channels;
    let mut layers = vec![];
    for conv in [
        conv(num_features, c, 5, 1),
        conv(c, c, 3, 4),
        conv(c, c, 3, 8),
    ] {
        layers.extend([conv, Layer::Relu, norm(c)]);
    }
    layers.extend([conv(c, 1, 1, 1), Layer::MeanPool]);
    layers
}

/// The front-end of the detector: every frame as it is, so that no frame depends on the others.
pub fn front_end(config: &MfccConfig) -> MfccConfig {
    MfccConfig {
        speech_only: false,
        mean_norm: false,
        mean_channels: false,
        ..config.clone()
    }
}

/// Trains the detector. `None` where `on_progress` stopped it.
pub(super) fn train(
    descent: &Descent,
    speech: &SpeechOptions,
    on_progress: &mut dyn FnMut(Progress) -> bool,
) -> Result<Option<Network>> {
    let options = descent.options;
    let mfcc = Mfcc::new(front_end(&options.front_end))?;
    let mut layers = layers(speech, mfcc.num_channels());
    let shapes = infer(&layers, mfcc.num_channels())?;
    // In training the pooling is left out: each frame has its own label.
    layers.pop();
    let margin = shapes.receptive_field / 2;
    let crops = descent.crops(&mfcc, speech.crop_seconds, shapes.receptive_field)?;
    let start = |layers| Ok(State::fresh(layers, 0, 1, options.seed));
    let step = |state: &mut State| {
        let examples = examples(&crops, state.step, options.batch_size)?;
        let features: Vec<Features> = examples
            .iter()
            .map(|e| padded(&e.features, margin))
            .collect();
        let labels: Vec<bool> = examples.into_iter().flat_map(|e| e.is_speech).collect();
        let batch = Batch::of_features(&features, mfcc.num_channels());
        descend_by(options, state, batch, |logits, _| {
            Loss::binary(logits, &labels)
        })
    };
    let Some(state) = descent.descend(layers, start, step, on_progress)? else {
        return Ok(None);
    };
    let (mut layers, weights) = state.trainable.folded();
    layers.push(Layer::MeanPool);
    rounding::rounded(layers, weights, mfcc.num_channels()).map(Some)
}

/// The features with their first and last frame repeated `margin` times, so that every frame has an
/// output.
fn padded(features: &Features, margin: usize) -> Features {
    Features::new(
        Network::edges_repeated(features.values(), features.num_channels(), margin),
        features.num_channels(),
    )
}

fn examples(crops: &Crops, step: usize, size: usize) -> Result<Vec<Example>> {
    (0..size)
        .into_par_iter()
        .map(|slot| {
            retried(
                true,
                |example: &Option<Example>| example.is_some(),
                |attempt| {
                    let place = [step as u64, slot as u64, attempt];
                    example(crops, Random::new(crops.seed, "speech", &place))
                },
            )
        })
        .filter_map(Result::transpose)
        .collect()
}

/// Draws an example. None if the recording is too noisy to tell speech from pauses by their level.
fn example(crops: &Crops, mut random: Random) -> Result<Option<Example>> {
    let speaker = random.index(crops.by_speaker.len());
    let recordings = &crops.by_speaker[speaker];
    let len = crops.length(&mut random);
    let mut samples = crops.piece(recordings[random.index(recordings.len())], len, &mut random)?;
    if audio::level_range_db(&samples).is_none_or(|range_db| range_db < MIN_RANGE_DB) {
        return Ok(None);
    }
    let mut is_speech = audio::speech_frames(&samples);
    let energy = energy(&samples) / samples.len() as f32;
    if random.chance(0.15) {
        gate(&mut samples, &is_speech);
    }
    for _ in 0..random.index(3) {
        insert_silence(&mut samples, &mut is_speech, energy, &mut random);
    }
    samples.truncate(MAX_FRAMES * SPEECH_HOP);
    is_speech.resize(audio::num_frames(samples.len()), false);
    if random.chance(0.05) {
        // Turns the example into noise alone, without speech.
        samples.iter_mut().for_each(|v| *v *= 1e-3 * random.unit());
        is_speech.fill(false);
    }
    crops.disturb(&mut samples, &mut random)?;
    let values = crops.mfcc.frames(&samples);
    let features = Features::new(values, crops.mfcc.num_channels());
    is_speech.truncate(features.num_frames());
    Ok(
        (features.num_frames() == is_speech.len()).then_some(Example {
            features,
            is_speech,
        }),
    )
}

/// Makes pauses digital silence, as a noise gate does.
fn gate(samples: &mut [f32], is_speech: &[bool]) {
    for (samples, is_speech) in samples.chunks_mut(SPEECH_HOP).zip(is_speech) {
        if !is_speech {
            samples.fill(0.0);
        }
    }
}

/// Inserts silence, digital or with faint noise, at the start, at the end or at a random frame.
fn insert_silence(
    samples: &mut Vec<f32>,
    is_speech: &mut Vec<bool>,
    energy: f32,
    random: &mut Random,
) {
    let frames = (random.within(SILENCE_SECONDS) * 100.0) as usize;
    let at = match random.index(3) {
        0 => 0,
        1 => is_speech.len(),
        _ => random.index(is_speech.len()),
    };
    let amplitude = match random.chance(0.5) {
        true => 0.0,
        false => (energy * 10f32.powf(-random.within(FAINT_DB) / 10.0)).sqrt(),
    };
    let silence: Vec<f32> = (0..frames * SPEECH_HOP)
        .map(|_| amplitude * random.normal())
        .collect();
    let from = (at * SPEECH_HOP).min(samples.len());
    samples.splice(from..from, silence);
    is_speech.splice(at..at, std::iter::repeat_n(false, frames));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_that_is_inserted_is_no_speech() {
        let (mut samples, mut is_speech) = (vec![0.5; 1600], vec![true; 10]);
        let mut random = Random::new(1, "test", &[]);
        insert_silence(&mut samples, &mut is_speech, 0.25, &mut random);
        let frames = is_speech.len() - 10;
        assert_eq!(samples.len(), 1600 + 160 * frames);
        assert_eq!(is_speech.iter().filter(|s| **s).count(), 10);
    }
}
