//! Trials and scores in Parquet in, as `spkver score -o x.parquet` and others write them; one [`Row`]
//! each out. Columns are found by name as in a list with a header, texts for the recordings, numbers,
//! truths or words for the rest; other columns are passed over.

use super::{
    parquet_file::{ParquetFile, column as column_reader},
    row_format::{ENROL, LABEL, SCORE, TEST, label},
    rows::Row,
};
use crate::{Error, Result, contained::contained};
use parquet::{
    column::reader::{ColumnReader, ColumnReaderImpl},
    data_type::{ByteArray, DataType},
    errors::ParquetError,
    file::reader::{FileReader, SerializedFileReader},
};
use std::{fs::File, path::Path};

/// Rows that are held at once.
const BLOCK: usize = 1 << 14;

/// What every such file begins with.
pub const MAGIC: &[u8] = b"PAR1";

/// A value of a row; none where it is null.
enum Value {
    Text(ByteArray),
    Number(f64),
}

/// What is wrong with a row, or with the file.
enum Fault {
    Fact(String),
    Other(Error),
}

impl From<ParquetError> for Fault {
    fn from(error: ParquetError) -> Self {
        Fault::Fact(format!("Parquet: {error}"))
    }
}

/// Calls `on_row` with each row's number (from 1) and content.
///
/// # Errors
/// [`Error::Io`], [`Error::List`] for a file that is no such table, and what `on_row` says.
pub fn read(path: &Path, on_row: &mut dyn FnMut(usize, Row) -> Result<()>) -> Result<()> {
    let mut number = 0;
    let file = File::open(path).map_err(|e| Error::io(path, "read", e))?;
    rows(file, &mut number, on_row).map_err(|fault| match fault {
        Fault::Other(error) => error,
        Fault::Fact(fact) => Error::List {
            path: path.to_path_buf(),
            line: number,
            fact,
            remedy: "write columns enroll and test (text), score (floats, null for a refused \
                     recording) and label (target, nontarget), or a text file"
                .into(),
        },
    })
}

fn rows(
    file: File,
    number: &mut usize,
    on_row: &mut dyn FnMut(usize, Row) -> Result<()>,
) -> std::result::Result<(), Fault> {
    let reader = theirs(|| Ok(SerializedFileReader::new(ParquetFile(file))?))?;
    let schema = reader.metadata().file_metadata().schema_descr();
    let column = |names: &[&str]| {
        schema.columns().iter().position(|column| {
            let name = column.path().string().to_ascii_lowercase();
            column.max_rep_level() == 0 && names.contains(&name.as_str())
        })
    };
    let wanted = |names: &[&str]| {
        column(names).ok_or_else(|| Fault::Fact(format!("Parquet without a column `{}`", names[0])))
    };
    let places = [
        Some(wanted(ENROL)?),
        Some(wanted(TEST)?),
        column(SCORE),
        column(LABEL),
    ];
    for group in 0..reader.num_row_groups() {
        let group = theirs(|| Ok(reader.get_row_group(group)?))?;
        let open = |place| theirs(|| Ok(column_reader(&*group, place)?));
        let mut columns: Vec<Option<ColumnReader>> = places
            .iter()
            .map(|place| place.map(open).transpose())
            .collect::<std::result::Result<_, _>>()?;
        let mut left = group.metadata().num_rows().max(0) as usize;
        while left > 0 {
            let count = left.min(BLOCK);
            let block: Vec<Vec<Option<Value>>> = columns
                .iter_mut()
                .map(|column| match column {
                    Some(column) => theirs(|| values(column, count)),
                    None => Ok(vec![]),
                })
                .collect::<std::result::Result<_, _>>()?;
            for row in 0..count {
                *number += 1;
                let [enrol, test] = [&block[0], &block[1]].map(|texts| text(&texts[row]));
                let row = Row {
                    enrol: enrol?,
                    test: test?.into(),
                    score: block[2].get(row).map(score).transpose()?,
                    is_target: block[3].get(row).map(is_target).transpose()?.flatten(),
                };
                on_row(*number, row).map_err(Fault::Other)?;
            }
            left -= count;
        }
    }
    Ok(())
}

