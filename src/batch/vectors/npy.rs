//! Reads and writes NumPy's `.npy`: floats or texts. Format: numpy.lib.format, versions 1 to 3.
//!
//! Not by the crate ndarray-npy, because it has no texts (`<U`), which the ids of embeddings are, and
//! because it holds an array as a whole, while here a row is read where it stands.

use super::{
    floats::from_le_bytes,
    refusal::{Refusal, Take},
};
use crate::{batch::outcome::Outcome, lists::names};
use std::{
    fs::File,
    io::{BufReader, Read, Seek, SeekFrom},
    path::Path,
};

/// The message for a file with fewer bytes than its header says.
const CUT_OFF: &str = "NumPy array is cut off";

/// How a file begins.
pub(super) const MAGIC: &[u8] = b"\x93NUMPY";

/// What a header says.
#[derive(Debug, PartialEq)]
pub(super) struct Header {
    pub dtype: String,
    pub fortran: bool,
    pub shape: Vec<usize>,
}

/// The bytes before an array's values.
pub fn header(dtype: &str, shape: &[usize]) -> Vec<u8> {
    let sizes: Vec<String> = shape.iter().map(|n| format!("{n},")).collect();
    let mut sizes = sizes.join(" ");
    if shape.len() > 1 {
        sizes.pop();
    }
    let mut text = format!("{{'descr': '{dtype}', 'fortran_order': False, 'shape': ({sizes}), }}");
    // Magic, version and length take 10 bytes; the whole header is padded to a multiple of 64.
    let padding = 64 - (10 + text.len() + 1) % 64;
    text.extend(std::iter::repeat_n(' ', padding % 64));
    text.push('\n');
    let length = u16::try_from(text.len()).expect("a short header");
    [MAGIC, &[1, 0], &length.to_le_bytes(), text.as_bytes()].concat()
}

/// A whole array `(N, D)` of float32.
pub fn array(size: usize, rows: &[&[f32]]) -> Vec<u8> {
    let mut bytes = header("<f4", &[rows.len(), size]);
    rows.iter().for_each(|row| bytes.extend(le_bytes(row)));
    bytes
}

/// The bytes of one row of float32; NaN if there is no embedding.
pub(super) fn float_bytes(outcome: &Outcome, size: usize) -> Vec<u8> {
    match outcome {
        Ok(embedded) => le_bytes(&embedded.values),
        Err(_) => le_bytes(&vec![f32::NAN; size]),
    }
}

fn le_bytes(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

/// An array of texts, `<U`: UTF-32, all padded to the length of the longest.
pub(super) fn texts<'a>(texts: impl Iterator<Item = &'a str> + Clone) -> Vec<u8> {
    let count = texts.clone().count();
    let longest = texts.clone().map(|t| t.chars().count()).max();
    let width = longest.unwrap_or(0).max(1);
    let mut bytes = header(&format!("<U{width}"), &[count]);
    for text in texts {
        let mut left = width;
        for c in text.chars() {
            bytes.extend(u32::from(c).to_le_bytes());
            left -= 1;
        }
        bytes.extend(std::iter::repeat_n(0, 4 * left));
    }
    bytes
}

impl Header {
    /// Reads a header, and stops before the values.
    pub fn read(source: &mut impl Read) -> Result<Self, Refusal> {
        let mut start = [0; 8];
        source.read_exact(&mut start)?;
        if !start.starts_with(MAGIC) {
            return Err("no NumPy array".into());
        }
        let length = match start[6] {
            1 => {
                let mut length = [0; 2];
                source.read_exact(&mut length)?;
                u32::from(u16::from_le_bytes(length))
            }
            _ => {
                let mut length = [0; 4];
                source.read_exact(&mut length)?;
                u32::from_le_bytes(length)
            }
        };
        let mut text = vec![];
        source
            .take(u64::from(length.min(1 << 20)))
            .read_to_end(&mut text)?;
        let text = String::from_utf8_lossy(&text).into_owned();
        Self::parse(&text).ok_or_else(|| format!("NumPy header {text:?}").into())
    }

    fn parse(text: &str) -> Option<Self> {
        let value = |key: &str| {
            let at = text.find(&format!("'{key}':"))?;
            Some(text[at + key.len() + 3..].trim_start())
        };
        let shape = value("shape")?.strip_prefix('(')?;
        let sizes = shape[..shape.find(')')?].split(',').map(str::trim);
        let sizes = sizes.filter(|size| !size.is_empty());
        Some(Header {
            dtype: value("descr")?
                .strip_prefix('\'')?
                .split('\'')
                .next()?
                .into(),
            fortran: value("fortran_order")?.starts_with("True"),
            shape: sizes.map(|size| size.parse().ok()).collect::<Option<_>>()?,
        })
    }

