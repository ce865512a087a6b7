//! The outcome of an evaluation in words, for readers who do not know the figures' names.

use super::page::{Page, text};
use crate::eval::{bootstrap::Interval, difference::Difference, metrics::percent, report::Report};
use maud::{Markup, html};

/// A paragraph for each list, and one for each comparison.
pub(super) fn of(page: &Page) -> Markup {
    let threshold = page.points.thresholds[0];
    html! {
        @for list in &page.lists {
            p { b { (text(list.name)) } ": " (in_words(list.report, threshold)) }
        }
        @for list in &page.lists {
            @if let Some(difference) = &list.difference {
                p { (compared(list.name, page.lists[0].name, difference)) }
            }
        }
    }
}

fn in_words(report: &Report, threshold: f64) -> String {
    let rates = &report.figures.rates[0];
    let counts = &report.counts;
    let scored_targets = counts.targets - counts.refused_targets;
    let scored_nontargets = counts.nontargets - counts.refused_nontargets;
    let accepted = one_in(rates.false_alarm, scored_nontargets, "impostor attempt");
    let rejected = one_in(rates.miss, scored_targets, "genuine attempt");
    let eer = report.figures.eer;
    let sure = match &report.intervals {
        Some(intervals) => {
            let [low, high] = [intervals.eer.low, intervals.eer.high].map(percent);
            format!(" (95 % interval over speakers: {low} to {high} %)")
        }
        None => String::new(),
    };
    let mut words = format!(
        "At threshold {threshold}, the system accepts {accepted} and rejects {rejected}. At the \
         threshold where both errors are equally frequent, {} % of the attempts are decided \
         wrongly{sure}.",
        percent(eer)
    );
    let refused = counts.refused();
    if refused > 0 {
        words += &format!(
            " {refused} of {} trials have no score, because a recording was refused.",
            counts.trials
        );
    }
    let (cllr, best) = (report.figures.cllr, report.figures.min_cllr);
    words += &match cllr - best > 0.02 + 0.1 * best {
        false => " The scores are well calibrated: they can be read as log-likelihood ratios."
            .to_string(),
        true => format!(
            " The scores are not well calibrated (Cllr {cllr:.3}, at best {best:.3}): set the \
             threshold from measured error rates, or calibrate first."
        ),
    };
    words
}

/// `1 in 40 genuine attempts`.
fn one_in(rate: f64, trials: usize, what: &str) -> String {
    match rate {
        0.0 => format!("none of {trials} {what}s"),
        rate if rate > 0.2 => format!("{} % of {trials} {what}s", percent(rate)),
        rate => format!("1 in {:.0} {what}s", 1.0 / rate),
    }
}

fn compared(list: &str, first: &str, difference: &Difference) -> String {
    let points = difference.eer * 100.0;
    let direction = match points < 0.0 {
        true => "lower",
        false => "higher",
    };
    let mut words = format!(
        "The EER of {} is {:.2} percentage points {direction} than that of {}",
        text(list),
        points.abs(),
        text(first)
    );
    words += &match difference.interval {
        None => "; too few speakers to say whether by chance.".to_string(),
        Some(Interval { low, high }) => format!(
            " (95 % interval of the difference, with the same speakers in both: {:+.2} to {:+.2}). {}",
            low * 100.0,
            high * 100.0,
            match low > 0.0 || high < 0.0 {
                true => "That is more than chance explains.",
                false => "That may be chance.",
            }
        ),
    };
    words
}
