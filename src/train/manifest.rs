//! The recordings to train on: a folder with one sub-folder per speaker, or a CSV or JSONL manifest.
//!
//! Manifest columns (CSV header or JSON keys): `path` (relative to the manifest) and `speaker`. Optional
//! are `session`, `corpus`, `split` (only rows with `train` are used) and `label`. The label `none`
//! marks a recording whose speaker is not known: the network learns only the teacher's vector of it.

use crate::{
    Error, Result,
    audio::folder::recordings_in,
    lists::{fields::Fields, header::Header, lines::for_each_line_within},
};
use serde::Deserialize;
use serde_json::Value;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// One recording.
#[derive(Debug, Clone, PartialEq)]
pub struct Utterance {
    /// Where it is.
    pub path: PathBuf,
    /// Index into [`Manifest::speakers`]. Each recording without a label has an index of its own,
    /// from the number of speakers on.
    pub speaker: u32,
    /// The recording session, unique over the manifest.
    pub session: u32,
    /// Index into [`Manifest::corpora`].
    pub corpus: u32,
}

/// A checked list of recordings: at least two speakers, each with at least one utterance.
#[derive(Debug, Clone, PartialEq)]
pub struct Manifest {
    /// Sorted by path.
    pub utterances: Vec<Utterance>,
    /// Names, sorted.
    pub speakers: Vec<String>,
    /// Names, sorted; one empty name where none are given.
    pub corpora: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Row {
    path: PathBuf,
    speaker: String,
    #[serde(default)]
    session: String,
    #[serde(default)]
    corpus: String,
    split: Option<String>,
    #[serde(default)]
    label: String,
}

impl Row {
    fn is_labelled(&self) -> bool {
        self.label != "none"
    }
}

/// Longest manifest that is read, in bytes: some ten million recordings.
const MAX_BYTES: u64 = 1 << 30;

impl Manifest {
    /// Reads a folder, or a `.csv` or `.jsonl` file.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be read, [`Error::List`] for a bad line,
    /// [`Error::Usage`] for fewer than two speakers.
    pub fn open(path: &Path) -> Result<Self> {
        let rows = if path.is_dir() {
            folder(path)?
        } else {
            file(path)?
        };
        let mut rows: Vec<Row> = rows
            .into_iter()
            .filter(|row| row.split.as_deref().is_none_or(|split| split == "train"))
            .collect();
        rows.sort_by(|a, b| a.path.cmp(&b.path));
        let labelled = rows.iter().filter(|row| row.is_labelled());
        let speakers = names(labelled.map(|r| r.speaker.clone()));
        let corpora = names(rows.iter().map(|r| r.corpus.clone()));
        let sessions = names(rows.iter().map(session_name));
        if speakers.len() < 2 {
            return Err(Error::Usage(format!(
                "{}: {} speaker(s) found; training needs at least 2: give one sub-folder per \
                 speaker with audio files, or a CSV/JSONL manifest with columns path and speaker",
                path.display(),
                speakers.len()
            )));
        }
        let mut unlabelled = speakers.len() as u32..;
        let utterances = rows
            .into_iter()
            .map(|row| Utterance {
                speaker: match row.is_labelled() {
                    true => speakers[&row.speaker],
                    false => unlabelled.next().expect("fewer than 2^32 recordings"),
                },
                session: sessions[&session_name(&row)],
                corpus: corpora[&row.corpus],
                path: row.path,
            })
            .collect();
        let sorted = |names: BTreeMap<String, u32>| names.into_keys().collect();
        Ok(Manifest {
            utterances,
            speakers: sorted(speakers),
            corpora: sorted(corpora),
        })
    }

    /// Whether the speaker of recording `utterance` is known.
    pub fn is_labelled(&self, utterance: usize) -> bool {
        (self.utterances[utterance].speaker as usize) < self.speakers.len()
    }

    /// Indices of the utterances of each speaker, followed by one entry for each recording without a
    /// label.
    pub fn by_speaker(&self) -> Vec<Vec<usize>> {
        let most = self.utterances.iter().map(|u| u.speaker as usize + 1).max();
        let mut by_speaker = vec![vec![]; most.unwrap_or(0)];
        for (index, utterance) in self.utterances.iter().enumerate() {
            by_speaker[utterance.speaker as usize].push(index);
        }
        by_speaker
    }

