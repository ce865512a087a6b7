//! What `score` and `embed` of long lists share: a run that shows its progress and can be interrupted.

use super::{interrupt, output::Output as Talk, progress::Progress};
use spkver::{
    Result,
    batch::watch::{Event, Stage},
    storage::output::OutputFile,
};
use std::{
    io::{self, Write},
    sync::Mutex,
};

/// Shows the stages of a run, one after the other.
pub struct Stages<'a> {
    talk: &'a Talk,
    shown: Mutex<Option<Progress<'a>>>,
}

impl<'a> Stages<'a> {
    /// A display on which nothing is shown yet.
    pub fn new(talk: &'a Talk) -> Self {
        Stages {
            talk,
            shown: Mutex::new(None),
        }
    }

    /// Shows an event.
    pub fn show(&self, event: Event) {
        let mut shown = self.shown.lock().unwrap_or_else(|e| e.into_inner());
        match event {
            Event::Begin { stage, done, total } => {
                let unit = match stage {
                    Stage::Recordings => "recordings",
                    Stage::Trials => "trials",
                };
                if stage == Stage::Recordings && done > 0 {
                    let text = format!("continuing after {done} of {total} {unit}");
                    self.talk.warning(&text);
                }
                let progress = Progress::new(total, unit, self.talk);
                progress.begin_at(done);
                *shown = Some(progress);
            }
            Event::Advance(count) => shown.iter().for_each(|progress| progress.advance(count)),
            Event::End => shown.take().iter().for_each(Progress::finish),
        }
    }
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
