//! Reports in, one HTML page out that needs nothing else: tables, and the plots as inline SVG. No
//! scripts, no styles or images from elsewhere; names of files and speakers are escaped.

use super::{
    bootstrap::Interval,
    metrics::{Figures, Points},
    plots::{self, Chart, Named},
    report::{Condition, Report},
};
use std::fmt::Write as _;

/// What the page tells.
pub struct Page<'a> {
    /// (what, value): model, seed, program…
    pub facts: Vec<(&'a str, String)>,
    /// Where the figures were measured.
    pub points: &'a Points,
    /// One for each trial list.
    pub lists: Vec<List<'a>>,
}

/// One trial list.
pub struct List<'a> {
    /// Its file.
    pub name: &'a str,
    /// What was measured.
    pub report: &'a Report,
    /// Recordings without an embedding, and why.
    pub refused: &'a [(String, String)],
}

/// Refused recordings that are named; the others are counted.
const MOST_REFUSED: usize = 200;

const STYLE: &str = "body{font:15px/1.45 system-ui,sans-serif;max-width:70em;margin:2em auto;\
padding:0 1em;color:#222;background:#fff}table{border-collapse:collapse;margin:.6em 0 1.6em}\
th,td{padding:.25em .7em;border-bottom:1px solid #ddd;text-align:right;\
font-variant-numeric:tabular-nums}th{background:#f4f4f4;vertical-align:bottom}\
th:first-child,td:first-child{text-align:left}td small{color:#666;white-space:nowrap}\
svg{max-width:100%;height:auto}.wide{overflow-x:auto}.note{color:#555}";

