//! Encodes a column of repeated texts, such as the names in a trial list. Each text stands once in
//! the dictionary page; each row is then a number of a few bits. The `parquet` crate could do this,
//! but hashes and copies every value again, which takes longer than scoring the trial.
//!
//! Format: <https://parquet.apache.org/docs/file-format/data-pages/encodings/> (RLE_DICTIONARY).

use bytes::Bytes;
use parquet::{
    basic::{Compression, Encoding},
    column::{
        page::{CompressedPage, Page, PageWriter},
        writer::ColumnCloseResult,
    },
    errors::ParquetError,
    file::{
        metadata::ColumnChunkMetaData,
        writer::{SerializedPageWriter, TrackedWrite},
    },
    schema::types::ColumnDescPtr,
};
use rustc_hash::FxHashMap;

/// The bytes of a column and their description.
pub(super) fn column<'a>(
    descriptor: ColumnDescPtr,
    values: impl Iterator<Item = Option<&'a str>>,
) -> Result<(Bytes, ColumnCloseResult), ParquetError> {
    let (mut dictionary, mut indices, mut levels) = (vec![], vec![], vec![]);
    // Texts are compared by address, which is faster. A text with two addresses is stored twice.
    let mut known: FxHashMap<(usize, usize), u32> = FxHashMap::default();
    for value in values {
        levels.push(u32::from(value.is_some()));
        indices.extend(value.map(|text| {
            let next = known.len() as u32;
            *known
                .entry((text.as_ptr() as usize, text.len()))
                .or_insert_with(|| {
                    dictionary.extend((text.len() as u32).to_le_bytes());
                    dictionary.extend(text.as_bytes());
                    next
                })
        }));
    }
    let mut data = vec![];
    if descriptor.max_def_level() > 0 {
        let runs = runs(&levels, 1);
        data.extend((runs.len() as u32).to_le_bytes());
        data.extend(runs);
    }
    let encoding = match known.len() {
        // A page with nulls only has no values.
        0 => Encoding::PLAIN,
        count => {
            let width = (count as u32 - 1).checked_ilog2().unwrap_or(0) + 1;
            data.push(width as u8);
            data.extend(runs(&indices, width));
            Encoding::RLE_DICTIONARY
        }
    };

    let mut sink = TrackedWrite::new(vec![]);
    let mut pages = SerializedPageWriter::new(&mut sink);
    let mut uncompressed = 0;
    let mut dictionary_bytes = None;
    if encoding == Encoding::RLE_DICTIONARY {
        let page = Page::DictionaryPage {
            buf: compress(&dictionary)?,
            num_values: known.len() as u32,
            encoding: Encoding::PLAIN,
            is_sorted: false,
        };
        let written = pages.write_page(CompressedPage::new(page, dictionary.len()))?;
        uncompressed += written.uncompressed_size;
        dictionary_bytes = Some(written.bytes_written);
    }
    let page = Page::DataPage {
        buf: compress(&data)?,
        num_values: levels.len() as u32,
        encoding,
        def_level_encoding: Encoding::RLE,
        rep_level_encoding: Encoding::RLE,
        statistics: None,
    };
    uncompressed += pages
        .write_page(CompressedPage::new(page, data.len()))?
        .uncompressed_size;
    let bytes: Bytes = sink.into_inner()?.into();
    let metadata = ColumnChunkMetaData::builder(descriptor)
        .set_compression(Compression::SNAPPY)
        .set_encodings(vec![Encoding::PLAIN, Encoding::RLE, encoding])
        .set_num_values(levels.len() as i64)
        .set_total_compressed_size(bytes.len() as i64)
        .set_total_uncompressed_size(uncompressed as i64)
        .set_dictionary_page_offset(dictionary_bytes.map(|_| 0))
        .set_data_page_offset(dictionary_bytes.unwrap_or(0) as i64)
        .build()?;
    Ok((bytes, closed(metadata, levels.len() as u64)))
}

/// A column that was written completely, without an index of any kind.
pub(super) fn closed(metadata: ColumnChunkMetaData, num_rows: u64) -> ColumnCloseResult {
    ColumnCloseResult {
        bytes_written: metadata.compressed_size() as u64,
        rows_written: num_rows,
        metadata,
        bloom_filter: None,
        column_index: None,
        offset_index: None,
    }
}

fn compress(page: &[u8]) -> Result<Bytes, ParquetError> {
    let compressed = snap::raw::Encoder::new().compress_vec(page);
    Ok(compressed
        .map_err(|e| ParquetError::General(e.to_string()))?
        .into())
}

/// Encodes numbers below 2^`width` as one run: all equal, or bit-packed with the lowest bit first.
fn runs(values: &[u32], width: u32) -> Vec<u8> {
    let mut bytes = vec![];
    let Some(&first) = values.first() else {
        return bytes;
    };
    if values.iter().all(|&v| v == first) {
        variable_length((values.len() as u64) << 1, &mut bytes);
        bytes.extend(&first.to_le_bytes()[..width.div_ceil(8) as usize]);
        return bytes;
    }
    let groups = values.len().div_ceil(8);
    variable_length((groups as u64) << 1 | 1, &mut bytes);
    let end = bytes.len() + groups * width as usize;
    let (mut bits, mut count) = (0u64, 0);
    for &value in values {
        bits |= u64::from(value) << count;
        count += width;
        if count >= 32 {
            bytes.extend((bits as u32).to_le_bytes());
            bits >>= 32;
            count -= 32;
        }
    }
    bytes.extend(bits.to_le_bytes());
    bytes.resize(end, 0);
    bytes
}

/// Appends seven bits per byte, lowest first.
fn variable_length(mut value: u64, bytes: &mut Vec<u8>) {
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_as_the_format_has_them() {
        // The example on the page of the format: 0 to 7 in 3 bits.
        let bits = [0b1000_1000, 0b1100_0110, 0b1111_1010];
        let run = runs(&[0, 1, 2, 3, 4, 5, 6, 7], 3);
        assert_eq!((run[0], &run[1..]), (3, &bits[..]));
        assert_eq!(runs(&[5; 100], 9), [200, 1, 5, 0]);
        assert_eq!(runs(&[1, 0, 1], 1), [3, 0b101]);
        // Any width: groups of 8, and nothing after them.
        for width in 1..=17u32 {
            let values: Vec<u32> = (0..1000).map(|i| i * 7919 % (1 << width)).collect();
            let run = runs(&values, width);
            let (head, packed) = run.split_at(2);
            assert_eq!(head, [(125 << 1 | 1) as u8, (125 >> 6) as u8]);
            assert_eq!(packed.len(), 125 * width as usize);
            let bit = |at: usize| u32::from(packed[at / 8] >> (at % 8) & 1);
            for (i, &value) in values.iter().enumerate() {
                let start = i * width as usize;
                let read: u32 = (0..width).map(|b| bit(start + b as usize) << b).sum();
                assert_eq!(read, value, "width {width}, value {i}");
            }
        }
    }
}
