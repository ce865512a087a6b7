//! Reads and embeds the recordings that a command names, in parallel, in the order given.

use super::output::{Output, json_of};
use rayon::prelude::*;
use serde_json::{Value, json};
use spkver::{
    Error, Result,
    audio::{self, Quality, RawFormat, ReadOptions, Waveform},
    scoring::Reason,
    verifier::{Embedding, Utterance, Verifier},
};
use std::io::{IsTerminal, StdinLock};
use std::path::{Path, PathBuf};

/// How to read audio.
#[derive(clap::Args)]
#[group(skip)]
pub struct Args {
    /// Channel to use, from 1 [default: the mean of all]
    #[arg(long, value_name = "N")]
    channel: Option<usize>,
    /// Longest recording to read, in seconds [default: 10800]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..=360_000))]
    max_seconds: Option<u32>,
    /// Largest file to read, in bytes [default: 2147483648; 268435456 of a pipe]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1 << 40))]
    max_bytes: Option<u64>,
    /// Use all of a recording [default: of more than 3 minutes an excerpt, spread over its length]
    #[arg(long)]
    all: bool,
    /// What files without a header hold: s16le:16000:1 is 16-bit samples at 16 kHz in one channel
    #[arg(long, value_name = "ENCODING:RATE:CHANNELS")]
    raw: Option<RawFormat>,
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
    /// The options of the audio door.
    pub fn options(&self) -> ReadOptions {
        ReadOptions {
            channel: self.channel,
            max_seconds: self.max_seconds,
            max_bytes: self.max_bytes,
            all: self.all,
            raw: self.raw,
        }
    }

    /// Reads one recording; `-` is standard input.
    ///
    /// # Errors
    /// As [`audio::read`].
    pub fn read(&self, path: &Path) -> Result<Waveform> {
        match path == Path::new("-") {
            false => audio::read(path, &self.options()),
            true => self.with_stdin(|stdin, name| audio::read_from(stdin, name, &self.options())),
        }
    }

    fn with_stdin<T>(&self, read: impl FnOnce(StdinLock, &Path) -> Result<T>) -> Result<T> {
        let stdin = std::io::stdin().lock();
        let name = Path::new("standard input");
        if stdin.is_terminal() {
            return Err(Error::Audio {
                path: name.into(),
                fact: "is the terminal".into(),
                remedy: "pipe a recording to it, or name a file".into(),
            });
        }
        read(stdin, name)
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

    /// As [`Self::embed`], where one bad file is no reason to leave out the others.
    pub fn embed_each(
        &self,
        paths: &[PathBuf],
        verifier: &Verifier,
        output: &Output,
    ) -> Vec<Result<Recording>> {
        let read = |path: &PathBuf| -> Result<Recording> {
            let heard = verifier.hear(&self.read(path)?);
            Ok(Recording {
                path: path.clone(),
                embedding: heard.embedding,
                quality: heard.quality,
            })
        };
        let read: Vec<Result<Recording>> = paths.par_iter().map(read).collect();
        for recording in read.iter().flatten() {
            recording.tell(output);
        }
        read
    }
}

impl Recording {
    /// The same, unless the file ends before the recording did: a voiceprint is for years.
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
            remedy: "copy it again, or enrol what is there with `--allow-truncated`".into(),
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

    /// What machines are told of the file.
    pub fn json(&self) -> Value {
        json!({
            "path": self.path.to_string_lossy(),
            "quality": json_of(&self.quality),
            "reason": self.embedding.as_ref().err().map(Reason::code),
        })
    }

    fn tell(&self, output: &Output) {
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