    /// Reads a header and checks that it is that of an array `(N, D)`.
    fn of_rows(source: &mut impl Read) -> Result<(Self, [usize; 2]), Refusal> {
        let header = Self::read(source)?;
        match header.shape.as_slice().try_into() {
            Ok(shape) => Ok((header, shape)),
            Err(_) => Err(format!("array of shape {:?}, wanted (N, D)", header.shape).into()),
        }
    }

    /// All values, row after row.
    fn rows(&self, source: &mut impl Read, [rows, size]: [usize; 2]) -> Result<Vec<f32>, Refusal> {
        let all = self.floats(source, self.count()?)?;
        if !self.fortran {
            return Ok(all);
        }
        let by_row = (0..rows).flat_map(|row| (0..size).map(move |d| d * rows + row));
        Ok(by_row.map(|at| all[at]).collect())
    }

    /// Gives `take` each row under its name.
    pub fn take_rows(
        &self,
        source: &mut impl Read,
        [rows, size]: [usize; 2],
        names: &[String],
        take: &mut Take,
    ) -> Result<(), Refusal> {
        if self.fortran {
            let all = self.rows(source, [rows, size])?;
            for (row, name) in names.iter().enumerate() {
                take(name, &all[row * size..][..size])?;
            }
            return Ok(());
        }
        for name in names {
            take(name, &self.floats(source, size)?)?;
        }
        Ok(())
    }

    /// Number of values.
    pub fn count(&self) -> Result<usize, Refusal> {
        let product = self.shape.iter().try_fold(1usize, |n, &s| n.checked_mul(s));
        product.ok_or("NumPy array of impossible size".into())
    }

    /// The next `count` numbers of a float array.
    pub fn floats(&self, source: &mut impl Read, count: usize) -> Result<Vec<f32>, Refusal> {
        let width = self.width()?;
        let mut bytes = vec![];
        let wanted = count
            .checked_mul(width)
            .ok_or("NumPy array of impossible size")?;
        source.take(wanted as u64).read_to_end(&mut bytes)?;
        if bytes.len() < wanted {
            return Err(CUT_OFF.into());
        }
        Ok(from_le_bytes(&bytes, width))
    }

    /// Size of one number of a float array, in bytes.
    fn width(&self) -> Result<usize, Refusal> {
        match self.dtype.as_str() {
            "<f4" => Ok(4),
            "<f8" => Ok(8),
            other => {
                let fact = format!("NumPy array of {other}; save float32: a.astype('<f4')");
                Err(fact.into())
            }
        }
    }

    /// The texts of an array of `<U` or `|S`.
    pub fn texts(&self, source: &mut impl Read) -> Result<Vec<String>, Refusal> {
        let mut bytes = vec![];
        source.read_to_end(&mut bytes)?;
        let width = |prefix: &str| self.dtype.strip_prefix(prefix)?.parse::<usize>().ok();
        let rows = |width: usize| {
            let whole = width
                .checked_mul(self.count()?)
                .is_some_and(|n| bytes.len() >= n);
            match whole {
                true => Ok(bytes.chunks_exact(width.max(1))),
                false => Err(Refusal::from(CUT_OFF)),
            }
        };
        if let Some(width) = width("<U") {
            let text = |row: &[u8]| -> Option<String> {
                let (numbers, _) = row.as_chunks::<4>();
                let numbers = numbers.iter().map(|&b| u32::from_le_bytes(b));
                numbers
                    .take_while(|&n| n != 0)
                    .map(char::from_u32)
                    .collect()
            };
            let texts: Option<Vec<String>> = rows(width.saturating_mul(4))?.map(text).collect();
            return texts.ok_or("NumPy array of texts with a code that is no character".into());
        }
        if let Some(width) = width("|S") {
            let text = |row: &[u8]| {
                let end = row.iter().rposition(|&b| b != 0).map_or(0, |at| at + 1);
                String::from_utf8_lossy(&row[..end]).into_owned()
            };
            return Ok(rows(width)?.map(text).collect());
        }
        let dtype = &self.dtype;
        Err(format!("ids of type {dtype}; save them as text: np.array(ids, dtype=str)").into())
    }
}

