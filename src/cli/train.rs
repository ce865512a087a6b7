//! `spkver train`: makes a model file from a folder or manifest of labelled speech.

mod heads;
mod options;
mod progress;

use super::{global::Global, interrupt, outputs, progress::Bar};
use progress::{Log, Watch};
use serde_json::json;
use spkver::{
    Error, Result,
    answer::json_of,
    batch::vectors::{self, Vectors},
    storage::{
        output::{Form, Outputs},
        with_ending,
    },
    train::{
        options::{PairLoss, TrainOptions},
        run::{Event, Inputs, Plan, Report, Vector},
    },
};
use std::path::PathBuf;

/// Flags that change how networks are trained, or the card of a new model.
const OF_NETWORKS: [&str; 18] = [
    "overlap_of",
    "start_from",
    "compare_heads",
    "checkpoint",
    "checkpoint_every",
    "stop_after",
    "steps",
    "batch_size",
    "learning_rate",
    "channels",
    "embedding_size",
    "activation",
    "pool",
    "head",
    "head_outputs",
    "name",
    "data",
    "license",
];

/// What `spkver train` takes.
#[derive(clap::Args)]
#[group(skip)]
pub struct Args {
    /// A folder with one sub-folder of recordings per speaker, or a CSV or JSONL manifest with
    /// `path` and `speaker` (and `session`, `corpus`, `split`)
    #[arg(value_name = "DIR|MANIFEST", required_unless_present = "print_options")]
    speech: Option<PathBuf>,
    /// Model file to write
    #[arg(short, long, value_name = "FILE", default_value = "model.safetensors")]
    #[arg(help_heading = "Output")]
    out: PathBuf,
    /// File for the state of the run; if it exists, the run continues from it [default: OUT with .ckpt
    /// added]
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    checkpoint: Option<PathBuf>,
    /// Save the state after every N steps
    #[arg(long, value_name = "N", default_value_t = 250, value_parser = positive, help_heading = "Output")]
    checkpoint_every: usize,
    /// Save the state and stop after N steps of this session
    #[arg(long, value_name = "N", value_parser = positive, help_heading = "Output")]
    stop_after: Option<usize>,
    /// Folder with recordings of noise to mix in
    #[arg(long, value_name = "DIR", help_heading = "Training data")]
    noise: Option<PathBuf>,
    /// Folder with room impulse responses, added to the simulated ones
    #[arg(long, value_name = "DIR", help_heading = "Training data")]
    rir: Option<PathBuf>,
    /// Vectors that another system, the teacher, computed for the recordings; the network also learns
    /// from them. Any format that `embed` writes, with ids as in the manifest; `PATH@SPEED@WARP` is the
    /// id at another speed or warp
    #[arg(long, value_name = "VECTORS", help_heading = "Training data")]
    teacher: Option<PathBuf>,
    /// File with the ids of the rows, one per line, if the teacher's vectors are a `.npy`
    #[arg(long, value_name = "FILE", requires = "teacher")]
    #[arg(help_heading = "Training data")]
    teacher_ids: Option<PathBuf>,
    /// Take the detector of overlapped speech from this model; if the options train one, start from it
    #[arg(long, value_name = "MODEL", help_heading = "Training")]
    overlap_of: Option<PathBuf>,
    /// Start from the weights in this checkpoint of another run, instead of from random ones; a layer
    /// that has another size in that run still starts from random weights. Or start from the network of
    /// this model, up to its pooling, and take its detectors if the options train none
    #[arg(long, value_name = "CHECKPOINT|MODEL", help_heading = "Training")]
    start_from: Option<PathBuf>,
    /// Add a joint embedding to this model instead of training a network: a map from the statistics
    /// of its network to the vectors of --teacher (`joint` in the options)
    #[arg(long, value_name = "MODEL", requires = "teacher")]
    #[arg(conflicts_with_all = OF_NETWORKS, help_heading = "Training")]
    onto: Option<PathBuf>,
    /// File with training options as JSON, which can be any part of what `--print-options` shows
    #[arg(long, value_name = "FILE", help_heading = "Training")]
    options: Option<PathBuf>,
    /// Print all options as they would be used, as JSON, and stop
    #[arg(long, help_heading = "Output")]
    print_options: bool,
    /// Seed of all random numbers
    #[arg(long, value_name = "N", help_heading = "Training")]
    seed: Option<u64>,
    /// Optimization steps of the network; the steps of the detectors are changed in proportion
    #[arg(long, value_name = "N", value_parser = positive, help_heading = "Training")]
    steps: Option<usize>,
    /// Crops in each step
    #[arg(long, value_name = "N", value_parser = positive, help_heading = "Training")]
    batch_size: Option<usize>,
    /// Peak learning rate
    #[arg(long, value_name = "RATE", help_heading = "Training")]
    learning_rate: Option<f32>,
    /// Channels of the last layer before the pooling; in a TDNN, of each layer over frames
    #[arg(long, value_name = "C", value_parser = positive, help_heading = "Network")]
    channels: Option<usize>,
    /// Size of the embedding
    #[arg(long, value_name = "D", value_parser = positive, help_heading = "Network")]
    embedding_size: Option<usize>,
    /// Activation: relu, leaky-relu, tanh, sigmoid or identity
    #[arg(long, value_name = "NAME", help_heading = "Network")]
    activation: Option<String>,
    /// Pooling: stats, mean or flatten
    #[arg(long, value_name = "NAME", help_heading = "Network")]
    pool: Option<String>,
    /// Loss of the pair head: bce, softmax (two outputs) or mse (a grade)
    #[arg(long, value_name = "NAME", value_parser = pair_loss, help_heading = "Network")]
    head: Option<PairLoss>,
    /// Outputs of the pair head [default: as many as it needs]
    #[arg(long, value_name = "N", value_parser = positive, help_heading = "Network")]
    head_outputs: Option<usize>,
    /// Measure every head on these trial lists: cosine, LDA, PLDA, BCE, softmax, MSE
    #[arg(long, value_name = "TRIALS", num_args = 1.., help_heading = "Comparison of heads")]
    compare_heads: Vec<PathBuf>,
    /// Folder that the recordings of the trials are relative to
    #[arg(long, value_name = "DIR", default_value = ".")]
    #[arg(requires = "compare_heads", help_heading = "Comparison of heads")]
    root: PathBuf,
    /// Most memory for decoded speech, in MB; the training speech may be larger than this
    #[arg(long, value_name = "MB", default_value_t = 1024)]
    #[arg(help_heading = "Training data")]
    cache_mb: usize,
    /// Name for the model card
    #[arg(long, value_name = "TEXT", default_value = "spkver")]
    #[arg(help_heading = "Model card")]
    name: String,
    /// Training data, for the model card: corpora and licenses
    #[arg(long, value_name = "TEXT", default_value = "")]
    #[arg(help_heading = "Model card")]
    data: String,
    /// Terms of use, for the model card
    #[arg(long, value_name = "TEXT", default_value = "")]
    #[arg(help_heading = "Model card")]
    license: String,
    #[command(flatten)]
    replacing: outputs::Args,
}

