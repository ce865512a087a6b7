//! Reads and writes vectors as lines: `id 1 2 3`, Kaldi's `id  [ 1 2 3 ]`, Kaldi's index `id
//! archive:offset`, JSON.

use super::{
    ark,
    refusal::{Refusal, Take},
    row::Row,
};
use crate::{batch::escape, verifier::ModelId};
use std::{
    fs::File,
    io::{BufRead, BufReader},
    path::Path,
};

/// `id value…`, or `id # why`. A tab follows the id if it contains blanks.
pub(super) fn line(row: &Row) -> String {
    let gap = if row.id.contains(' ') { '\t' } else { ' ' };
    match &row.outcome {
        Ok(embedded) => {
            let values: Vec<String> = embedded.values.iter().map(f32::to_string).collect();
            format!("{}{gap}{}\n", row.id, values.join(" "))
        }
        Err(refused) => {
            let why = refused.reason.replace(['\n', '\r', '\t'], " ");
            format!("{}{gap}# {}\n", row.id, escape::name(&why))
        }
    }
}

/// One row as a JSON object.
pub(super) fn json(row: &Row, model: ModelId) -> String {
    #[derive(serde::Serialize)]
    struct Line<'a> {
        id: &'a str,
        model: String,
        audio_blake3: Option<String>,
        speech_seconds: Option<f32>,
        embedding: Option<&'a [f32]>,
        code: Option<&'a str>,
        error: Option<&'a str>,
    }
    let (embedded, refused) = (row.outcome.as_ref().ok(), row.outcome.as_ref().err());
    let line = Line {
        id: &row.id,
        model: model.to_string(),
        audio_blake3: row.audio.map(|hash| hash.to_string()),
        speech_seconds: embedded.map(|e| (e.speech_seconds * 100.0).round() / 100.0),
        embedding: embedded.map(|e| e.values.as_slice()),
        code: refused.map(|r| r.code.as_str()),
        error: refused.map(|r| r.reason.as_str()),
    };
    let line = serde_json::to_string(&line).expect("plain data");
    format!("{}\n", escape::json(&line))
}

/// Reads lines of JSON with `id` and `embedding`.
pub(super) fn read_json(path: &Path, take: &mut Take) -> Result<(), Refusal> {
    #[derive(serde::Deserialize)]
    struct Line {
        id: String,
        embedding: Option<Vec<f32>>,
    }
    for (number, line) in BufReader::new(File::open(path)?).lines().enumerate() {
        let line = line?;
        if line.trim().is_empty() {
            continue;
        }
        let read: Line =
            serde_json::from_str(&line).map_err(|e| format!("line {}: {e}", number + 1))?;
        if let Some(embedding) = read.embedding {
            take(&read.id, &embedding)?;
        }
    }
    Ok(())
}

/// Reads lines of text.
pub(super) fn read(path: &Path, take: &mut Take) -> Result<(), Refusal> {
    let mut index: Vec<String> = vec![];
    for (number, line) in BufReader::new(File::open(path)?).lines().enumerate() {
        let line = line.map_err(|_| "neither text nor another format that is read here")?;
        let line = line.trim();
        let refuse = |fact: &str| Refusal::from(format!("line {}: {fact}", number + 1));
        let Some((id, rest)) = line.split_once('\t').or_else(|| line.split_once(' ')) else {
            match line {
                "" => continue,
                _ => return Err(refuse("no vector after the id")),
            }
        };
        let rest = rest.trim();
        if rest.starts_with('#') {
            continue;
        }
        let is_index = rest
            .rsplit_once(':')
            .is_some_and(|(_, offset)| offset.parse::<u64>().is_ok());
        if is_index {
            index.push(line.to_string());
            continue;
        }
        let numbers = rest.strip_prefix('[').unwrap_or(rest);
        let numbers = numbers.strip_suffix(']').unwrap_or(numbers);
        let values: Result<Vec<f32>, _> =
            numbers.split_ascii_whitespace().map(str::parse).collect();
        let values = values.map_err(|_| refuse("a value that is not a number"))?;
        take(id, &values)?;
    }
    ark::read_index(index.iter().map(String::as_str), take)
}
