//! `spkver calibrate TRIALS… --scores FILE -o CALIBRATION`: scale and offset for the scores of any
//! system, kept in a small file that `score --embeddings --calibration` reads.

use super::{Global, calibrate::Args};
use serde_json::{Value, json};
use spkver::{
    Error, Result,
    eval::table::ScoreTable,
    storage::output::{Form, Outputs},
    train::calibration::Calibration,
};
use std::path::Path;

/// Runs the command.
pub fn run(args: &Args, scores: &Path, outputs: &Outputs, global: &Global) -> Result<u8> {
    let out = outputs.take(&args.out, &Form::CALIBRATION)?;
    let (mut lists, mut refused): (Vec<[Vec<f64>; 2]>, usize) = (vec![], 0);
    for path in &args.lists {
        let mut table = ScoreTable::read(path)?;
        table.join(scores, path)?;
        let mut sides = [vec![], vec![]];
        for trial in table.trials() {
            match trial.is_scored() {
                true => sides[usize::from(!trial.is_target())].push(trial.score),
                false => refused += 1,
            }
        }
        lists.push(sides);
    }
    let parts: Vec<(&[f64], &[f64])> = lists.iter().map(|[t, n]| (&t[..], &n[..])).collect();
    let fitted = Calibration::of_lists(&parts, args.p_target)?;
    fitted.check()?;
    let [targets, nontargets] = [0, 1].map(|side| -> usize {
        let counts = lists.iter().map(|sides| sides[side].len());
        counts.sum()
    });
    let json = json!({
        "command": "calibrate",
        "output": args.out.to_string_lossy(),
        "scale": fitted.scale,
        "offset": fitted.offset,
        "p_target": args.p_target,
        "targets": targets,
        "nontargets": nontargets,
        "refused": refused,
    });
    out.write(format!("{json:#}\n").as_bytes())?;
    let line = format!(
        "wrote {}: scale {:.4}, offset {:+.4}, fitted at prior {} on {targets} target and \
         {nontargets} nontarget trials ({refused} more refused)",
        args.out.display(),
        fitted.scale,
        fitted.offset,
        args.p_target,
    );
    global.output().result(&line, &json)?;
    Ok(0)
}

/// Scale and offset of such a file.
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
