//! Shows the progress of a long run. On a terminal this is a bar with the rate and the time left,
//! elsewhere a line every few seconds.

use super::output::Output;
use indicatif::{
    HumanCount, HumanDuration, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle,
};
use std::{
    fmt,
    sync::Mutex,
    time::{Duration, Instant},
};

/// Time between two lines.
const INTERVAL: Duration = Duration::from_secs(10);

/// Progress of one stage of a run.
pub struct Progress<'a> {
    bar: ProgressBar,
    /// None on a terminal, and if the user wants no messages.
    log: Option<Mutex<Log<'a>>>,
    unit: &'static str,
}

struct Log<'a> {
    output: &'a Output,
    last: Instant,
}

/// A bar up to `total`, hidden where there is none; see [`Output::has_bar`]. Besides indicatif's keys, the
/// template can have `{rate}`.
pub fn bar(has_bar: bool, total: u64, template: &str) -> ProgressBar {
    let target = match has_bar {
        true => ProgressDrawTarget::stderr(),
        false => ProgressDrawTarget::hidden(),
    };
    // The run goes on even if a bar cannot be drawn.
    let rate = |state: &ProgressState, text: &mut dyn fmt::Write| {
        let _ = text.write_str(&rate(state.per_sec()));
    };
    let style = ProgressStyle::with_template(template).expect("a constant");
    ProgressBar::with_draw_target(Some(total), target).with_style(style.with_key("rate", rate))
}

impl<'a> Progress<'a> {
    /// Progress of `total` things to do, which `unit` names ("recordings").
    pub fn new(total: u64, unit: &'static str, output: &'a Output) -> Self {
        let template =
            format!("{{bar:30}} {{human_pos}} of {{human_len}} {unit}, {{rate}}, {{eta}} left");
        let has_bar = output.has_bar();
        let log = Log {
            output,
            last: Instant::now(),
        };
        Progress {
            bar: bar(has_bar, total, &template),
            log: (!output.is_quiet() && !has_bar).then_some(Mutex::new(log)),
            unit,
        }
    }

    /// Starts at `done`. The work of an earlier run counts for the position, not for the rate.
    pub fn begin_at(&self, done: u64) {
        self.bar.set_position(done);
        self.bar.reset_eta();
    }

    /// Counts `count` more as done.
    pub fn advance(&self, count: u64) {
        self.bar.inc(count);
        let Some(log) = &self.log else { return };
        let mut log = log.lock().unwrap_or_else(|e| e.into_inner());
        if log.last.elapsed() < INTERVAL {
            return;
        }
        log.last = Instant::now();
        let total = self.bar.length().unwrap_or_default();
        log.output.progress(&format!(
            "{} of {} {}, {}, {} left",
            HumanCount(self.bar.position()),
            HumanCount(total),
            self.unit,
            rate(self.bar.per_sec()),
            HumanDuration(self.bar.eta()),
        ));
    }

    /// Removes the bar.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

/// A bar for each pass over the recordings of trial lists, on a terminal only.
pub struct Bar {
    is_wanted: bool,
    shown: Mutex<Option<ProgressBar>>,
}

impl Bar {
    /// No bar yet.
    pub fn new(output: &Output) -> Self {
        Bar {
            is_wanted: output.has_bar(),
            shown: Mutex::new(None),
        }
    }

    /// Shows that `done` of the pass's recordings are done.
    pub fn show(&self, done: usize, total: usize) {
        if !self.is_wanted {
            return;
        }
        let mut shown = self.shown.lock().unwrap_or_else(|e| e.into_inner());
        let bar = shown.get_or_insert_with(|| {
            bar(
                true,
                total as u64,
                "{bar:30} {pos}/{len} recordings, {eta} left",
            )
        });
        bar.set_position(done as u64);
        if done == total {
            bar.finish_and_clear();
            *shown = None;
        }
    }
}

impl Drop for Bar {
    /// Removes the bar of a pass that ended with an error.
    fn drop(&mut self) {
        let shown = self.shown.get_mut().unwrap_or_else(|e| e.into_inner());
        if let Some(bar) = shown {
            bar.finish_and_clear();
        }
    }
}

/// The rate per second: a whole number, or one decimal for a slow run.
fn rate(per_second: f64) -> String {
    match per_second < 10.0 {
        true => format!("{per_second:.1}/s"),
        false => format!("{per_second:.0}/s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Flags {
        #[command(flatten)]
        output: Output,
    }

    #[test]
    fn a_quiet_evaluation_shows_no_bar() {
        let flags = Flags::parse_from(["spkver", "--quiet"]);
        let bar = Bar::new(&flags.output);
        bar.show(1, 2);
        assert!(bar.shown.lock().unwrap().is_none());
    }

    #[test]
    fn a_rate_is_shown_without_a_dozen_digits() {
        assert_eq!(rate(1234.5678), "1235/s");
        assert_eq!(rate(0.333_333), "0.3/s");
    }
}
