//! The search index of a store: the projected voiceprints of one model, as a [`Gallery`] that
//! `identify` searches.
//!
//! ```text
//! header     4096 bytes: magic, version, model id, state of the store, sizes, their BLAKE3
//! panels     ⌈N/32⌉ × (32·P cells i8, 3·32 f32)   read completely by every search
//! ids        N × i64: the speakers' ids in the store
//! rows       N × P f32: projected voiceprints     read only for the best candidates
//! ```
//! A panel holds 32 voiceprints rounded to 8 bits, from which a search computes a number that no
//! exact score exceeds. Only where this number reaches the best scores so far is the row read.
//!
//! Numbers are stored as in memory, so that the file can be mapped instead of read. The file lies
//! beside the store (`voiceprints.sqlite.index`) and is readable by its owner only. It gets its
//! name when it is complete, and is rebuilt when the store or the model has changed. Because it
//! holds voiceprints, it is deleted whenever a voiceprint is erased.
//!
//! Small stores have no index file, and encrypted stores never have one: their index is built in
//! memory. Names are only in the store, and the store decides: a search confirms there what it has
//! found.

mod header;

use crate::{
    Error, Result, parallel,
    scoring::{
        PairHead,
        gallery::{Gallery, Hit, PANEL_ROWS, Probe, panel_bytes, write_panel},
    },
    storage::{
        Readers,
        index_file::path_of,
        voiceprints::{Block, Store},
        write_whole_with,
    },
    verifier::{Verifier, Voiceprint},
};
use header::{HEADER_BYTES, Header, Layout, State};
use mmap_io::{MemoryMappedFile, MmapMode};
use std::{
    fs::File,
    io::{self, Cursor, Read, Seek, SeekFrom, Write},
    path::Path,
};

/// From this number of speakers on, the index is kept in a file. Below it, the index is built in
/// memory within milliseconds.
pub const KEPT_FROM: usize = 1000;

/// All speakers enrolled with one model, ready for a search.
#[derive(Debug)]
pub struct Index {
    header: Header,
    layout: Layout,
    bytes: Bytes,
}

/// Contents of an index, aligned for its widest numbers.
#[derive(Debug)]
enum Bytes {
    Mapped(MemoryMappedFile),
    Held(Vec<u64>),
}

/// A speaker found by a search.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Candidate<'a> {
    /// The speaker's id in the store.
    pub id: i64,
    /// The speaker's projected voiceprint, `(P,)`.
    pub row: &'a [f32],
    /// The LLR, summed in f64.
    pub score: f64,
}

impl Index {
    /// Opens the index file beside the store, if it belongs to this model and to the current state
    /// of the store.
    pub fn find(store: &Store, verifier: &Verifier) -> Option<Self> {
        let state = State::of(store.path()).ok()?;
        match store.is_encrypted() {
            true => None,
            false => Self::map(&path_of(store.path()), verifier, state),
        }
    }

    /// Builds the index of a store. Writes it to a file beside the store if the store is large
    /// enough and the folder is writable.
    ///
    /// # Errors
    /// [`Error::Store`] for a damaged voiceprint, [`Error::Io`].
    pub fn build(store: &Store, verifier: &Verifier) -> Result<Self> {
        // The state is taken before the store is read: a change in between makes the index
        // outdated, but never wrong.
        let state = State::of(store.path()).map_err(|e| Error::io(store.path(), "read", e))?;
        let kept = !store.is_encrypted() && store.sweep(verifier.id())?.num_speakers() >= KEPT_FROM;
        if kept {
            let path = path_of(store.path());
            let written = write_whole_with(&path, Readers::Owner, |file| {
                fill(store, verifier, state, &path, |_| Ok(file)).map(|_| ())
            });
            match written {
                Ok(()) => {
                    if let Some(index) = Self::map(&path, verifier, state) {
                        return Ok(index);
                    }
                }
                // No space or no permission: the index is built in memory. If the store itself has
                // an error, the error occurs there again.
                Err(Error::Io { .. }) => {}
                Err(e) => return Err(e),
            }
        }
        let mut words: Vec<u64> = vec![];
        let (header, layout) = fill(store, verifier, state, store.path(), |length| {
            words = vec![0; length.div_ceil(size_of::<u64>())];
            Ok(Cursor::new(bytemuck::cast_slice_mut(&mut words)))
        })?;
        Ok(Index {
            header,
            layout,
            bytes: Bytes::Held(words),
        })
    }

    fn map(path: &Path, verifier: &Verifier, state: State) -> Option<Self> {
        let mut file = File::open(path).ok()?;
        let mut head = [0; HEADER_BYTES];
        file.read_exact(&mut head).ok()?;
        let header = Header::read(&head)?;
        let layout = header.layout()?;
        let right =
            header.is_of(verifier, state) && file.metadata().ok()?.len() == layout.end as u64;
        let map = || MemoryMappedFile::from_file(file, MmapMode::ReadOnly, path).ok();
        Some(Index {
            header,
            layout,
            bytes: Bytes::Mapped(right.then(map)??),
        })
    }

