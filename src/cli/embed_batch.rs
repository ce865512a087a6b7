//! `spkver embed` of folders and lists: writes a row for each recording, even a damaged one, in a form
//! that other programs read.

use super::{
    Global, embed, interrupt,
    long_run::{embed_all, interrupted, open_stream},
};
use serde_json::json;
use spkver::{
    Error, Result,
    batch::{
        extract::Ending,
        job::Job,
        kaldi_data::KaldiData,
        ledger::Ledger,
        outcome::Outcome,
        output::Place,
        recording::Naming,
        recording_list::RecordingList,
        vectors::{About, Format, Row, ark_and_index, ark_index},
    },
    storage::{
        Readers,
        output::{Form, OutputFile, is_regular},
    },
};
use std::{
    io::{BufWriter, Write},
    path::{Path, PathBuf},
};

/// Runs the command.
pub fn run(args: &embed::Args, global: &Global) -> Result<u8> {
    let stop = interrupt::flag()?;
    let talk = global.output();
    let naming = args.source.naming()?;
    let list = RecordingList::gather(&args.files, args.list.as_deref(), args.shard, &naming)?;
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
        list: &RecordingList,
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
