//! Trains the detector of overlapped speech on mixtures of recordings of one voice each.
//!
//! Half of the examples have one speaker, half have two, of which the second speaks during most of
//! the example. The levels of the two differ by a few dB at most. Both halves are assembled from
//! pieces in the same way and get the same rooms, noises and bands, so that only the second voice
//! tells them apart.

use super::{
    batch::Batch,
    checkpoint::State,
    crops::{Crops, MIN_FRAMES, retried},
    descent::{Descent, Progress, descend_by},
    distortion::{energy, gain},
    loss::Loss,
    options::TrainOptions,
    random::Random,
    tape::Trainable,
    view::View,
};
use crate::{
    Result,
    audio::{self, SAMPLE_RATE_HZ, SPEECH_HOP},
    features::{Features, Mfcc, MfccConfig},
    network::{Network, infer},
};
use rayon::prelude::*;

/// Largest difference between the levels of two voices, in dB.
const LEVELS_DB: f32 = 6.0;
/// Largest change of the level of a piece, in dB. A voice is made of several pieces.
const PIECE_LEVELS_DB: f32 = 3.0;
/// Smallest share of an example that the second voice covers.
const COVERED: f32 = 0.6;
/// How often the second speaker is drawn from the same corpus, so that both recordings have a
/// similar background.
const SAME_CORPUS: f32 = 0.7;

/// The source of the examples.
pub(super) struct Voices<'a> {
    /// Draws the pieces and disturbs the mixtures.
    pub crops: Crops<'a>,
    /// Speakers of each corpus, and the corpus of each speaker.
    corpora: Vec<Vec<usize>>,
    corpus_of: Vec<usize>,
}

impl<'a> Voices<'a> {
    /// Makes voices from the recordings that `crops` draws from.
    pub fn new(crops: Crops<'a>) -> Self {
        let utterances = &crops.manifest.utterances;
        let corpus = |recordings: &Vec<usize>| {
            recordings
                .first()
                .map_or(0, |u| utterances[*u].corpus as usize)
        };
        let corpus_of: Vec<usize> = crops.by_speaker.iter().map(corpus).collect();
        let mut corpora = vec![vec![]; corpus_of.iter().max().map_or(0, |last| last + 1)];
        for (speaker, corpus) in corpus_of.iter().enumerate() {
            corpora[*corpus].push(speaker);
        }
        Voices {
            crops,
            corpora,
            corpus_of,
        }
    }

    /// The batch of `step`: `(ΣT, C)`, and which of its examples hold two voices.
    ///
    /// # Errors
    /// Recordings that cannot be read.
    fn batch(&self, step: usize, size: usize) -> Result<(Batch, Vec<bool>)> {
        let examples: Vec<Features> = (0..size)
            .into_par_iter()
            .map(|slot| {
                let long_enough =
                    |features: &Features| features.num_frames() >= self.crops.min_frames;
                retried(true, long_enough, |attempt| {
                    let place = [step as u64, slot as u64, attempt];
                    let random = Random::new(self.crops.seed, "overlap", &place);
                    self.example(random, is_overlapped(slot))
                })
            })
            .collect::<Result<_>>()?;
        let batch = Batch::of_features(&examples, self.crops.mfcc.num_channels());
        Ok((batch, (0..size).map(is_overlapped).collect()))
    }

    fn example(&self, mut random: Random, is_overlapped: bool) -> Result<Features> {
        let mut samples = self.mixture(is_overlapped, &mut random)?;
        self.crops.disturb(&mut samples, &mut random)?;
        let mfcc = self.crops.mfcc;
        Ok(mfcc.with_pauses(&mfcc.frames(&samples)))
    }

    /// One voice, or two of which the second covers most of the first.
    pub fn mixture(&self, is_overlapped: bool, random: &mut Random) -> Result<Vec<f32>> {
        let crops = &self.crops;
        let len = crops.length(random);
        let speaker = random.index(crops.by_speaker.len());
        let mut samples = self.voice(speaker, len, random)?;
        if is_overlapped {
            let other = self.other(speaker, random);
            let covered = (random.uniform(COVERED, 1.0) * len as f32) as usize;
            let start = random.index(len - covered + 1);
            let gain = gain(random.uniform(-LEVELS_DB, LEVELS_DB));
            let voice = self.voice(other, covered, random)?;
            for (sample, other) in samples[start..].iter_mut().zip(&voice) {
                *sample += gain * other;
            }
        }
        Ok(samples)
    }

