//! Trains a model from a plan: from labelled recordings to a model file.
//!
//! ```text
//! Plan ─open─► Inputs ─train─► Report, and the model file
//! ```

use super::{
    augment::Augmenter,
    checkpoint::State,
    descent::{Descent, Progress},
    head,
    head_comparison::{self, Compared, Lists},
    joint,
    manifest::Manifest,
    options::{PairLoss, TrainOptions},
    overlap, overlap_term,
    recipe::{self, Begun, Start},
    recordings::Recordings,
    teacher::Teacher,
};
use crate::{
    Error, Result,
    eval::embedded::OnProgress,
    features::MfccConfig,
    network::Network,
    storage::{json_of, model, output::OutputFile},
    verifier::{Limits, Model, ModelCard, ModelId, Verifier},
};
use std::path::{Path, PathBuf};

/// What to train, and on which recordings.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Everything that decides the result, apart from the recordings.
    pub options: TrainOptions,
    /// A folder with one sub-folder of recordings per speaker, or a manifest.
    pub speech: PathBuf,
    /// Folder with recordings of noise to mix in.
    pub noise: Option<PathBuf>,
    /// Folder with room impulse responses, added to the simulated ones.
    pub rir: Option<PathBuf>,
    /// A model whose detector of overlapped speech is taken. If the options train a detector, training
    /// starts from this one.
    pub overlap_of: Option<PathBuf>,
    /// A checkpoint of another run, whose weights the network starts from where they fit; or a model,
    /// whose network it starts from up to the pooling, and whose detectors are taken if none are trained.
    pub start_from: Option<PathBuf>,
    /// A model to add a joint embedding to, made by `train`. With it, no network is trained.
    pub onto: Option<PathBuf>,
    /// The file of the run's state. Training goes on from it if it exists.
    pub checkpoint: PathBuf,
    /// Steps between two savings of the state.
    pub checkpoint_every: usize,
    /// Memory for decoded speech, in MB.
    pub cache_mb: usize,
    /// Trial lists to compare pair heads on; none for no comparison.
    pub compare_heads: Vec<PathBuf>,
    /// Folder that the recordings of these lists are relative to.
    pub root: PathBuf,
    /// Name for the model card.
    pub name: String,
    /// Training data, for the model card.
    pub data: String,
    /// Terms of use, for the model card.
    pub license: String,
}

/// The inputs of a plan, read and checked. The recordings themselves are read during training.
pub struct Inputs<'a> {
    plan: &'a Plan,
    lists: Lists<'a>,
    overlap: Option<Overlap>,
    start_from: Option<Start>,
    onto: Option<Model>,
    manifest: Manifest,
    noise: Vec<PathBuf>,
    rirs: Vec<PathBuf>,
}

/// The detector of overlapped speech of another model.
enum Overlap {
    /// It becomes part of the new model.
    Finished(Box<Network>),
    /// It is trained on from here.
    Begun(State),
}

/// Looks up another system's vector of a recording, by the recording's id.
pub type Vector<'a> = &'a dyn Fn(&str) -> Option<&'a [f32]>;

/// What happens in a run.
pub enum Event<'a> {
    /// How far training is.
    Progress(Progress),
    /// A recording cannot be read, and is left out.
    LeftOut(&'a str),
    /// A network's pair head was refined.
    Refined(PairLoss, head::Report),
}

/// Called as the run goes on. Answering `false` to [`Event::Progress`] saves the state and stops.
pub type OnEvent<'a> = &'a mut dyn FnMut(Event) -> bool;

/// The result of a run.
#[derive(Debug, Clone)]
pub struct Report {
    /// Id of the model file.
    pub model_id: ModelId,
    /// How the last network's pair head was refined; none where it was not.
    pub refined: Option<head::Report>,
    /// The comparison of pair heads, where the plan asks for one.
    pub heads: Option<Vec<Compared>>,
}

impl<'a> Inputs<'a> {
    /// Reads the lists and the manifest, and looks for the recordings.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::List`]; [`Error::Usage`] for a plan that makes no sense.
    pub fn open(plan: &'a Plan) -> Result<Self> {
        let lists = Lists::open(&plan.compare_heads, &plan.root)?;
        let overlap = plan.overlap_of.as_deref();
        let overlap = overlap.map(|path| overlap_of(path, &plan.options));
        let start_from = plan.start_from.as_deref();
        let start_from = start_from.map(|path| start_of(path, &plan.options));
        let onto = plan.onto.as_deref();
        let onto = onto.map(|path| onto_of(path, &plan.options));
        Ok(Inputs {
            plan,
            lists,
            overlap: overlap.transpose()?,
            start_from: start_from.transpose()?,
            onto: onto.transpose()?,
            manifest: Manifest::open(&plan.speech)?,
            noise: sounds(plan.noise.as_deref())?,
            rirs: sounds(plan.rir.as_deref())?,
        })
    }