/// Their reader's panic is a damaged file.
fn theirs<T>(
    read: impl FnOnce() -> std::result::Result<T, Fault>,
) -> std::result::Result<T, Fault> {
    contained(read, || Fault::Fact("Parquet is damaged".into()))
}

/// A recording's name.
fn text(value: &Option<Value>) -> std::result::Result<&str, Fault> {
    match value {
        Some(Value::Text(text)) if !text.is_empty() => std::str::from_utf8(text.data())
            .map_err(|_| Fault::Fact("a name that is not UTF-8 text".into())),
        _ => Err(Fault::Fact("a recording without a name".into())),
    }
}

/// Finite, or none for a refused recording.
fn score(value: &Option<Value>) -> std::result::Result<Option<f64>, Fault> {
    match value {
        None => Ok(None),
        Some(Value::Number(score)) if score.is_nan() => Ok(None),
        Some(Value::Number(score)) if score.is_finite() => Ok(Some(*score)),
        Some(Value::Number(score)) => Err(Fault::Fact(format!("score {score}"))),
        Some(Value::Text(_)) => Err(Fault::Fact("a score that is text".into())),
    }
}

fn is_target(value: &Option<Value>) -> std::result::Result<Option<bool>, Fault> {
    let word = match value {
        None => return Ok(None),
        Some(Value::Number(number)) => number.to_string(),
        Some(Value::Text(text)) => String::from_utf8_lossy(text.data()).into_owned(),
    };
    match label(&word) {
        Some(is_target) => Ok(Some(is_target)),
        None => Err(Fault::Fact(format!("label {word:?}"))),
    }
}

/// The next `count` values of a column.
fn values(
    column: &mut ColumnReader,
    count: usize,
) -> std::result::Result<Vec<Option<Value>>, Fault> {
    let values = match column {
        ColumnReader::ByteArrayColumnReader(column) => of_rows(column, count, Value::Text),
        ColumnReader::FloatColumnReader(column) => {
            of_rows(column, count, |v| Value::Number(v.into()))
        }
        ColumnReader::DoubleColumnReader(column) => of_rows(column, count, Value::Number),
        ColumnReader::Int32ColumnReader(column) => {
            of_rows(column, count, |v| Value::Number(v.into()))
        }
        ColumnReader::Int64ColumnReader(column) => {
            of_rows(column, count, |v| Value::Number(v as f64))
        }
        ColumnReader::BoolColumnReader(column) => {
            of_rows(column, count, |v| Value::Number(f64::from(u8::from(v))))
        }
        _ => {
            let fact = "a column that is neither text nor numbers";
            return Err(Fault::Fact(fact.into()));
        }
    };
    Ok(values?)
}

/// The next `count` values of a column that is no list; none where it is null.
///
/// # Errors
/// The parser's, and for a column that ends before.
pub fn of_rows<T: DataType, V>(
    column: &mut ColumnReaderImpl<T>,
    count: usize,
    value: impl Fn(T::T) -> V,
) -> std::result::Result<Vec<Option<V>>, ParquetError> {
    let (mut found, mut levels) = (vec![], vec![]);
    let (records, ..) = column.read_records(count, Some(&mut levels), None, &mut found)?;
    if records < count {
        return Err(ParquetError::EOF("a column is cut off".into()));
    }
    let mut found = found.into_iter().map(value);
    if levels.is_empty() {
        return Ok(found.map(Some).collect());
    }
    // Optional columns of flat tables: level 1 is a value, 0 a null.
    let levels = levels.into_iter();
    Ok(levels
        .map(|level| if level > 0 { found.next() } else { None })
        .collect())
}
