//! Opens Parquet files that may be hostile. The parser trusts the header of a page: before it looks
//! at the contents, it allocates as many bytes as the header declares (up to 2 GB), and room for as
//! many values. So a page that declares more than it can hold is refused here first.
//!
//! A page's header is a Thrift structure in the compact protocol that begins with three 32-bit
//! numbers: kind, size, compressed size ([parquet.thrift], `PageHeader`).
//!
//! [parquet.thrift]: https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift

use bytes::Bytes;
use parquet::{
    basic::Encoding,
    column::{
        page::{Page, PageMetadata, PageReader},
        reader::{ColumnReader, ColumnReaderImpl, get_column_reader},
    },
    data_type::DataType,
    errors::{ParquetError, Result},
    file::{
        FOOTER_SIZE,
        reader::{ChunkReader, Length, RowGroupReader},
    },
};
use std::{
    fs::File,
    io::{BufRead, BufReader},
};

/// Bytes that one compressed byte can stand for. Snappy's longest copy, 64 bytes, takes three bytes
/// (<https://github.com/google/snappy/blob/main/format_description.txt>).
const GREATEST_RATIO: u64 = 22;
/// Fewest bytes of a value in a dictionary: the length of a text, or a number.
const DICTIONARY_VALUE_BYTES: usize = 4;
/// Most values in a page of lists: this number plus [`LIST_VALUES_PER_BYTE`] for each byte of the
/// page. There is a limit because a list is held in memory as a whole, and the first number because
/// some values, such as nulls, take no bytes.
const FREE_LIST_VALUES: usize = 1 << 18;
const LIST_VALUES_PER_BYTE: usize = 8;

/// A file whose pages declare no more than their bytes can hold.
pub struct ParquetFile(pub File);

impl Length for ParquetFile {
    fn len(&self) -> u64 {
        self.0.len()
    }
}

impl ChunkReader for ParquetFile {
    type T = BufReader<File>;

    fn get_read(&self, start: u64) -> Result<Self::T> {
        let mut from_start = self.0.get_read(start)?;
        // Every read begins with the header of a page, except the read of the file's end.
        if start + FOOTER_SIZE as u64 != self.len() {
            plausible(from_start.fill_buf()?)?;
        }
        Ok(from_start)
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        match start.checked_add(length as u64) {
            Some(end) if end <= self.len() => self.0.get_bytes(start, length),
            _ => Err(ParquetError::EOF("a part lies beyond the end".into())),
        }
    }
}

/// Opens a column of a row group. Its pages are checked to hold what they declare.
///
/// # Errors
/// Errors of the parser.
pub fn column(group: &dyn RowGroupReader, place: usize) -> Result<ColumnReader> {
    let descriptor = group.metadata().schema_descr().column(place);
    let pages = CheckedPages {
        pages: group.get_column_page_reader(place)?,
        is_of_lists: descriptor.max_rep_level() > 0,
    };
    Ok(get_column_reader(descriptor, Box::new(pages)))
}