    /// Every recording that will be read.
    pub fn recordings(&self) -> impl Iterator<Item = PathBuf> {
        let speech = self.manifest.utterances.iter().map(|u| &u.path);
        let sounds = self.noise.iter().chain(&self.rirs);
        speech.chain(sounds).cloned().chain(self.lists.recordings())
    }

    /// Recordings to train on.
    pub fn num_utterances(&self) -> usize {
        self.manifest.utterances.len()
    }

    /// Speakers of these recordings.
    pub fn num_speakers(&self) -> usize {
        self.manifest.speakers.len()
    }

    /// Trains the model and writes it to `out`. `teacher` has the vectors of another system, if the
    /// options give such vectors a weight. `None` where `on_event` stopped the run.
    ///
    /// # Errors
    /// [`Error::Io`] for a room, a checkpoint or a model file that cannot be read or written;
    /// [`Error::Usage`] where nothing can be learnt from the recordings.
    pub fn train(
        mut self,
        teacher: Option<Vector>,
        out: &OutputFile,
        on_event: OnEvent,
        on_embedded: OnProgress,
    ) -> Result<Option<Report>> {
        let (plan, options) = (self.plan, &self.plan.options);
        let utterances = self.manifest.utterances.iter();
        let paths = utterances.map(|u| u.path.clone()).collect();
        let recordings = Recordings::new(paths, plan.cache_mb.saturating_mul(1 << 20));
        let noise = Recordings::new(self.noise.clone(), plan.cache_mb.saturating_mul(1 << 18));
        let rirs = Recordings::new(self.rirs.clone(), usize::MAX);
        let augmenter = Augmenter::new(&options.augment, noise, &rirs, options.seed)?;
        let teacher = teacher.map(|vector| {
            let root = match plan.speech.is_dir() {
                true => &plan.speech,
                false => plan.speech.parent().unwrap_or(Path::new("")),
            };
            Teacher::new(&self.manifest, root, options, vector)
        });
        let teacher = teacher.transpose()?;
        let descent = Descent {
            options,
            teacher: teacher.as_ref(),
            manifest: &self.manifest,
            recordings: &recordings,
            augmenter: &augmenter,
            checkpoint: &plan.checkpoint,
            checkpoint_every: plan.checkpoint_every,
            begun_from: None,
        };
        if let Some(model) = self.onto {
            return add_joint(model, &descent, out, on_event);
        }
        let (finished, overlap) = match self.overlap {
            Some(Overlap::Finished(network)) => (Some(*network), None),
            Some(Overlap::Begun(state)) => (None, Some(state)),
            None => (None, None),
        };
        let of_start = self.start_from.as_mut().map(Start::take_detectors);
        let (overlap_of_start, speech_of_start) = of_start.unwrap_or_default();
        let begun = Begun {
            network: self.start_from,
            overlap,
        };
        let trained = recipe::train(&descent, begun, &mut |progress| {
            on_event(Event::Progress(progress))
        })?;
        let Some(trained) = trained else {
            return Ok(None);
        };
        tell_left_out(&recordings, on_event);
        let (network, labelled) = (trained.network, trained.labelled);
        let (head, refined) = head::fit(&labelled, &options.head, options.seed)?;
        if let Some(report) = refined {
            on_event(Event::Refined(options.head.loss, report));
        }
        let model = Model {
            front_end: options.front_end.clone(),
            network,
            overlap: trained.overlap.or(finished).or(overlap_of_start),
            has_overlap_term: false,
            speech: trained.speech.or(speech_of_start),
            head,
            limits: Limits::default(),
            rates: None,
            sequential: None,
            rounded_from: None,
            card: card(plan, &self.manifest),
        };
        let model_id = model::save(out.path(), &model)?;
        let heads = (!self.lists.is_empty()).then(|| {
            let verifier = Verifier::new(model_id, model)?;
            head_comparison::compare(&self.lists, &verifier, &labelled, options, on_embedded)
        });
        Ok(Some(Report {
            model_id,
            refined,
            heads: heads.transpose()?,
        }))
    }
}