impl Page<'_> {
    /// The page.
    pub fn to_html(&self) -> String {
        let mut html = String::from(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; \
             style-src 'unsafe-inline'\">\n\
             <meta name=\"viewport\" content=\"width=device-width\">\n\
             <title>Speaker verification: evaluation</title>\n<style>",
        );
        html.push_str(STYLE);
        html.push_str("</style>\n</head>\n<body>\n<h1>Speaker verification: evaluation</h1>\n");
        let facts = self
            .facts
            .iter()
            .map(|(what, value)| [text(what), text(value)]);
        table(&mut html, &[], facts);
        html.push_str("<h2>All lists</h2>\n");
        self.summary(&mut html);
        let named: Vec<Named> = self.lists.iter().map(|l| (l.name, l.report)).collect();
        let threshold = self.points.thresholds[0];
        html.push_str(&plots::svg(Chart::Det, &named, threshold));
        html.push_str(&plots::svg(Chart::Roc, &named, threshold));
        for list in &self.lists {
            self.list(&mut html, list);
        }
        html.push_str(
            "<p class=\"note\">EER: where both error rates are equal. DCF: cost of the errors at \
             the stated prior, 1 for a system that always answers the same; min over all \
             thresholds, act at the threshold for log-likelihood ratios. Cllr: cost of the scores \
             as log-likelihood ratios over all priors, in bits; min after the best monotonic map. \
             FNMR: share of target trials rejected; FMR: share of nontarget trials accepted. \
             Intervals: 95 %, bootstrapped over speakers.</p>\n</body>\n</html>\n",
        );
        html
    }

    fn summary(&self, html: &mut String) {
        let mut header = vec!["list".to_string(), "speakers".into()];
        header.extend(["targets", "nontargets", "EER %", "EER % with refused"].map(String::from));
        for costs in &self.points.costs {
            header.push(format!("minDCF at {}", costs.p_target));
            header.push(format!("actDCF at {}", costs.p_target));
        }
        header.extend(["Cllr", "minCllr"].map(String::from));
        for threshold in &self.points.thresholds {
            header.push(format!("FNMR % at {threshold}"));
            header.push(format!("FMR % at {threshold}"));
        }
        let rows = self.lists.iter().map(|list| {
            let report = list.report;
            let counts = &report.counts;
            let mut row = vec![
                text(list.name),
                report.speakers.map_or("?".into(), |n| n.to_string()),
                counts.targets.to_string(),
                counts.nontargets.to_string(),
            ];
            let figures = cells(
                Some(&report.figures),
                report.intervals.as_ref(),
                self.points,
            );
            row.push(figures[0].clone());
            row.push(percent(report.eer_with_refused));
            row.extend_from_slice(&figures[1..]);
            row
        });
        table(html, &header, rows);
    }

    fn list(&self, html: &mut String, list: &List) {
        let report = list.report;
        let counts = &report.counts;
        writeln!(html, "<h2>{}</h2>", text(list.name)).expect("a String takes all");
        let side = |side: &super::report::Refusals| {
            format!(
                "{} of {} recordings ({} %)",
                side.refused,
                side.recordings,
                percent(side.rate)
            )
        };
        let facts = [
            [
                "refused when enrolling (FTE)".into(),
                side(&report.enrolment),
            ],
            ["refused when testing (FTA)".into(), side(&report.test)],
            [
                "trials without a score".into(),
                format!(
                    "{} of {} target, {} of {} nontarget",
                    counts.refused_targets,
                    counts.targets,
                    counts.refused_nontargets,
                    counts.nontargets
                ),
            ],
        ];
        table(html, &[], facts);
        html.push_str(&plots::svg(
            Chart::Histogram,
            &[(list.name, report)],
            self.points.thresholds[0],
        ));
        html.push_str("<h3>At a wanted false match rate</h3>\n");
        let header = ["FMR at most %", "threshold", "FNMR %"].map(String::from);
        let rows = report.at_false_match.iter().map(|at| {
            let few = || "too few trials to tell".to_string();
            [
                percent(at.false_match),
                match (at.threshold, at.miss) {
                    (Some(threshold), _) => format!("{threshold:.3}"),
                    (None, Some(_)) => "above all scores".into(),
                    (None, None) => few(),
                },
                at.miss.map_or_else(few, percent),
            ]
        });
        table(html, &header, rows);
        self.conditions(html, &report.conditions);
        if !report.worst_speakers.is_empty() {
            writeln!(
                html,
                "<h3>Worst served speakers, at threshold {}</h3>",
                self.points.thresholds[0]
            )
            .expect("a String takes all");
            let header = [
                "speaker",
                "rejected",
                "impostors accepted",
                "without a score",
            ];
            let rows = report.worst_speakers.iter().map(|s| {
                [
                    text(&s.speaker),
                    of(s.missed, s.targets),
                    of(s.accepted, s.nontargets),
                    s.refused.to_string(),
                ]
            });
            table(html, &header.map(String::from), rows);
        }
        if !list.refused.is_empty() {
            html.push_str("<h3>Refused recordings</h3>\n");
            let named = list.refused.iter().take(MOST_REFUSED);
            let rows = named.map(|(name, reason)| [text(name), text(reason)]);
            table(html, &["recording".into(), "reason".into()], rows);
            if let Some(more) = list.refused.len().checked_sub(MOST_REFUSED + 1) {
                writeln!(html, "<p>and {} more</p>", more + 1).expect("a String takes all");
            }
        }
    }

    fn conditions(&self, html: &mut String, conditions: &[Condition]) {
        for column in conditions.chunk_by(|a, b| a.column == b.column) {
            writeln!(html, "<h3>By {}</h3>", text(&column[0].column)).expect("a String takes all");
            let threshold = self.points.thresholds[0];
            let prior = self.points.costs[0].p_target;
            let header = [
                "condition".to_string(),
                "targets".into(),
                "nontargets".into(),
                "without a score".into(),
                "EER %".into(),
                format!("minDCF at {prior}"),
                "Cllr".into(),
                "minCllr".into(),
                format!("FNMR % at {threshold}"),
                format!("FMR % at {threshold}"),
            ];
            let rows = column.iter().map(|c| {
                let figures = c.figures.as_ref();
                let sure = c.intervals.as_ref();
                let number = |value: Option<f64>, interval: Option<Interval>| {
                    value.map_or("–".into(), |v| with_interval(v, interval, 1.0, 3))
                };
                let rate = |value: Option<f64>, interval: Option<Interval>| {
                    value.map_or("–".into(), |v| with_interval(v, interval, 100.0, 2))
                };
                [
                    text(&c.label),
                    c.counts.targets.to_string(),
                    c.counts.nontargets.to_string(),
                    (c.counts.refused_targets + c.counts.refused_nontargets).to_string(),
                    rate(figures.map(|f| f.eer), sure.map(|f| f.eer)),
                    number(figures.map(|f| f.dcf[0].min), sure.map(|f| f.dcf[0].min)),
                    number(figures.map(|f| f.cllr), sure.map(|f| f.cllr)),
                    number(figures.map(|f| f.min_cllr), sure.map(|f| f.min_cllr)),
                    rate(c.miss, sure.map(|f| f.rates[0].miss)),
                    rate(c.false_alarm, sure.map(|f| f.rates[0].false_alarm)),
                ]
            });
            table(html, &header, rows);
        }
    }
}

