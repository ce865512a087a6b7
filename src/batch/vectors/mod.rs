//! Embeddings with ids, in the file formats of other programs: NumPy (`.npy`, `.npz`), Kaldi
//! (`.ark`, `.scp`, text and binary), Parquet, JSON lines, text. [`read`] recognises the format by
//! the content; [`write`](Format::write) takes a [`Format`], chosen by the name.

mod ark;
mod floats;
mod npy;
mod npz;
#[cfg(feature = "parquet")]
mod parquet;
#[cfg(not(feature = "parquet"))]
#[path = "no_parquet.rs"]
mod parquet;
mod refusal;
mod row;
mod stored_zip;
mod text;

use crate::{Error, Result, lists::parquet_opening, remedy::Remedy, storage::output::Form};
use refusal::Refusal;
use rustc_hash::FxHashMap;
use std::{
    fs::File,
    io::{Read, Write},
    path::{Path, PathBuf},
};

pub use npy::{array, header as npy_header};
pub use row::{About, Row, Rows};

/// A file format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `(N, D)` float32; rows of NaN where there is no embedding.
    Npy,
    /// Arrays `embeddings` (N, D), `ids`, `errors`, `audio_blake3`, and `model`.
    Npz,
    /// Kaldi's binary archive and its index; recordings without an embedding are left out.
    Ark,
    /// Kaldi's text archive; recordings without an embedding are left out.
    ArkText,
    /// Columns `id`, `embedding`, `audio_blake3`, `error`.
    Parquet,
    /// `{"id", "embedding", "model", "audio_blake3", "speech_seconds", "error"}` a line.
    JsonLines,
    /// `id value…` a line, or `id # why`.
    Text,
}

/// Embeddings by id, all of one size.
#[derive(Debug, Default)]
pub struct Vectors {
    size: usize,
    index_of: FxHashMap<String, u32>,
    /// (N, D)
    values: Vec<f32>,
}

impl Format {
    /// Every format with its name. Of two formats with one ending, a file's ending means the first.
    pub const NAMED: [(&str, Format); 7] = [
        ("text", Format::Text),
        ("npy", Format::Npy),
        ("npz", Format::Npz),
        ("ark", Format::Ark),
        ("ark-text", Format::ArkText),
        ("parquet", Format::Parquet),
        ("jsonl", Format::JsonLines),
    ];

    /// The format of a file's ending; text if the ending is unknown.
    pub fn of(path: &Path) -> Self {
        let mut all = Self::NAMED.into_iter().map(|(_, format)| format);
        let named = all.find(|format| format.form().has_ending(path));
        named.unwrap_or(Format::Text)
    }

    /// The form of such a file.
    pub fn form(self) -> &'static Form {
        match self {
            Format::Npy => &Form::NPY,
            Format::Npz => &Form::NPZ,
            Format::Ark => &Form::ARK,
            Format::ArkText => &Form::ARK_TEXT,
            Format::Parquet => &Form::PARQUET,
            Format::JsonLines => &Form::EMBEDDING_JSON,
            Format::Text => &Form::EMBEDDING_TEXT,
        }
    }

    /// Checks that the format can hold every id.
    ///
    /// # Errors
    /// [`Error::Usage`] for an id with a blank in a format that Kaldi reads.
    pub fn check_ids(&self, ids: &[String]) -> Result<()> {
        let blank = |id: &&String| id.is_empty() || id.contains(char::is_whitespace);
        match (self, ids.iter().find(blank)) {
            (Format::Ark | Format::ArkText, Some(id)) => Err(Error::refused(
                format!("the id {id:?} has blanks, which Kaldi archives do not allow"),
                Remedy::Option(&["give ids with ", "list", ", or write npz or parquet"]),
            )),
            _ => Ok(()),
        }
    }

    /// Writes the bytes of a file. `path` is its name, which Kaldi's index contains.
    ///
    /// # Errors
    /// [`Error::Io`], or the error of `rows`.
    pub fn write(
        &self,
        out: &mut (dyn Write + Send),
        path: &Path,
        about: &About,
        rows: &mut Rows,
    ) -> Result<()> {
        let failed = |e: std::io::Error| Error::io(path, "write", e);
        match self {
            Format::Npy => {
                let header = npy::header("<f4", &[about.ids.len(), about.size]);
                out.write_all(&header).map_err(failed)?;
                rows(&mut |row| {
                    out.write_all(&npy::float_bytes(&row.outcome, about.size))
                        .map_err(failed)
                })
            }
            Format::Npz => npz::write(out, about, rows, path),
            Format::Ark => rows(&mut |row| {
                let bytes = ark::binary(&row).unwrap_or_default();
                out.write_all(&bytes).map_err(failed)
            }),
            Format::ArkText => rows(&mut |row| {
                let line = ark::text(&row).unwrap_or_default();
                out.write_all(line.as_bytes()).map_err(failed)
            }),
            Format::Parquet => parquet::write(out, about, rows, path),
            Format::JsonLines => rows(&mut |row| {
                let line = text::json(&row, about.model);
                out.write_all(line.as_bytes()).map_err(failed)
            }),
            Format::Text => {
                rows(&mut |row| out.write_all(text::line(&row).as_bytes()).map_err(failed))
            }
        }
    }
}

