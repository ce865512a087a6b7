//! The figures of scores with labels.

use crate::raised::{raised, usage};
use pyo3::{prelude::*, types::PyDict};
use spkver::{
    OperatingPoint,
    eval::{
        bootstrap::{self, Interval},
        metrics::{Costs, Figures, Points},
        ranking::{Ranking, ScoredTrial},
        sweep::Sweep,
    },
};

/// Error rates; `spkver.evaluate` is its other half.
///
/// `scores` are float64, NaN for a refused recording. `speakers` are numbered without gaps, in the order
/// of first mention; without them, each trial is drawn by itself.
#[pyfunction]
pub fn figures<'py>(
    py: Python<'py>,
    scores: &[u8],
    labels: &[u8],
    speakers: Option<(Vec<u32>, Vec<u32>)>,
    p_target: Vec<f64>,
    c_miss: f64,
    c_fa: f64,
    threshold: f64,
    num_replicates: usize,
    seed: u64,
) -> PyResult<Bound<'py, PyDict>> {
    let scores = scores
        .as_chunks()
        .0
        .iter()
        .map(|bytes| f64::from_ne_bytes(*bytes));
    let scores: Vec<f64> = scores.collect();
    if scores.len() != labels.len() || scores.len() >= ScoredTrial::MAX_RECORDINGS {
        let (scores, labels) = (scores.len(), labels.len());
        return Err(usage(&format!(
            "{scores} scores and {labels} labels; expected one label for each score"
        )));
    }
    if p_target.is_empty() || !threshold.is_finite() {
        return Err(usage(
            "p_target needs a prior, and threshold a finite number",
        ));
    }
    let mut costs = vec![];
    for p_target in p_target {
        OperatingPoint::new(p_target, c_miss, c_fa).map_err(raised)?; // for its checks
        costs.push(Costs {
            p_target,
            c_miss,
            c_fa,
        });
    }
    let points = Points {
        costs,
        thresholds: vec![threshold],
    };
    let trials = trials(&scores, labels, speakers.as_ref())?;
    let num_speakers = match &speakers {
        None => trials.len(),
        Some((enroll, test)) => enroll
            .iter()
            .chain(test)
            .max()
            .map_or(0, |most| *most as usize + 1),
    };
    let facts = PyDict::new(py);
    let refused = |is_target| {
        let of_kind = trials.iter().filter(move |t| t.is_target() == is_target);
        (
            of_kind.clone().count(),
            of_kind.filter(|t| !t.is_scored()).count(),
        )
    };
    let ((targets, refused_targets), (nontargets, refused_nontargets)) =
        (refused(true), refused(false));
    facts.set_item("targets", targets)?;
    facts.set_item("nontargets", nontargets)?;
    facts.set_item("refused_targets", refused_targets)?;
    facts.set_item("refused_nontargets", refused_nontargets)?;
    facts.set_item("speakers", speakers.as_ref().map(|_| num_speakers))?;

    let (measured, intervals, with_refused) = py
        .detach(|| {
            let ranking = Ranking::of(trials)?;
            let sweep = Sweep::new(&ranking, &points);
            let of: Vec<u32> = (0..num_speakers as u32).collect();
            let intervals = (num_replicates > 0)
                .then(|| bootstrap::intervals(&sweep, &of, num_speakers, num_replicates, seed))
                .flatten();
            Some((sweep.figures(), intervals, sweep.eer_with_refused()))
        })
        .ok_or_else(|| usage("no target, or no nontarget, has a score; give both kinds"))?;
    let pair = |interval: &Interval| (interval.low, interval.high);
    facts.set_item("eer_with_refused", with_refused)?;
    facts.set_item("figures", listed(py, &measured, |value| *value)?)?;
    let intervals = intervals.map(|intervals| listed(py, &intervals, pair));
    facts.set_item("intervals", intervals.transpose()?)?;
    Ok(facts)
}

/// Speakers stand for their recordings: no figure asks which recording it was.
fn trials(
    scores: &[f64],
    labels: &[u8],
    speakers: Option<&(Vec<u32>, Vec<u32>)>,
) -> PyResult<Vec<ScoredTrial>> {
    if let Some((enroll, test)) = speakers
        && (enroll.len() != scores.len() || test.len() != scores.len())
    {
        return Err(usage(
            "speakers: expected two for each score, of enrollment and test",
        ));
    }
    let trial = |(index, (&score, &label)): (usize, (&f64, &u8))| {
        let is_target = label != 0;
        let [enroll, test] = match speakers {
            None => [index as u32; 2],
            Some((enroll, test)) => [enroll[index], test[index]],
        };
        if speakers.is_some() && (enroll == test) != is_target {
            let label = if is_target { "target" } else { "nontarget" };
            return Err(usage(&format!(
                "trial {index} is a {label}, but its speakers say otherwise"
            )));
        }
        let score = score.is_finite().then_some(score);
        Ok(ScoredTrial::new(enroll, test, is_target, score))
    };
    scores.iter().zip(labels).enumerate().map(trial).collect()
}

fn listed<'py, T, U: IntoPyObject<'py>>(
    py: Python<'py>,
    figures: &Figures<T>,
    shown: impl Fn(&T) -> U,
) -> PyResult<Bound<'py, PyDict>> {
    let listed = PyDict::new(py);
    listed.set_item("eer", shown(&figures.eer))?;
    listed.set_item("cllr", shown(&figures.cllr))?;
    listed.set_item("min_cllr", shown(&figures.min_cllr))?;
    let min: Vec<U> = figures.dcf.iter().map(|dcf| shown(&dcf.min)).collect();
    let act: Vec<U> = figures.dcf.iter().map(|dcf| shown(&dcf.act)).collect();
    listed.set_item("min_dcf", min)?;
    listed.set_item("act_dcf", act)?;
    listed.set_item("false_reject", shown(&figures.rates[0].miss))?;
    listed.set_item("false_accept", shown(&figures.rates[0].false_alarm))?;
    Ok(listed)
}
