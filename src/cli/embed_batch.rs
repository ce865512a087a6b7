//! `spkver embed` for folders and lists: writes a row for each recording, even a damaged one, in a
//! format that other programs read.

use super::{
    embed,
    global::Global,
    interrupt,
    long_run::{Stages, interrupted, open_stream},
};
use serde_json::json;
use spkver::{
    Error, Result,
    batch::{
        embedding_run::{Files, Plan, Refusal},
        kaldi_data::KaldiData,
        output::Place,
        recording_list::RecordingList,
        vectors::{Format, ark_and_index},
        watch::Watcher,
    },
    storage::output::{Form, is_regular},
};
use std::path::{Path, PathBuf};

/// Runs the command.
pub fn run(args: &embed::Args, global: &Global) -> Result<u8> {
    let stop = interrupt::flag()?;
    let talk = global.output();
    let plan = plan(args)?;
    plan.format.check_ids(&plan.list.ids)?;
    let files = files(args, &plan, global)?;
    if plan.place.is_none() && matches!(plan.format, Format::Npz | Format::Parquet) {
        return Err(Error::Usage(
            "npz and Parquet go to a file: give --output".into(),
        ));
    }
    let verifier = global.verifier()?;
    let stages = Stages::new(talk);
    let watcher = Watcher {
        stop,
        on_event: &|event| stages.show(event),
    };
    let open = || open_stream(files.rows.as_ref());
    let report = plan.run(&verifier, &files, open, &watcher, &mut |refusal| {
        let Refusal { id, path, reason } = refusal;
        let path = path.map_or(String::new(), |path| format!(" ({})", path.display()));
        talk.detail(&format!("refused {id}{path}: {reason}"));
    })?;
    let Some(report) = report else {
        return Ok(interrupted(talk, plan.place.is_some()));
    };
    let (count, refused) = (report.num_recordings, report.num_refused);
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

fn plan(args: &embed::Args) -> Result<Plan> {
    let naming = args.source.naming()?;
    let list = args.list.as_deref();
    let place = args.output.as_deref().filter(|out| is_regular(out));
    Ok(Plan {
        list: RecordingList::gather(&args.files, list, args.shard, &naming)?,
        naming,
        format: args.format(),
        place: place.map(Place::of),
        resume: args.resume,
        cache: args.source.cache_file(),
    })
}

/// The files to write, after checking that the run reads none of them.
fn files(args: &embed::Args, plan: &Plan, global: &Global) -> Result<Files> {
    // The user may name the archive or its index: both are written.
    let pair = args.output.as_deref().filter(|_| plan.place.is_some());
    let pair = pair.filter(|_| plan.format == Format::Ark);
    let pair = pair.map(ark_and_index);
    let mut paths: Vec<PathBuf> = args.ids.iter().cloned().collect();
    if let Some(place) = &plan.place {
        let [out, partial, state] = place.files().map(Path::to_path_buf);
        paths.extend([partial, state]);
        match &pair {
            Some((ark, index)) => paths.extend([ark.clone(), index.clone()]),
            None => paths.push(out),
        }
    }
    let outputs = args.replacing.open(paths, global)?;
    let data = plan.naming.data.iter().flat_map(KaldiData::files_read);
    for path in args.list.iter().chain(&plan.cache).chain(data) {
        outputs.spare(path)?;
    }
    let recordings = plan.list.recordings.iter().flatten();
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
    Ok(Files {
        rows,
        index,
        ids: ids.transpose()?,
    })
}
