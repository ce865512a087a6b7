//! NumPy's `.npz`, a ZIP of arrays. Files are written with the arrays `embeddings`, `ids`, `errors`,
//! `audio_blake3` and `model`. A file to read may have a two-dimensional array and a list with one text for
//! each of its rows: then each row is a vector, and the text is its id. In any other file, each array is a
//! vector, and the name of the array is its id.

use super::{
    npy,
    refusal::{Refusal, Take},
    row::{About, Rows},
    stored_zip::StoredZip,
};
use crate::{Error, Result};
use std::{
    fs::File,
    io::{BufReader, Read, Write},
    path::Path,
};
use zip::{ZipArchive, result::ZipError};

/// Writes the arrays. The errors and hashes of all rows are held in memory.
pub(super) fn write(
    out: &mut (dyn Write + Send),
    about: &About,
    rows: &mut Rows,
    path: &Path,
) -> Result<()> {
    let full = |e| Error::io(path, "write", e);
    // No compression: the digits of embeddings are random, and would not become fewer.
    let mut zip = StoredZip::new(out);
    zip.start("embeddings.npy").map_err(full)?;
    let header = npy::header("<f4", &[about.ids.len(), about.size]);
    zip.write(&header).map_err(full)?;
    let (mut errors, mut hashes) = (vec![], vec![]);
    rows(&mut |row| {
        hashes.push(row.audio.map_or(String::new(), |hash| hash.to_string()));
        let refused = row.outcome.as_ref().err();
        errors.push(refused.map_or(String::new(), |refused| refused.reason.clone()));
        zip.write(&npy::float_bytes(&row.outcome, about.size))
            .map_err(full)
    })?;
    let model = [about.model.to_string()];
    let arrays = [
        ("ids.npy", about.ids),
        ("errors.npy", &errors),
        ("audio_blake3.npy", &hashes),
        ("model.npy", &model),
    ];
    for (name, texts) in arrays {
        zip.start(name).map_err(full)?;
        let bytes = npy::texts(texts.iter().map(String::as_str));
        zip.write(&bytes).map_err(full)?;
    }
    zip.finish().map_err(full)
}

/// Reads all vectors.
pub(super) fn read(path: &Path, take: &mut Take) -> std::result::Result<(), Refusal> {
    let refusal = |e: ZipError| Refusal::Fact(format!("ZIP: {e}"));
    let mut zip = ZipArchive::new(BufReader::new(File::open(path)?)).map_err(refusal)?;
    // What each member is: (number, name, header).
    let mut members = vec![];
    for number in 0..zip.len() {
        let mut member = zip.by_index(number).map_err(refusal)?;
        let name = member
            .name()
            .map_err(refusal)?
            .trim_end_matches(".npy")
            .to_string();
        members.push((number, name, npy::Header::read(&mut member)?));
    }
    let is_text =
        |header: &npy::Header| header.dtype.starts_with("<U") || header.dtype.starts_with("|S");
    let ids = |rows: usize| {
        let named = ["ids", "id", "keys", "names", "utts"];
        let fits = |m: &&(usize, String, npy::Header)| is_text(&m.2) && m.2.shape == [rows];
        let mut all = members.iter().filter(fits);
        let by_name = all.clone().find(|m| named.contains(&m.1.as_str()));
        by_name.or_else(|| all.next().filter(|_| all.next().is_none()))
    };
    let matrix = members
        .iter()
        .find(|m| m.2.shape.len() == 2 && !is_text(&m.2) && ids(m.2.shape[0]).is_some());
    if let Some((number, _, header)) = matrix {
        let (ids, _, ids_header) = ids(header.shape[0]).expect("found above");
        let mut member = zip.by_index(*ids).map_err(refusal)?;
        npy::Header::read(&mut member)?;
        let names = ids_header.texts(&mut member)?;
        drop(member);
        let mut member = BufReader::new(zip.by_index(*number).map_err(refusal)?);
        npy::Header::read(&mut member)?;
        let shape = [header.shape[0], header.shape[1]];
        return header.take_rows(&mut member, shape, &names, take);
    }
    let vectors: Vec<_> = members.iter().filter(|m| !is_text(&m.2)).collect();
    if vectors.is_empty() {
        return Err("no array of embeddings in it".into());
    }
    for (number, name, header) in vectors {
        if header.count()? != *header.shape.iter().max().unwrap_or(&0) {
            let shape = &header.shape;
            return Err(format!(
                "array {name} of shape {shape:?} is not a vector, and no array of ids fits it"
            )
            .into());
        }
        let mut member = zip.by_index(*number).map_err(refusal)?;
        npy::Header::read(&mut member)?;
        take(name, &header.floats(&mut member.by_ref(), header.count()?)?)?;
    }
    Ok(())
}
