//! Vectors in Parquet: a text column `id` and a list of floats `embedding`. Files are written with
//! the further columns `audio_blake3`, `speech_seconds` and `error`; the model's id is in the
//! metadata.

use super::{
    refusal::{Refusal, Take},
    row::{About, Row, Rows},
};
use crate::{
    Error, Result,
    batch::parquet_rows::properties,
    contained::contained,
    lists::parquet_file::{ParquetFile, column as column_reader, of_rows},
};
use parquet::{
    basic::{Repetition, Type},
    column::reader::{ColumnReader, ColumnReaderImpl},
    data_type::{ByteArray, ByteArrayType, DataType, FloatType},
    errors::ParquetError,
    file::{
        metadata::KeyValue,
        reader::{FileReader, SerializedFileReader},
        writer::{SerializedFileWriter, SerializedRowGroupWriter},
    },
    schema::parser::parse_message_type,
};
use std::{fs::File, io::Write, path::Path, sync::Arc};

const SCHEMA: &str = "message embeddings {
    REQUIRED BYTE_ARRAY id (UTF8);
    OPTIONAL GROUP embedding (LIST) {
        REPEATED GROUP list { REQUIRED FLOAT element; }
    }
    OPTIONAL BYTE_ARRAY audio_blake3 (UTF8);
    OPTIONAL FLOAT speech_seconds;
    OPTIONAL BYTE_ARRAY error (UTF8);
}";

/// Rows in one row group, which then has some megabytes.
const GROUP: usize = 1 << 14;
/// Values read at once.
const READ: usize = 1 << 16;

/// Writes all rows.
pub(super) fn write(
    out: &mut (dyn Write + Send),
    about: &About,
    rows: &mut Rows,
    path: &Path,
) -> Result<()> {
    let failed = |e: ParquetError| Error::io(path, "write", std::io::Error::other(e));
    let schema = Arc::new(parse_message_type(SCHEMA).map_err(failed)?);
    let model = vec![KeyValue::new("model".to_string(), about.model.to_string())];
    let mut writer =
        SerializedFileWriter::new(out, schema, properties(Some(model))).map_err(failed)?;
    let mut group = Vec::with_capacity(GROUP);
    rows(&mut |row| {
        group.push(row);
        if group.len() == GROUP {
            write_group(&mut writer, &group).map_err(failed)?;
            group.clear();
        }
        Ok(())
    })?;
    if !group.is_empty() {
        write_group(&mut writer, &group).map_err(failed)?;
    }
    writer.close().map_err(failed)?;
    Ok(())
}

fn write_group<W: Write + Send>(
    writer: &mut SerializedFileWriter<W>,
    rows: &[Row],
) -> std::result::Result<(), ParquetError> {
    let mut group = writer.next_row_group()?;
    let ids: Vec<ByteArray> = rows.iter().map(|row| row.id.as_str().into()).collect();
    write_column::<ByteArrayType, W>(&mut group, &ids, None, None)?;
    // Definition level 0: no list, 1: an empty list, 2: a value. Repetition level 1: the same list
    // continues.
    let (mut values, mut definitions, mut repetitions) = (vec![], vec![], vec![]);
    let mut hashes = (vec![], vec![]);
    let mut seconds = (vec![], vec![]);
    let mut errors = (vec![], vec![]);
    for row in rows {
        let (embedded, refused) = (row.outcome.as_ref().ok(), row.outcome.as_ref().err());
        match embedded {
            Some(embedded) => {
                values.extend_from_slice(&embedded.values);
                for i in 0..embedded.values.len() {
                    definitions.push(2);
                    repetitions.push(i16::from(i > 0));
                }
            }
            None => {
                definitions.push(0);
                repetitions.push(0);
            }
        }
        let hash = row.audio.map(|hash| ByteArray::from(&*hash.to_hex()));
        optional(&mut hashes, hash);
        optional(&mut seconds, embedded.map(|e| e.speech_seconds));
        optional(
            &mut errors,
            refused.map(|r| ByteArray::from(r.reason.as_str())),
        );
    }
    write_column::<FloatType, W>(&mut group, &values, Some(&definitions), Some(&repetitions))?;
    write_column::<ByteArrayType, W>(&mut group, &hashes.0, Some(&hashes.1), None)?;
    write_column::<FloatType, W>(&mut group, &seconds.0, Some(&seconds.1), None)?;
    write_column::<ByteArrayType, W>(&mut group, &errors.0, Some(&errors.1), None)?;
    group.close()?;
    Ok(())
}

fn optional<T>((values, levels): &mut (Vec<T>, Vec<i16>), value: Option<T>) {
    levels.push(i16::from(value.is_some()));
    values.extend(value);
}

