//! Scored trials in, Parquet out. Each block of rows is a small Parquet file in memory with one row
//! group; the row groups are joined into one file when all are there, byte for byte.

use super::{ledger::Block, rows::ScoredTrial};
use crate::{Error, Result};
use bytes::Bytes;
use parquet::{
    basic::Compression,
    column::writer::ColumnCloseResult,
    data_type::{ByteArray, ByteArrayType, DataType, FloatType},
    errors::ParquetError,
    file::{
        metadata::{KeyValue, ParquetMetaDataReader},
        properties::{EnabledStatistics, WriterProperties},
        writer::{SerializedFileWriter, SerializedRowGroupWriter},
    },
    schema::{parser::parse_message_type, types::ColumnPath},
};
use rustc_hash::FxHashMap;
use std::{
    fs::File,
    io::{Read, Write},
    path::Path,
    sync::Arc,
};

const SCHEMA: &str = "message trials {
    REQUIRED BYTE_ARRAY enroll (UTF8);
    REQUIRED BYTE_ARRAY test (UTF8);
    OPTIONAL BYTE_ARRAY label (UTF8);
    OPTIONAL FLOAT score;
    OPTIONAL BYTE_ARRAY error (UTF8);
}";

/// Rows as a Parquet file with one row group.
pub(super) fn encode(rows: &[ScoredTrial]) -> Result<Vec<u8>> {
    write(rows).map_err(|e| Error::Usage(format!("Parquet: {e}")))
}

fn write(rows: &[ScoredTrial]) -> std::result::Result<Vec<u8>, ParquetError> {
    let schema = Arc::new(parse_message_type(SCHEMA)?);
    let mut writer = SerializedFileWriter::new(vec![], schema, properties(None))?;
    let mut group = writer.next_row_group()?;
    let mut texts = Texts::default();
    let enrol: Vec<ByteArray> = rows.iter().map(|row| texts.of(row.enrol)).collect();
    write_column::<ByteArrayType>(&mut group, &enrol, None)?;
    let test: Vec<ByteArray> = rows.iter().map(|row| texts.of(row.test)).collect();
    write_column::<ByteArrayType>(&mut group, &test, None)?;
    let mut label = Optional::default();
    let mut score = Optional::default();
    let mut error = Optional::default();
    for row in rows {
        let text = row
            .is_target
            .map(|is| if is { "target" } else { "nontarget" });
        label.push(text.map(|text| texts.of(text)));
        score.push(row.score.ok());
        error.push(row.score.err().map(|why| texts.of(why)));
    }
    write_column::<ByteArrayType>(&mut group, &label.values, Some(&label.levels))?;
    write_column::<FloatType>(&mut group, &score.values, Some(&score.levels))?;
    write_column::<ByteArrayType>(&mut group, &error.values, Some(&error.levels))?;
    group.close()?;
    writer.into_inner()
}

/// The next column of a row group; `levels` are 1 where there is a value, 0 where there is none.
fn write_column<T: DataType>(
    group: &mut SerializedRowGroupWriter<Vec<u8>>,
    values: &[T::T],
    levels: Option<&[i16]>,
) -> std::result::Result<(), ParquetError> {
    let mut column = group.next_column()?.expect("as many as in the schema");
    column.typed::<T>().write_batch(values, levels, None)?;
    column.close()
}

/// Values of a column that may have none.
struct Optional<T> {
    values: Vec<T>,
    levels: Vec<i16>,
}

impl<T> Default for Optional<T> {
    fn default() -> Self {
        Optional {
            values: vec![],
            levels: vec![],
        }
    }
}

impl<T> Optional<T> {
    fn push(&mut self, value: Option<T>) {
        self.levels.push(i16::from(value.is_some()));
        self.values.extend(value);
    }
}

/// Texts that occur many times are copied once. Told by their address: all outlive the block.
#[derive(Default)]
struct Texts(FxHashMap<(usize, usize), ByteArray>);

impl Texts {
    fn of(&mut self, text: &str) -> ByteArray {
        let copy = || Bytes::copy_from_slice(text.as_bytes()).into();
        let place = (text.as_ptr() as usize, text.len());
        self.0.entry(place).or_insert_with(copy).clone()
    }
}

/// How every Parquet file of this program is written.
pub(super) fn properties(metadata: Option<Vec<KeyValue>>) -> Arc<WriterProperties> {
    let properties = WriterProperties::builder()
        .set_created_by("spkver".into())
        .set_compression(Compression::SNAPPY)
        // Random digits: nothing to win.
        .set_column_compression(ColumnPath::from("score"), Compression::UNCOMPRESSED)
        .set_column_dictionary_enabled(ColumnPath::from("score"), false)
        .set_dictionary_page_size_limit(16 << 20)
        .set_statistics_enabled(EnabledStatistics::None)
        .set_key_value_metadata(metadata)
        .set_offset_index_disabled(true);
    Arc::new(properties.build())
}

/// Joins the blocks that lie in `parts` one after the other into one file.
pub(super) fn join(
    parts: &mut File,
    blocks: &[Block],
    metadata: &[(&str, &str)],
    out: impl Write + Send,
    path: &Path,
) -> Result<()> {
    let metadata = metadata
        .iter()
        .map(|(key, value)| KeyValue::new(key.to_string(), value.to_string()))
        .collect();
    let failed = |e: ParquetError| Error::io(path, "write", std::io::Error::other(e));
    let schema = Arc::new(parse_message_type(SCHEMA).map_err(failed)?);
    let mut writer =
        SerializedFileWriter::new(out, schema, properties(Some(metadata))).map_err(failed)?;
    for block in blocks.iter().filter(|block| block.rows > 0) {
        let mut bytes = vec![0; block.bytes as usize];
        parts
            .read_exact(&mut bytes)
            .map_err(|e| Error::io(path, "read the unfinished part of", e))?;
        append(&mut writer, bytes.into()).map_err(failed)?;
    }
    writer.close().map_err(failed)?;
    Ok(())
}

fn append(
    writer: &mut SerializedFileWriter<impl Write + Send>,
    part: Bytes,
) -> std::result::Result<(), ParquetError> {
    let metadata = ParquetMetaDataReader::new().parse_and_finish(&part)?;
    for group in metadata.row_groups() {
        let mut copy = writer.next_row_group()?;
        for column in group.columns() {
            let whole = ColumnCloseResult {
                bytes_written: column.compressed_size() as u64,
                rows_written: group.num_rows() as u64,
                metadata: column.clone(),
                bloom_filter: None,
                column_index: None,
                offset_index: None,
            };
            copy.append_column(&part, whole)?;
        }
        copy.close()?;
    }
    Ok(())
}
