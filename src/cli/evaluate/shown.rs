//! Shows reports as tables for people and as JSON for machines.

use crate::cli::output::{columns, printable};
use serde_json::{Value, json};
use spkver::{
    eval::{
        bootstrap::Interval,
        difference::Difference,
        evaluate::Measured,
        metrics::{Points, percent},
        report::{Condition, Report},
    },
    storage::file_name,
};

/// The result on one list, under the list's name.
pub struct Named {
    /// The list's file without its folder, on one line.
    pub name: String,
    pub measured: Measured,
}

impl Named {
    /// Names the result after its file.
    pub fn new(measured: Measured) -> Self {
        Named {
            name: printable(&file_name(&measured.path)),
            measured,
        }
    }

    /// The difference from the first of all lists, if this is another list with the same speakers.
    pub fn difference(&self, all: &[Named]) -> Option<Difference> {
        let first = &all.first()?.measured.report;
        let is_first = std::ptr::eq(first, &self.measured.report);
        Difference::new(&self.measured.report, first).filter(|_| !is_first)
    }

    /// The result as JSON, for machines.
    pub fn json(&self) -> Value {
        let Measured {
            path,
            report,
            refused,
        } = &self.measured;
        let mut json = json!(report);
        json["list"] = json!(path.to_string_lossy());
        let refusal = |(path, reason): &(String, String)| json!({"path": path, "reason": reason});
        json["refused"] = refused.iter().flatten().map(refusal).collect();
        // The figures at the first prior and at the first threshold, which `p_target` and
        // `threshold` name.
        json["min_dcf"] = json!(report.figures.dcf[0].min);
        json["act_dcf"] = json!(report.figures.dcf[0].act);
        json["at_threshold"] = json!(report.figures.rates[0]);
        json
    }

    fn row(&self) -> Vec<String> {
        let report = &self.measured.report;
        let (figures, counts) = (&report.figures, &report.counts);
        let mut row = vec![
            self.name.clone(),
            counts.targets.to_string(),
            counts.nontargets.to_string(),
            report.speakers.map_or("?".into(), |n| n.to_string()),
            percent(report.enrolment.rate),
            percent(report.test.rate),
            counts.refused().to_string(),
            percent(figures.eer),
            interval(report.intervals.as_ref().map(|i| i.eer)),
            percent(report.eer_with_refused),
        ];
        for dcf in &figures.dcf {
            row.extend([dcf.min, dcf.act].map(|dcf| format!("{dcf:.3}")));
        }
        row.extend([figures.cllr, figures.min_cllr].map(|bits| format!("{bits:.3}")));
        for rates in &figures.rates {
            row.extend([percent(rates.miss), percent(rates.false_alarm)]);
        }
        row
    }
}

fn interval(interval: Option<Interval>) -> String {
    interval.map_or("?".into(), |i| i.percent())
}

/// The results as tables, for people.
pub fn text(lists: &[Named], points: &Points, with_worst: bool) -> String {
    let names =
        "list,targets,nontargets,speakers,FTE %,FTA %,trials refused,EER %,95 %,EER % with refused";
    let mut header: Vec<String> = names.split(',').map(String::from).collect();
    for costs in &points.costs {
        header.push(format!("minDCF {}", costs.p_target));
        header.push("actDCF".into());
    }
    header.extend(["Cllr", "minCllr"].map(String::from));
    for threshold in &points.thresholds {
        header.push(format!("FNMR % at {threshold}"));
        header.push("FMR %".into());
    }
    let mut rows = vec![header];
    rows.extend(lists.iter().map(Named::row));
    let mut text = columns(&rows, 1);
    let differences = differences(lists);
    if !differences.is_empty() {
        text.push_str(&format!("\n\n{differences}"));
    }
    for Named { name, measured } in lists {
        let report = &measured.report;
        for column in report.conditions.chunk_by(|a, b| a.column == b.column) {
            text.push_str(&format!("\n\n{name} by {}\n", printable(&column[0].column)));
            text.push_str(&by_condition(column, points.thresholds[0]));
        }
        if with_worst && !report.worst_speakers.is_empty() {
            text.push_str(&format!("\n\n{name}: worst served speakers\n"));
            text.push_str(&worst(report, points.thresholds[0]));
        }
        if with_worst && !report.confused_pairs.is_empty() {
            text.push_str(&format!("\n\n{name}: most confused pairs\n"));
            text.push_str(&confused(report));
        }
    }
    text
}

/// The differences as JSON, for machines.
pub fn differences_json(all: &[Named]) -> Value {
    let differences = all.iter().filter_map(|one| {
        let difference = one.difference(all)?;
        Some(json!({
            "list": one.measured.path.to_string_lossy(),
            "against": all[0].measured.path.to_string_lossy(),
            "eer": difference.eer,
            "interval": difference.interval,
        }))
    });
    differences.collect()
}

/// The differences as text: one line for each list after the first.
fn differences(all: &[Named]) -> String {
    let differences = all.iter().filter_map(|one| {
        let difference = one.difference(all)?;
        let points = |share: f64| format!("{:+.2}", share * 100.0);
        let sure = difference.interval.map_or("?".into(), |interval| {
            format!("{} to {}", points(interval.low), points(interval.high))
        });
        Some(format!(
            "{} against {}: EER {} percentage points, 95 % {sure}",
            one.name,
            all[0].name,
            points(difference.eer)
        ))
    });
    differences.collect::<Vec<_>>().join("\n")
}

fn confused(report: &Report) -> String {
    let header = ["speakers", "accepted", "mean score", "highest"];
    let mut rows = vec![header.map(String::from).to_vec()];
    rows.extend(report.confused_pairs.iter().map(|pair| {
        vec![
            pair.speakers
                .each_ref()
                .map(|name| printable(name))
                .join(" and "),
            format!("{} of {}", pair.accepted, pair.nontargets),
            format!("{:.2}", pair.mean_score),
            format!("{:.2}", pair.highest_score),
        ]
    }));
    columns(&rows, 1)
}

fn by_condition(conditions: &[Condition], threshold: f64) -> String {
    let names = format!(
        "condition,targets,nontargets,trials refused,EER %,95 %,minCllr,FNMR % at {threshold},FMR %"
    );
    let mut rows = vec![names.split(',').map(String::from).collect()];
    rows.extend(conditions.iter().map(|c| {
        let none = || "–".to_string();
        let figures = c.figures.as_ref();
        vec![
            printable(&c.label),
            c.counts.targets.to_string(),
            c.counts.nontargets.to_string(),
            c.counts.refused().to_string(),
            figures.map_or_else(none, |f| percent(f.eer)),
            figures.map_or_else(none, |_| interval(c.intervals.as_ref().map(|i| i.eer))),
            figures.map_or_else(none, |f| format!("{:.3}", f.min_cllr)),
            c.miss.map_or_else(none, percent),
            c.false_alarm.map_or_else(none, percent),
        ]
    }));
    columns(&rows, 1)
}

fn worst(report: &Report, threshold: f64) -> String {
    let rejected = format!("rejected at {threshold}");
    let header = ["speaker", &rejected, "impostors accepted", "trials refused"];
    let mut rows = vec![header.map(String::from).to_vec()];
    rows.extend(report.worst_speakers.iter().map(|s| {
        vec![
            printable(&s.speaker),
            format!("{} of {}", s.missed, s.targets),
            format!("{} of {}", s.accepted, s.nontargets),
            s.refused.to_string(),
        ]
    }));
    columns(&rows, 1)
}
