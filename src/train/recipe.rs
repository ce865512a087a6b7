//! The recipe: a manifest in; a network or several, trained by AAM-softmax over speakers, and embeddings of the
//! training speech out. A pair head is then fitted on these: [`super::head`]. And the network that
//! hears two voices at the same time: `overlap`.

use super::{
    Labelled,
    augment::Augmenter,
    batch::{self, Batch},
    checkpoint::{SPEAKERS, State},
    crops::{Crops, Shares},
    loss::{AngularMargin, Loss},
    manifest::Manifest,
    member::Seen,
    optimizer::one_cycle,
    options::TrainOptions,
    recordings::Recordings,
    speech,
    teacher::Teacher,
    view::View,
};
use crate::{
    Error, Result,
    features::Mfcc,
    network::{Layer, Network, infer},
};
use rayon::prelude::*;
use std::path::{Path, PathBuf};

/// How far a run is.
#[derive(Debug, Clone, Copy)]
pub enum Progress {
    /// After an optimisation step.
    Step {
        /// Steps done.
        step: usize,
        /// Of so many.
        num_steps: usize,
        /// Mean loss of the batch.
        loss: f32,
        /// Share of crops whose speaker was the nearest.
        accuracy: f32,
    },
    /// Embeddings of the training speech, for the head.
    Embeddings {
        /// Done.
        done: usize,
        /// Of so many.
        total: usize,
    },
}

impl Progress {
    /// Steps counted over all networks: `before` are those of the networks before this one.
    fn of(self, before: usize, all: usize) -> Self {
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

/// What a run comes to.
pub struct Trained {
    /// The networks, and the training speech by each.
    pub members: Vec<(Network, Labelled)>,
    /// The detector of overlapped speech, where the options ask for one.
    pub overlap: Option<Network>,
    /// The speech detector, where the options ask for one.
    pub speech: Option<Network>,
}

/// Where the run keeps its state, and the sources of its sound.
pub struct Run<'a> {
    /// Options.
    pub options: &'a TrainOptions,
    /// Who says what.
    pub manifest: &'a Manifest,
    /// The audio of `manifest.utterances`.
    pub recordings: &'a Recordings,
    /// Rooms and noise.
    pub augmenter: &'a Augmenter,
    /// The state's file.
    pub checkpoint: &'a Path,
    /// What another system says of them, if it was asked.
    pub teacher: Option<&'a Teacher>,
    /// Steps between two savings.
    pub checkpoint_every: usize,
}

impl Run<'_> {
    /// Trains the networks, continuing from the checkpoint where there is one, and embeds the
    /// training speech by each for [`super::head::fit`]. `on_progress` may stop the run by answering
    /// `false`: the state is saved and `None` returned.
    ///
    /// # Errors
    /// A recording or checkpoint that cannot be read or written; options that make no sense.
    pub fn train(&self, on_progress: &mut dyn FnMut(Progress) -> bool) -> Result<Option<Trained>> {
        let members = self.options.of_each();
        let of_overlap = self.options.of_overlap();
        let of_members = members.len() * self.options.num_steps;
        let of_both = of_members + of_overlap.as_ref().map_or(0, |options| options.num_steps);
        let all = of_both
            + self
                .options
                .speech
                .as_ref()
                .map_or(0, |own| speech::num_steps(self.options, own));
        let beside = |ending: &str| {
            let mut name = self.checkpoint.as_os_str().to_owned();
            name.push(ending);
            PathBuf::from(name)
        };
        let mut trained = vec![];
        for (index, (options, seen)) in members.iter().enumerate() {
            let checkpoint = match index {
                0 => self.checkpoint.to_path_buf(),
                _ => beside(&format!(".{index}")),
            };
            let is_taught = options.teacher_weight > 0.0;
            let member = Run {
                options,
                teacher: self.teacher.filter(|_| is_taught),
                checkpoint: &checkpoint,
                ..*self
            };
            let before = index * self.options.num_steps;
            let counted = &mut |progress: Progress| on_progress(progress.of(before, all));
            match member.train_one(*seen, counted)? {
                Some(one) => trained.push(one),
                None => return Ok(None),
            }
        }
        let mut overlap = None;
        if let Some(options) = &of_overlap {
            let detector = Run {
                options,
                teacher: None,
                checkpoint: &beside(".overlap"),
                ..*self
            };
            let counted = &mut |progress: Progress| on_progress(progress.of(of_members, all));
            overlap = detector.train_overlap(counted)?;
            if overlap.is_none() {
                return Ok(None);
            }
        }
        let mut speech_detector = None;
        if let Some(own) = &self.options.speech {
            let detector = Run {
                options: &speech::options(self.options, own),
                teacher: None,
                checkpoint: &beside(".speech"),
                ..*self
            };
            let counted = &mut |progress: Progress| on_progress(progress.of(of_both, all));
            speech_detector = detector.train_speech(own, counted)?;
            if speech_detector.is_none() {
                return Ok(None);
            }
        }
        Ok(Some(Trained {
            members: trained,
            overlap,
            speech: speech_detector,
        }))
    }

