//! Checks whether the file still holds bytes of deleted rows.
//!
//! SQLite overwrites what it deletes (`secure_delete`). But when it moves rows between pages, a
//! copy may remain in the unused part of a page, where nothing overwrites it. So the file is
//! searched for the deleted bytes. If any are found, the file is rewritten.

use super::row::Rows;
use rusqlite::Connection;
use rustc_hash::FxHashSet;

/// Bytes in a piece: enough to occur in one row only.
const PIECE_BYTES: usize = 16;
/// Most pieces per field of a row. The values come first; what follows them may be the same in many
/// rows.
const MAX_PIECES: usize = 32;

type Piece = [u8; PIECE_BYTES];

/// Bytes of deleted rows to search for.
#[derive(Default)]
pub(super) struct DeletedBytes {
    pieces: FxHashSet<Piece>,
    /// For each value of a piece's first two bytes: whether there is such a piece.
    prefixes: Vec<bool>,
}

impl DeletedBytes {
    /// Adds the bytes of these rows.
    pub fn add(&mut self, rows: &Rows) {
        self.prefixes.resize(1 << 16, false);
        for bytes in rows.unique_bytes() {
            let (pieces, _) = bytes.as_chunks();
            for piece in pieces.iter().take(MAX_PIECES) {
                self.prefixes[prefix(piece)] = true;
                self.pieces.insert(*piece);
            }
        }
    }

    /// Whether any page of the file holds one of the pieces. Reads through SQLite, because opening
    /// and closing the file directly would release SQLite's locks.
    ///
    /// # Errors
    /// If SQLite was built without its table of pages, the answer is unknown: only builds inside
    /// this repository set `SQLITE_ENABLE_DBPAGE_VTAB` (`.cargo/config.toml`).
    pub fn are_in(&self, connection: &Connection) -> rusqlite::Result<bool> {
        if self.pieces.is_empty() {
            return Ok(false);
        }
        let found = |window: &Piece| self.prefixes[prefix(window)] && self.pieces.contains(window);
        let mut pages = connection.prepare("SELECT data FROM sqlite_dbpage")?;
        let mut pages = pages.query([])?;
        while let Some(page) = pages.next()? {
            if page.get_ref(0)?.as_blob()?.array_windows().any(found) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

fn prefix(piece: &Piece) -> usize {
    u16::from_le_bytes([piece[0], piece[1]]).into()
}

#[cfg(test)]
mod tests {
    use super::{
        super::{row::new_id, schema},
        *,
    };
    use crate::{
        storage::seal::Seal,
        verifier::{Embedding, ModelId, SpeakerName, Utterance},
    };

    #[test]
    fn what_is_in_the_file_is_found_and_nothing_else() {
        let connection = Connection::open_in_memory().unwrap();
        let (header, _) = schema::Header::new(None).unwrap();
        schema::make_tables(&connection, &header).unwrap();
        let model = ModelId::of(b"a model");
        let name = SpeakerName::new("anna").unwrap();
        let rows = |first: f32| {
            let embedding = Embedding::new(vec![first; 5], model).unwrap();
            let utterance = Utterance::without_quality("a.wav", embedding, 2.5);
            let mut rows = Rows::new(name.key().into_bytes(), new_id().unwrap(), model);
            rows.extend(&Seal::Checksum, &name, &[utterance]).unwrap();
            rows
        };
        let (there, elsewhere) = (rows(0.25), rows(0.75));
        there.write(&connection, 0).unwrap();
        let mut deleted = DeletedBytes::default();
        assert!(!deleted.are_in(&connection).unwrap());
        deleted.add(&elsewhere);
        let Ok(found) = deleted.are_in(&connection) else {
            // This SQLite was built without its table of pages. Then `Store::purge_deleted` rewrites the
            // file each time.
            return;
        };
        assert!(!found);
        deleted.add(&there);
        assert!(deleted.are_in(&connection).unwrap());
    }
}
