//! `spkver embed FILE…`: embeddings as text or as a NumPy array; features for cross-checks.

use super::{
    Global,
    output::{json_of, printable},
    recordings::{self, Recording, all_or_errors},
};
use ndarray::Array2;
use ndarray_npy::WriteNpyExt;
use serde_json::json;
use spkver::{Error, Result, storage::write_whole, verifier::Verifier};
use std::path::{Path, PathBuf};

/// What to embed, and where to.
#[derive(clap::Args)]
pub struct Args {
    /// Recordings
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// `.npy` for a float32 array (files, D), anything else for text [default: text on stdout]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Write the features (frames, C) of the one recording as `.npy`, in the place of embeddings
    #[arg(long, requires = "output")]
    features: bool,
    #[command(flatten)]
    recordings: recordings::Args,
}

/// Runs the command.
pub fn run(args: &Args, global: &Global) -> Result<u8> {
    let verifier = global.verifier()?;
    if args.features {
        return features(args, &verifier, global);
    }
    let output = global.output();
    let recordings = args.recordings.embed(&args.files, &verifier, output)?;
    let files: Vec<_> = recordings.iter().map(Recording::json).collect();
    let utterances = recordings.into_iter().map(Recording::utterance).collect();
    let utterances = all_or_errors(utterances)?;
    let rows: Vec<&[f32]> = utterances.iter().map(|u| u.embedding.values()).collect();

    let text = || -> String {
        let lines = args.files.iter().zip(&rows).map(|(path, row)| {
            let values: Vec<String> = row.iter().map(f32::to_string).collect();
            format!(
                "{} {}",
                printable(&path.to_string_lossy()),
                values.join(" ")
            )
        });
        lines.collect::<Vec<_>>().join("\n")
    };
    match &args.output {
        Some(path) if is_npy(path) => {
            let size = verifier.model().network.embedding_size();
            write_npy(path, rows.len(), size, rows.concat())?;
        }
        Some(path) => write_whole(path, format!("{}\n", text()).as_bytes())?,
        None => {}
    }
    let json = json!({
        "command": "embed",
        "model": verifier.id().to_string(),
        "output": args.output.as_ref().map(|path| path.to_string_lossy()),
        "files": files,
        // In a file already, if there is one.
        "embeddings": args.output.is_none().then(|| json_of(&rows)),
    });
    let line = args.output.is_none().then(text).unwrap_or_default();
    output.result(&line, &json)?;
    Ok(0)
}

fn features(args: &Args, verifier: &Verifier, global: &Global) -> Result<u8> {
    let (Some(output), [file]) = (&args.output, args.files.as_slice()) else {
        return Err(Error::Usage("--features takes one recording".into()));
    };
    if !is_npy(output) {
        return Err(Error::Usage(
            "--features writes .npy: name the output so".into(),
        ));
    }
    let waveform = args.recordings.read(file)?;
    let features = verifier.mfcc().extract(&waveform);
    let (frames, channels) = (features.num_frames(), features.num_channels());
    write_npy(output, frames, channels, features.values().to_vec())?;
    let json = json!({
        "command": "embed",
        "model": verifier.id().to_string(),
        "output": output.to_string_lossy(),
        "features": { "frames": frames, "channels": channels },
        "files": [{
            "path": file.to_string_lossy(),
            "quality": json_of(waveform.quality()),
        }],
    });
    global.output().result("", &json)?;
    Ok(0)
}

fn is_npy(path: &Path) -> bool {
    path.extension()
        .is_some_and(|e| e.eq_ignore_ascii_case("npy"))
}

fn write_npy(path: &Path, rows: usize, columns: usize, values: Vec<f32>) -> Result<()> {
    let array = Array2::from_shape_vec((rows, columns), values).expect("rows of one length");
    let mut bytes = vec![];
    array
        .write_npy(&mut bytes)
        .map_err(|e| Error::io(path, "write", std::io::Error::other(e)))?;
    write_whole(path, &bytes)
}
