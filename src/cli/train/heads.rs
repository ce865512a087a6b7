//! Prints pair heads and their figures, for people and for machines.

use crate::cli::output::{columns, printable};
use serde_json::{Value, json};
use spkver::{
    eval::metrics::percent,
    train::{head::Report, head_comparison::Compared, options::PairLoss},
};

/// A line about how a head was refined.
pub fn line(loss: PairLoss, report: &Report) -> String {
    let (before, after) = (report.loss_before, report.loss_after);
    match loss {
        PairLoss::Bce => {
            format!("pair head: {before:.4} bits per pair after LDA and PLDA, {after:.4} after BCE")
        }
        PairLoss::Softmax => format!(
            "pair head: {before:.4} bits per pair after LDA and PLDA, {after:.4} after softmax"
        ),
        PairLoss::Mse => format!(
            "pair head: squared error {before:.4} after LDA and PLDA, {after:.4} after MSE; \
             Pearson r with the grades {:.3}",
            report.pearson.unwrap_or(f64::NAN)
        ),
    }
}

/// A table with a row for each list and head.
pub fn table(compared: &[Compared]) -> String {
    let header = [
        "list",
        "head",
        "EER %",
        "95 %",
        "minDCF 0.01",
        "Cllr",
        "minCllr",
        "Pearson r",
        "from BCE",
    ];
    let mut rows = vec![header.map(String::from).to_vec()];
    let num_lists = compared.iter().map(|c| c.lists.len()).max().unwrap_or(0);
    for at in 0..num_lists {
        for (one, on) in compared.iter().filter_map(|c| Some((c, c.lists.get(at)?))) {
            let interval = on.intervals.as_ref().map(|i| i.eer);
            rows.push(vec![
                printable(&on.list),
                one.name.into(),
                percent(on.figures.eer),
                interval.map_or("?".into(), |i| i.percent()),
                format!("{:.3}", on.figures.dcf[0].min),
                format!("{:.3}", on.figures.cllr),
                format!("{:.3}", on.figures.min_cllr),
                on.pearson.map_or("–".into(), |r| format!("{r:.3}")),
                format!("{:.1e}", on.from_bce),
            ]);
        }
    }
    columns(&rows, 2)
}

/// The figures as JSON, for machines.
pub fn json(compared: &[Compared]) -> Value {
    let one = |compared: &Compared| {
        json!({
            "head": compared.name,
            "training": compared.training.map(|note| json!({
                "targets": note.num_targets,
                "nontargets": note.num_nontargets,
                "loss_before": note.loss_before,
                "loss_after": note.loss_after,
                "pearson": note.pearson,
            })),
            "lists": compared.lists.iter().map(|on| json!({
                "list": on.list,
                "figures": on.figures,
                "intervals": on.intervals,
                "pearson": on.pearson,
                "largest_difference_from_bce": on.from_bce,
            })).collect::<Vec<_>>(),
        })
    };
    compared.iter().map(one).collect()
}
