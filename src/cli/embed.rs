//! `spkver embed FILE…`: writes embeddings as text or as a NumPy array, or features for
//! cross-checks. `embed_batch.rs` handles folders, lists and other formats.

use super::{global::Global, outputs, score::parse_shard, source::Source};
use serde_json::json;
use spkver::{
    Error, Result,
    answer::{Recording, all_or_errors, json_of},
    batch::{
        escape,
        score::Shard,
        vectors::{self, Format},
    },
    storage::output::{Form, OutputFile, Outputs},
};
use std::path::PathBuf;

/// What to embed, and where to.
#[derive(clap::Args)]
#[group(skip)]
pub struct Args {
    /// Recordings, or folders of them. If only files are named and the output is .npy or text, nothing
    /// is written unless all of them can be embedded. Otherwise each recording gets a row, even a
    /// damaged one
    #[arg(required_unless_present_any = ["list", "data"])]
    pub files: Vec<PathBuf>,
    /// File to write. Its ending selects the format: .npy (N, D), .npz, .ark or .scp (Kaldi; both files
    /// are written), .parquet, .jsonl, or .txt for text [default: text on stdout]
    #[arg(short, long, value_name = "FILE", help_heading = "Output")]
    pub output: Option<PathBuf>,
    /// Format of the output [default: by the ending]
    #[arg(long, value_parser = outputs::format(&Format::NAMED), help_heading = "Output")]
    format: Option<Format>,
    /// File that lists recordings: `path` or `id<TAB>path` on each line, or a Kaldi .scp
    #[arg(long, value_name = "FILE", help_heading = "Recordings")]
    pub list: Option<PathBuf>,
    /// Write the ids of the rows of a .npy, one per line
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub ids: Option<PathBuf>,
    /// Continue an unfinished run
    #[arg(long, requires = "output", help_heading = "Output")]
    pub resume: bool,
    /// Divide the recordings into N equal parts and embed only part I, counted from 1
    #[arg(long, value_name = "I/N", value_parser = parse_shard, help_heading = "Output")]
    pub shard: Option<Shard>,
    /// Write the features (frames, C) of one recording as `.npy` instead of its embedding
    #[arg(long, requires = "output", help_heading = "Output")]
    features: bool,
    #[command(flatten)]
    pub source: Source,
    #[command(flatten)]
    pub replacing: outputs::Args,
}

/// Runs the command.
pub fn run(args: &Args, global: &Global) -> Result<u8> {
    let outputs = args
        .replacing
        .open(args.output.iter().cloned().collect(), global)?;
    args.files.iter().try_for_each(|path| outputs.spare(path))?;
    if args.features {
        return features(args, &outputs, global);
    }
    let file = args.output_file(&outputs)?;
    let verifier = global.verifier()?;
    let output = global.output();
    let recordings = args
        .source
        .recordings
        .embed(&args.files, &verifier, output)?;
    let files: Vec<_> = recordings.iter().map(Recording::json).collect();
    let utterances = recordings.into_iter().map(Recording::utterance).collect();
    let utterances = all_or_errors(utterances)?;
    let rows: Vec<&[f32]> = utterances.iter().map(|u| u.embedding.values()).collect();

    let text = || -> String {
        let lines = args.files.iter().zip(&rows).map(|(path, row)| {
            let values: Vec<String> = row.iter().map(f32::to_string).collect();
            format!("{} {}", escape::path(path), values.join(" "))
        });
        lines.collect::<Vec<_>>().join("\n")
    };
    match &file {
        Some(file) if args.format() == Format::Npy => {
            let size = verifier.model().head.embedding_size();
            file.write(&vectors::array(size, &rows))?;
        }
        Some(file) => file.write(format!("{}\n", text()).as_bytes())?,
        None => {}
    }
    let json = json!({
        "command": "embed",
        "model": verifier.id().to_string(),
        "output": args.output.as_ref().map(|path| path.to_string_lossy()),
        "files": files,
        // If there is an output file, the embeddings are in it.
        "embeddings": args.output.is_none().then(|| json_of(&rows)),
    });
    let line = match &args.output {
        Some(path) => format!("EMBEDDED  {}  {} recordings", path.display(), rows.len()),
        None => text(),
    };
    output.result(&line, &json)
}

impl Args {
    /// Whether `embed_batch.rs` does the work.
    pub fn is_batch(&self) -> bool {
        let asked = self.list.is_some()
            || !self.source.data.is_empty()
            || self.source.cache.is_some()
            || self.ids.is_some()
            || self.resume
            || self.shard.is_some()
            || self.files.iter().any(|path| path.is_dir());
        !self.features && (asked || !matches!(self.format(), Format::Text | Format::Npy))
    }

    /// The format of the output.
    pub fn format(&self) -> Format {
        let of_ending = self.output.as_deref().map_or(Format::Text, Format::of);
        self.format.unwrap_or(of_ending)
    }

    /// The output file, if there is one.
    pub fn output_file(&self, outputs: &Outputs) -> Result<Option<OutputFile>> {
        let (path, form) = (self.output.as_deref(), self.format().form());
        outputs::take(outputs, path, form, self.format.is_some())
    }
}

fn features(args: &Args, outputs: &Outputs, global: &Global) -> Result<u8> {
    let (Some(output), [file]) = (&args.output, args.files.as_slice()) else {
        return Err(Error::Usage("--features takes one recording".into()));
    };
    if Format::of(output) != Format::Npy {
        return Err(Error::Usage(format!(
            "{}: --features writes .npy: name the output so",
            output.display()
        )));
    }
    let written = outputs.take(output, &Form::NPY)?;
    let verifier = global.verifier()?;
    let waveform = args.source.recordings.read(file)?;
    let (features, quality) = verifier.features(&waveform);
    let (frames, channels) = (features.num_frames(), features.num_channels());
    let rows: Vec<&[f32]> = features.values().chunks_exact(channels).collect();
    written.write(&vectors::array(channels, &rows))?;
    let json = json!({
        "command": "embed",
        "model": verifier.id().to_string(),
        "output": output.to_string_lossy(),
        "features": { "frames": frames, "channels": channels },
        "files": [{
            "path": file.to_string_lossy(),
            "quality": json_of(&quality),
        }],
    });
    let line = format!(
        "wrote {}: {frames} frames of {channels} channels",
        output.display()
    );
    global.output().result(&line, &json)
}