/// Reads the rows of a two-dimensional array. Their ids are in the file `ids`.
pub(super) fn read_rows(path: &Path, ids: Option<&Path>, take: &mut Take) -> Result<(), Refusal> {
    let Some(ids) = ids else {
        return Err(Refusal::NoIds);
    };
    let names = names::read(ids)?;
    let mut source = BufReader::new(File::open(path)?);
    let (header, [rows, size]) = Header::of_rows(&mut source)?;
    if names.len() != rows {
        return Err(format!("{rows} rows, but {} ids in {}", names.len(), ids.display()).into());
    }
    header.take_rows(&mut source, [rows, size], &names, take)
}

/// Reads the rows of a two-dimensional array, in any order.
pub(super) struct RowReader {
    pub num_rows: usize,
    pub size: usize,
    rows: Rows,
}

enum Rows {
    /// Rows that are read when they are needed.
    InFile {
        file: File,
        header: Header,
        /// Where the values start.
        start: u64,
    },
    /// All values. The array is stored by columns, or comes from a pipe.
    Held(Vec<f32>),
}

impl RowReader {
    pub fn open(path: &Path) -> Result<Self, Refusal> {
        let mut file = File::open(path)?;
        let (header, [num_rows, size]) = Header::of_rows(&mut file)?;
        let rows = match file.stream_position() {
            Ok(start) if !header.fortran && file.metadata()?.is_file() => {
                let bytes = header.width()?.checked_mul(header.count()?);
                let end = bytes.and_then(|bytes| start.checked_add(bytes as u64));
                if end.is_none_or(|end| end > file.metadata().map_or(0, |facts| facts.len())) {
                    return Err(CUT_OFF.into());
                }
                Rows::InFile {
                    file,
                    header,
                    start,
                }
            }
            _ => {
                let mut source = BufReader::new(file);
                Rows::Held(header.rows(&mut source, [num_rows, size])?)
            }
        };
        Ok(RowReader {
            num_rows,
            size,
            rows,
        })
    }

    /// Reads one row `(D,)`.
    pub fn row(&mut self, row: usize) -> Result<Vec<f32>, Refusal> {
        match &mut self.rows {
            Rows::InFile {
                file,
                header,
                start,
            } => {
                let before = (row * self.size * header.width()?) as u64;
                file.seek(SeekFrom::Start(*start + before))?;
                header.floats(file, self.size)
            }
            Rows::Held(values) => Ok(values[row * self.size..][..self.size].to_vec()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_go_out_and_come_back() {
        for shape in [vec![3], vec![10_000, 192], vec![0, 4]] {
            let bytes = header("<f4", &shape);
            assert_eq!(bytes.len() % 64, 0);
            let read = Header::read(&mut bytes.as_slice()).ok().unwrap();
            let wanted = Header {
                dtype: "<f4".into(),
                fortran: false,
                shape,
            };
            assert_eq!(read, wanted);
        }
    }

    #[test]
    fn rows_are_read_in_any_order() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.npy");
        let rows = [[1.0f32, 2.0], [3.0, 4.0], [5.0, 6.0]];
        let by_row = array(2, &rows.each_ref().map(|row| &row[..]));
        let columns = [[1.0f32, 3.0, 5.0], [2.0, 4.0, 6.0]];
        let by_column = array(3, &columns.each_ref().map(|column| &column[..]));
        let shape = by_column.windows(6).position(|w| w == b"(2, 3)").unwrap();
        let mut by_column = by_column;
        by_column[shape..][..6].copy_from_slice(b"(3, 2)");
        let order = by_column.windows(5).position(|w| w == b"False").unwrap();
        by_column[order..][..5].copy_from_slice(b"True ");
        for bytes in [&by_row, &by_column] {
            std::fs::write(&path, bytes).unwrap();
            let mut read = RowReader::open(&path).ok().unwrap();
            assert_eq!((read.num_rows, read.size), (3, 2));
            for row in [2, 0, 1, 2] {
                assert_eq!(read.row(row).ok().unwrap(), rows[row]);
            }
        }
        std::fs::write(&path, &by_row[..by_row.len() - 1]).unwrap();
        assert!(RowReader::open(&path).is_err(), "said before the first row");
    }

    #[test]
    fn texts_go_out_and_come_back() {
        let names = ["ännä", "", "b c"];
        let bytes = texts(names.into_iter());
        let mut source = bytes.as_slice();
        let header = Header::read(&mut source).ok().unwrap();
        assert_eq!(header.texts(&mut source).ok().unwrap(), names);
    }
}
