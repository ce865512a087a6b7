//! The list of recordings to embed, gathered from files, folders, lists and Kaldi data folders.

use super::{escape, naming::Naming, recording::Recording, score::Shard};
use crate::{
    Error, Result,
    audio::{folder::recordings_in, formats},
    lists::{lines::for_each_line, scp},
};
use indexmap::IndexMap;
use std::path::{Path, PathBuf};

/// Recordings by id, in order.
#[derive(Debug, Default)]
pub struct RecordingList {
    /// One id for each recording.
    pub ids: Vec<String>,
    /// The recordings; a reason in place of each one that cannot be found.
    pub recordings: Vec<std::result::Result<Recording, String>>,
}

impl RecordingList {
    /// Gathers the recordings of `files` (or folders), of the list in the file `list`, and of the
    /// data folders of `naming`, in this order, and keeps those of `shard`.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::List`]; [`Error::Usage`] where there is no recording.
    pub fn gather(
        files: &[PathBuf],
        list: Option<&Path>,
        shard: Option<Shard>,
        naming: &Naming,
    ) -> Result<Self> {
        let mut all = RecordingList::default();
        for path in files {
            if path.is_dir() {
                let found = recordings_in(path)?;
                found
                    .into_iter()
                    .for_each(|path| all.add_path(path, naming));
            } else {
                all.add_path(path.clone(), naming);
            }
        }
        if let Some(path) = list {
            all.add_list(path, naming)?;
        }
        for name in naming.data.iter().flat_map(|data| data.utterances()) {
            all.ids.push(escape::name(name).into_owned());
            all.recordings.push(naming.recording(name));
        }
        if let Some(shard) = shard {
            let range = shard.range(all.ids.len() as u64);
            let range = range.start as usize..range.end as usize;
            all.ids = all.ids.drain(range.clone()).collect();
            all.recordings = all.recordings.drain(range).collect();
        }
        if all.ids.is_empty() {
            return Err(Error::Usage(format!(
                "no recordings; files in folders are taken by their ending ({})",
                formats::endings().join(", ")
            )));
        }
        Ok(all)
    }

    /// Adds a file. Its id is the path as a list with this root would name it.
    fn add_path(&mut self, path: PathBuf, naming: &Naming) {
        let id = path.strip_prefix(&naming.root).unwrap_or(&path);
        self.ids.push(escape::path(id).into_owned());
        self.recordings.push(Ok(Recording {
            path,
            reading: naming.reading,
            segment: None,
        }));
    }

    /// Reads a list: `path` or `id<TAB>path` on each line, or `id path` if the list's name ends in
    /// .scp.
    fn add_list(&mut self, path: &Path, naming: &Naming) -> Result<()> {
        if path.extension().is_some_and(|e| e == "scp") {
            for (id, file) in scp::read(path)? {
                self.add(id, &file, naming);
            }
            return Ok(());
        }
        let mut files = IndexMap::new();
        let remedy = "write `path` or `id<TAB>path` on each line, each id for one path";
        for_each_line(path, remedy, |line| {
            let line = line.trim_ascii();
            let (id, file) = line.split_once('\t').unwrap_or((line, line));
            let (id, file) = (id.trim_ascii(), file.trim_ascii());
            let is_new = scp::add(&mut files, id, file)?;
            // A path without an id gets a row for each line on which it stands.
            if is_new || !line.contains('\t') {
                self.add(id.to_string(), file, naming);
            }
            Ok(())
        })
    }

    fn add(&mut self, id: String, file: &str, naming: &Naming) {
        self.ids.push(escape::name(&id).into_owned());
        let recording = scp::path_of(file).and_then(|path| naming.recording(path));
        self.recordings.push(recording);
    }
}
