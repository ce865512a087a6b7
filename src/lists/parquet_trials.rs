//! Reads trials and scores from Parquet, as written by `spkver score -o x.parquet` and other
//! programs. Columns are found by name. Recordings are texts; the other columns are numbers,
//! booleans or words. Columns of other names are ignored.

use super::{
    cell::Cell,
    parquet_file::{ParquetFile, column as column_reader, of_rows},
    trial::Trial,
    words::Column,
};
use crate::{Error, Result, contained::contained};
use parquet::{
    column::reader::ColumnReader,
    data_type::ByteArray,
    errors::ParquetError,
    file::reader::{FileReader, SerializedFileReader},
};
use std::{fs::File, path::Path};

/// Rows that are held in memory at once.
const BLOCK: usize = 1 << 14;

/// A value of a row that is not null.
enum Value {
    Text(ByteArray),
    Number(f64),
}

/// What is wrong with a row, or with the file.
enum Refusal {
    Fact(String),
    Other(Error),
}

impl From<ParquetError> for Refusal {
    fn from(error: ParquetError) -> Self {
        Refusal::Fact(format!("Parquet: {error}"))
    }
}

/// Calls `on_trial` with each row of a file. Returns true if the file names channels.
///
/// # Errors
/// [`Error::Io`], [`Error::List`] for a file that is no such table, and the errors of `on_trial`.
pub fn read(path: &Path, on_trial: &mut dyn FnMut(Trial) -> Result<()>) -> Result<bool> {
    let mut number = 0;
    let file = File::open(path).map_err(|e| Error::io(path, "read", e))?;
    rows(file, &mut number, on_trial).map_err(|refusal| match refusal {
        Refusal::Other(error) => error,
        Refusal::Fact(fact) => Error::list(
            path,
            number,
            fact,
            "write columns enroll and test (text), score (floats, null for a refused \
                     recording) and label (target, nontarget), or a text file",
        ),
    })
}

fn rows(
    file: File,
    number: &mut usize,
    on_trial: &mut dyn FnMut(Trial) -> Result<()>,
) -> std::result::Result<bool, Refusal> {
    let reader = theirs(|| Ok(SerializedFileReader::new(ParquetFile(file))?))?;
    let schema = reader.metadata().file_metadata().schema_descr();
    let place = |wanted: Column| {
        schema.columns().iter().position(|column| {
            let name = column.path().string();
            column.max_rep_level() == 0 && Column::named(&name) == Some(wanted)
        })
    };
    let places = Column::ALL.map(place);
    for column in Column::NAMES {
        if places[column as usize].is_none() {
            let fact = format!("Parquet without a column `{}`", column.name());
            return Err(Refusal::Fact(fact));
        }
    }
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
                let mut cells = [None; Column::ALL.len()];
                for (cell, values) in cells.iter_mut().zip(&block) {
                    *cell = values.get(row).map(of_value).transpose()?;
                }
                let names = Column::NAMES.map(|column| match cells[column as usize]? {
                    Cell::Text(name) => Some(name.into()),
                    _ => Some("".into()),
                });
                let trial = Trial::of_row(names, |column| cells[column as usize], *number);
                let trial = trial.map_err(|problem| Refusal::Fact(problem.fact.into()))?;
                on_trial(trial).map_err(Refusal::Other)?;
            }
            left -= count;
        }
    }
    Ok(places[Column::Side as usize].is_some())
}

/// Calls `read`, which uses the `parquet` crate. A panic in the crate means that the file is
/// damaged.
fn theirs<T>(
    read: impl FnOnce() -> std::result::Result<T, Refusal>,
) -> std::result::Result<T, Refusal> {
    contained(read, || Refusal::Fact("Parquet is damaged".into()))
}

fn of_value(value: &Option<Value>) -> std::result::Result<Cell<'_>, Refusal> {
    match value {
        None => Ok(Cell::Null),
        Some(Value::Number(number)) => Ok(Cell::Number(*number)),
        Some(Value::Text(text)) => match std::str::from_utf8(text.data()) {
            Ok(text) => Ok(Cell::Text(text)),
            Err(_) => Err(Refusal::Fact("a text that is not UTF-8".into())),
        },
    }
}

/// The next `count` values of a column.
fn values(
    column: &mut ColumnReader,
    count: usize,
) -> std::result::Result<Vec<Option<Value>>, Refusal> {
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
            return Err(Refusal::Fact(fact.into()));
        }
    };
    Ok(values?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use parquet::{
        data_type::{BoolType, ByteArrayType, DoubleType},
        file::writer::SerializedFileWriter,
        schema::parser::parse_message_type,
    };

    const SCHEMA: &str = "message trials {
        OPTIONAL DOUBLE LLR;
        REQUIRED BYTE_ARRAY path1 (UTF8);
        REQUIRED BYTE_ARRAY segment_id (UTF8);
        REQUIRED BOOLEAN is_target;
        REQUIRED BYTE_ARRAY side (UTF8);
    }";

    #[test]
    fn columns_go_by_the_names_of_headers() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("trials");
        let schema = parse_message_type(SCHEMA).unwrap().into();
        let file = File::create(&path).unwrap();
        let mut writer = SerializedFileWriter::new(file, schema, Default::default()).unwrap();
        let mut group = writer.next_row_group().unwrap();
        let mut number = 0;
        while let Some(mut column) = group.next_column().unwrap() {
            let texts = |texts: [&str; 2]| texts.map(ByteArray::from);
            let written = match number {
                0 => {
                    let scores = column.typed::<DoubleType>();
                    scores.write_batch(&[1.5], Some(&[1, 0]), None)
                }
                3 => {
                    let labels = column.typed::<BoolType>();
                    labels.write_batch(&[true, false], None, None)
                }
                _ => {
                    let values = [["a", "b"], ["c", "d"], ["", ""], ["a", "b"]][number - 1];
                    let names = column.typed::<ByteArrayType>();
                    names.write_batch(&texts(values), None, None)
                }
            };
            written.unwrap();
            column.close().unwrap();
            number += 1;
        }
        group.close().unwrap();
        writer.close().unwrap();

        let mut trials = vec![];
        let has_sides = read(&path, &mut |trial| {
            let names = (trial.enroll.to_string(), trial.test.to_string());
            trials.push((names, trial.is_target, trial.score, trial.line));
            Ok(())
        });
        assert!(has_sides.unwrap());
        assert_eq!(
            trials[0],
            (("a".into(), "c".into()), Some(true), Some(1.5), 1)
        );
        let ((enroll, test), is_target, score, line) = &trials[1];
        assert_eq!((&**enroll, &**test), ("b", "d:b"));
        assert_eq!((*is_target, *line), (Some(false), 2));
        assert!(score.is_some_and(f64::is_nan));
    }
}
