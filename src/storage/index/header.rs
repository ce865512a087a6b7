//! The header of an index, its first 4096 bytes: what the index was built from, and the sizes of
//! its parts.

use crate::{
    scoring::gallery::{PANEL_ROWS, panel_bytes},
    storage::voiceprints::beside,
    verifier::{ModelId, Verifier},
};
use std::{
    fs::{self, File},
    io::{self, Read},
    ops::Range,
    path::Path,
    time::UNIX_EPOCH,
};

/// One page of memory, so that the parts are aligned.
pub(super) const HEADER_BYTES: usize = 4096;

const MAGIC: &[u8; 8] = b"spkverIX";
const VERSION: u32 = 1;
/// Bytes in use, from the magic up to the checksum.
const USED_BYTES: usize = 8 + 4 + 4 + 32 + 32 + 3 * 8 + 4;

/// Contents of the header.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Header {
    pub model: ModelId,
    pub state: State,
    /// P: number of values in a projected voiceprint.
    pub size: usize,
    pub num_speakers: usize,
    pub num_others: usize,
    /// See [`crate::scoring::gallery::write_panel`].
    pub largest_magnitude: f32,
}

/// A hash of the state of a store's files. It changes with every change of the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct State([u8; 32]);

/// Positions of the parts of an index.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    pub panels: Range<usize>,
    pub ids: Range<usize>,
    pub rows: Range<usize>,
    pub end: usize,
}

impl State {
    /// Hashes length and modification time of the database and its write-ahead log, and the
    /// counters in the log's header. The database itself is not opened, because a process that
    /// closes any descriptor of a file releases all its locks on it, including SQLite's. (The log
    /// is never locked.)
    pub fn of(store: &Path) -> io::Result<Self> {
        let log = beside(store, "-wal");
        let mut hasher = blake3::Hasher::new();
        for (path, header_bytes) in [(store, 0), (&log, 32)] {
            let facts = match fs::metadata(path) {
                // An empty log is created and removed by readers.
                Ok(facts) if facts.len() > 0 => facts,
                Ok(_) => continue,
                Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
                Err(e) => return Err(e),
            };
            let mut header = vec![];
            if header_bytes > 0 {
                File::open(path)?
                    .take(header_bytes)
                    .read_to_end(&mut header)?;
            }
            let changed = facts.modified()?.duration_since(UNIX_EPOCH);
            let changed = changed.map_or(0, |since| since.as_nanos());
            hasher.update(&facts.len().to_le_bytes());
            hasher.update(&changed.to_le_bytes());
            hasher.update(&header);
        }
        Ok(State(*hasher.finalize().as_bytes()))
    }
}

impl Header {
    /// Whether the index was built for this model, from a store in this state.
    pub fn is_of(&self, verifier: &Verifier, state: State) -> bool {
        self.model == verifier.file_id()
            && self.state == state
            && self.size == verifier.model().head.point_size()
    }