    /// Trains one network, which sees part of the features.
    fn train_one(
        &self,
        seen: Seen,
        on_progress: &mut dyn FnMut(Progress) -> bool,
    ) -> Result<Option<(Network, Labelled)>> {
        let options = self.options;
        let mfcc = Mfcc::new(options.front_end.clone())?;
        let view = View::new(&mfcc, seen)?;
        let layers = options.layers()?;
        let shapes = infer(&layers, options.front_end.num_frame_channels())?;
        let crops = self.crops(&mfcc, options.crop_seconds, shapes.receptive_field.max(30))?;
        let map_rows = self.teacher.map_or(0, Teacher::size);
        let rows = crops.num_classes() + map_rows;
        let start = |layers| State::fresh(layers, rows, shapes.embedding_size, options.seed);
        let step = |state: &mut State| self.step(&crops, &view, state);
        let Some(state) = self.descend(layers, start, step, on_progress)? else {
            return Ok(None);
        };
        let network = view.network(state.trainable.folded())?;
        let labelled = self.embeddings(&network, on_progress)?;
        Ok(Some((network, labelled)))
    }

    /// From the checkpoint, or the start where there is none, to the last step; `None` where
    /// `on_progress` stopped it.
    pub(super) fn descend(
        &self,
        layers: Vec<Layer>,
        start: impl FnOnce(Vec<Layer>) -> State,
        mut take_step: impl FnMut(&mut State) -> Result<(f32, f32)>,
        on_progress: &mut dyn FnMut(Progress) -> bool,
    ) -> Result<Option<State>> {
        let options = self.options;
        let mut hash = format!("{} {}", self.manifest.hash(), self.augmenter.hash());
        if let Some(teacher) = self.teacher {
            hash += &format!(" {}", teacher.hash());
        }
        let mut state = match self.checkpoint.exists() {
            true => State::load(self.checkpoint, options, &hash, layers)?,
            false => start(layers),
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

    pub(super) fn crops<'a>(
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
            warped: self.options.warped()?,
            warps_percent: &self.options.warps_percent,
            pitch: self.options.pitch,
            min_frames,
            seed: self.options.seed,
        })
    }

    /// One optimisation step on the next batch; its mean loss and accuracy.
    fn step(&self, crops: &Crops, view: &View, state: &mut State) -> Result<(f32, f32)> {
        let (features, labels, utterances) = crops.batch(state.step, self.options.batch_size)?;
        let teacher = self.teacher.map(|teacher| (teacher, &utterances[..]));
        optimise(self.options, state, view.of(features), &labels, teacher)
    }

    /// Each training utterance as it is, and some augmented crops of it.
    ///
    /// # Errors
    /// As [`Self::train`].
    pub fn embeddings(
        &self,
        network: &Network,
        on_progress: &mut dyn FnMut(Progress) -> bool,
    ) -> Result<Labelled> {
        let mfcc = &Mfcc::new(self.options.front_end.clone())?;
        let options = &self.options.head;
        let min_frames = network.receptive_field().max(30);
        let crops = self.crops(mfcc, options.crop_seconds, min_frames)?;
        let whole = self.crops(mfcc, (30.0, 30.0), min_frames)?;
        let labelled: Vec<usize> = (0..self.manifest.utterances.len())
            .filter(|u| self.manifest.is_labelled(*u))
            .collect();
        let total = labelled.len();
        let (mut embeddings, mut of) = (vec![], vec![]);
        const AT_ONCE: usize = 64;
        for (block, some) in labelled.chunks(AT_ONCE).enumerate() {
            let found: Vec<Vec<Vec<f32>>> = some
                .par_iter()
                .map(|&u| {
                    let embed = |n: usize| {
                        let place = [u as u64, n as u64];
                        let source = if n == 0 { &whole } else { &crops };
                        let crop = source.crop("head", &place, Some(u), n > 0)?;
                        Ok(network.embed(&crop.features))
                    };
                    let own: Result<_> = (0..=options.crops_per_utterance).map(embed).collect();
                    own.unwrap_or_default() // a file that cannot be read: told by `recordings`
                })
                .collect();
            for (u, own) in some.iter().zip(found) {
                of.extend(std::iter::repeat_n(*u, own.len()));
                embeddings.extend(own);
            }
            on_progress(Progress::Embeddings {
                done: block * AT_ONCE + some.len(),
                total,
            });
        }
        let label = |pick: fn(&super::manifest::Utterance) -> u32| -> Vec<u32> {
            of.iter()
                .map(|u| pick(&self.manifest.utterances[*u]))
                .collect()
        };
        Labelled::new(embeddings, &label(|u| u.speaker))?
            .with_sessions(label(|u| u.session))?
            .with_domains(label(|u| u.corpus))
    }
}

