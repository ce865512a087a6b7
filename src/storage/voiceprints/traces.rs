//! Deleted rows in, whether the file still holds a piece of them out.
//!
//! SQLite overwrites what it deletes (`secure_delete`), but when it moves rows between pages a copy
//! may stay in the room that a page does not use, and nothing ever overwrites that. So the file is
//! looked through for what must be gone; if it is there, the file is written anew.

use super::row::Rows;
use rusqlite::Connection;
use rustc_hash::FxHashSet;

/// Long enough to be of one row only.
const PIECE_BYTES: usize = 16;
/// Of a row; the numbers come first, what follows may be the same for many.
const MAX_PIECES: usize = 32;

type Piece = [u8; PIECE_BYTES];

/// What to look for.
#[derive(Default)]
pub(super) struct Traces {
    pieces: FxHashSet<Piece>,
    /// By the first two bytes: does a piece begin so?
    begins: Vec<bool>,
}

impl Traces {
    /// Of these rows as well.
    pub fn add(&mut self, rows: &Rows) {
        self.begins.resize(1 << 16, false);
        for bytes in rows.telling() {
            let (pieces, _) = bytes.as_chunks();
            for piece in pieces.iter().take(MAX_PIECES) {
                self.begins[begin(piece)] = true;
                self.pieces.insert(*piece);
            }
        }
    }

    /// Is any of it in a page of the file? Read by SQLite: whoever opens the file beside it takes
    /// its locks away on closing it.
    ///
    /// # Errors
    /// Where SQLite was built without its table of pages: only builds inside this repository set
    /// `SQLITE_ENABLE_DBPAGE_VTAB` (`.cargo/config.toml`). Nobody can say then.
    pub fn are_in(&self, connection: &Connection) -> rusqlite::Result<bool> {
        if self.pieces.is_empty() {
            return Ok(false);
        }
        let found = |window: &Piece| self.begins[begin(window)] && self.pieces.contains(window);
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

fn begin(piece: &Piece) -> usize {
    u16::from_le_bytes([piece[0], piece[1]]).into()
}

#[cfg(test)]
mod tests {
    use super::{super::schema, *};
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
            let of = Utterance {
                file: "a.wav".into(),
                speech_seconds: 2.5,
                quality: serde_json::Value::Null,
                embedding: Embedding::new(vec![first; 5], model).unwrap(),
            };
            let mut rows = Rows::new(name.key().into_bytes(), model).unwrap();
            rows.extend(&Seal::Checksum, &name, &[of]).unwrap();
            rows
        };
        let (there, elsewhere) = (rows(0.25), rows(0.75));
        there.write(&connection, 0).unwrap();
        let mut traces = Traces::default();
        assert!(!traces.are_in(&connection).unwrap());
        traces.add(&elsewhere);
        let Ok(found) = traces.are_in(&connection) else {
            // An SQLite without its table of pages: `Store::forget_deleted` does without.
            return;
        };
        assert!(!found);
        traces.add(&there);
        assert!(traces.are_in(&connection).unwrap());
    }
}