    /// `len` samples of one speaker at one speed: pieces of recordings in a row, without the
    /// silence around them. The level of each piece is 0 dB (a mean energy of 1 per sample),
    /// changed by at most [`PIECE_LEVELS_DB`].
    fn voice(&self, speaker: usize, len: usize, random: &mut Random) -> Result<Vec<f32>> {
        let crops = &self.crops;
        let recordings = &crops.by_speaker[speaker];
        let percent = crops.speeds_percent[random.index(crops.speeds_percent.len())];
        let wanted = (len * percent as usize).div_ceil(100) + 1;
        let mut samples = vec![];
        while samples.len() < wanted {
            let utterance = recordings[random.index(recordings.len())];
            let piece = crops.piece(utterance, 2 * wanted, random)?;
            let speech = audio::speech_frames(&piece);
            let first = speech.iter().position(|is_speech| *is_speech);
            let last = speech.iter().rposition(|is_speech| *is_speech);
            let heard = match (first, last) {
                (Some(first), Some(last)) => {
                    &piece[first * SPEECH_HOP..((last + 1) * SPEECH_HOP).min(piece.len())]
                }
                _ => &piece[..],
            };
            let energy = energy(heard) / heard.len().max(1) as f32;
            let gain =
                gain(random.uniform(-PIECE_LEVELS_DB, PIECE_LEVELS_DB)) / energy.sqrt().max(1e-6);
            samples.extend(heard.iter().map(|v| gain * v));
            if heard.is_empty() {
                // Silence for an empty recording, or the loop would not end.
                samples.resize(wanted, 0.0);
            }
        }
        samples.truncate(wanted);
        if percent != 100 {
            samples = audio::resample(&samples, SAMPLE_RATE_HZ * percent / 100, SAMPLE_RATE_HZ);
        }
        samples.resize(len, 0.0);
        Ok(samples)
    }

    /// Another speaker, if there are several.
    fn other(&self, speaker: usize, random: &mut Random) -> usize {
        let alike = &self.corpora[self.corpus_of[speaker]];
        if alike.len() > 1 && random.chance(SAME_CORPUS) {
            let position = alike.iter().position(|s| *s == speaker).unwrap_or(0);
            return alike[(position + 1 + random.index(alike.len() - 1)) % alike.len()];
        }
        let all = self.corpus_of.len();
        (speaker + 1 + random.index(all - 1)) % all
    }
}

/// Whether the example with this number has two voices.
pub(super) fn is_overlapped(slot: usize) -> bool {
    slot % 2 == 1
}

/// The front-end of the detector. It keeps pauses, which show when one voice ends and another
/// begins.
fn front_end(options: &TrainOptions) -> Result<Mfcc> {
    Mfcc::new(MfccConfig {
        speech_only: false,
        ..options.front_end.clone()
    })
}

/// The state for training the finished detector `network` further. None if its layers are not those
/// of the options. In a finished detector, BatchNorms are already folded into the other layers, so
/// training continues without them.
pub(super) fn state_of(network: &Network, options: &TrainOptions) -> Result<Option<State>> {
    let view = View::new(&front_end(options)?, false)?;
    let (layers, _) = Trainable::new(options.layers()?, options.seed).folded();
    Ok(view.weights_of(network, &layers).map(|weights| {
        let mut state = State::fresh(layers, 0, 1, options.seed);
        state.trainable.weights = weights;
        state
    }))
}

/// Trains the detector, starting from `begun` or, without it, from random weights. The options are of a
/// network with one output. `None` where `on_progress` stopped it.
pub(super) fn train(
    descent: &Descent,
    begun: Option<State>,
    on_progress: &mut dyn FnMut(Progress) -> bool,
) -> Result<Option<Network>> {
    let options = descent.options;
    let mfcc = front_end(options)?;
    let view = View::new(&mfcc, false)?;
    let layers = match &begun {
        Some(state) => state.trainable.layers.clone(),
        None => options.layers()?,
    };
    let num_channels = options.front_end.num_frame_channels();
    let receptive_field = infer(&layers, num_channels)?.receptive_field;
    let voices =
        Voices::new(descent.crops(&mfcc, options.crop_seconds, receptive_field.max(MIN_FRAMES))?);
    let start = |layers| Ok(begun.unwrap_or_else(|| State::fresh(layers, 0, 1, options.seed)));
    let step = |state: &mut State| {
        let (features, is_overlapped) = voices.batch(state.step, options.batch_size)?;
        descend_by(options, state, view.of(features), |logits, _| {
            Loss::binary(logits, &is_overlapped)
        })
    };
    let Some(state) = descent.descend(layers, start, step, on_progress)? else {
        return Ok(None);
    };
    view.network(state.trainable.folded()).map(Some)
}