fn positive(text: &str) -> std::result::Result<usize, String> {
    text.parse()
        .ok()
        .filter(|n| *n > 0)
        .ok_or_else(|| "give a whole number above 0".into())
}

fn pair_loss(text: &str) -> std::result::Result<PairLoss, String> {
    serde_json::from_value(json!(text)).map_err(|_| "give bce, softmax or mse".into())
}

/// Runs the command.
pub fn run(args: &Args, global: &Global) -> Result<u8> {
    let options = args.options()?;
    if args.print_options {
        let text = serde_json::to_string_pretty(&options).expect("plain data");
        return global.output().result(&text, &json_of(&options));
    }
    // Options and outputs that cannot be used are refused before any work is done.
    options.layers()?;
    let plan = args.plan(options);
    let outputs = vec![args.out.clone(), plan.checkpoint.clone()];
    let outputs = args.replacing.open(outputs, global)?;
    args.spare_inputs(&outputs)?;
    let inputs = Inputs::open(&plan)?;
    outputs.spare_all(inputs.recordings())?;
    let out = outputs.take(&args.out, &Form::MODEL)?;
    outputs.take(&plan.checkpoint, &Form::CHECKPOINT)?;
    let log = Log::new(global);
    log.line(&format!(
        "{} recordings of {} speakers; {} threads",
        inputs.num_utterances(),
        inputs.num_speakers(),
        rayon::current_num_threads()
    ));
    let teacher = args.teacher(&plan.options)?;
    let vector = |id: &str| teacher.as_ref()?.get(id).ok();
    let vector = teacher.is_some().then_some(&vector as Vector);
    let mut watch = Watch::new(&log, args.stop_after)?;
    let mut on_event = |event: Event| {
        match event {
            Event::Progress(progress) => return watch.see(progress),
            Event::LeftOut(why) => global.output().warning(&format!("left out: {why}")),
            Event::Refined(loss, report) => log.line(&heads::line(loss, &report)),
        }
        true
    };
    let bar = Bar::new(global.output());
    let report = inputs.train(vector, &out, &mut on_event, &|done, total| {
        bar.show(done, total)
    })?;
    let is_stopped = report.is_none();
    match report {
        Some(report) => args.tell(&report, &plan.options, global),
        None => {
            // The fit of a joint embedding saves no state.
            let checkpoint = args.onto.is_none();
            let checkpoint = checkpoint.then(|| plan.checkpoint.to_string_lossy());
            let line = match &checkpoint {
                Some(path) => format!("stopped; the same command continues from {path}"),
                None => "stopped; the same command starts again".into(),
            };
            let json = json!({"command": "train", "checkpoint": checkpoint});
            global.output().result(&line, &json)
        }
    }?;
    Ok(match is_stopped && watch.is_interrupted() {
        true => interrupt::exit_code(),
        false => 0,
    })
}

