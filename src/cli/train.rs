//! `spkver train`: a folder or manifest of labelled speech in, a model file out.

mod heads;
mod progress;

use super::{Global, outputs};
use progress::{Log, Watch};
use serde_json::json;
use spkver::{
    Error, Result,
    batch::vectors,
    features::{Mfcc, MfccConfig},
    network::Network,
    storage::{
        model,
        output::{Form, Outputs},
    },
    train::{
        augment::Augmenter, ensemble, head, manifest::Manifest, options::TrainOptions,
        pair_loss::PairLoss, recipe::Run, recordings::Recordings, teacher::Teacher,
    },
    verifier::{Limits, Model, ModelCard, Verifier},
};
use std::path::{Path, PathBuf};

/// What `spkver train` takes.
#[derive(clap::Args)]
#[group(skip)]
pub struct Args {
    /// A folder with one sub-folder of recordings per speaker, or a CSV or JSONL manifest with
    /// `path` and `speaker` (and `session`, `corpus`, `split`)
    #[arg(value_name = "DIR|MANIFEST")]
    speech: PathBuf,
    /// Model file to write
    #[arg(short, long, value_name = "FILE", default_value = "model.safetensors")]
    out: PathBuf,
    /// State of the run, continued if it is there [default: OUT with .ckpt at its end]
    #[arg(long, value_name = "FILE")]
    checkpoint: Option<PathBuf>,
    /// Steps between two savings of the state
    #[arg(long, value_name = "N", default_value_t = 250, value_parser = positive)]
    checkpoint_every: usize,
    /// Save the state and stop after so many steps of this session
    #[arg(long, value_name = "N", value_parser = positive)]
    stop_after: Option<usize>,
    /// Folder with recordings of noise to mix in
    #[arg(long, value_name = "DIR")]
    noise: Option<PathBuf>,
    /// Folder with room impulse responses, added to the simulated ones
    #[arg(long, value_name = "DIR")]
    rir: Option<PathBuf>,
    /// Vectors of the recordings by another system, which the network also learns from: any form that
    /// `embed` writes, ids as in the manifest, `PATH@SPEED@WARP` at other speeds and warps
    #[arg(long, value_name = "VECTORS")]
    teacher: Option<PathBuf>,
    /// Names of the rows of a `.npy` of the teacher's, one a line
    #[arg(long, value_name = "FILE", requires = "teacher")]
    teacher_ids: Option<PathBuf>,
    /// Take the detector of overlapped speech from this model instead of training one
    #[arg(long, value_name = "MODEL")]
    overlap_of: Option<PathBuf>,
    /// Options as JSON: any part of what `--print-options` shows
    #[arg(long, value_name = "FILE")]
    options: Option<PathBuf>,
    /// Show all options as they would be used, as JSON, and stop
    #[arg(long)]
    print_options: bool,
    /// Seed of everything random
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Optimisation steps
    #[arg(long, value_name = "N", value_parser = positive)]
    steps: Option<usize>,
    /// Crops per step
    #[arg(long, value_name = "N", value_parser = positive)]
    batch_size: Option<usize>,
    /// Peak learning rate
    #[arg(long, value_name = "RATE")]
    learning_rate: Option<f32>,
    /// Channels of the frame layers
    #[arg(long, value_name = "C", value_parser = positive)]
    channels: Option<usize>,
    /// Size of the embedding
    #[arg(long, value_name = "D", value_parser = positive)]
    embedding_size: Option<usize>,
    /// Networks, of those that the options list, to train and make one; 1 for a single network that
    /// sees the whole band
    #[arg(long, value_name = "N", value_parser = positive)]
    members: Option<usize>,
    /// relu, leaky-relu, tanh, sigmoid or identity
    #[arg(long, value_name = "NAME")]
    activation: Option<String>,
    /// stats, mean or flatten
    #[arg(long, value_name = "NAME")]
    pool: Option<String>,
    /// What the pair head is trained for: bce, softmax (two outputs) or mse (a grade)
    #[arg(long, value_name = "NAME", value_parser = pair_loss)]
    head: Option<PairLoss>,
    /// Outputs of the pair head [default: as many as it needs]
    #[arg(long, value_name = "N", value_parser = positive)]
    head_outputs: Option<usize>,
    /// Measure every head on these trial lists: cosine, LDA, PLDA, BCE, softmax, MSE
    #[arg(long, value_name = "TRIALS", num_args = 1..)]
    compare_heads: Vec<PathBuf>,
    /// Folder that the recordings of the trials are relative to
    #[arg(
        long,
        value_name = "DIR",
        default_value = ".",
        requires = "compare_heads"
    )]
    root: PathBuf,
    /// Most memory for decoded speech, in MB; the corpus may be larger
    #[arg(long, value_name = "MB", default_value_t = 1024)]
    cache_mb: usize,
    /// Name for the model card
    #[arg(long, value_name = "TEXT", default_value = "spkver")]
    name: String,
    /// Training data, for the model card: corpora and licences
    #[arg(long, value_name = "TEXT", default_value = "")]
    data: String,
    /// Terms of use, for the model card
    #[arg(long, value_name = "TEXT", default_value = "")]
    license: String,
    #[command(flatten)]
    replacing: outputs::Args,
}

