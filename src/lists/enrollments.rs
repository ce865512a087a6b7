//! Reads which recordings enroll which model. Each line is `model recording…` (as Kaldi's
//! `spk2utt`), or the file is a table with one recording per line and a header that names the
//! columns (NIST's `modelid segmentid`).

use super::{
    fields::{Fields, Separator},
    header::Header,
    lines::for_each_line,
    words::{Column, is_side_b},
};
use crate::Result;
use std::{collections::HashMap, path::Path};

const REMEDY: &str =
    "write `model recording…` on each line, or a table whose header is `modelid segmentid`";

/// Columns of a table, from 0.
struct Places {
    model: usize,
    recording: usize,
    side: Option<usize>,
}

/// The recordings of each model, one or more.
///
/// # Errors
/// [`crate::Error::Io`], [`crate::Error::List`].
pub fn read(path: &Path) -> Result<HashMap<String, Vec<String>>> {
    let mut models: HashMap<String, Vec<String>> = HashMap::new();
    let mut table = None;
    let mut is_first = true;
    for_each_line(path, REMEDY, |line| {
        if line.trim_ascii_start().starts_with('#') {
            return Ok(());
        }
        if std::mem::take(&mut is_first) {
            table = Header::of_line(line, Places::find);
            if table.is_some() {
                return Ok(());
            }
        }
        let (model, recordings) = match &table {
            Some(table) => table.columns.model_and_recording(&table.row(line)?)?,
            None => model_and_recordings(line)?,
        };
        if recordings.is_empty() || recordings.iter().any(String::is_empty) {
            return Err(format!("model {model} has no recording"));
        }
        models.entry(model).or_default().extend(recordings);
        Ok(())
    })?;
    Ok(models)
}

fn model_and_recordings(line: &str) -> std::result::Result<(String, Vec<String>), String> {
    let mut fields = Fields::split(line.trim_ascii(), Separator::Blank)?;
    let model = fields.take(0).into_owned();
    Ok((model, fields.iter().skip(1).map(String::from).collect()))
}

impl Places {
    fn find(names: &Fields) -> Option<Self> {
        let find = |column| names.iter().position(|n| Column::named(n) == Some(column));
        Some(Places {
            model: find(Column::Enroll)?,
            recording: find(Column::Test)?,
            side: find(Column::Side),
        })
    }

    fn model_and_recording(
        &self,
        row: &Fields,
    ) -> std::result::Result<(String, Vec<String>), String> {
        let [model, recording] = [self.model, self.recording].map(|at| row[at].to_string());
        let side = self.side.map_or("", |at| &row[at]);
        match is_side_b(side) {
            // An empty field is no recording, so no side is added to it.
            Some(true) if !recording.is_empty() => Ok((model, vec![format!("{recording}:b")])),
            Some(_) => Ok((model, vec![recording])),
            None => Err(format!("side {side:?}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(text: &str) -> Result<HashMap<String, Vec<String>>> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("models");
        std::fs::write(&path, text).unwrap();
        read(&path)
    }

    #[test]
    fn every_form_enrolls_the_same_recordings() {
        for text in [
            "m 1.wav 2.wav:b\nn 3.wav\n",
            "m \"1.wav\" 2.wav:b\nn \"3.wav\"\n",
            "\u{feff}# models\r\nm\t1.wav\t2.wav:b\r\nn\t3.wav\r\n",
            "m 1.wav\nn 3.wav\nm 2.wav:b\n",
            "modelid\tsegmentid\tside\nm\t1.wav\ta\nm\t2.wav\tb\nn\t3.wav\t\n",
            "model_id segment_id side\nm 1.wav a\nm 2.wav b\nn 3.wav a\n",
            "segment;note;model\n1.wav;;m\n\"2.wav:b\";x;m\n3.wav;;n\n",
            "enroll,path2,channel\nm,1.wav,1\nm,2.wav,2\nn,3.wav,1\n",
        ] {
            let models = read_text(text).unwrap();
            assert_eq!(models["m"], ["1.wav", "2.wav:b"], "{text}");
            assert_eq!(models["n"], ["3.wav"], "{text}");
        }
    }

    #[test]
    fn a_line_without_a_recording_is_named() {
        for (text, fact) in [
            ("m 1.wav\nn\n", "models:2: model n has no recording"),
            ("model,segment\nm,\n", "models:2: model m has no recording"),
            ("model,segment\nm\n", "models:2: 1 fields instead of 2"),
            (
                "modelid\tsegmentid\tside\nm\t1\tc\n",
                "models:2: side \"c\"",
            ),
        ] {
            let refused = read_text(text).unwrap_err().to_string();
            assert!(refused.contains(fact), "{refused}");
        }
    }
}
