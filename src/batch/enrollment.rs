//! Which recordings enrol which model: `model recording…` a line (as Kaldi's `spk2utt`), or NIST's
//! table of models with a header `modelid  segmentid…` and one recording a line. Fields stand
//! between tabs where a line has one, otherwise between blanks.

use super::kaldi_data::for_each_line;
use crate::{Error, Result};
use indexmap::IndexMap;
use std::path::Path;

/// Models by name; each has one or more recordings.
#[derive(Debug, Default)]
pub struct Enrollments {
    models: IndexMap<String, Vec<String>>,
}

impl Enrollments {
    /// Reads the file.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::List`].
    pub fn read(path: &Path) -> Result<Self> {
        let mut models: IndexMap<String, Vec<String>> = IndexMap::new();
        let mut nist: Option<(usize, Option<usize>)> = None;
        let mut is_first = true;
        for_each_line(path, |text| {
            let fields: Vec<&str> = if text.contains('\t') {
                text.split('\t').map(str::trim).collect()
            } else {
                text.split_ascii_whitespace().collect()
            };
            if std::mem::take(&mut is_first) && matches!(fields[0], "modelid" | "model_id") {
                let column = |names: &[&str]| fields.iter().position(|f| names.contains(f));
                let segment = column(&["segmentid", "segment_id", "segment"])
                    .ok_or("no column segmentid behind modelid")?;
                nist = Some((segment, column(&["side", "channel"])));
                return Ok(());
            }
            let recordings: Vec<String> = match nist {
                None => fields[1..].iter().map(|f| f.to_string()).collect(),
                Some((segment, side)) => {
                    let name = fields.get(segment).ok_or("no segment")?;
                    match side.and_then(|side| fields.get(side)) {
                        Some(&"b") => vec![format!("{name}:b")],
                        _ => vec![name.to_string()],
                    }
                }
            };
            if recordings.is_empty() || recordings.iter().any(String::is_empty) {
                return Err(format!("model {} has no recording", fields[0]));
            }
            models
                .entry(fields[0].to_string())
                .or_default()
                .extend(recordings);
            Ok(())
        })
        .map_err(|error| match error {
            Error::List {
                path, line, fact, ..
            } => Error::List {
                path,
                line,
                fact,
                remedy: "write `model recording…` a line, or NIST's table with its header".into(),
            },
            other => other,
        })?;
        Ok(Enrollments { models })
    }

    /// The recordings of a model.
    pub fn model(&self, name: &str) -> Option<&[String]> {
        self.models.get(name).map(Vec::as_slice)
    }
}