/// Reads the next `count` values of a column that is no list; `None` for a null.
///
/// # Errors
/// Errors of the parser; an error if the column ends too early.
pub fn of_rows<T: DataType, V>(
    column: &mut ColumnReaderImpl<T>,
    count: usize,
    value: impl Fn(T::T) -> V,
) -> Result<Vec<Option<V>>> {
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

/// Pages that are checked to hold what they declare.
struct CheckedPages {
    pages: Box<dyn PageReader>,
    is_of_lists: bool,
}

impl PageReader for CheckedPages {
    fn get_next_page(&mut self) -> Result<Option<Page>> {
        let page = self.pages.get_next_page()?;
        if let Some(page) = &page {
            check_values(page, self.is_of_lists)?;
        }
        Ok(page)
    }

    fn peek_next_page(&mut self) -> Result<Option<PageMetadata>> {
        self.pages.peek_next_page()
    }

    fn skip_next_page(&mut self) -> Result<()> {
        self.pages.skip_next_page()
    }
}

impl Iterator for CheckedPages {
    type Item = Result<Page>;

    fn next(&mut self) -> Option<Self::Item> {
        self.get_next_page().transpose()
    }
}

fn check_values(page: &Page, is_of_lists: bool) -> Result<()> {
    let (num_values, num_bytes) = (page.num_values() as usize, page.buffer().len());
    let most = match page {
        Page::DictionaryPage { .. } => num_bytes / DICTIONARY_VALUE_BYTES,
        _ if is_of_lists => FREE_LIST_VALUES + LIST_VALUES_PER_BYTE * num_bytes,
        // No limit, because only a small number of these values is read at a time.
        _ => usize::MAX,
    };
    if num_values > most {
        let fact = format!("a page of {num_bytes} bytes that declares {num_values} values");
        return Err(ParquetError::General(fact));
    }
    match page.encoding() {
        // In these encodings the page states the number of values once more, and nobody checks that
        // number.
        encoding @ (Encoding::DELTA_LENGTH_BYTE_ARRAY | Encoding::DELTA_BYTE_ARRAY) => {
            let fact = format!("texts as {encoding}; only PLAIN ones and dictionaries are read");
            Err(ParquetError::General(fact))
        }
        _ => Ok(()),
    }
}

/// Whether a page can be as large as its header says.
fn plausible(mut header: &[u8]) -> Result<()> {
    let mut field = || number(&mut header);
    let (Some(_kind), Some(size), Some(compressed)) = (field(), field(), field()) else {
        return Err(ParquetError::General("a page without a header".into()));
    };
    if size > GREATEST_RATIO * (compressed + 1) {
        let fact = format!("a page of {compressed} bytes cannot hold the {size} that it declares");
        return Err(ParquetError::General(fact));
    }
    Ok(())
}

/// The next field, if it is a 32-bit number that is not negative and follows directly on the field
/// before.
fn number(bytes: &mut &[u8]) -> Option<u64> {
    const NEXT_FIELD_I32: u8 = 0x15;
    let mut byte = || {
        let (first, rest) = bytes.split_first()?;
        *bytes = rest;
        Some(*first)
    };
    if byte()? != NEXT_FIELD_I32 {
        return None;
    }
    let mut zigzag = 0;
    for shift in [0, 7, 14, 21, 28] {
        let next = byte()?;
        zigzag |= u64::from(next & 0x7F) << shift;
        if next < 0x80 {
            let is_negative = zigzag % 2 == 1;
            return (!is_negative).then_some(zigzag / 2);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{Encoding, FREE_LIST_VALUES, Page, check_values, plausible};

    /// Kind 0, and two sizes.
    fn header(size: [u8; 4], compressed: u8) -> Vec<u8> {
        [&[0x15, 0, 0x15][..], &size, &[0x15, compressed, 0x2C]].concat()
    }

    #[test]
    fn a_page_declares_what_snappy_can_make_of_it() {
        // In zigzag coding 2 stands for 1. A byte from 0x80 on means that more bytes follow.
        let small = header([0xAC, 0x80, 0x80, 0x00], 2);
        plausible(&small).unwrap();
        // One compressed byte may declare 44 bytes, but not 46: 22 for this byte, and 22 more because a
        // page may also hold what takes no byte at all.
        plausible(&header([0xD8, 0x80, 0x80, 0x00], 2)).unwrap();
        let error = plausible(&header([0xDC, 0x80, 0x80, 0x00], 2)).unwrap_err();
        assert!(error.to_string().contains("1 bytes"), "{error}");
        assert!(error.to_string().contains("46"), "{error}");
        for bad in [&small[..7], &[], &[0x15, 1, 0x15, 2, 0x15, 2], b"PAR1"] {
            assert!(plausible(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_page_holds_the_values_that_it_declares() {
        let dictionary = |num_values: u32| Page::DictionaryPage {
            buf: vec![0; 41].into(),
            num_values,
            encoding: Encoding::PLAIN,
            is_sorted: false,
        };
        assert!(check_values(&dictionary(10), false).is_ok());
        let error = check_values(&dictionary(11), false).unwrap_err();
        assert!(error.to_string().contains("11 values"), "{error}");
        let data = |num_values: usize, encoding: Encoding| Page::DataPage {
            buf: vec![0; 10].into(),
            num_values: num_values as u32,
            encoding,
            def_level_encoding: Encoding::RLE,
            rep_level_encoding: Encoding::RLE,
            statistics: None,
        };
        let many = FREE_LIST_VALUES + 80;
        assert!(check_values(&data(many, Encoding::PLAIN), true).is_ok());
        assert!(check_values(&data(many + 1, Encoding::PLAIN), true).is_err());
        // A million rows without a label take a few bytes.
        assert!(check_values(&data(1_000_000, Encoding::RLE_DICTIONARY), false).is_ok());
        for encoding in [
            Encoding::DELTA_LENGTH_BYTE_ARRAY,
            Encoding::DELTA_BYTE_ARRAY,
        ] {
            let error = check_values(&data(1, encoding), false).unwrap_err();
            assert!(error.to_string().contains("PLAIN"), "{error}");
        }
    }
}
