//! What `score` and `embed` of long lists share: a run that goes on, stops when it is told to, and
//! knows whether it is the same run.

use super::{interrupt, output::Output as Talk, progress::Progress};
use spkver::{
    Error, Result,
    batch::{
        extract::{Ending, extract},
        kaldi_data::KaldiData,
        ledger::Ledger,
        recording::{Naming, Recording},
        watch::Watch,
    },
    storage::output::OutputFile,
    verifier::Verifier,
};
use std::{
    fs::File,
    io::{self, Write},
    path::Path,
    sync::atomic::AtomicBool,
};

/// Fills the ledger with what came of the recordings.
pub fn embed_all(
    recordings: &[std::result::Result<Recording, String>],
    verifier: &Verifier,
    ledger: &mut Ledger,
    stop: &AtomicBool,
    talk: &Talk,
) -> Result<Ending> {
    let missing = ledger.missing(recordings.len())?.len();
    let done = recordings.len() - missing;
    if done > 0 {
        talk.warning(&format!(
            "going on after {done} of {} recordings",
            recordings.len()
        ));
    }
    let progress = Progress::new(recordings.len() as u64, "recordings", talk);
    progress.begin_at(done as u64);
    let watch = Watch {
        stop,
        advance: &|n| progress.advance(n),
    };
    let ended = extract(recordings, verifier, ledger, &watch);
    progress.finish();
    ended
}

/// Tells that the run was stopped; the exit code.
pub fn interrupted(talk: &Talk, can_resume: bool) -> u8 {
    talk.warning(match can_resume {
        true => "interrupted; the same command with --resume goes on",
        false => "interrupted",
    });
    interrupt::exit_code()
}

/// Standard output, or the pipe or device that was named.
pub fn open_stream(out: Option<&OutputFile>) -> Result<Box<dyn Write + Send>> {
    match out {
        None => Ok(Box::new(io::stdout())),
        Some(out) => out.stream(),
    }
}

/// What decides a run's rows, hashed: a run goes on only if it is the same.
pub struct Job(blake3::Hasher);

impl Job {
    /// Of this command.
    pub fn new(command: &str) -> Self {
        let mut job = Job(blake3::Hasher::new());
        job.add(command.as_bytes());
        job.add(env!("CARGO_PKG_VERSION").as_bytes());
        job
    }

    /// Something that decides.
    pub fn add(&mut self, bytes: &[u8]) {
        self.0.update(&(bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
    }

    /// The content of a file, if there is one.
    pub fn add_file(&mut self, path: Option<&Path>) -> Result<()> {
        let mut hasher = blake3::Hasher::new();
        if let Some(path) = path {
            let file = File::open(path).map_err(|e| Error::io(path, "read", e))?;
            hasher
                .update_reader(file)
                .map_err(|e| Error::io(path, "read", e))?;
        }
        self.add(hasher.finalize().as_bytes());
        Ok(())
    }

    /// How recordings are found and heard.
    pub fn add_naming(&mut self, naming: &Naming, verifier: &Verifier) -> Result<()> {
        self.add(verifier.file_id().to_string().as_bytes());
        self.add(&[u8::from(verifier.model().network.is_int8())]);
        let how = (&naming.root, &naming.suffix, naming.reading);
        self.add(format!("{how:?}").as_bytes());
        for path in naming.data.iter().flat_map(KaldiData::files_read) {
            self.add_file(Some(path))?;
        }
        Ok(())
    }

    /// The hash.
    pub fn hash(&self) -> blake3::Hash {
        self.0.finalize()
    }
}
