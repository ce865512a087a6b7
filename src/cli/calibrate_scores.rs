//! `spkver calibrate TRIALS… --scores FILE -o CALIBRATION`: fits scale and offset to the scores of
//! any system. They are written to a small file that `score --embeddings --calibration` reads.

use super::global::Global;
use serde_json::{Value, json};
use spkver::{
    Error, Result,
    storage::output::{Form, Outputs},
    train::calibrate::fit_scores,
};
use std::path::{Path, PathBuf};

/// What to fit on, and the file to write.
pub struct ScoreFit<'a> {
    /// Trial lists.
    pub lists: &'a [PathBuf],
    /// The scores of their trials.
    pub scores: &'a Path,
    /// Prior of a target trial at which the fit should be best.
    pub p_target: f64,
    /// The calibration to write.
    pub out: &'a Path,
}

impl ScoreFit<'_> {
    /// Runs the command.
    pub fn run(&self, outputs: &Outputs, global: &Global) -> Result<u8> {
        let out = outputs.take(self.out, &Form::CALIBRATION)?;
        let fitted = fit_scores(self.lists, self.scores, self.p_target)?;
        let (scale, offset) = (fitted.calibration.scale, fitted.calibration.offset);
        let (targets, nontargets) = (fitted.num_targets, fitted.num_nontargets);
        let refused = fitted.num_refused;
        let json = json!({
            "command": "calibrate",
            "output": self.out.to_string_lossy(),
            "scale": scale,
            "offset": offset,
            "p_target": self.p_target,
            "targets": targets,
            "nontargets": nontargets,
            "refused": refused,
        });
        out.write(format!("{json:#}\n").as_bytes())?;
        let line = format!(
            "wrote {}: scale {scale:.4}, offset {offset:+.4}, fitted at prior {} on {targets} target and \
             {nontargets} nontarget trials ({refused} more refused)",
            self.out.display(),
            self.p_target,
        );
        global.output().result(&line, &json)?;
        Ok(0)
    }
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