    /// Whether the index belongs to this model and to the current state of the store.
    pub fn fits(&self, store: &Store, verifier: &Verifier) -> bool {
        State::of(store.path()).is_ok_and(|state| self.header.is_of(verifier, state))
    }

    /// Number of speakers in the index.
    pub fn num_speakers(&self) -> usize {
        self.header.num_speakers
    }

    /// Number of speakers in the store that are not in the index, because they were enrolled with
    /// other models.
    pub fn num_others(&self) -> usize {
        self.header.num_others
    }

    /// Whether the index is kept in a file.
    pub fn is_kept(&self) -> bool {
        matches!(self.bytes, Bytes::Mapped(_))
    }

    /// The `top` best speakers for each probe, best first.
    pub fn search(&self, head: &PairHead, probes: &[Probe], top: usize) -> Vec<Vec<Candidate<'_>>> {
        let (layout, size) = (&self.layout, self.header.size);
        let bytes = self.bytes.all();
        let rows = bytemuck::cast_slice(&bytes[layout.rows.clone()]);
        let gallery = Gallery {
            head,
            panels: &bytes[layout.panels.clone()],
            rows,
            largest_magnitude: self.header.largest_magnitude,
        };
        let ids: &[i64] = bytemuck::cast_slice(&bytes[layout.ids.clone()]);
        let found = gallery.search(probes, top).into_iter();
        let candidates = found.map(|hits| {
            let candidate = |hit: &Hit| Candidate {
                id: ids[hit.row],
                row: &rows[hit.row * size..][..size],
                score: hit.score,
            };
            hits.iter().map(candidate).collect()
        });
        candidates.collect()
    }
}

impl Bytes {
    fn all(&self) -> &[u8] {
        match self {
            // The whole file is mapped, so the range always exists.
            Bytes::Mapped(map) => map.as_slice_bytes(0, map.len()).unwrap_or_default(),
            Bytes::Held(words) => bytemuck::cast_slice(words),
        }
    }
}

/// The parts of an index that come from [`PANEL_ROWS`] speakers; the last panel has fewer.
struct PanelOf {
    cells: Vec<u8>,
    ids: Vec<i64>,
    rows: Vec<f32>,
    largest_magnitude: f32,
}

impl PanelOf {
    fn project(verifier: &Verifier, speakers: &[(i64, Voiceprint)]) -> Self {
        let head = &verifier.model().head;
        let rows = speakers.iter();
        let rows: Vec<f32> = rows
            .flat_map(|(_, voiceprint)| verifier.project(voiceprint))
            .collect();
        let mut cells = vec![0; panel_bytes(head.point_size())];
        PanelOf {
            largest_magnitude: write_panel(head, &rows, &mut cells),
            cells,
            ids: speakers.iter().map(|(id, _)| *id).collect(),
            rows,
        }
    }
}

/// Writes an index to the writer that `open` returns when given the length. Errors name `path`.
fn fill<W: Write + Seek + Send>(
    store: &Store,
    verifier: &Verifier,
    state: State,
    path: &Path,
    open: impl FnOnce(usize) -> Result<W>,
) -> Result<(Header, Layout)> {
    let mut sweep = store.sweep(verifier.id())?;
    let mut header = Header {
        model: verifier.file_id(),
        state,
        size: verifier.model().head.point_size(),
        num_speakers: sweep.num_speakers(),
        num_others: sweep.num_others(),
        largest_magnitude: 0.0,
    };
    let too_large = || io::Error::from(io::ErrorKind::OutOfMemory);
    let failed = |e| Error::io(path, "write", e);
    let layout = header.layout().ok_or_else(too_large).map_err(failed)?;
    let mut out = open(layout.end)?;
    let mut put = |at: usize, bytes: &[u8]| -> Result<()> {
        let moved = out.seek(SeekFrom::Start(at as u64));
        moved.and_then(|_| out.write_all(bytes)).map_err(failed)
    };
    let (mut panel_at, mut id_at, mut row_at) =
        (layout.panels.start, layout.ids.start, layout.rows.start);
    let mut put_block = |block: &Block| -> Result<f32> {
        let panels =
            block.map_chunks(PANEL_ROWS, |speakers| PanelOf::project(verifier, &speakers))?;
        for panel in &panels {
            put(panel_at, &panel.cells)?;
            panel_at += panel.cells.len();
        }
        for PanelOf { ids, .. } in &panels {
            put(id_at, bytemuck::cast_slice(ids))?;
            id_at += size_of_val(&ids[..]);
        }
        for PanelOf { rows, .. } in &panels {
            put(row_at, bytemuck::cast_slice(rows))?;
            row_at += size_of_val(&rows[..]);
        }
        let magnitudes = panels.iter().map(|panel| panel.largest_magnitude);
        Ok(magnitudes.fold(0.0, f32::max))
    };
    let mut block = sweep.read_block()?;
    while !block.is_empty() {
        // SQLite reads on one thread. Meanwhile the other threads work on the block before.
        let (magnitude, next) = parallel::both(|| put_block(&block), || sweep.read_block());
        header.largest_magnitude = header.largest_magnitude.max(magnitude?);
        block = next?;
    }
    put(0, &header.bytes())?;
    Ok((header, layout))
}