/// Adds a joint embedding to `model`, and writes the result to `out`.
fn add_joint(
    model: Model,
    descent: &Descent,
    out: &OutputFile,
    on_event: OnEvent,
) -> Result<Option<Report>> {
    let fitted = joint::fit(descent, &model.network, &model.head, &mut |progress| {
        on_event(Event::Progress(progress))
    })?;
    let Some((network, head)) = fitted else {
        return Ok(None);
    };
    tell_left_out(descent.recordings, on_event);
    let statistics = joint::without_last(&model.network)?;
    let mut model = model.with_network(network, head);
    if let (Some(options), Some(detector)) = (&descent.options.joint.overlap, &model.overlap) {
        let term = overlap_term::fit(descent, &statistics, detector, options, &mut |progress| {
            on_event(Event::Progress(progress))
        })?;
        let Some(term) = term else {
            return Ok(None);
        };
        let (network, detector) = term.applied(&model.network, detector)?;
        (model.network, model.overlap) = (network, Some(detector));
        (model.has_overlap_term, model.limits.max_overlap) = (true, options.max_logit);
    }
    model.card.recipe = with_joint(&model.card.recipe, descent.options);
    Ok(Some(Report {
        model_id: model::save(out.path(), &model)?,
        refined: None,
        heads: None,
    }))
}

fn tell_left_out(recordings: &Recordings, on_event: OnEvent) {
    for refused in recordings.refused() {
        on_event(Event::LeftOut(&refused));
    }
}

fn card(plan: &Plan, manifest: &Manifest) -> ModelCard {
    let training_data = format!(
        "{} recordings of {} speakers. {}",
        manifest.utterances.len(),
        manifest.speakers.len(),
        plan.data
    );
    ModelCard {
        name: plan.name.clone(),
        description: "Text-independent speaker verification: are two recordings of one speaker? \
                      No liveness detection."
            .into(),
        training_data: training_data.trim_end().into(),
        recipe: serde_json::to_string(&plan.options).expect("plain data"),
        license: plan.license.clone(),
        ..ModelCard::default()
    }
}

const OTHER_FRONT_END: &str = "the model has another front-end than the options";

fn refusal(option: &'static str, path: &Path, fact: &str) -> Error {
    Error::option(option, path.display(), fact)
}

/// The detector of overlapped speech of the model file `path`.
fn overlap_of(path: &Path, options: &TrainOptions) -> Result<Overlap> {
    let model = model::load(path)?.into_model();
    let refuse = |fact: &str| refusal("overlap_of", path, fact);
    // The detector keeps the pauses, whatever the networks do.
    let same_front_end = MfccConfig {
        speech_only: options.front_end.speech_only,
        ..model.front_end
    };
    if same_front_end != options.front_end {
        return Err(refuse(OTHER_FRONT_END));
    }
    let Some(network) = model.overlap else {
        return Err(refuse("the model has no detector of overlapped speech"));
    };
    let Some(options) = options.of_overlap() else {
        return Ok(Overlap::Finished(Box::new(network)));
    };
    let begun = overlap::state_of(&network, &options)?.map(Overlap::Begun);
    begun.ok_or_else(|| {
        refuse("its detector of overlapped speech has other layers than that of the options")
    })
}

/// What the network starts from: the model or the checkpoint `path`.
fn start_of(path: &Path, options: &TrainOptions) -> Result<Start> {
    let Ok(verifier) = model::load(path) else {
        return State::of_other_run(path).map(|state| Start::Run(Box::new(state)));
    };
    let id = verifier.id();
    let model = verifier.into_model();
    if model.front_end != options.front_end {
        return Err(refusal("start_from", path, OTHER_FRONT_END));
    }
    Ok(Start::Model(id, Box::new(model)))
}

/// Reads the model file `path`, which is to get a joint embedding.
fn onto_of(path: &Path, options: &TrainOptions) -> Result<Model> {
    let model = model::load(path)?.into_model();
    if model.front_end != options.front_end {
        return Err(refusal("onto", path, OTHER_FRONT_END));
    }
    Ok(model)
}

/// The recipe of a model's networks, with that of their joint embedding.
fn with_joint(recipe: &str, options: &TrainOptions) -> String {
    let mut all = match serde_json::from_str(recipe) {
        Ok(serde_json::Value::Object(all)) => all,
        _ => serde_json::Map::from_iter([("networks".into(), recipe.into())]),
    };
    let joint = serde_json::json!({
        "seed": options.seed,
        "augment": json_of(&options.augment),
        "fit": json_of(&options.joint),
    });
    all.insert("joint".into(), joint);
    serde_json::Value::Object(all).to_string()
}

/// The files of a folder, sorted; none without a folder.
fn sounds(dir: Option<&Path>) -> Result<Vec<PathBuf>> {
    let Some(dir) = dir else { return Ok(vec![]) };
    let mut paths: Vec<PathBuf> = std::fs::read_dir(dir)
        .and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect())
        .map_err(|e| Error::io(dir, "read", e))?;
    paths.retain(|path| path.is_file());
    paths.sort();
    Ok(paths)
}
