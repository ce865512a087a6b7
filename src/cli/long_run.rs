//! What `score` and `embed` of long lists share: a run that shows its progress and can be interrupted.

use super::{interrupt, output::Output as Talk, progress::Progress};
use spkver::{
    Result,
    batch::{
        extract::{Ending, extract},
        ledger::Ledger,
        recording::Recording,
        watch::Watch,
    },
    storage::output::OutputFile,
    verifier::Verifier,
};
use std::{
    io::{self, Write},
    sync::atomic::AtomicBool,
};

/// Embeds the recordings that the ledger has no outcome of.
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

/// Says that the run was interrupted, and returns the exit code.
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
