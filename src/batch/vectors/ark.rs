//! Kaldi's archives of vectors. Binary: `id`, a blank, `\0B`, `FV ` (f32) or `DV ` (f64), `\4`, the
//! size as i32, the values. A matrix of one row (`FM `, `DM `) counts as a vector. Text: `id  [ 1 2
//! 3 ]`.

use super::{
    floats::from_le_bytes,
    refusal::{Refusal, Take},
    row::Row,
};
use std::{
    collections::HashMap,
    fs::File,
    io::{BufRead, BufReader, Read, Seek, SeekFrom},
    path::Path,
};

/// Largest size of a vector; a larger one is taken for damage.
const MAX_SIZE: usize = 1 << 20;

/// An entry of a binary archive; none if there is no embedding.
pub(super) fn binary(row: &Row) -> Option<Vec<u8>> {
    let embedded = row.outcome.as_ref().ok()?;
    let mut bytes = [row.id.as_bytes(), b" \0BFV \x04"].concat();
    bytes.extend((embedded.values.len() as i32).to_le_bytes());
    bytes.extend(embedded.values.iter().flat_map(|v| v.to_le_bytes()));
    Some(bytes)
}

/// A line of a text archive; none if there is no embedding.
pub(super) fn text(row: &Row) -> Option<String> {
    let embedded = row.outcome.as_ref().ok()?;
    let values: Vec<String> = embedded.values.iter().map(f32::to_string).collect();
    Some(format!("{}  [ {} ]\n", row.id, values.join(" ")))
}

/// Reads all entries of a binary archive.
pub(super) fn read_binary(path: &Path, take: &mut Take) -> Result<(), Refusal> {
    let mut source = BufReader::with_capacity(1 << 20, File::open(path)?);
    loop {
        let mut id = vec![];
        (&mut source).take(1 << 16).read_until(b' ', &mut id)?;
        if id.iter().all(u8::is_ascii_whitespace) {
            return Ok(());
        }
        if id.pop() != Some(b' ') {
            return Err("Kaldi archive is cut off".into());
        }
        let id = String::from_utf8_lossy(&id).trim().to_string();
        take(&id, &vector(&mut source).map_err(|f| at(&id, f))?)?;
    }
}

/// Reads the entries that an index names in lines `id archive:offset`.
pub(super) fn read_index<'a>(
    lines: impl Iterator<Item = &'a str>,
    take: &mut Take,
) -> Result<(), Refusal> {
    let mut archives: HashMap<String, BufReader<File>> = HashMap::new();
    for line in lines {
        let wanted = || Refusal::from(format!("line {line:?}; wanted `id archive:offset`"));
        let (id, place) = line.split_once([' ', '\t']).ok_or_else(wanted)?;
        let (archive, offset) = place.trim().rsplit_once(':').ok_or_else(wanted)?;
        let offset = offset.parse().map_err(|_| wanted())?;
        // Limits the number of open files.
        if archives.len() > 100 {
            archives.clear();
        }
        if !archives.contains_key(archive) {
            let file = File::open(archive).map_err(|e| format!("archive {archive}: {e}"))?;
            archives.insert(archive.to_string(), BufReader::new(file));
        }
        let source = archives.get_mut(archive).expect("just there");
        source.seek(SeekFrom::Start(offset))?;
        take(id, &vector(source).map_err(|f| at(id, f))?)?;
    }
    Ok(())
}

/// Reads a vector, from `\0B` to the last value.
fn vector(source: &mut impl Read) -> Result<Vec<f32>, Refusal> {
    let mut start = [0; 5];
    source.read_exact(&mut start)?;
    let (width, is_matrix) = match &start {
        b"\0BFV " => (4, false),
        b"\0BDV " => (8, false),
        b"\0BFM " => (4, true),
        b"\0BDM " => (8, true),
        [0, b'B', kind @ ..] => {
            let kind = String::from_utf8_lossy(kind).into_owned();
            return Err(format!("holds {kind:?}, not a vector of floats").into());
        }
        _ => return Err("no binary vector".into()),
    };
    let mut number = || -> Result<usize, Refusal> {
        let mut bytes = [0; 5];
        source.read_exact(&mut bytes)?;
        let [4, number @ ..] = bytes else {
            return Err("no size before the vector".into());
        };
        usize::try_from(i32::from_le_bytes(number)).map_err(|_| "negative size".into())
    };
    let rows = if is_matrix { number()? } else { 1 };
    let size = number()?;
    if rows != 1 || size > MAX_SIZE {
        return Err(format!("{rows} rows of {size} values instead of one vector").into());
    }
    let mut bytes = vec![0; size * width];
    source.read_exact(&mut bytes)?;
    Ok(from_le_bytes(&bytes, width))
}

fn at(id: &str, refusal: Refusal) -> Refusal {
    match refusal {
        Refusal::Io(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => {
            format!("the vector of {id} is cut off").into()
        }
        Refusal::Fact(fact) => format!("{id}: {fact}").into(),
        other => other,
    }
}