/// Kaldi's index `id ark:offset` for a binary archive that was written to `ark` from these rows.
///
/// # Errors
/// The error of `rows`.
pub fn ark_index(ark: &Path, rows: &mut Rows) -> Result<String> {
    let (mut index, mut at) = (String::new(), 0);
    rows(&mut |row| {
        if let Some(bytes) = ark::binary(&row) {
            let offset = at + row.id.len() + 1;
            index += &format!("{} {}:{offset}\n", row.id, ark.display());
            at += bytes.len();
        }
        Ok(())
    })?;
    Ok(index)
}

/// Reads the embeddings whose ids `wanted` accepts. `ids` names the rows of a `.npy`, one id per
/// line.
///
/// # Errors
/// [`Error::Io`]; [`Error::Usage`] for a file of another format, or vectors of several sizes.
pub fn read(path: &Path, ids: Option<&Path>, wanted: &dyn Fn(&str) -> bool) -> Result<Vectors> {
    let failed = |e| Error::io(path, "read", e);
    let file = File::open(path).map_err(failed)?;
    let mut opening = vec![];
    file.take(512).read_to_end(&mut opening).map_err(failed)?;
    let mut vectors = Vectors::default();
    let mut take = |id: &str, values: &[f32]| match wanted(id) {
        true => vectors.insert(id, values),
        false => Ok(()),
    };
    let read = if opening.starts_with(npy::MAGIC) {
        npy::read_rows(path, ids, &mut take)
    } else if opening.starts_with(b"PK\x03\x04") {
        npz::read(path, &mut take)
    } else if opening.starts_with(parquet_opening::MAGIC) {
        parquet::read(path, &mut take)
    } else if opening.starts_with(b"{") {
        text::read_json(path, &mut take)
    } else if (Form::ARK.shows)(&opening) {
        ark::read_binary(path, &mut take)
    } else {
        text::read(path, &mut take)
    };
    let wanted = "give vectors with ids as npy, npz, ark, scp, parquet, jsonl or text";
    read.map_err(|refusal| refusal.of_file(path, wanted))?;
    Ok(vectors)
}

const ARRAY_WANTED: &str = "give a NumPy file with a float32 array (N, D)";

/// The rows `(N, D)` of a `.npy` that has no ids. They are read one by one: there may be more than fit
/// into memory.
pub struct Array {
    path: PathBuf,
    rows: npy::RowReader,
}

impl Array {
    /// Opens the file and checks that it is as long as its header says.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Usage`] for an array of another kind.
    pub fn open(path: &Path) -> Result<Self> {
        let rows = npy::RowReader::open(path).and_then(|rows| match rows.size {
            0 => Err(Refusal::Fact("holds vectors of size 0".into())),
            _ => Ok(rows),
        });
        Ok(Array {
            rows: rows.map_err(|refusal| refusal.of_file(path, ARRAY_WANTED))?,
            path: path.to_path_buf(),
        })
    }

    /// The number of rows, N.
    pub fn num_rows(&self) -> usize {
        self.rows.num_rows
    }

    /// The size of a row, D.
    pub fn size(&self) -> usize {
        self.rows.size
    }

    /// Reads one row `(D,)`.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn row(&mut self, row: usize) -> Result<Vec<f32>> {
        let read = self.rows.row(row);
        read.map_err(|refusal| refusal.of_file(&self.path, ARRAY_WANTED))
    }
}

impl Vectors {
    /// The size of a vector, D; 0 if there are no vectors.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Whether there are no vectors.
    pub fn is_empty(&self) -> bool {
        self.index_of.is_empty()
    }

    /// The vector of this id. A vector of NaN counts as missing.
    ///
    /// # Errors
    /// Why there is none.
    pub fn get(&self, id: &str) -> std::result::Result<&[f32], String> {
        let Some(&index) = self.index_of.get(id) else {
            return Err("there is no vector with this id; check the ids".into());
        };
        let vector = &self.values[index as usize * self.size..][..self.size];
        if vector.iter().all(|v| v.is_finite()) {
            Ok(vector)
        } else {
            Err("the vector is not finite".into())
        }
    }

    fn insert(&mut self, id: &str, values: &[f32]) -> std::result::Result<(), Refusal> {
        if values.is_empty() {
            return Err(format!("the vector of {id} is empty").into());
        }
        if self.index_of.is_empty() {
            self.size = values.len();
        }
        if values.len() != self.size {
            let (size, wanted) = (values.len(), self.size);
            return Err(format!("the vector of {id} has {size} values, others {wanted}").into());
        }
        let next = self.index_of.len() as u32;
        if let Some(&earlier) = self.index_of.get(id) {
            let earlier = &self.values[earlier as usize * self.size..][..self.size];
            let same = |(a, b): (&f32, &f32)| a.to_bits() == b.to_bits();
            if earlier.iter().zip(values).all(same) {
                return Ok(());
            }
            return Err(format!("there are two different vectors of {id}").into());
        }
        self.index_of.insert(id.to_string(), next);
        self.values.extend_from_slice(values);
        Ok(())
    }
}

/// The archive that belongs to an output named `x.scp` or `x.ark`, and its index.
pub fn ark_and_index(out: &Path) -> (PathBuf, PathBuf) {
    (out.with_extension("ark"), out.with_extension("scp"))
}
