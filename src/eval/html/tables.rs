//! The tables of the page.

use super::page::{MOST_REFUSED, Page, text};
use crate::eval::{
    bootstrap::Interval,
    metrics::{Figures, Points, percent},
    report::{Condition, Refusals, Report},
};
use maud::{Markup, Render, html};

/// A figure and its interval, as text.
struct Cell {
    value: String,
    interval: Option<String>,
}

impl From<String> for Cell {
    fn from(value: String) -> Self {
        let interval = None;
        Cell { value, interval }
    }
}

/// A row for each figure and a column for each list, because there are few lists and many figures.
pub(super) fn summary(page: &Page) -> Markup {
    let points = page.points;
    let mut rows: Vec<Vec<Cell>> = names(points)
        .into_iter()
        .map(|name| vec![name.into()])
        .collect();
    for list in &page.lists {
        let report = list.report;
        let counts = &report.counts;
        let mut cells: Vec<Cell> = vec![
            report.speakers.map_or("?".into(), |n| n.to_string()).into(),
            counts.targets.to_string().into(),
            counts.nontargets.to_string().into(),
        ];
        cells.extend(figures(&report.figures, report.intervals.as_ref()));
        cells.push(percent(report.eer_with_refused).into());
        for (row, cell) in rows.iter_mut().zip(cells) {
            row.push(cell);
        }
    }
    let mut header = vec!["".to_string()];
    header.extend(page.lists.iter().map(|list| text(list.name)));
    table(header, rows)
}

/// Names of the rows of the summary.
fn names(points: &Points) -> Vec<String> {
    let mut names: Vec<String> = ["speakers", "target trials", "nontarget trials", "EER %"]
        .map(String::from)
        .into();
    for costs in &points.costs {
        names.push(format!("minDCF at prior {}", costs.p_target));
        names.push(format!("actDCF at prior {}", costs.p_target));
    }
    names.extend(["Cllr", "minCllr"].map(String::from));
    for threshold in &points.thresholds {
        names.push(format!("FNMR % at {threshold}"));
        names.push(format!("FMR % at {threshold}"));
    }
    names.push("EER % with refused trials".into());
    names
}

/// A list's cells of the summary: EER, DCFs, Cllr, minimum Cllr, rates.
fn figures(figures: &Figures, intervals: Option<&Figures<Interval>>) -> Vec<Cell> {
    let mut cells = vec![rate(figures.eer, intervals.map(|i| i.eer))];
    for (at, dcf) in figures.dcf.iter().enumerate() {
        cells.push(number(dcf.min, intervals.map(|i| i.dcf[at].min)));
        cells.push(number(dcf.act, intervals.map(|i| i.dcf[at].act)));
    }
    cells.push(number(figures.cllr, intervals.map(|i| i.cllr)));
    cells.push(number(figures.min_cllr, intervals.map(|i| i.min_cllr)));
    for (at, rates) in figures.rates.iter().enumerate() {
        cells.push(rate(rates.miss, intervals.map(|i| i.rates[at].miss)));
        let sure = intervals.map(|i| i.rates[at].false_alarm);
        cells.push(rate(rates.false_alarm, sure));
    }
    cells
}

pub(super) fn refusals(report: &Report) -> Markup {
    let counts = &report.counts;
    let side = |side: &Refusals| {
        let (refused, all) = (side.refused, side.recordings);
        format!("{refused} of {all} recordings ({} %)", percent(side.rate))
    };
    html! {
        dl {
            dt { "refused when enrolling (FTE)" } dd { (side(&report.enrolment)) }
            dt { "refused when testing (FTA)" } dd { (side(&report.test)) }
            dt { "trials without a score" }
            dd {
                (of(counts.refused_targets, counts.targets)) " target, "
                (of(counts.refused_nontargets, counts.nontargets)) " nontarget"
            }
        }
    }
}

pub(super) fn at_false_match(report: &Report) -> Markup {
    let header = ["FMR at most %", "threshold", "FNMR %"];
    let rows = report.at_false_match.iter().map(|at| {
        let few = || "too few trials to say".to_string();
        let threshold = match (at.threshold, at.miss) {
            (Some(threshold), _) => format!("{threshold:.3}"),
            (None, Some(_)) => "above all scores".into(),
            (None, None) => few(),
        };
        let miss = at.miss.map_or_else(few, percent);
        vec![
            percent(at.false_match).into(),
            threshold.into(),
            miss.into(),
        ]
    });
    table(header, rows)
}

