//! One HTML page for an evaluation: the outcome in words, tables, and the plots as inline SVG. It needs
//! nothing else: no scripts, no styles or images from elsewhere. It adapts to the
//! width of the window and to light or dark mode.

mod page;
mod summary;
mod tables;

pub use page::{List, Page};

use super::plots::{self, Chart, Named};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use page::text;

const TITLE: &str = "Speaker verification: evaluation";

impl Page<'_> {
    /// The page.
    pub fn to_html(&self) -> String {
        let named: Vec<Named> = self.lists.iter().map(|l| (l.name, l.report)).collect();
        let page = html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta http-equiv="Content-Security-Policy"
                        content="default-src 'none'; style-src 'unsafe-inline'";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    title { (TITLE) }
                    style { (PreEscaped(include_str!("html.css"))) }
                }
                body {
                    h1 { (TITLE) }
                    section.verdict { (summary::of(self)) }
                    dl {
                        dt { "measured" } dd { time { (self.date) } }
                        dt { "command" } dd { code { (text(&self.command)) } }
                        @for (what, value) in &self.facts {
                            dt { (text(what)) } dd { (text(value)) }
                        }
                    }
                    h2 { "All lists" }
                    (tables::summary(self))
                    div.plots {
                        (self.plot(Chart::Det, &named))
                        (self.plot(Chart::Roc, &named))
                    }
                    @for list in &self.lists { (self.list(list)) }
                    h2 { "What the figures mean" }
                    (tables::glossary())
                }
            }
        };
        page.into_string()
    }

    fn plot(&self, chart: Chart, named: &[Named]) -> Markup {
        let svg = plots::svg(chart, named, self.points.thresholds[0]);
        html! { figure { (PreEscaped(svg)) } }
    }

    fn list(&self, list: &List) -> Markup {
        let report = list.report;
        let threshold = self.points.thresholds[0];
        html! {
            h2 { (text(list.name)) }
            (tables::refusals(report))
            div.plots { (self.plot(Chart::Histogram, &[(list.name, report)])) }
            h3 { "Misses where only so many impostors are accepted" }
            (tables::at_false_match(report))
            @for column in report.conditions.chunk_by(|a, b| a.column == b.column) {
                h3 { "By " (text(&column[0].column)) }
                (tables::conditions(column, self.points))
            }
            @if !report.worst_speakers.is_empty() {
                h3 { "Speakers with the highest error rates, at threshold " (threshold) }
                (tables::worst_speakers(report))
            }
            @if !report.confused_pairs.is_empty() {
                h3 { "Pairs of speakers that are confused most, at threshold " (threshold) }
                p.quiet {
                    "A pair that scores far above the others may be one speaker under two names."
                }
                (tables::confused_pairs(report))
            }
            @if !list.refused.is_empty() {
                h3 { "Refused recordings" }
                (tables::refused(list.refused))
            }
        }
    }
}