/// EER, DCFs, Cllr, minimum Cllr, rates, each with its interval.
fn cells(
    figures: Option<&Figures>,
    intervals: Option<&Figures<Interval>>,
    points: &Points,
) -> Vec<String> {
    let Some(figures) = figures else {
        return vec!["–".into(); 3 + 2 * (points.costs.len() + points.thresholds.len())];
    };
    let number = |value: f64, interval: Option<Interval>| with_interval(value, interval, 1.0, 3);
    let rate = |value: f64, interval: Option<Interval>| with_interval(value, interval, 100.0, 2);
    let mut cells = vec![rate(figures.eer, intervals.map(|i| i.eer))];
    for (at, dcf) in figures.dcf.iter().enumerate() {
        cells.push(number(dcf.min, intervals.map(|i| i.dcf[at].min)));
        cells.push(number(dcf.act, intervals.map(|i| i.dcf[at].act)));
    }
    cells.push(number(figures.cllr, intervals.map(|i| i.cllr)));
    cells.push(number(figures.min_cllr, intervals.map(|i| i.min_cllr)));
    for (at, rates) in figures.rates.iter().enumerate() {
        cells.push(rate(rates.miss, intervals.map(|i| i.rates[at].miss)));
        cells.push(rate(
            rates.false_alarm,
            intervals.map(|i| i.rates[at].false_alarm),
        ));
    }
    cells
}

fn with_interval(value: f64, interval: Option<Interval>, unit: f64, digits: usize) -> String {
    let value = value * unit;
    match interval {
        None => format!("{value:.digits$}"),
        Some(i) => format!(
            "{value:.digits$} <small>{:.digits$}–{:.digits$}</small>",
            i.low * unit,
            i.high * unit
        ),
    }
}

fn percent(share: f64) -> String {
    format!("{:.2}", share * 100.0)
}

fn of(part: usize, all: usize) -> String {
    format!("{part} of {all}")
}

/// Cells are HTML already.
fn table<R: AsRef<[String]>>(
    html: &mut String,
    header: &[String],
    rows: impl IntoIterator<Item = R>,
) {
    html.push_str("<div class=\"wide\"><table>\n");
    if !header.is_empty() {
        html.push_str("<tr>");
        for name in header {
            write!(html, "<th>{}</th>", text(name)).expect("a String takes all");
        }
        html.push_str("</tr>\n");
    }
    for row in rows {
        html.push_str("<tr>");
        for cell in row.as_ref() {
            write!(html, "<td>{cell}</td>").expect("a String takes all");
        }
        html.push_str("</tr>\n");
    }
    html.push_str("</table></div>\n");
}

/// Text as HTML; what is no text, or would turn its neighbours around, as a replacement character.
fn text(plain: &str) -> String {
    let mut html = String::with_capacity(plain.len());
    for c in plain.chars() {
        match c {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            c if c.is_control()
                || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}') =>
            {
                html.push('\u{fffd}');
            }
            c => html.push(c),
        }
    }
    html
}