impl Args {
    fn plan(&self, options: TrainOptions) -> Plan {
        let beside = || with_ending(&self.out, ".ckpt");
        let checkpoint = self.checkpoint.clone().unwrap_or_else(beside);
        Plan {
            options,
            speech: self.speech.clone().unwrap_or_default(),
            noise: self.noise.clone(),
            rir: self.rir.clone(),
            overlap_of: self.overlap_of.clone(),
            start_from: self.start_from.clone(),
            onto: self.onto.clone(),
            checkpoint,
            checkpoint_every: self.checkpoint_every,
            cache_mb: self.cache_mb,
            compare_heads: self.compare_heads.clone(),
            root: self.root.clone(),
            name: self.name.clone(),
            data: self.data.clone(),
            license: self.license.clone(),
        }
    }

    fn spare_inputs(&self, outputs: &Outputs) -> Result<()> {
        let flags = [
            &self.teacher,
            &self.teacher_ids,
            &self.options,
            &self.overlap_of,
            &self.start_from,
            &self.onto,
        ];
        let files = flags.into_iter().flatten().chain(&self.compare_heads);
        let mut files = files.chain(&self.speech);
        files.try_for_each(|path| outputs.spare(path))
    }

    /// The teacher's vectors, if anything learns from them.
    fn teacher(&self, options: &TrainOptions) -> Result<Option<Vectors>> {
        let is_taught = self.onto.is_some() || options.wants_teacher();
        let path = match (&self.teacher, is_taught) {
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
        vectors::read(path, self.teacher_ids.as_deref(), &|_| true).map(Some)
    }

    fn tell(&self, report: &Report, options: &TrainOptions, global: &Global) -> Result<u8> {
        let id = report.model_id;
        let mut line = format!("wrote {} (model {})", self.out.display(), id.short());
        let mut json = json!({
            "command": "train",
            "model": self.out.to_string_lossy(),
            "model_id": id.to_string(),
            "head": report.refined.map(|refined| json!({
                "loss": options.head.loss,
                "before": refined.loss_before,
                "after": refined.loss_after,
                "pearson": refined.pearson,
            })),
        });
        if let Some(compared) = &report.heads {
            line = format!("{}\n{line}", heads::table(compared));
            json["heads"] = heads::json(compared);
        }
        global.output().result(&line, &json)
    }
}
