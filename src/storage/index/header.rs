//! The first 4096 bytes of an index: what it was made of, and how large its parts are.

use crate::{
    scoring::gallery::{PANEL_ROWS, panel_bytes},
    verifier::ModelId,
};
use std::{
    fs::{self, File},
    io::{self, Read},
    ops::Range,
    path::Path,
    time::UNIX_EPOCH,
};

/// A page, so that what follows is aligned.
pub(super) const HEADER_BYTES: usize = 4096;

const MAGIC: &[u8; 8] = b"spkverIX";
const VERSION: u32 = 1;
/// Magic to checksum.
const USED_BYTES: usize = 8 + 4 + 4 + 32 + 32 + 3 * 8 + 4;

/// What an index says of itself.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Header {
    pub model: ModelId,
    pub state: State,
    /// P: numbers in a point.
    pub size: usize,
    pub num_speakers: usize,
    pub num_others: usize,
    /// See [`crate::scoring::gallery::write_panel`].
    pub reach: f32,
}

/// The state of a store, as its files show it: another one after every change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct State([u8; 32]);

/// Where the parts of an index lie.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    pub panels: Range<usize>,
    pub ids: Range<usize>,
    pub rows: Range<usize>,
    pub end: usize,
}

impl State {
    /// Length, time of the last change and SQLite's own counters (in the headers) of the database
    /// and of its write-ahead log.
    pub fn of(store: &Path) -> io::Result<Self> {
        let mut log = store.as_os_str().to_os_string();
        log.push("-wal");
        let mut hasher = blake3::Hasher::new();
        for (path, header_bytes) in [(store, 100), (Path::new(&log), 32)] {
            let facts = match fs::metadata(path) {
                // A log without a change in it comes and goes with the readers.
                Ok(facts) if facts.len() > 0 => facts,
                Ok(_) => continue,
                Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
                Err(e) => return Err(e),
            };
            let mut header = vec![];
            File::open(path)?
                .take(header_bytes)
                .read_to_end(&mut header)?;
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
    /// The header's bytes; numbers in this machine's order, and a number that tells which that is.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend(VERSION.to_ne_bytes());
        bytes.extend((PANEL_ROWS as u32).to_ne_bytes());
        bytes.extend(self.model.bytes());
        bytes.extend(self.state.0);
        for count in [self.size, self.num_speakers, self.num_others] {
            bytes.extend((count as u64).to_ne_bytes());
        }
        bytes.extend(self.reach.to_ne_bytes());
        bytes.extend(blake3::hash(&bytes).as_bytes());
        bytes.resize(HEADER_BYTES, 0);
        bytes
    }

    /// The header in these bytes, if it is one of this version and machine.
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
        let reach = f32::from_ne_bytes(next(4).try_into().ok()?);
        known.then_some(Header {
            model,
            state,
            size,
            num_speakers,
            num_others,
            reach,
        })
    }

    /// Where the parts lie; none for an index larger than an address.
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
