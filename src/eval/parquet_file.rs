//! A Parquet file of a stranger in, what its parser asks of it out, but for what declares more than
//! is there: the parser makes room for a page as large as the page's header says, up to 2 GB, before
//! it looks at the page.
//!
//! A page's header is a Thrift structure in the compact protocol that begins with three 32-bit
//! numbers: kind, size, compressed size ([parquet.thrift], `PageHeader`).
//!
//! [parquet.thrift]: https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift

use bytes::Bytes;
use parquet::{
    errors::{ParquetError, Result},
    file::{
        FOOTER_SIZE,
        reader::{ChunkReader, Length},
    },
};
use std::{
    fs::File,
    io::{BufRead, BufReader},
};

/// Bytes that one compressed byte can stand for. Snappy's longest copy, 64 bytes, takes three
/// (<https://github.com/google/snappy/blob/main/format_description.txt>).
const GREATEST_RATIO: u64 = 22;

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
        // All but the file's end begins with a page's header.
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

/// The next field, if it is a 32-bit number that is not negative and the field before is its
/// neighbour.
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
    use super::plausible;

    /// Kind 0, and two sizes.
    fn header(size: [u8; 4], compressed: u8) -> Vec<u8> {
        [&[0x15, 0, 0x15][..], &size, &[0x15, compressed, 0x2C]].concat()
    }

    #[test]
    fn a_page_declares_what_snappy_can_make_of_it() {
        // Zigzag: 2 stands for 1. 0x80 goes on.
        let small = header([0xAC, 0x80, 0x80, 0x00], 2);
        plausible(&small).unwrap();
        // 44 from 1 byte, 46 from 1 byte (the one more is for what takes no byte at all).
        plausible(&header([0xD8, 0x80, 0x80, 0x00], 2)).unwrap();
        let error = plausible(&header([0xDC, 0x80, 0x80, 0x00], 2)).unwrap_err();
        assert!(error.to_string().contains("1 bytes"), "{error}");
        assert!(error.to_string().contains("46"), "{error}");
        for bad in [&small[..7], &[], &[0x15, 1, 0x15, 2, 0x15, 2], b"PAR1"] {
            assert!(plausible(bad).is_err(), "{bad:?}");
        }
    }
}
