//! The recipe: trains the network by AAM-softmax over speakers, then the detectors of overlapped
//! speech and of speech. A pair head is fitted afterwards: [`super::head`].

use super::{
    Labelled,
    batch::Batch,
    checkpoint::State,
    crops::MIN_FRAMES,
    descent::{Descent, Progress, descend_by, in_blocks},
    loss::{AngularMargin, Loss},
    options::TrainOptions,
    overlap, speech,
    teacher::Teacher,
    view::View,
};
use crate::{
    Error, Result,
    features::Mfcc,
    network::Network,
    verifier::{Model, ModelId},
};
use std::path::PathBuf;

/// The result of training.
pub struct Trained {
    /// The network.
    pub network: Network,
    /// Its embeddings of the training speech.
    pub labelled: Labelled,
    /// The detector of overlapped speech, where the options ask for one.
    pub overlap: Option<Network>,
    /// The speech detector, where the options ask for one.
    pub speech: Option<Network>,
}

/// The weights that training starts from. A network without such weights starts from random ones.
pub struct Begun {
    /// The network.
    pub network: Option<Start>,
    /// The detector of overlapped speech.
    pub overlap: Option<State>,
}

/// What a network starts from.
pub enum Start {
    /// The state of another run: its weights, where they fit.
    Run(Box<State>),
    /// The model with this id: the layers of its network up to the pooling, and its detectors.
    Model(ModelId, Box<Model>),
}

impl Start {
    /// BLAKE3 of the weights.
    fn hash(&self) -> String {
        match self {
            Start::Run(state) => state.hash(),
            Start::Model(id, _) => id.to_string(),
        }
    }

    /// Takes the detectors of overlapped speech and of speech out of a model, for a run that trains none.
    pub fn take_detectors(&mut self) -> (Option<Network>, Option<Network>) {
        match self {
            Start::Run(_) => (None, None),
            Start::Model(_, model) => (model.overlap.take(), model.speech.take()),
        }
    }
}

/// Trains all networks, each from its checkpoint if there is one, and embeds the training speech
/// for [`super::head::fit`]. `on_progress` may stop training by answering `false`: the state is
/// saved, and the result is `None`.
///
/// # Errors
/// A recording or checkpoint that cannot be read or written; options that make no sense.
pub fn train(
    all: &Descent,
    begun: Begun,
    on_progress: &mut dyn FnMut(Progress) -> bool,
) -> Result<Option<Trained>> {
    let (of_overlap, of_speech) = (all.options.of_overlap(), all.options.of_speech());
    let steps = |options: &Option<TrainOptions>| options.as_ref().map_or(0, |o| o.num_steps);
    let of_network = all.options.num_steps;
    let of_both = of_network + steps(&of_overlap);
    let num_steps = of_both + steps(&of_speech);
    let beside = |ending: &str| {
        let mut name = all.checkpoint.as_os_str().to_owned();
        name.push(ending);
        PathBuf::from(name)
    };
    let begun_from = begun.network.as_ref().map(Start::hash);
    let network_descent = Descent {
        begun_from: begun_from.as_deref(),
        ..*all
    };
    let counted = &mut |progress: Progress| on_progress(progress.of(0, num_steps));
    let Some((network, labelled)) =
        train_network(&network_descent, begun.network.as_ref(), counted)?
    else {
        return Ok(None);
    };
    let mut overlap = None;
    if let Some(options) = &of_overlap {
        let begun_from = begun.overlap.as_ref().map(State::hash);
        let detector = Descent {
            options,
            teacher: None,
            checkpoint: &beside(".overlap"),
            begun_from: begun_from.as_deref(),
            ..*all
        };
        let counted = &mut |progress: Progress| on_progress(progress.of(of_network, num_steps));
        overlap = overlap::train(&detector, begun.overlap, counted)?;
        if overlap.is_none() {
            return Ok(None);
        }
    }
    let mut speech = None;
    if let (Some(options), Some(speech_options)) = (&of_speech, &all.options.speech) {
        let detector = Descent {
            options,
            teacher: None,
            checkpoint: &beside(".speech"),
            ..*all
        };
        let counted = &mut |progress: Progress| on_progress(progress.of(of_both, num_steps));
        speech = speech::train(&detector, speech_options, counted)?;
        if speech.is_none() {
            return Ok(None);
        }
    }
    Ok(Some(Trained {
        network,
        labelled,
        overlap,
        speech,
    }))
}

