//! The recordings that a command names, files or folders of them: read and embedded in parallel, in
//! the order given.

use super::output::{Output, json_of};
use rayon::prelude::*;
use serde_json::{Value, json};
use spkver::{
    Error, Result,
    audio::{self, Quality, RawFormat, ReadOptions, Waveform, folder},
    scoring::Reason,
    verifier::{Embedding, Heard, Utterance, Verifier},
};
use std::io::IsTerminal;
use std::path::{Path, PathBuf};

/// How to read audio.
#[derive(Clone, clap::Args)]
#[group(skip)]
#[command(next_help_heading = "Recordings")]
pub struct Args {
    /// Channel to use, from 1 [default: the mean of all]
    #[arg(long, value_name = "N")]
    channel: Option<usize>,
    /// Longest recording to accept, in seconds [default: 10800]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..=360_000))]
    max_seconds: Option<u32>,
    /// Largest file to accept, in bytes [default: 2147483648; of a pipe 268435456]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1 << 40))]
    max_bytes: Option<u64>,
    /// Use the whole recording [default: of more than 3 minutes, an excerpt spread over its length]
    #[arg(long)]
    all: bool,
    /// Format of files without a header: s16le:16000:1 is 16-bit samples at 16 kHz, one channel
    #[arg(long, value_name = "FORMAT")]
    raw: Option<RawFormat>,
}

/// The files that a command is given recordings in.
pub struct Files {
    /// Folders replaced by the recordings in them.
    pub paths: Vec<PathBuf>,
    /// A single file was named, so that its error is the command's.
    pub is_one: bool,
}

impl Files {
    /// Looks into folders.
    ///
    /// # Errors
    /// [`Error::Io`], and [`Error::Usage`] for a folder without recordings.
    pub fn named(paths: &[PathBuf]) -> Result<Self> {
        let mut files = vec![];
        for path in paths {
            if !path.is_dir() {
                files.push(path.clone());
                continue;
            }
            let found = folder::recordings_in(path)?;
            if found.is_empty() {
                return Err(Error::Usage(format!(
                    "{}: no recordings in this folder; they are found by their endings ({})",
                    path.display(),
                    folder::ENDINGS.join(", ")
                )));
            }
            files.extend(found);
        }
        Ok(Files {
            paths: files,
            is_one: paths.len() == 1 && !paths[0].is_dir(),
        })
    }
}

/// A recording that could be read.
pub struct Recording {
    /// As given.
    pub path: PathBuf,
    /// The quality facts.
    pub quality: Quality,
    /// The speaker's embedding, or why there is none.
    pub embedding: std::result::Result<Embedding, Reason>,
}

impl Args {
    /// The options for reading files.
    pub fn options(&self) -> ReadOptions {
        ReadOptions {
            channel: self.channel,
            max_seconds: self.max_seconds,
            max_bytes: self.max_bytes,
            all: self.all,
            raw: self.raw,
        }
    }

    /// The same with another channel, if one is given.
    pub fn with_channel(&self, channel: Option<usize>) -> Self {
        Args {
            channel: channel.or(self.channel),
            ..self.clone()
        }
    }

    /// Reads one recording; `-` is standard input.
    ///
    /// # Errors
    /// As [`audio::read`].
    pub fn read(&self, path: &Path) -> Result<Waveform> {
        match path == Path::new("-") {
            false => audio::read(path, &self.options()),
            true => {
                check_piped()?;
                audio::read_from(std::io::stdin().lock(), stdin_name(), &self.options())
            }
        }
    }

    /// Reads and embeds; an error per file that cannot be read.
    ///
    /// # Errors
    /// The one error, or [`Error::Several`] with one for each bad file.
    pub fn embed(
        &self,
        paths: &[PathBuf],
        verifier: &Verifier,
        output: &Output,
    ) -> Result<Vec<Recording>> {
        all_or_errors(self.embed_each(paths, verifier, output))
    }