    /// The bytes of the header. Numbers have the byte order of this machine; a reader with another
    /// byte order notices this by the version number.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend(VERSION.to_ne_bytes());
        bytes.extend((PANEL_ROWS as u32).to_ne_bytes());
        bytes.extend(self.model.bytes());
        bytes.extend(self.state.0);
        for count in [self.size, self.num_speakers, self.num_others] {
            bytes.extend((count as u64).to_ne_bytes());
        }
        bytes.extend(self.largest_magnitude.to_ne_bytes());
        bytes.extend(blake3::hash(&bytes).as_bytes());
        bytes.resize(HEADER_BYTES, 0);
        bytes
    }

    /// Parses the header, if it has this version and byte order.
    pub fn read(bytes: &[u8; HEADER_BYTES]) -> Option<Self> {
        let (used, rest) = bytes.split_at(USED_BYTES);
        if blake3::hash(used).as_bytes() != &rest[..32] {
            return None;
        }
        let mut at = 0;
        let mut next = |n: usize| {
            at += n;
            &used[at - n..at]
        };
        let known = next(8) == MAGIC
            && next(4) == VERSION.to_ne_bytes()
            && next(4) == (PANEL_ROWS as u32).to_ne_bytes();
        let model = ModelId::from_bytes(next(32).try_into().ok()?);
        let state = State(next(32).try_into().ok()?);
        let mut count = || usize::try_from(u64::from_ne_bytes(next(8).try_into().ok()?)).ok();
        let (size, num_speakers, num_others) = (count()?, count()?, count()?);
        let largest_magnitude = f32::from_ne_bytes(next(4).try_into().ok()?);
        known.then_some(Header {
            model,
            state,
            size,
            num_speakers,
            num_others,
            largest_magnitude,
        })
    }

    /// Positions of the parts; `None` if the index is too large to address.
    pub fn layout(&self) -> Option<Layout> {
        let panels = self.num_speakers.div_ceil(PANEL_ROWS);
        let ids = HEADER_BYTES.checked_add(panels.checked_mul(panel_bytes(self.size))?)?;
        let rows = ids.checked_add(self.num_speakers.checked_mul(size_of::<i64>())?)?;
        let row_bytes = self.size.checked_mul(size_of::<f32>())?;
        let end = rows.checked_add(self.num_speakers.checked_mul(row_bytes)?)?;
        Some(Layout {
            panels: HEADER_BYTES..ids,
            ids: ids..rows,
            rows: rows..end,
            end,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> Header {
        Header {
            model: ModelId::of(b"a model"),
            state: State([7; 32]),
            size: 3,
            num_speakers: 33,
            num_others: 5,
            largest_magnitude: 1.5,
        }
    }

    fn read(bytes: &[u8]) -> Option<Header> {
        Header::read(bytes.try_into().unwrap())
    }

    #[test]
    fn an_index_of_another_version_or_machine_is_none() {
        let bytes = header().bytes();
        assert_eq!(read(&bytes), Some(header()));
        // Magic, version, rows of a panel; with a matching checksum.
        for at in [0, 7, 8, 11, 12, 15] {
            let mut other = bytes.clone();
            other[at] ^= 1;
            assert_eq!(read(&other), None, "damaged at {at}");
            let code = *blake3::hash(&other[..USED_BYTES]).as_bytes();
            other[USED_BYTES..][..32].copy_from_slice(&code);
            assert_eq!(read(&other), None, "other at {at}");
        }
    }

    #[test]
    fn the_parts_lie_one_after_the_other() {
        let layout = header().layout().unwrap();
        // 33 speakers fill one panel and start another.
        let panels = HEADER_BYTES..HEADER_BYTES + 2 * panel_bytes(3);
        assert_eq!(layout.ids, panels.end..panels.end + 33 * 8);
        assert_eq!(layout.rows, layout.ids.end..layout.ids.end + 33 * 3 * 4);
        assert_eq!((layout.panels, layout.end), (panels, layout.rows.end));
        let absurd = Header {
            num_speakers: usize::MAX / 8,
            ..header()
        };
        assert!(absurd.layout().is_none());
    }

    #[test]
    fn any_change_of_the_files_is_another_state() {
        let folder = tempfile::tempdir().unwrap();
        let (store, log) = (folder.path().join("s"), folder.path().join("s-wal"));
        let mut seen = vec![State::of(&store).unwrap()];
        let mut changed = |what: &str| {
            let state = State::of(&store).unwrap();
            assert!(!seen.contains(&state), "{what}");
            seen.push(state);
        };
        let now = std::time::SystemTime::now();
        // All have the same time, so that only the bytes differ.
        let write = |path: &Path, bytes: &[u8]| {
            fs::write(path, bytes).unwrap();
            let file = File::options().write(true).open(path).unwrap();
            file.set_modified(now).unwrap();
        };
        write(&store, b"one");
        changed("a store");
        write(&store, &[&[1; 100][..], b"page"].concat());
        changed("its length");
        write(&store, &[&[1; 100][..], b"pages"].concat());
        changed("its length alone");
        write(&log, b"log");
        changed("a log");
        write(&log, b"lag");
        changed("the log's header");
        let file = File::options().write(true).open(&store).unwrap();
        file.set_modified(now + std::time::Duration::from_nanos(1000))
            .unwrap();
        changed("its time");
        // A link to the store has the same state.
        #[cfg(unix)]
        {
            let link = folder.path().join("link");
            std::os::unix::fs::symlink(&store, &link).unwrap();
            assert_eq!(State::of(&link).unwrap(), State::of(&store).unwrap());
            let index = super::super::path_of(&link);
            assert_eq!(index, super::super::path_of(&store));
            assert!(index.ends_with("s.index"));
        }
        // An empty log counts as none.
        let with = State::of(&store).unwrap();
        write(&log, b"");
        let without = State::of(&store).unwrap();
        assert_ne!(without, with);
        fs::remove_file(&log).unwrap();
        assert_eq!(State::of(&store).unwrap(), without);
        #[cfg(unix)]
        assert!(State::of(&store.join("no folder")).is_err());
    }
}
