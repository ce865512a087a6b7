//! `spkver calibrate TRIALS… --scores FILE -o CALIBRATION`: fits scale and offset to the scores of
//! any system. They are written to a small file that `score --embeddings --calibration` reads.

use super::global::Global;
use serde_json::{Value, json};
use spkver::{
    Error, Result,
    storage::output::{Form, Outputs},
    train::{calibrate::fit_scores, calibration::Calibration},
};
use std::path::{Path, PathBuf};

/// Runs the command: fits the `scores` of the trials of `lists`, best at the prior `p_target`.
pub fn run(
    lists: &[PathBuf],
    scores: &Path,
    p_target: f64,
    out: &Path,
    outputs: &Outputs,
    global: &Global,
) -> Result<u8> {
    let file = outputs.take(out, &Form::CALIBRATION)?;
    let (Calibration { scale, offset, .. }, scores) = fit_scores(lists, scores, p_target)?;
    let (targets, nontargets) = (scores.num_targets(), scores.num_nontargets());
    let refused = scores.num_refused;
    let json = json!({
        "command": "calibrate",
        "output": out.to_string_lossy(),
        "scale": scale,
        "offset": offset,
        "p_target": p_target,
        "targets": targets,
        "nontargets": nontargets,
        "refused": refused,
    });
    file.write(format!("{json:#}\n").as_bytes())?;
    let line = format!(
        "wrote {}: scale {scale:.4}, offset {offset:+.4}, fitted at prior {p_target} on {targets} target \
         and {nontargets} nontarget trials ({refused} more refused)",
        out.display(),
    );
    global.output().result(&line, &json)
}

/// Reads scale and offset from a calibration file.
pub fn read(path: &Path) -> Result<(f32, f32)> {
    let text = std::fs::read_to_string(path).map_err(|e| Error::io(path, "read", e))?;
    let json: Value = serde_json::from_str(&text).unwrap_or_default();
    let number = |key: &str| json[key].as_f64().filter(|v| (*v as f32).is_finite());
    match (number("scale"), number("offset")) {
        (Some(scale), Some(offset)) if scale > 0.0 => Ok((scale as f32, offset as f32)),
        _ => Err(Error::Usage(format!(
            "{}: no calibration of scores; make one with `spkver calibrate --scores`",
            path.display()
        ))),
    }
}
