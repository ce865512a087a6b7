//! Trains one network by gradient descent. A run that was stopped goes on from its checkpoint and
//! gives the same bits as a run that was never stopped.

use super::{
    augment::Augmenter,
    batch::{self, Batch},
    checkpoint::{SPEAKERS, State},
    crops::{Crops, Shares, warped},
    loss::Loss,
    manifest::Manifest,
    optimizer::one_cycle,
    options::TrainOptions,
    recordings::Recordings,
    teacher::Teacher,
};
use crate::{Error, Result, features::Mfcc, network::Layer, remedy::Remedy};
use rayon::prelude::*;
use std::path::Path;

/// How far training is.
#[derive(Debug, Clone, Copy)]
pub enum Progress {
    /// An optimisation step was taken.
    Step {
        /// Steps done.
        step: usize,
        /// Steps in all.
        num_steps: usize,
        /// Mean loss of the batch.
        loss: f32,
        /// Share of the crops whose own speaker had the largest cosine; for a detector, share of
        /// the right answers; for the hidden layer of a joint embedding, the mean cosine to the
        /// teacher's vectors.
        accuracy: f32,
    },
    /// Embeddings of the training speech, which the head is fitted on, are being computed.
    Embeddings {
        /// Utterances done.
        done: usize,
        /// Utterances in all.
        total: usize,
    },
}

impl Progress {
    /// The progress of this network as part of the whole training: `before` is the number of steps of
    /// earlier networks, `all` the number of steps of all networks.
    pub(super) fn of(self, before: usize, all: usize) -> Self {
        match self {
            Progress::Step {
                step,
                loss,
                accuracy,
                ..
            } => Progress::Step {
                step: before + step,
                num_steps: all,
                loss,
                accuracy,
            },
            embeddings => embeddings,
        }
    }
}

/// Calls `one` with each number below `total`, in parallel, and returns the results in order.
/// `None` if `on_progress` stopped it by answering `false`.
pub(super) fn in_blocks<T: Send>(
    total: usize,
    one: impl Fn(usize) -> T + Sync,
    on_progress: &mut dyn FnMut(Progress) -> bool,
) -> Option<Vec<T>> {
    const AT_ONCE: usize = 64;
    let mut all = vec![];
    while all.len() < total {
        let done = (all.len() + AT_ONCE).min(total);
        let block: Vec<T> = (all.len()..done).into_par_iter().map(&one).collect();
        all.extend(block);
        if !on_progress(Progress::Embeddings { done, total }) && done < total {
            return None;
        }
    }
    Some(all)
}

/// What one network is trained with: its options, the recordings, and the file that its state is
/// saved in.
pub struct Descent<'a> {
    /// The options.
    pub options: &'a TrainOptions,
    /// The speaker of each recording.
    pub manifest: &'a Manifest,
    /// The audio of `manifest.utterances`.
    pub recordings: &'a Recordings,
    /// Rooms and noise.
    pub augmenter: &'a Augmenter,
    /// The file that the state is saved in.
    pub checkpoint: &'a Path,
    /// Another system's vectors of the recordings, where the network learns from them.
    pub teacher: Option<&'a Teacher>,
    /// Steps between two checkpoints.
    pub checkpoint_every: usize,
    /// The [`State::hash`] of the weights of another model, if training starts from them.
    pub begun_from: Option<&'a str>,
}

impl Descent<'_> {
    /// Takes all steps, from the checkpoint if there is one, else from `start`. `None` where
    /// `on_progress` stopped it by answering `false`; the state is saved.
    pub fn descend(
        &self,
        layers: Vec<Layer>,
        start: impl FnOnce(Vec<Layer>) -> Result<State>,
        mut take_step: impl FnMut(&mut State) -> Result<(f32, f32)>,
        on_progress: &mut dyn FnMut(Progress) -> bool,
    ) -> Result<Option<State>> {
        let options = self.options;
        let mut hash = format!("{} {}", self.manifest.hash(), self.augmenter.hash());
        if let Some(teacher) = self.teacher {
            hash += &format!(" {}", teacher.hash());
        }
        if let Some(begun_from) = self.begun_from {
            hash += &format!(" {begun_from}");
        }
        let mut state = match self.checkpoint.exists() {
            true => State::load(self.checkpoint, options, &hash, layers)?,
            false => start(layers)?,
        };
        while state.step < options.num_steps {
            let (loss, accuracy) = take_step(&mut state)?;
            let (step, num_steps) = (state.step, options.num_steps);
            let go_on = on_progress(Progress::Step {
                step,
                num_steps,
                loss,
                accuracy,
            });
            if !go_on || step % self.checkpoint_every == 0 || step == num_steps {
                state.save(self.checkpoint, options, &hash)?;
            }
            if !go_on {
                return Ok(None);
            }
        }
        Ok(Some(state))
    }

    /// A source of crops with the features of `mfcc`. `seconds` are the lengths of the shortest and
    /// the longest crop; a crop has at least `min_frames` frames.
    pub fn crops<'a>(
        &'a self,
        mfcc: &'a Mfcc,
        seconds: (f32, f32),
        min_frames: usize,
    ) -> Result<Crops<'a>> {
        let by_speaker = self.manifest.by_speaker();
        Ok(Crops {
            shares: Shares::new(&by_speaker),
            manifest: self.manifest,
            recordings: self.recordings,
            by_speaker,
            augmenter: self.augmenter,
            augment: &self.options.augment,
            mfcc,
            seconds,
            speeds_percent: &self.options.speeds_percent,
            warped: warped(self.options)?,
            warps_percent: &self.options.warps_percent,
            pitch: self.options.pitch,
            min_frames,
            seed: self.options.seed,
        })
    }
}

/// Takes one optimisation step. `loss` gets the embeddings `(U, D)` and the speakers' rows `(S, D)`.
/// Returns the loss and the accuracy.
///
/// # Errors
/// [`Error::Usage`] where the loss is not finite any more.
pub(super) fn descend_by(
    options: &TrainOptions,
    state: &mut State,
    features: Batch,
    loss: impl FnOnce(&[f32], &[f32]) -> Loss,
) -> Result<(f32, f32)> {
    let tape = state.trainable.forward(features); // (ΣT, C_in) -> (U, D)
    let result = loss(&tape.embeddings().values, &state.speakers);
    if !result.loss.is_finite() {
        return Err(Error::refused(
            format!(
                "training diverged at step {}: the loss is {}",
                state.step, result.loss
            ),
            Remedy::Option(&["choose a lower ", "learning_rate", ""]),
        ));
    }
    let mut gradients = state.trainable.backward(&tape, result.d_embeddings);
    state.trainable.update_running_statistics(&tape);

    gradients.insert(SPEAKERS.into(), result.d_speakers);
    let trainable = &mut state.trainable;
    trainable
        .weights
        .insert(SPEAKERS.into(), std::mem::take(&mut state.speakers));
    let layers = &trainable.layers;
    let decays = |name: &str| match name.split_once('.') {
        Some((index, "weight")) => index
            .parse()
            .is_ok_and(|i: usize| !matches!(layers[i], Layer::BatchNorm { .. })),
        Some(_) => false,
        None => true,
    };
    let learning_rate = one_cycle(state.step, options.num_steps, options.learning_rate);
    state.optimizer.step(
        &mut trainable.weights,
        &gradients,
        state.step,
        learning_rate,
        options.weight_decay,
        decays,
    );
    state.speakers = trainable.weights.remove(SPEAKERS).unwrap_or_default();
    gradients.into_values().for_each(batch::give_back);
    state.step += 1;
    Ok((result.loss, result.accuracy))
}