/// One optimisation step on features `(ΣT, C_in)` and their classes, with a teacher on the utterances
/// as well; mean loss and accuracy.
///
/// # Errors
/// [`Error::Usage`] where the loss is not finite any more.
pub fn optimise(
    options: &TrainOptions,
    state: &mut State,
    features: Batch,
    labels: &[u32],
    teacher: Option<(&Teacher, &[u32])>,
) -> Result<(f32, f32)> {
    let done = state.step as f32 / options.num_steps as f32;
    let margin = options.margin * (done / options.margin_ramp.max(1e-6)).min(1.0);
    let criterion = AngularMargin {
        scale: options.scale,
        margin,
    };

    descend_by(options, state, features, |embeddings, speakers| {
        let size = teacher.map_or(0, |(teacher, _)| teacher.size());
        let map_len = size * (embeddings.len() / labels.len());
        let (speakers, map) = speakers.split_at(speakers.len() - map_len);
        let mut loss = match options.speaker_weight {
            0.0 => Loss::none(embeddings.len(), speakers.len()),
            weight => criterion.loss(embeddings, speakers, labels).times(weight),
        };
        if let Some((teacher, utterances)) = teacher {
            teacher.teach(
                options.teacher_weight,
                embeddings,
                map,
                utterances,
                &mut loss,
            );
        }
        loss
    })
}

/// One optimisation step by a loss of the embeddings `(U, D)` and the speakers' rows `(S, D)`.
///
/// # Errors
/// As [`optimise`].
pub(super) fn descend_by(
    options: &TrainOptions,
    state: &mut State,
    features: Batch,
    loss: impl FnOnce(&[f32], &[f32]) -> Loss,
) -> Result<(f32, f32)> {
    let tape = state.trainable.forward(features); // (ΣT, C_in) -> (U, D)
    let result = loss(&tape.embeddings().values, &state.speakers);
    if !result.loss.is_finite() {
        return Err(Error::Usage(format!(
            "training diverged at step {}: the loss is {}; choose a lower --learning-rate",
            state.step, result.loss
        )));
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