pub(super) fn conditions(conditions: &[Condition], points: &Points) -> Markup {
    let (threshold, prior) = (points.thresholds[0], points.costs[0].p_target);
    let header = [
        "condition".to_string(),
        "targets".into(),
        "nontargets".into(),
        "without a score".into(),
        "EER %".into(),
        format!("minDCF at prior {prior}"),
        "Cllr".into(),
        "minCllr".into(),
        format!("FNMR % at {threshold}"),
        format!("FMR % at {threshold}"),
    ];
    let row = |c: &Condition| -> Vec<Cell> {
        let (figures, sure) = (c.figures.as_ref(), c.intervals.as_ref());
        let none = || Cell::from("–".to_string());
        let measured = |measure: fn(&Figures) -> f64,
                        interval: fn(&Figures<Interval>) -> Interval| {
            figures.map_or_else(none, |f| number(measure(f), sure.map(interval)))
        };
        let counts = &c.counts;
        vec![
            text(&c.label).into(),
            counts.targets.to_string().into(),
            counts.nontargets.to_string().into(),
            counts.refused().to_string().into(),
            figures.map_or_else(none, |f| rate(f.eer, sure.map(|i| i.eer))),
            measured(|f| f.dcf[0].min, |i| i.dcf[0].min),
            measured(|f| f.cllr, |i| i.cllr),
            measured(|f| f.min_cllr, |i| i.min_cllr),
            c.miss
                .map_or_else(none, |miss| rate(miss, sure.map(|i| i.rates[0].miss))),
            c.false_alarm
                .map_or_else(none, |r| rate(r, sure.map(|i| i.rates[0].false_alarm))),
        ]
    };
    table(header, conditions.iter().map(row))
}

pub(super) fn worst_speakers(report: &Report) -> Markup {
    let header = [
        "speaker",
        "rejected",
        "impostors accepted",
        "without a score",
    ];
    let rows = report.worst_speakers.iter().map(|s| {
        vec![
            text(&s.speaker).into(),
            of(s.missed, s.targets).into(),
            of(s.accepted, s.nontargets).into(),
            s.refused.to_string().into(),
        ]
    });
    table(header, rows)
}

pub(super) fn confused_pairs(report: &Report) -> Markup {
    let header = ["speakers", "trials accepted", "mean score", "highest score"];
    let rows = report.confused_pairs.iter().map(|pair| {
        let [a, b] = &pair.speakers;
        vec![
            format!("{} and {}", text(a), text(b)).into(),
            of(pair.accepted, pair.nontargets).into(),
            format!("{:.2}", pair.mean_score).into(),
            format!("{:.2}", pair.highest_score).into(),
        ]
    });
    table(header, rows)
}

pub(super) fn refused(recordings: &[(String, String)]) -> Markup {
    let more = recordings.len().saturating_sub(MOST_REFUSED);
    html! {
        div.table { table.names {
            thead { tr { th { "recording" } th { "reason" } } }
            @for (name, reason) in recordings.iter().take(MOST_REFUSED) {
                tr { td { (text(name)) } td { (text(reason)) } }
            }
        } }
        @if more > 0 { p { "and " (more) " more" } }
    }
}

pub(super) fn glossary() -> Markup {
    html! {
        dl {
            dt { "target" } dd { "trial whose two recordings are of the same speaker" }
            dt { "nontarget" }
            dd { "trial of two different speakers, as when an impostor tries" }
            dt { "FNMR" } dd { "false non-match rate: share of target trials that are rejected" }
            dt { "FMR" } dd { "false match rate: share of nontarget trials that are accepted" }
            dt { "EER" } dd { "equal error rate: FNMR and FMR at the threshold where they are equal" }
            dt { "DCF" }
            dd {
                "cost of the errors at the stated prior, 1 for a system that always answers the \
                 same; min at the best threshold, act at the threshold for log-likelihood ratios"
            }
            dt { "Cllr" }
            dd {
                "cost of the scores as log-likelihood ratios over all priors, in bits; min after \
                 the best monotonic map"
            }
            dt { "small figures" } dd { "95 % intervals, bootstrapped over speakers" }
        }
    }
}

fn number(value: f64, interval: Option<Interval>) -> Cell {
    Cell {
        value: format!("{value:.3}"),
        interval: interval.map(|i| format!("{:.3}–{:.3}", i.low, i.high)),
    }
}

fn rate(share: f64, interval: Option<Interval>) -> Cell {
    Cell {
        value: percent(share),
        interval: interval.map(|i| i.percent()),
    }
}

fn of(part: usize, all: usize) -> String {
    format!("{part} of {all}")
}

/// A table. It scrolls if the window is narrower.
fn table(
    header: impl IntoIterator<Item: Render>,
    rows: impl IntoIterator<Item = Vec<Cell>>,
) -> Markup {
    html! {
        div.table { table {
            thead { tr { @for name in header { th { (name) } } } }
            @for row in rows {
                tr {
                    @for cell in row {
                        td {
                            (cell.value)
                            @if let Some(interval) = cell.interval { small { (interval) } }
                        }
                    }
                }
            }
        } }
    }
}
