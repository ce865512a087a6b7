//! `spkver embed` of folders and lists: a row for each recording, whatever is wrong with it, in a form
//! that other programs read.

use super::{
    Global, embed, interrupt,
    long_run::{Job, embed_all, interrupted, open_stream},
};
use indexmap::IndexMap;
use serde_json::json;
use spkver::{
    Error, Result,
    batch::{
        escape,
        extract::Ending,
        kaldi_data::KaldiData,
        ledger::Ledger,
        outcome::Outcome,
        output::Place,
        recording::{Naming, Recording},
        vectors::{About, Format, Row, ark_and_index, ark_index},
    },
    lists::{lines::for_each_line, scp},
    storage::{
        Readers,
        output::{Form, OutputFile, is_regular},
    },
};
use std::{
    collections::HashSet,
    fs,
    io::{BufWriter, Write},
    path::{Path, PathBuf},
};

/// Files in a folder that are taken for recordings.
const ENDINGS: [&str; 9] = [
    "wav", "wave", "flac", "mp3", "ogg", "oga", "m4a", "mp4", "aac",
];

/// Recordings by id, in order.
#[derive(Default)]
struct List {
    ids: Vec<String>,
    recordings: Vec<std::result::Result<Recording, String>>,
}

/// Runs the command.
pub fn run(args: &embed::Args, global: &Global) -> Result<u8> {
    let stop = interrupt::flag()?;
    let talk = global.output();
    let naming = args.source.naming()?;
    let list = List::gather(args, &naming)?;
    let format = args.format();
    format.check_ids(&list.ids)?;
    let place = args.output.as_deref().filter(|out| is_regular(out));
    let place = place.map(Place::of);
    let written = Written::open(args, &list, &naming, place.as_ref(), global)?;
    if place.is_none() && matches!(format, Format::Npz | Format::Parquet) {
        return Err(Error::Usage(
            "npz and Parquet go to a file: give --output".into(),
        ));
    }
    let verifier = global.verifier()?;
    let mut job = Job::new("embed");
    job.add_naming(&naming, &verifier)?;
    list.ids.iter().for_each(|id| job.add(id.as_bytes()));
    let cache = args.source.cache_file();
    let mut ledger = match &place {
        Some(place) => place.open(args.resume, &job.hash(), cache.as_deref())?,
        None => Ledger::open(None, cache.as_deref())?,
    };
    if embed_all(&list.recordings, &verifier, &mut ledger, stop, talk)? == Ending::Stopped {
        return Ok(interrupted(talk, place.is_some()));
    }

    let about = About {
        model: verifier.id(),
        size: verifier.model().head.embedding_size(),
        ids: &list.ids,
    };
    let (mut refused, mut number) = (0, 0);
    let rows = |ledger: &Ledger, take: &mut dyn FnMut(Row) -> Result<()>| {
        ledger.for_each(|number, entry| {
            take(Row {
                id: list.ids[number].clone(),
                audio: entry.audio,
                outcome: entry.outcome,
            })
        })
    };
    rows(&ledger, &mut |row| {
        if let Outcome::Refused(why) = &row.outcome {
            refused += 1;
            let path = match &list.recordings[number] {
                Ok(recording) if !recording.path.ends_with(&row.id) => {
                    format!(" ({})", recording.path.display())
                }
                _ => String::new(),
            };
            talk.detail(&format!("refused {}{path}: {}", row.id, why.reason));
        }
        number += 1;
        Ok(())
    })?;
    if let Some(ids) = &written.ids {
        let text: String = list.ids.iter().map(|id| format!("{id}\n")).collect();
        ids.write(text.as_bytes())?;
    }
    match (&place, &written.rows) {
        (Some(place), Some(out)) => {
            let path = out.path();
            // Made first: it only names what the archive will hold.
            let lines = match &written.index {
                Some(_) => ark_index(path, &mut |take| rows(&ledger, take))?,
                None => String::new(),
            };
            out.write_with(Readers::Everybody, |file| {
                let mut whole = BufWriter::with_capacity(1 << 20, file);
                format.write(&mut whole, path, &about, &mut |take| rows(&ledger, take))?;
                whole.flush().map_err(|e| Error::io(path, "write", e))
            })?;
            if let Some(index) = &written.index {
                index.write(lines.as_bytes())?;
            }
            place.forget(ledger)?;
        }
        _ => {
            let mut out = BufWriter::new(open_stream(written.rows.as_ref())?);
            let name = args.output.as_deref().unwrap_or(Path::new("<stdout>"));
            format.write(&mut out, name, &about, &mut |take| rows(&ledger, take))?;
            out.flush().map_err(|e| Error::io(name, "write", e))?;
        }
    }
    let count = list.ids.len();
    if refused > 0 {
        talk.warning(&format!(
            "{refused} of {count} recordings have no embedding; -v names them"
        ));
    }
    if let Some(out) = &args.output {
        let json = json!({
            "command": "embed",
            "model": verifier.id().to_string(),
            "output": out.to_string_lossy(),
            "recordings": count,
            "refused": refused,
        });
        let line = format!(
            "EMBEDDED  {}  {count} recordings, {refused} refused",
            out.display()
        );
        talk.result(&line, &json)?;
    }
    Ok(if refused == count { 3 } else { 0 })
}

