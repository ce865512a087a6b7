//! Shows the progress of training: a bar on a terminal, lines elsewhere, both on stderr.

use crate::cli::{global::Global, interrupt, progress};
use indicatif::ProgressBar;
use spkver::{Result, train::descent::Progress};
use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

/// Writes to stderr: a bar on a terminal, lines elsewhere.
pub struct Log {
    bar: ProgressBar,
    quiet: bool,
}

impl Log {
    /// Silent with `--quiet`.
    pub fn new(global: &Global) -> Self {
        let output = global.output();
        Log {
            bar: progress::bar(
                output.has_bar(),
                0,
                "{bar:30} {pos}/{len}  ETA {eta}  {msg}",
            ),
            quiet: output.is_quiet(),
        }
    }

    /// Prints a line, above the bar if there is one.
    pub fn line(&self, text: &str) {
        if !self.bar.is_hidden() {
            self.bar.println(text);
        } else if !self.quiet {
            eprintln!("{text}");
        }
    }
}

/// Averages the loss since the last line, and stops the run when asked to.
pub struct Watch<'a> {
    log: &'a Log,
    begun: Instant,
    last_line: Instant,
    stop: &'static AtomicBool,
    steps_left: Option<usize>,
    steps_here: usize,
    sums: (f32, f32, usize),
}

impl<'a> Watch<'a> {
    /// A watch that stops the run after `stop_after` steps, or when the user interrupts it.
    pub fn new(log: &'a Log, stop_after: Option<usize>) -> Result<Self> {
        let now = Instant::now();
        Ok(Watch {
            stop: interrupt::flag()?,
            log,
            begun: now,
            last_line: now,
            steps_left: stop_after,
            steps_here: 0,
            sums: (0.0, 0.0, 0),
        })
    }

    /// Whether the user has interrupted the run.
    pub fn is_interrupted(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Shows the progress; `false` stops the run.
    pub fn see(&mut self, progress: Progress) -> bool {
        match progress {
            Progress::Step {
                step,
                num_steps,
                loss,
                accuracy,
            } => {
                if self.steps_here == 0 {
                    self.begun = Instant::now();
                    self.log.line(&format!("{num_steps} steps in all"));
                }
                self.steps_here += 1;
                self.sums = (self.sums.0 + loss, self.sums.1 + accuracy, self.sums.2 + 1);
                let n = self.sums.2 as f32;
                let text = format!(
                    "loss {:.3}  accuracy {:.3}",
                    self.sums.0 / n,
                    self.sums.1 / n
                );
                self.log.bar.set_length(num_steps as u64);
                self.log.bar.set_position(step as u64);
                self.log.bar.set_message(text.clone());
                if self.last_line.elapsed() > Duration::from_secs(30) || step == num_steps {
                    let per_step = self.begun.elapsed() / self.steps_here as u32;
                    let left = per_step * (num_steps - step) as u32;
                    self.log.line(&format!(
                        "step {step}/{num_steps}  {text}  {:.0} ms/step  ETA {} min",
                        per_step.as_secs_f64() * 1e3,
                        left.as_secs().div_ceil(60)
                    ));
                    self.last_line = Instant::now();
                    self.sums = (0.0, 0.0, 0);
                }
                if let Some(left) = &mut self.steps_left {
                    *left -= 1;
                    return *left > 0 && !self.is_interrupted();
                }
            }
            Progress::Embeddings { done, total } => {
                if self.last_line.elapsed() > Duration::from_secs(30) || done == total {
                    self.log
                        .line(&format!("embeddings for the head {done}/{total}"));
                    self.last_line = Instant::now();
                }
            }
        }
        !self.is_interrupted()
    }
}