    /// As [`Self::embed`], with a result for each file.
    pub fn embed_each(
        &self,
        paths: &[PathBuf],
        verifier: &Verifier,
        output: &Output,
    ) -> Vec<Result<Recording>> {
        let read = |path: &PathBuf| -> Result<Recording> {
            let heard = verifier.hear(&self.read(path)?);
            Ok(Recording::of(path.clone(), heard))
        };
        let read: Vec<Result<Recording>> = paths.par_iter().map(read).collect();
        for recording in read.iter().flatten() {
            recording.report(output);
        }
        read
    }
}

impl Recording {
    /// What was heard in a file.
    pub fn of(path: PathBuf, heard: Heard) -> Self {
        Recording {
            path,
            embedding: heard.embedding,
            quality: heard.quality,
        }
    }

    /// The same recording, unless its file was cut off: a voiceprint is kept for years.
    ///
    /// # Errors
    /// [`Error::Audio`].
    pub fn whole(self) -> Result<Self> {
        if !self.quality.truncated {
            return Ok(self);
        }
        let fact = self.quality.warning.clone();
        Err(Error::Audio {
            path: self.path,
            fact: format!("is cut off: {}", fact.unwrap_or_default()),
            remedy: "copy it again, or enroll what is there with `--allow-truncated`".into(),
        })
    }

    /// The embedding and the file's label, for a voiceprint.
    ///
    /// # Errors
    /// [`Error::Audio`] with the reason where the recording is unfit.
    pub fn utterance(self) -> Result<Utterance> {
        let embedding = self.embedding.map_err(|reason| Error::Audio {
            path: self.path.clone(),
            fact: reason.to_string(),
            remedy: reason.remedy().into(),
        })?;
        Ok(Utterance::new(label(&self.path), embedding, &self.quality))
    }

    /// The file's facts, for machines.
    pub fn json(&self) -> Value {
        json!({
            "path": self.path.to_string_lossy(),
            "quality": json_of(&self.quality),
            "reason": self.embedding.as_ref().err().map(Reason::code),
        })
    }

    /// Tells what may be wrong with it, and to users of `-v` its quality facts.
    pub fn report(&self, output: &Output) {
        let path = self.path.display();
        let q = &self.quality;
        if let Some(warning) = &q.warning {
            output.warning(&format!("{path}: {warning}"));
        }
        output.detail(&format!(
            "{path}: {:.2} s at {} Hz, {:.2} s of speech, SNR {:.0} dB, speech up to {:.0} Hz, {:.1} % clipped",
            q.seconds,
            q.original_rate_hz,
            q.speech_seconds,
            q.snr_db,
            q.bandwidth_hz,
            q.clipped * 100.0
        ));
    }
}

/// What messages call standard input.
pub fn stdin_name() -> &'static Path {
    Path::new("standard input")
}

/// Checks that something is piped to standard input.
///
/// # Errors
/// [`Error::Audio`] if it is the terminal.
pub fn check_piped() -> Result<()> {
    match std::io::stdin().is_terminal() {
        false => Ok(()),
        true => Err(Error::Audio {
            path: stdin_name().into(),
            fact: "is the terminal".into(),
            remedy: "pipe a recording to it, or name a file".into(),
        }),
    }
}

/// Every value, or every error.
pub fn all_or_errors<T>(results: Vec<Result<T>>) -> Result<Vec<T>> {
    let mut values = vec![];
    let mut errors = vec![];
    for result in results {
        match result {
            Ok(value) => values.push(value),
            Err(error) => errors.push(error),
        }
    }
    match errors.len() {
        0 => Ok(values),
        1 => Err(errors.remove(0)),
        _ => Err(Error::Several(errors)),
    }
}

/// The file's name without its folder.
pub fn label(path: &Path) -> String {
    let name = path.file_name().unwrap_or(path.as_os_str());
    name.to_string_lossy().into_owned()
}