    /// BLAKE3 over every row: a checkpoint continues only on the same list.
    pub fn hash(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        for u in &self.utterances {
            hasher.update(u.path.as_os_str().as_encoded_bytes());
            hasher.update(&u.speaker.to_le_bytes());
            hasher.update(&u.session.to_le_bytes());
            hasher.update(&u.corpus.to_le_bytes());
        }
        hasher.finalize().to_hex().to_string()
    }
}

/// The session of a row; a row that names no session counts as a separate session.
fn session_name(row: &Row) -> String {
    if row.session.is_empty() {
        format!("{}\u{0}{}", row.speaker, row.path.display())
    } else {
        format!("{}\u{0}{}", row.speaker, row.session)
    }
}

fn names(all: impl Iterator<Item = String>) -> BTreeMap<String, u32> {
    let mut names: BTreeMap<String, u32> = all.map(|name| (name, 0)).collect();
    names
        .values_mut()
        .zip(0..)
        .for_each(|(index, n)| *index = n);
    names
}

/// Reads a folder: a sub-folder is a speaker, a folder within it is a session (VoxCeleb's layout).
/// Hidden folders are left out.
fn folder(root: &Path) -> Result<Vec<Row>> {
    let failed = |e| Error::io(root, "read", e);
    let mut rows = vec![];
    for entry in std::fs::read_dir(root).map_err(failed)? {
        let speaker_dir = entry.map_err(failed)?.path();
        let speaker = speaker_dir.file_name().unwrap_or_default();
        let speaker = speaker.to_string_lossy().into_owned();
        if speaker.starts_with('.') || !speaker_dir.is_dir() {
            continue;
        }
        for path in recordings_in(&speaker_dir)? {
            let within = path
                .parent()
                .and_then(|dir| dir.strip_prefix(&speaker_dir).ok());
            rows.push(Row {
                session: within
                    .unwrap_or(Path::new(""))
                    .to_string_lossy()
                    .into_owned(),
                path,
                speaker: speaker.clone(),
                corpus: String::new(),
                split: None,
                label: String::new(),
            });
        }
    }
    Ok(rows)
}

fn file(path: &Path) -> Result<Vec<Row>> {
    let root = path.parent().unwrap_or(Path::new(""));
    let mut rows: Vec<Row> = vec![];
    let mut header: Option<Header<Vec<String>>> = None;
    let remedy = "give each row a path and a speaker";
    for_each_line_within(MAX_BYTES, path, remedy, |line| {
        let row: serde_json::Result<Row> = if let Some(header) = &header {
            let fields = header.row(line)?;
            let fields = header.columns.iter().zip(fields.iter());
            // An empty split is none.
            let fields = fields.filter(|(name, field)| *name != "split" || !field.is_empty());
            let object = fields.map(|(name, field)| (name.clone(), field.into()));
            serde_json::from_value(Value::Object(object.collect()))
        } else if !rows.is_empty() || line.trim_ascii_start().starts_with('{') {
            serde_json::from_str(line)
        } else {
            header = Some(Header::of_line(line, columns).ok_or("no column `path`")?);
            return Ok(());
        };
        let row = row.map_err(|e| e.to_string())?;
        rows.push(Row {
            path: root.join(&row.path),
            ..row
        });
        Ok(())
    })?;
    Ok(rows)
}

/// The names of all columns of a manifest.
fn columns(names: &Fields) -> Option<Vec<String>> {
    let has_path = names.iter().any(|name| name == "path");
    has_path.then(|| names.iter().map(String::from).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn csv_and_jsonl_give_the_same_manifest_and_leave_out_other_splits() {
        let dir = tempfile::tempdir().unwrap();
        let csv = dir.path().join("a.csv");
        let jsonl = dir.path().join("a.jsonl");
        std::fs::write(
            &csv,
            "path,speaker,session,split\nx/2.wav,zoë,s1,train\nx/1.wav,ann,,train\ny.wav,bob,,dev\n",
        )
        .unwrap();
        std::fs::write(
            &jsonl,
            "{\"path\":\"x/2.wav\",\"speaker\":\"zoë\",\"session\":\"s1\"}\n\n\
             {\"path\":\"x/1.wav\",\"speaker\":\"ann\"}\n",
        )
        .unwrap();
        let manifest = Manifest::open(&csv).unwrap();
        assert_eq!(manifest, Manifest::open(&jsonl).unwrap());
        assert_eq!(manifest.speakers, ["ann", "zoë"]);
        assert_eq!(manifest.utterances[0].path, dir.path().join("x/1.wav"));
    }

    #[test]
    fn every_form_gives_the_same_speakers() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.csv");
        for text in [
            "path,speaker\n1.wav,ann\n2.wav,bob\n",
            "speaker;split;path\r\nann;;1.wav\r\n\"bob\";train;2.wav\r\n",
            "path\tspeaker\n1.wav\tann\n\n2.wav\tbob\n",
            "{\"path\":\"1.wav\",\"speaker\":\"ann\"}\n{\"path\":\"2.wav\",\"speaker\":\"bob\"}\n",
        ] {
            for mark in ["", "\u{feff}"] {
                std::fs::write(&path, format!("{mark}{text}")).unwrap();
                assert_eq!(Manifest::open(&path).unwrap().speakers, ["ann", "bob"]);
            }
        }
    }

    #[test]
    fn a_folder_per_speaker_is_read_with_sub_folders_as_sessions() {
        let dir = tempfile::tempdir().unwrap();
        for path in [
            "a/v1/1.wav",
            "a/v2/1.flac",
            "b/1.WAV",
            "b/notes.txt",
            // Files that file managers leave behind are not recordings.
            ".trash/1.wav",
            "a/.thumbs/1.wav",
            "b/._1.wav",
        ] {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        let manifest = Manifest::open(dir.path()).unwrap();
        assert_eq!(manifest.speakers, ["a", "b"]);
        assert_eq!(manifest.utterances.len(), 3);
        assert_ne!(
            manifest.utterances[0].session,
            manifest.utterances[1].session
        );
    }

    #[test]
    fn a_bad_row_is_named_and_one_speaker_is_not_enough() {
        let dir = tempfile::tempdir().unwrap();
        let csv = dir.path().join("a.csv");
        for (text, fact) in [
            (
                "path,speaker\n\n1.wav,a\n2.wav\n",
                "a.csv:4: 1 fields instead of 2",
            ),
            ("path,name\n1.wav,a\n", "a.csv:2: missing field `speaker`"),
            ("file,speaker\n1.wav,a\n", "a.csv:1: no column `path`"),
            (
                "{\"path\":\"1.wav\",\"speaker\":\"a\"}\n{\"path\":\"2.wav\"}\n",
                "a.csv:2: missing field `speaker`",
            ),
            ("path,speaker\n1.wav,a\n", "at least 2"),
        ] {
            std::fs::write(&csv, text).unwrap();
            let refused = Manifest::open(&csv).unwrap_err().to_string();
            assert!(refused.contains(fact), "{refused}");
        }
    }
}