/// Trains one network on the speakers' names and, where there is a teacher, on its vectors.
fn train_network(
    descent: &Descent,
    begun: Option<&Start>,
    on_progress: &mut dyn FnMut(Progress) -> bool,
) -> Result<Option<(Network, Labelled)>> {
    let options = descent.options;
    let mfcc = Mfcc::new(options.front_end.clone())?;
    let view = View::new(&mfcc, options.sees_log_mels())?;
    let layers = options.layers()?;
    let shapes = options.shapes(&layers)?;
    let crops = descent.crops(
        &mfcc,
        options.crop_seconds,
        shapes.receptive_field.max(MIN_FRAMES),
    )?;
    let map_rows = descent.teacher.map_or(0, Teacher::size);
    let rows = crops.num_classes() + map_rows;
    let start = |layers| {
        let mut fresh = State::fresh(layers, rows, shapes.embedding_size, options.seed);
        let is_taken = match begun {
            None => true,
            Some(Start::Run(state)) => fresh.take_weights(state) > 0,
            Some(Start::Model(_, model)) => {
                let (features, ..) = crops.batch(0, options.batch_size)?;
                fresh
                    .trainable
                    .take_layers(&model.network, &view.of(features))
            }
        };
        let refusal = || {
            Error::option(
                "start_from",
                "",
                "its layers have other sizes than this network's",
            )
        };
        is_taken.then_some(fresh).ok_or_else(refusal)
    };
    let step = |state: &mut State| {
        let (features, labels, utterances) = crops.batch(state.step, options.batch_size)?;
        let teacher = descent.teacher.map(|teacher| (teacher, &utterances[..]));
        optimise(options, state, view.of(features), &labels, teacher)
    };
    let Some(state) = descent.descend(layers, start, step, on_progress)? else {
        return Ok(None);
    };
    let network = view.network(state.trainable.folded())?;
    let labelled = embeddings(descent, &network, on_progress)?;
    Ok(labelled.map(|labelled| (network, labelled)))
}

/// Embeds each labelled training utterance as it is, and some augmented crops of it. `None` where `on_progress`
/// stopped it by answering `false`.
///
/// # Errors
/// As [`train`].
pub fn embeddings(
    descent: &Descent,
    network: &Network,
    on_progress: &mut dyn FnMut(Progress) -> bool,
) -> Result<Option<Labelled>> {
    let head = &descent.options.head;
    let labelled: Vec<usize> = (0..descent.manifest.utterances.len())
        .filter(|u| descent.manifest.is_labelled(*u))
        .collect();
    let crops = (head.crops_per_utterance, head.crop_seconds);
    let embedded = embedded(descent, network, &labelled, crops, on_progress)?;
    let Some(Embedded {
        embeddings,
        utterance_of,
    }) = embedded
    else {
        return Ok(None);
    };
    let label = |pick: fn(&super::manifest::Utterance) -> u32| -> Vec<u32> {
        utterance_of
            .iter()
            .map(|u| pick(&descent.manifest.utterances[*u]))
            .collect()
    };
    Labelled::new(embeddings, &label(|u| u.speaker))?
        .with_sessions(label(|u| u.session))?
        .with_domains(label(|u| u.corpus))
        .map(Some)
}

/// Embeddings, and the utterance that each was cut from.
pub(super) struct Embedded {
    /// N × (D,)
    pub embeddings: Vec<Vec<f32>>,
    /// (N,)
    pub utterance_of: Vec<usize>,
}

/// Embeds each of `utterances` as it is, and `num_crops` augmented crops of it. `seconds` are the lengths of the
/// shortest and the longest crop. `None` where `on_progress` stopped it by answering `false`.
///
/// # Errors
/// Options that make no sense.
pub(super) fn embedded(
    descent: &Descent,
    network: &Network,
    utterances: &[usize],
    (num_crops, seconds): (usize, (f32, f32)),
    on_progress: &mut dyn FnMut(Progress) -> bool,
) -> Result<Option<Embedded>> {
    let mfcc = &Mfcc::new(descent.options.front_end.clone())?;
    let min_frames = network.receptive_field().max(MIN_FRAMES);
    let crops = descent.crops(mfcc, seconds, min_frames)?;
    let whole = descent.crops(mfcc, (30.0, 30.0), min_frames)?;
    let of_utterance = |index: usize| {
        let u = utterances[index];
        let embed = |n: usize| {
            let place = [u as u64, n as u64];
            let source = if n == 0 { &whole } else { &crops };
            let crop = source.crop("head", &place, Some(u), n > 0)?;
            Ok(network.embed(&crop.features))
        };
        let crops: Result<Vec<Vec<f32>>> = (0..=num_crops).map(embed).collect();
        // A file that cannot be read is left out here; `Recordings::refused` names it.
        crops.unwrap_or_default()
    };
    let Some(found) = in_blocks(utterances.len(), of_utterance, on_progress) else {
        return Ok(None);
    };
    let (mut embeddings, mut utterance_of) = (vec![], vec![]);
    for (u, crops) in utterances.iter().zip(found) {
        utterance_of.extend(std::iter::repeat_n(*u, crops.len()));
        embeddings.extend(crops);
    }
    Ok(Some(Embedded {
        embeddings,
        utterance_of,
    }))
}

/// Takes one optimisation step on features `(ΣT, C_in)` and their classes; with a teacher, also on its
/// vectors of the utterances. Returns mean loss and accuracy.
///
/// # Errors
/// [`Error::Usage`](crate::Error::Usage) where the loss is not finite any more.
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
