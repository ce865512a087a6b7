//! Writes scored trials as Parquet. Each block of rows becomes a small Parquet file in memory, with
//! one row group. At the end the row groups are copied unchanged into one file.

use super::{ledger::Block, parquet_text, scored_trial::ScoredTrial};
use crate::{Error, Result};
use bytes::Bytes;
use parquet::{
    basic::Compression,
    data_type::FloatType,
    errors::ParquetError,
    file::{
        metadata::{KeyValue, ParquetMetaDataReader},
        properties::{EnabledStatistics, WriterProperties},
        writer::{SerializedFileWriter, SerializedRowGroupWriter},
    },
    schema::{parser::parse_message_type, types::ColumnPath},
};
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
    let columns = writer.schema_descr().columns().to_vec();
    let mut group = writer.next_row_group()?;
    let add = |group: &mut SerializedRowGroupWriter<_>, number: usize, values: Texts| {
        let (bytes, whole) = parquet_text::column(columns[number].clone(), values)?;
        group.append_column(&bytes, whole)
    };
    add(&mut group, 0, &mut rows.iter().map(|row| Some(row.enroll)))?;
    add(&mut group, 1, &mut rows.iter().map(|row| Some(row.test)))?;
    add(&mut group, 2, &mut rows.iter().map(ScoredTrial::label))?;
    let scores: Vec<f32> = rows.iter().filter_map(|row| row.score.ok()).collect();
    let levels = rows.iter().map(|row| i16::from(row.score.is_ok()));
    let levels: Vec<i16> = levels.collect();
    let mut column = group.next_column()?.expect("as many as in the schema");
    let typed = column.typed::<FloatType>();
    typed.write_batch(&scores, Some(&levels), None)?;
    column.close()?;
    add(&mut group, 4, &mut rows.iter().map(|row| row.score.err()))?;
    group.close()?;
    writer.into_inner()
}

/// The texts of a column.
type Texts<'i, 'a> = &'i mut dyn Iterator<Item = Option<&'a str>>;

/// Options of every Parquet file that this program writes.
pub(super) fn properties(metadata: Option<Vec<KeyValue>>) -> Arc<WriterProperties> {
    let properties = WriterProperties::builder()
        .set_created_by("spkver".into())
        .set_compression(Compression::SNAPPY)
        // Scores do not compress.
        .set_column_compression(ColumnPath::from("score"), Compression::UNCOMPRESSED)
        .set_column_dictionary_enabled(ColumnPath::from("score"), false)
        .set_dictionary_page_size_limit(16 << 20)
        .set_statistics_enabled(EnabledStatistics::None)
        .set_key_value_metadata(metadata)
        .set_offset_index_disabled(true);
    Arc::new(properties.build())
}

/// Joins the concatenated blocks in `parts` into one file.
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
            let whole = parquet_text::closed(column.clone(), group.num_rows() as u64);
            copy.append_column(&part, whole)?;
        }
        copy.close()?;
    }
    Ok(())
}
