//! Writes a ZIP of any size, without compression, from front to back.
//!
//! Follows PKWARE's APPNOTE 6.3.10. Every header has the 64-bit fields, because the size of a
//! member is known only after it has been written. A library could do this, but would bring a
//! compressor that is never called and makes the program a hundredth larger.

use std::io::{Result, Write};

/// 1980-01-01 00:00. A fixed date makes the bytes the same every time.
const DATE: u16 = 0x0021;
/// The first version of the format that has 64-bit fields.
const VERSION: u16 = 45;
/// Size and checksum follow the data.
const FLAGS: u16 = 0x0008;
/// Stands in a 32-bit field whose value is in the 64-bit field instead.
const ELSEWHERE: u32 = u32::MAX;

/// A ZIP that is being written.
pub(super) struct StoredZip<'a> {
    out: &'a mut (dyn Write + Send),
    written: u64,
    members: Vec<Member>,
    checksum: crc32fast::Hasher,
}

struct Member {
    name: &'static str,
    offset: u64,
    size: u64,
    crc32: u32,
}

impl<'a> StoredZip<'a> {
    pub fn new(out: &'a mut (dyn Write + Send)) -> Self {
        StoredZip {
            out,
            written: 0,
            members: vec![],
            checksum: crc32fast::Hasher::new(),
        }
    }

    /// Ends the last member and starts a new one, to which [`write`](Self::write) then appends.
    pub fn start(&mut self, name: &'static str) -> Result<()> {
        self.end_member()?;
        self.members.push(Member {
            name,
            offset: self.written,
            size: 0,
            crc32: 0,
        });
        let mut header = fields32(&[0x0403_4b50]);
        header.extend(fields16(&[VERSION, FLAGS, 0, 0, DATE]));
        header.extend(fields32(&[0, ELSEWHERE, ELSEWHERE]));
        header.extend(fields16(&[name.len() as u16, 20]));
        header.extend(name.as_bytes());
        header.extend(fields16(&[0x0001, 16]));
        header.extend([0; 16]);
        self.put(&header)
    }

    /// Appends to the member that was started last.
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.checksum.update(bytes);
        self.put(bytes)?;
        if let Some(member) = self.members.last_mut() {
            member.size += bytes.len() as u64;
        }
        Ok(())
    }

    /// Ends the last member and the archive.
    pub fn finish(mut self) -> Result<()> {
        self.end_member()?;
        let directory_at = self.written;
        let mut directory = vec![];
        for member in &self.members {
            directory.extend(fields32(&[0x0201_4b50]));
            directory.extend(fields16(&[VERSION, VERSION, FLAGS, 0, 0, DATE]));
            directory.extend(fields32(&[member.crc32, ELSEWHERE, ELSEWHERE]));
            directory.extend(fields16(&[member.name.len() as u16, 28, 0, 0, 0]));
            directory.extend(fields32(&[0, ELSEWHERE]));
            directory.extend(member.name.as_bytes());
            directory.extend(fields16(&[0x0001, 24]));
            directory.extend(fields64(&[member.size, member.size, member.offset]));
        }
        let count = self.members.len() as u64;
        let end_at = directory_at + directory.len() as u64;
        let mut end = fields32(&[0x0606_4b50]);
        end.extend(fields64(&[44]));
        end.extend(fields16(&[VERSION, VERSION]));
        end.extend(fields32(&[0, 0]));
        end.extend(fields64(&[
            count,
            count,
            directory.len() as u64,
            directory_at,
        ]));
        end.extend(fields32(&[0x0706_4b50, 0]));
        end.extend(fields64(&[end_at]));
        end.extend(fields32(&[1, 0x0605_4b50]));
        end.extend(fields16(&[0, 0, count as u16, count as u16]));
        end.extend(fields32(&[ELSEWHERE, ELSEWHERE]));
        end.extend(fields16(&[0]));
        self.put(&directory)?;
        self.put(&end)
    }

    fn end_member(&mut self) -> Result<()> {
        let checksum = std::mem::take(&mut self.checksum).finalize();
        let Some(member) = self.members.last_mut() else {
            return Ok(());
        };
        member.crc32 = checksum;
        let mut descriptor = fields32(&[0x0807_4b50, checksum]);
        descriptor.extend(fields64(&[member.size, member.size]));
        self.put(&descriptor)
    }

    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        self.written += bytes.len() as u64;
        self.out.write_all(bytes)
    }
}

fn fields16(values: &[u16]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

fn fields32(values: &[u32]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

fn fields64(values: &[u64]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Cursor, Read};

    #[test]
    fn a_library_reads_every_member_whole() {
        let mut bytes = vec![];
        let mut zip = StoredZip::new(&mut bytes);
        let long: Vec<u8> = (0..100_000u32).map(|i| (i % 251) as u8).collect();
        zip.start("a.npy").unwrap();
        zip.write(&long[..7]).unwrap();
        zip.write(&long[7..]).unwrap();
        zip.start("empty.npy").unwrap();
        zip.start("c.npy").unwrap();
        zip.write(b"last").unwrap();
        zip.finish().unwrap();
        let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).unwrap();
        assert_eq!(archive.len(), 3);
        for (name, wanted) in [("a.npy", &long[..]), ("empty.npy", b""), ("c.npy", b"last")] {
            let mut read = vec![];
            // Reading fails if the checksum is wrong.
            archive
                .by_name(name)
                .unwrap()
                .read_to_end(&mut read)
                .unwrap();
            assert_eq!(read, wanted, "{name}");
        }
    }
}