fn write_column<T: DataType, W: Write + Send>(
    group: &mut SerializedRowGroupWriter<W>,
    values: &[T::T],
    definitions: Option<&[i16]>,
    repetitions: Option<&[i16]>,
) -> std::result::Result<(), ParquetError> {
    let mut column = group.next_column()?.expect("as many as in the schema");
    let typed = column.typed::<T>();
    typed.write_batch(values, definitions, repetitions)?;
    column.close()
}

/// Reads all rows that have a vector.
pub(super) fn read(path: &Path, take: &mut Take) -> std::result::Result<(), Refusal> {
    contained(|| rows(path, take), || "Parquet is damaged".into())
}

fn rows(path: &Path, take: &mut Take) -> std::result::Result<(), Refusal> {
    let refusal = |e: ParquetError| Refusal::Fact(format!("Parquet: {e}"));
    let reader = SerializedFileReader::new(ParquetFile(File::open(path)?)).map_err(refusal)?;
    let schema = reader.metadata().file_metadata().schema_descr();
    let column = |names: &[&str], wanted: &[Type]| {
        schema.columns().iter().position(|column| {
            let first = column.path().parts().first().map(String::as_str);
            first.is_some_and(|first| names.contains(&first))
                && wanted.contains(&column.physical_type())
        })
    };
    let ids = column(&["id", "ids", "utt", "key", "name"], &[Type::BYTE_ARRAY])
        .ok_or("Parquet without a text column `id`")?;
    let vectors = column(
        &["embedding", "embeddings", "vector"],
        &[Type::FLOAT, Type::DOUBLE],
    )
    .ok_or("Parquet without a column `embedding` of lists of floats")?;
    let descriptor = schema.column(vectors);
    let is_optional = {
        let list = descriptor.self_type().get_basic_info();
        list.has_repetition() && list.repetition() == Repetition::OPTIONAL
    };
    // At the highest definition level there is a value. One level lower is a null within a list, if
    // the values may be null.
    let levels = (descriptor.max_def_level(), is_optional);
    for number in 0..reader.num_row_groups() {
        let group = reader.get_row_group(number).map_err(refusal)?;
        let rows = group.metadata().num_rows() as usize;
        let mut names = column_reader(&*group, ids).map_err(refusal)?;
        let mut columns = column_reader(&*group, vectors).map_err(refusal)?;
        let mut left = rows;
        while left > 0 {
            let few = left.min(READ / 64);
            let names = texts(&mut names, few).map_err(refusal)?;
            let lists = lists(&mut columns, few, levels).map_err(refusal)?;
            if lists.len() != few {
                return Err("Parquet is cut off".into());
            }
            for (name, list) in names.iter().zip(lists) {
                if let (Some(id), false) = (name, list.is_empty()) {
                    take(id, &list)?;
                }
            }
            left -= few;
        }
    }
    Ok(())
}

fn texts(
    reader: &mut ColumnReader,
    rows: usize,
) -> std::result::Result<Vec<Option<String>>, ParquetError> {
    let ColumnReader::ByteArrayColumnReader(reader) = reader else {
        return Err(ParquetError::General("id is not text".into()));
    };
    of_rows(reader, rows, |v| {
        String::from_utf8_lossy(v.data()).into_owned()
    })
}

/// The next lists of a column; an empty list if a row has none, NaN for a null within a list.
fn lists(
    reader: &mut ColumnReader,
    rows: usize,
    (highest, is_optional): (i16, bool),
) -> std::result::Result<Vec<Vec<f32>>, ParquetError> {
    let (mut definitions, mut repetitions) = (vec![], vec![]);
    let values: Vec<f32> = match reader {
        ColumnReader::FloatColumnReader(reader) => {
            records(reader, rows, &mut definitions, &mut repetitions)?
        }
        ColumnReader::DoubleColumnReader(reader) => {
            let values = records(reader, rows, &mut definitions, &mut repetitions)?;
            values.into_iter().map(|v| v as f32).collect()
        }
        _ => {
            return Err(ParquetError::General(
                "embedding is not a list of floats".into(),
            ));
        }
    };
    let mut values = values.into_iter();
    let mut lists: Vec<Vec<f32>> = vec![];
    for (definition, repetition) in definitions.into_iter().zip(repetitions) {
        if repetition == 0 {
            lists.push(vec![]);
        }
        let list = lists.last_mut();
        let list = list.ok_or_else(|| ParquetError::General("a list without a start".into()))?;
        if definition == highest {
            list.extend(values.next());
        } else if is_optional && definition == highest - 1 {
            list.push(f32::NAN);
        }
    }
    Ok(lists)
}

fn records<T: DataType>(
    reader: &mut ColumnReaderImpl<T>,
    rows: usize,
    definitions: &mut Vec<i16>,
    repetitions: &mut Vec<i16>,
) -> std::result::Result<Vec<T::T>, ParquetError> {
    let mut values = vec![];
    reader.read_records(rows, Some(definitions), Some(repetitions), &mut values)?;
    Ok(values)
}