fn positive(text: &str) -> std::result::Result<usize, String> {
    text.parse()
        .ok()
        .filter(|n| *n > 0)
        .ok_or_else(|| "a whole number above 0 is wanted".into())
}

fn pair_loss(text: &str) -> std::result::Result<PairLoss, String> {
    serde_json::from_value(json!(text)).map_err(|_| "bce, softmax or mse is wanted".into())
}

impl Args {
    /// The detector of the model that `--overlap-of` names.
    fn overlap(&self, options: &TrainOptions) -> Result<Option<Network>> {
        let Some(path) = &self.overlap_of else {
            return Ok(None);
        };
        let model = model::load(path)?.into_model();
        let refuse = |fact: &str| {
            let path = path.display();
            Err(Error::Usage(format!("--overlap-of {path}: {fact}")))
        };
        // The detector hears pauses, whatever the networks do.
        let same_front_end = MfccConfig {
            speech_only: options.front_end.speech_only,
            ..model.front_end
        };
        match model.overlap {
            _ if options.overlap.is_some() => {
                refuse(r#"the options train one; give "overlap": null"#)
            }
            _ if same_front_end != options.front_end => {
                refuse("the model has another front-end than the options")
            }
            None => refuse("the model has no detector of overlapped speech"),
            found => Ok(found),
        }
    }

    fn spare_inputs(&self, outputs: &Outputs) -> Result<()> {
        let flags = [&self.teacher, &self.teacher_ids, &self.options];
        let files = flags.into_iter().flatten().chain(&self.compare_heads);
        let mut files = files.chain([&self.speech]);
        files.try_for_each(|path| outputs.spare(path))
    }

    fn teacher(&self, manifest: &Manifest, options: &TrainOptions) -> Result<Option<Teacher>> {
        let path = match (&self.teacher, options.wants_teacher()) {
            (Some(path), true) => path,
            (None, false) => return Ok(None),
            (None, true) => {
                return Err(Error::Usage(
                    "the options want a teacher (teacher_weight): give its vectors with --teacher"
                        .into(),
                ));
            }
            (Some(_), false) => {
                return Err(Error::Usage(
                    "--teacher: no network learns from it; give teacher_weight (40, say) in --options"
                        .into(),
                ));
            }
        };
        let root = match self.speech.is_dir() {
            true => &self.speech,
            false => self.speech.parent().unwrap_or(Path::new("")),
        };
        let vectors = vectors::read(path, self.teacher_ids.as_deref(), &|_| true)?;
        let vector = |id: &str| vectors.get(id).ok();
        Teacher::new(manifest, root, options, vector).map(Some)
    }
}

/// Runs the command.
pub fn run(args: &Args, global: &Global) -> Result<u8> {
    let options = options(args)?;
    if args.print_options {
        let text = serde_json::to_string_pretty(&options).expect("plain data");
        global.output().result(&text, &json!(options))?;
        return Ok(0);
    }
    let checkpoint = args.checkpoint.clone().unwrap_or_else(|| {
        let mut name = args.out.clone().into_os_string();
        name.push(".ckpt");
        name.into()
    });
    options.layers()?; // before any work: a bad option or place is told at once
    let outputs = vec![args.out.clone(), checkpoint.clone()];
    let outputs = args.replacing.open(outputs, global)?;
    let lists = heads::open(&args.compare_heads, &args.root)?;
    let overlap = args.overlap(&options)?;
    let manifest = Manifest::open(&args.speech)?;
    let (noise, rirs) = (sounds(args.noise.as_deref())?, sounds(args.rir.as_deref())?);
    args.spare_inputs(&outputs)?;
    outputs.spare_all(manifest.utterances.iter().map(|utterance| &utterance.path))?;
    outputs.spare_all(noise.iter().chain(&rirs))?;
    outputs.spare_all(heads::recordings(&lists, &args.root))?;
    // Before a day of training.
    let out = outputs.take(&args.out, &Form::MODEL)?;
    outputs.take(&checkpoint, &Form::CHECKPOINT)?;
    let num_utterances = manifest.utterances.len();
    let log = Log::new(global);
    log.line(&format!(
        "{num_utterances} recordings of {} speakers; {} threads",
        manifest.speakers.len(),
        rayon::current_num_threads()
    ));
    let paths = manifest.utterances.iter().map(|u| u.path.clone()).collect();
    let recordings = Recordings::new(paths, args.cache_mb.saturating_mul(1 << 20));
    let noise = Recordings::new(noise, args.cache_mb.saturating_mul(1 << 18));
    let rirs = Recordings::new(rirs, usize::MAX);
    let augmenter = Augmenter::new(&options.augment, noise, &rirs, options.seed)?;
    let teacher = args.teacher(&manifest, &options)?;
    let run = Run {
        options: &options,
        teacher: teacher.as_ref(),
        manifest: &manifest,
        recordings: &recordings,
        augmenter: &augmenter,
        checkpoint: &checkpoint,
        checkpoint_every: args.checkpoint_every,
    };
    let mut watch = Watch::new(&log, args.stop_after);
    let Some(trained) = run.train(&mut |progress| watch.see(progress))? else {
        let line = format!(
            "stopped; the same command continues from {}",
            checkpoint.display()
        );
        global.output().result(
            &line,
            &json!({"command": "train", "checkpoint": checkpoint.to_string_lossy()}),
        )?;
        return Ok(0);
    };
    for refused in recordings.refused() {
        global.output().warning(&format!("left out: {refused}"));
    }
    let (mut members, mut refined) = (vec![], None);
    for ((network, labelled), (own, _)) in trained.members.into_iter().zip(options.of_each()) {
        let (head, report) = head::fit(&labelled, &own.head, options.seed)?;
        if let Some(report) = report {
            log.line(&heads::line(own.head.loss, &report));
        }
        refined = report;
        members.push((network, head));
    }
    let num_features = Mfcc::new(options.front_end.clone())?.num_channels();
    let (network, head) = ensemble::join(members, num_features)?;
    let labelled = match args.compare_heads.is_empty() {
        true => None,
        false => Some(run.embeddings(&network, &mut |progress| watch.see(progress))?),
    };
    let card = ModelCard {
        name: args.name.clone(),
        description: "Text-independent speaker verification: are two recordings of one speaker? \
                      No liveness detection."
            .into(),
        training_data: format!(
            "{num_utterances} recordings of {} speakers. {}",
            manifest.speakers.len(),
            args.data
        )
        .trim_end()
        .into(),
        recipe: serde_json::to_string(&options).expect("plain data"),
        license: args.license.clone(),
        ..ModelCard::default()
    };
    let front_end = options.front_end.clone();
    let model = Model {
        front_end,
        network,
        overlap: trained.overlap.or(overlap),
        speech: trained.speech,
        head,
        limits: Limits::default(),
        rates: None,
        card,
    };
    let id = model::save(out.path(), &model)?;
    let mut line = format!("wrote {} (model {})", args.out.display(), id.short());
    let mut json = json!({
        "command": "train",
        "model": args.out.to_string_lossy(),
        "model_id": id.to_string(),
        "head": refined.map(|report| json!({
            "loss": options.head.loss,
            "before": report.loss_before,
            "after": report.loss_after,
            "pearson": report.pearson,
        })),
    });
    if let Some(labelled) = &labelled {
        let verifier = Verifier::new(id, model)?;
        let compared = heads::compare(&lists, &args.root, &verifier, labelled, &options)?;
        line = format!("{}\n{line}", heads::table(&compared));
        json["heads"] = heads::json(&compared);
    }
    global.output().result(&line, &json)?;
    Ok(0)
}

/// Defaults, then the options file, then the flags.
fn options(args: &Args) -> Result<TrainOptions> {
    let mut options = TrainOptions::default();
    let mut members_given = args.members.is_some();
    if let Some(path) = &args.options {
        let text = std::fs::read_to_string(path).map_err(|e| Error::io(path, "read", e))?;
        let bad = |fact: String| {
            Error::Usage(format!("{}: {fact}; see `--print-options`", path.display()))
        };
        let given: serde_json::Value =
            serde_json::from_str(&text).map_err(|e| bad(e.to_string()))?;
        members_given |= given.get("members").is_some();
        let mut all = serde_json::to_value(&options).expect("plain data");
        overlay(&mut all, given).map_err(|key| bad(format!("unknown option {key:?}")))?;
        options = serde_json::from_value(all).map_err(|e| bad(e.to_string()))?;
    }
    fn set<T: Clone>(to: &mut T, from: &Option<T>) {
        if let Some(value) = from {
            *to = value.clone();
        }
    }
    set(&mut options.seed, &args.seed);
    set(&mut options.num_steps, &args.steps);
    set(&mut options.batch_size, &args.batch_size);
    set(&mut options.learning_rate, &args.learning_rate);
    set(&mut options.architecture.channels, &args.channels);
    set(
        &mut options.architecture.embedding_size,
        &args.embedding_size,
    );
    set(&mut options.architecture.activation, &args.activation);
    set(&mut options.architecture.pool, &args.pool);
    if let Some(count) = args.members {
        let listed = options.members.len();
        match count {
            1 => options.members.clear(),
            n if n <= listed => options.members.truncate(n),
            n => {
                return Err(Error::Usage(format!(
                    "--members {n}: the options list {listed}; add to \"members\" in --options"
                )));
            }
        }
    }
    if options.architecture.pool == "flatten" && !members_given {
        options.members.clear();
    }
    set(&mut options.head.loss, &args.head);
    if args.head_outputs.is_some() {
        options.head.outputs = args.head_outputs;
    }
    options.check()?;
    Ok(options)
}

/// Puts `given` over `all`, key by key; the name of a key that `all` has not.
fn overlay(
    all: &mut serde_json::Value,
    given: serde_json::Value,
) -> std::result::Result<(), String> {
    match (all, given) {
        (serde_json::Value::Object(all), serde_json::Value::Object(given)) => {
            for (key, value) in given {
                overlay(all.get_mut(&key).ok_or(key)?, value)?;
            }
        }
        (all, given) => *all = given,
    }
    Ok(())
}

/// Files of a folder, sorted; none without a folder.
fn sounds(dir: Option<&Path>) -> Result<Vec<PathBuf>> {
    let Some(dir) = dir else { return Ok(vec![]) };
    let mut paths: Vec<PathBuf> = std::fs::read_dir(dir)
        .and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect())
        .map_err(|e| Error::io(dir, "read", e))?;
    paths.retain(|path| path.is_file());
    paths.sort();
    Ok(paths)
}
