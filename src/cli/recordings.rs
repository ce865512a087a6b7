//! Reads and embeds the recordings that a command names, files or folders of them. They are
//! processed in parallel and returned in the order given.

use super::output::Output;
use rayon::prelude::*;
use spkver::{
    Error, Result,
    answer::{Recording, all_or_errors},
    audio::{self, RawFormat, ReadOptions, Waveform, folder, formats},
    verifier::Verifier,
};
use std::io::IsTerminal;
use std::path::{Path, PathBuf};

/// How to read audio.
#[derive(Clone, clap::Args)]
#[group(skip)]
#[command(next_help_heading = "Recordings")]
pub struct Args {
    /// Channel to use, counted from 1 [default: the mean of all channels]
    #[arg(long, value_name = "N")]
    channel: Option<usize>,
    /// Longest recording to accept, in seconds; from standard input, the longest time to listen
    /// [default: 10800]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..=360_000))]
    max_seconds: Option<u32>,
    /// Largest file to accept, in bytes [default: 2147483648; 268435456 for a pipe]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1 << 40))]
    max_bytes: Option<u64>,
    /// Use the whole recording [default: if it is longer than 3 minutes, an excerpt spread over its
    /// length]
    #[arg(long)]
    all: bool,
    /// Format of files without a header: s16le:16000:1 means 16-bit samples at 16 kHz, one channel
    #[arg(long, value_name = "FORMAT")]
    raw: Option<RawFormat>,
}

/// The recordings that a command was given.
pub struct Files {
    /// Paths of the files; folders are replaced by the recordings in them.
    pub paths: Vec<PathBuf>,
    /// Whether a single file was named. Its error is then the command's error.
    pub is_one: bool,
}

impl Files {
    /// Collects the files, and looks into folders.
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
                    formats::endings().join(", ")
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

    /// The same flags with another channel, if one is given.
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

    /// Reads and embeds all recordings. If any cannot be read, returns an error for each of them.
    ///
    /// # Errors
    /// A single error, or [`Error::Several`] with one for each bad file.
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
            let analysis = verifier.analyze(&self.read(path)?);
            Ok(Recording::new(path.clone(), analysis))
        };
        let read: Vec<Result<Recording>> = paths.par_iter().map(read).collect();
        for recording in read.iter().flatten() {
            report(recording, output);
        }
        read
    }
}

/// Warns of what may be wrong with a recording. Tells users of `-v` its quality facts.
pub fn report(recording: &Recording, output: &Output) {
    let path = recording.path.display();
    let q = &recording.quality;
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

/// The name of standard input in messages.
pub fn stdin_name() -> &'static Path {
    Path::new("standard input")
}

/// Checks that standard input is a pipe or a file.
///
/// # Errors
/// [`Error::Audio`] if standard input is the terminal.
pub fn check_piped() -> Result<()> {
    match std::io::stdin().is_terminal() {
        false => Ok(()),
        true => Err(Error::audio(
            stdin_name(),
            "is the terminal",
            "pipe a recording to it, or name a file",
        )),
    }
}