/// The files of this run.
struct Written {
    /// Of the embeddings; none for standard output.
    rows: Option<OutputFile>,
    /// Of a Kaldi archive.
    index: Option<OutputFile>,
    /// Of a `.npy`.
    ids: Option<OutputFile>,
}

impl Written {
    fn open(
        args: &embed::Args,
        list: &List,
        naming: &Naming,
        place: Option<&Place>,
        global: &Global,
    ) -> Result<Self> {
        // Named for either of the two, both are written.
        let pair = args.output.as_deref().filter(|_| place.is_some());
        let pair = pair.filter(|_| args.format() == Format::Ark);
        let pair = pair.map(ark_and_index);
        let mut paths: Vec<PathBuf> = args.ids.iter().cloned().collect();
        if let Some(place) = place {
            let [out, partial, state] = place.files().map(Path::to_path_buf);
            paths.extend([partial, state]);
            match &pair {
                Some((ark, index)) => paths.extend([ark.clone(), index.clone()]),
                None => paths.push(out),
            }
        }
        let outputs = args.replacing.open(paths, global)?;
        let data = naming.data.iter().flat_map(KaldiData::files_read);
        let cache = args.source.cache_file();
        for path in args.list.iter().chain(&cache).chain(data) {
            outputs.spare(path)?;
        }
        let recordings = list.recordings.iter().flatten();
        outputs.spare_all(recordings.map(|recording| &recording.path))?;
        let ids = args.ids.as_deref().map(|ids| {
            let array = args.output.as_deref().unwrap_or(Path::new(""));
            outputs.take_row_names(ids, array)
        });
        let (rows, index) = match &pair {
            Some((ark, index)) => (
                Some(outputs.take(ark, &Form::ARK)?),
                Some(outputs.take(index, &Form::ARK_INDEX)?),
            ),
            None => (args.output_file(&outputs)?, None),
        };
        Ok(Written {
            rows,
            index,
            ids: ids.transpose()?,
        })
    }
}

impl List {
    fn gather(args: &embed::Args, naming: &Naming) -> Result<Self> {
        let mut list = List::default();
        for path in &args.files {
            if path.is_dir() {
                let mut seen = HashSet::new();
                list.add_folder(path, naming, &mut seen)?;
            } else {
                list.add_path(path.clone(), naming);
            }
        }
        if let Some(path) = &args.list {
            list.add_list(path, naming)?;
        }
        for name in naming.data.iter().flat_map(|data| data.utterances()) {
            list.ids.push(escape::name(name).into_owned());
            list.recordings.push(naming.recording(name));
        }
        if let Some(shard) = args.shard {
            let range = shard.range(list.ids.len() as u64);
            let range = range.start as usize..range.end as usize;
            list.ids = list.ids.drain(range.clone()).collect();
            list.recordings = list.recordings.drain(range).collect();
        }
        if list.ids.is_empty() {
            return Err(Error::Usage(format!(
                "no recordings; files in folders are taken by their ending ({})",
                ENDINGS.join(", ")
            )));
        }
        Ok(list)
    }

    /// Below the root, the id is what a list with this root says.
    fn add_path(&mut self, path: PathBuf, naming: &Naming) {
        let id = path.strip_prefix(&naming.root).unwrap_or(&path);
        self.ids.push(escape::path(id).into_owned());
        self.recordings.push(Ok(Recording {
            path,
            reading: naming.reading,
            segment: None,
        }));
    }

    /// What is in the folder and below, by name; what is hidden is not looked at.
    fn add_folder(
        &mut self,
        folder: &Path,
        naming: &Naming,
        seen: &mut HashSet<PathBuf>,
    ) -> Result<()> {
        let failed = |e| Error::io(folder, "read", e);
        // Links may run in a circle.
        if !seen.insert(fs::canonicalize(folder).map_err(failed)?) {
            return Ok(());
        }
        let entries = fs::read_dir(folder).map_err(failed)?;
        let paths = entries.map(|entry| Ok(entry?.path()));
        let mut paths: Vec<PathBuf> = paths.collect::<std::io::Result<_>>().map_err(failed)?;
        paths.sort();
        for path in paths {
            let hidden = |name: &std::ffi::OsStr| name.as_encoded_bytes().starts_with(b".");
            if path.file_name().is_some_and(hidden) {
                continue;
            }
            if path.is_dir() {
                self.add_folder(&path, naming, seen)?;
            } else if path.extension().is_some_and(|ending| {
                ENDINGS.contains(&&*ending.to_string_lossy().to_ascii_lowercase())
            }) {
                self.add_path(path, naming);
            }
        }
        Ok(())
    }

    /// `path` or `id<TAB>path` a line; `id path` where the list's name ends in .scp.
    fn add_list(&mut self, path: &Path, naming: &Naming) -> Result<()> {
        if path.extension().is_some_and(|e| e == "scp") {
            for (id, file) in scp::read(path)? {
                self.add(id, &file, naming);
            }
            return Ok(());
        }
        let mut files = IndexMap::new();
        let remedy = "write `path` or `id<TAB>path` a line, each id for one path";
        for_each_line(path, remedy, |line| {
            let line = line.trim_ascii();
            let (id, file) = line.split_once('\t').unwrap_or((line, line));
            let (id, file) = (id.trim_ascii(), file.trim_ascii());
            let is_new = scp::add(&mut files, id, file)?;
            // A path without an id has a row for each line that names it.
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
