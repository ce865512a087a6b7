//! The rows of a voiceprint: one for the speaker and one for each enrolled utterance, in the
//! table `template`.
//! Reading them gives the [`Voiceprint`] only if no bit has changed.
//!
//! ```text
//! utterance content = num_values u32 ‖ embedding f32 × num_values ‖ speech_seconds f32
//!                    ‖ bytes of the file name u32 ‖ file name ‖ quality as JSON      (little-endian)
//! speaker content  = name
//! ```
//!
//! The speaker's row is sealed together with a digest of the utterances. This detects utterances that
//! are missing, outdated, moved or duplicated.

use super::{database::Refusal, schema::VERSION};
use crate::{
    Error, Result,
    storage::{
        seal::{Seal, Sealed, length_prefixed},
        secret::{SecretBytes, fill_random},
    },
    verifier::{Embedding, ModelId, SpeakerName, Utterance, Voiceprint},
};
use rusqlite::{CachedStatement, Connection, OptionalExtension, Params, Row, Statement, params};
use zeroize::Zeroizing;

/// Random, so that an id is not used again after its speaker was removed.
pub(super) type Id = [u8; 16];

/// The row of a speaker.
pub(super) struct SpeakerRow {
    lookup: Vec<u8>,
    id: Id,
    model: String,
    num_templates: i64,
    digest: Vec<u8>,
    sealed: Sealed,
}

/// The row of an enrolled utterance.
pub(super) struct UtteranceRow {
    position: i64,
    id: Id,
    sealed: Sealed,
}

/// Reported if a row has changed since it was written.
pub(super) struct Damaged;

/// All rows of a speaker, as stored in the file.
pub(super) struct Rows {
    speaker: SpeakerRow,
    utterances: Vec<UtteranceRow>,
}

impl Rows {
    /// Rows of a new voiceprint.
    pub fn new(lookup: Vec<u8>, id: Id, model: ModelId) -> Self {
        Rows {
            speaker: SpeakerRow {
                lookup,
                id,
                model: model.to_string(),
                num_templates: 0,
                digest: vec![],
                sealed: Sealed::default(),
            },
            utterances: vec![],
        }
    }

    /// Adds utterances and reseals the speaker's row.
    pub fn extend(
        &mut self,
        seal: &Seal,
        name: &SpeakerName,
        utterances: &[Utterance],
    ) -> Result<()> {
        for utterance in utterances {
            let mut row = UtteranceRow {
                position: self.utterances.len() as i64,
                id: new_id()?,
                sealed: Sealed::default(),
            };
            let associated_data = row.associated_data(&self.speaker);
            row.sealed = seal.close(&associated_data, &utterance_content(utterance))?;
            self.utterances.push(row);
        }
        if self.utterances.is_empty() {
            return Err(Error::Usage(format!(
                "{:?}: a voiceprint must have at least one recording",
                name.as_str()
            )));
        }
        self.speaker.num_templates = self.utterances.len() as i64;
        self.speaker.digest = digest(&self.utterances);
        self.speaker.sealed =
            seal.close(&self.speaker.associated_data(), name.as_str().as_bytes())?;
        Ok(())
    }

    /// The key that the rows are found by, if the store is not encrypted.
    pub fn lookup_text(&self, seal: &Seal) -> Option<String> {
        (!seal.encrypts()).then(|| String::from_utf8_lossy(&self.speaker.lookup).into_owned())
    }

    /// The voiceprint, after checking every bit of the rows.
    pub fn open(&self, seal: &Seal) -> std::result::Result<Voiceprint, Damaged> {
        let speaker = &self.speaker;
        let whole = speaker.num_templates == self.utterances.len() as i64
            && !self.utterances.is_empty()
            && speaker.digest == digest(&self.utterances);
        let content = seal
            .open(&speaker.associated_data(), &speaker.sealed)
            .filter(|_| whole);
        let name = content.ok_or(Damaged)?;
        let name = std::str::from_utf8(&name).map_err(|_| Damaged)?;
        let name = SpeakerName::new(name).map_err(|_| Damaged)?;
        let model: ModelId = speaker.model.parse().map_err(|_| Damaged)?;
        let utterances = self.utterances.iter().map(|row| {
            let content = seal.open(&row.associated_data(speaker), &row.sealed)?;
            utterance(&content, model)
        });
        let utterances: Option<Vec<Utterance>> = utterances.collect();
        if seal.lookup(&name.key()) != speaker.lookup {
            return Err(Damaged);
        }
        Ok(Voiceprint {
            name,
            model,
            utterances: utterances.ok_or(Damaged)?,
        })
    }

    /// Rows of the speaker with the key `lookup`.
    pub fn find(connection: &Connection, lookup: &[u8]) -> rusqlite::Result<Option<Self>> {
        Self::one(connection, "lookup = ?1", [lookup])
    }

    /// Rows of the speaker with this [`Self::number`].
    pub fn find_by_number(connection: &Connection, number: i64) -> rusqlite::Result<Option<Self>> {
        let end = |filler: u8| {
            let mut id = [filler; 16];
            id[..8].copy_from_slice(&number.to_be_bytes());
            id
        };
        Self::one(connection, "id BETWEEN ?1 AND ?2", [end(0), end(0xFF)])
    }

    fn one(
        connection: &Connection,
        condition: &str,
        params: impl Params,
    ) -> rusqlite::Result<Option<Self>> {
        let sql = format!("SELECT {SPEAKER_COLUMNS} FROM speaker WHERE {condition}");
        let speaker = connection
            .prepare_cached(&sql)?
            .query_row(params, SpeakerRow::read);
        let mut utterances = select_utterances(connection, "template")?;
        let with_utterances = |speaker| Self::of(&mut utterances, speaker);
        speaker.optional()?.map(with_utterances).transpose()
    }

    /// Rows of up to `num` speakers of a model whose keys come after `last`.
    pub fn block(
        connection: &Connection,
        model: &str,
        last: &[u8],
        num: i64,
    ) -> rusqlite::Result<Vec<Self>> {
        let sql = format!(
            "SELECT {SPEAKER_COLUMNS} FROM speaker
             WHERE lookup > ?1 AND model = ?2 ORDER BY lookup LIMIT ?3"
        );
        let mut statement = connection.prepare_cached(&sql)?;
        let mut utterances = select_utterances(connection, "template")?;
        let speakers = statement.query_map(params![last, model, num], SpeakerRow::read)?;
        speakers
            .map(|speaker| Self::of(&mut utterances, speaker?))
            .collect()
    }

    /// The key that the speaker is found by.
    pub fn lookup(&self) -> &[u8] {
        &self.speaker.lookup
    }

    /// A short number for the speaker: the first half of the random id.
    pub fn number(&self) -> i64 {
        let (number, _) = self.speaker.id.split_first_chunk().expect("16 bytes");
        i64::from_be_bytes(*number)
    }

    /// Visits the rows of all speakers, one speaker after the other. `prefix` is prepended to the
    /// table names.
    pub fn each(
        connection: &Connection,
        prefix: &str,
        mut visit: impl FnMut(Self) -> std::result::Result<(), Refusal>,
    ) -> std::result::Result<(), Refusal> {
        let sql = format!("SELECT {SPEAKER_COLUMNS} FROM {prefix}speaker ORDER BY lookup");
        let mut statement = connection.prepare(&sql)?;
        let mut utterances = select_utterances(connection, &format!("{prefix}template"))?;
        for speaker in statement.query_map([], SpeakerRow::read)? {
            visit(Self::of(&mut utterances, speaker?)?)?;
        }
        Ok(())
    }

    /// The rows of a speaker; `utterances` is a statement made by [`select_utterances`].
    fn of(utterances: &mut Statement, speaker: SpeakerRow) -> rusqlite::Result<Self> {
        let utterances = utterances
            .query_map([speaker.id], UtteranceRow::read)?
            .collect::<rusqlite::Result<_>>()?;
        Ok(Rows {
            speaker,
            utterances,
        })
    }

    /// Writes the speaker's row and the utterances from number `num_before` on.
    pub fn write(&self, connection: &Connection, num_before: usize) -> rusqlite::Result<()> {
        let speaker = &self.speaker;
        // Prepared once, because an import runs this statement a million times.
        let mut statement = connection.prepare_cached(
            "INSERT OR REPLACE INTO speaker
             (lookup, id, model, num_templates, digest, row_key, body)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?;
        statement.execute(params![
            speaker.lookup,
            speaker.id,
            speaker.model,
            speaker.num_templates,
            speaker.digest,
            speaker.sealed.row_key,
            speaker.sealed.body,
        ])?;
        let mut statement = connection.prepare_cached(
            "INSERT INTO template (speaker, position, id, row_key, body)
             VALUES (?1, ?2, ?3, ?4, ?5)",
        )?;
        for row in &self.utterances[num_before..] {
            statement.execute(params![
                speaker.id,
                row.position,
                row.id,
                row.sealed.row_key,
                row.sealed.body,
            ])?;
        }
        Ok(())
    }

    /// Deletes the rows with the key `lookup`, including their row keys.
    pub fn delete(
        connection: &Connection,
        seal: &Seal,
        lookup: &[u8],
    ) -> rusqlite::Result<Option<Self>> {
        let Some(rows) = Self::find(connection, lookup)? else {
            return Ok(None);
        };
        connection.execute("DELETE FROM template WHERE speaker = ?1", [rows.speaker.id])?;
        connection.execute("DELETE FROM speaker WHERE lookup = ?1", [lookup])?;
        if rows.open(seal).is_err() {
            // Also deletes utterances whose speaker's row is damaged or lost.
            connection.execute(
                "DELETE FROM template WHERE speaker NOT IN (SELECT id FROM speaker)",
                [],
            )?;
        }
        Ok(Some(rows))
    }

    /// The bytes that occur in no other row.
    pub fn unique_bytes(&self) -> impl Iterator<Item = &[u8]> {
        let speaker = [&self.speaker.id[..], &self.speaker.sealed.row_key];
        let utterances = self
            .utterances
            .iter()
            .flat_map(|t| [&t.id[..], &t.sealed.row_key, &t.sealed.body]);
        speaker.into_iter().chain(utterances)
    }
}

/// The statement that reads the utterances of a speaker, given the speaker's id.
fn select_utterances<'c>(
    connection: &'c Connection,
    table: &str,
) -> rusqlite::Result<CachedStatement<'c>> {
    connection.prepare_cached(&format!(
        "SELECT position, id, row_key, body FROM {table} WHERE speaker = ?1 ORDER BY position"
    ))
}

const SPEAKER_COLUMNS: &str = "lookup, id, model, num_templates, digest, row_key, body";

impl SpeakerRow {
    fn read(row: &Row) -> rusqlite::Result<Self> {
        Ok(SpeakerRow {
            lookup: row.get(0)?,
            id: row.get(1)?,
            // Bytes that are not text cannot be a model's id. They damage only this row.
            model: String::from_utf8_lossy(row.get_ref(2)?.as_bytes()?).into_owned(),
            num_templates: row.get(3)?,
            digest: row.get(4)?,
            sealed: Sealed {
                row_key: row.get(5)?,
                body: row.get(6)?,
            },
        })
    }

    fn associated_data(&self) -> Vec<u8> {
        length_prefixed(&[
            b"speaker",
            &VERSION.to_le_bytes(),
            &self.lookup,
            &self.id,
            self.model.as_bytes(),
            &self.num_templates.to_le_bytes(),
            &self.digest,
        ])
    }
}

impl UtteranceRow {
    fn read(row: &Row) -> rusqlite::Result<Self> {
        Ok(UtteranceRow {
            position: row.get(0)?,
            id: row.get(1)?,
            sealed: Sealed {
                row_key: row.get(2)?,
                body: row.get(3)?,
            },
        })
    }

    fn associated_data(&self, speaker: &SpeakerRow) -> Vec<u8> {
        length_prefixed(&[
            b"template",
            &VERSION.to_le_bytes(),
            &speaker.id,
            &self.id,
            &self.position.to_le_bytes(),
            speaker.model.as_bytes(),
        ])
    }
}

/// A random id.
pub(super) fn new_id() -> Result<Id> {
    let mut id = Id::default();
    fill_random(&mut id)?;
    Ok(id)
}

fn digest(utterances: &[UtteranceRow]) -> Vec<u8> {
    let mut hasher = blake3::Hasher::new();
    for row in utterances {
        // As `length_prefixed`, without a copy.
        let parts: [&[u8]; 4] = [
            &row.id,
            &row.position.to_le_bytes(),
            &row.sealed.row_key,
            &row.sealed.body,
        ];
        for part in parts {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
    }
    hasher.finalize().as_bytes().to_vec()
}

fn utterance_content(utterance: &Utterance) -> SecretBytes {
    let embedding = &utterance.embedding;
    let (file, quality) = (utterance.file.as_bytes(), utterance.quality());
    // Allocated at full size, because a buffer that grows leaves copies behind.
    Zeroizing::new(
        [
            &(embedding.values().len() as u32).to_le_bytes()[..],
            &embedding.to_bytes(),
            &utterance.speech_seconds.to_le_bytes(),
            &(file.len() as u32).to_le_bytes(),
            file,
            quality.as_bytes(),
        ]
        .concat(),
    )
}

/// `None` for content that a faulty program sealed.
fn utterance(content: &[u8], model: ModelId) -> Option<Utterance> {
    let (num_values, rest) = length(content)?;
    let (values, rest) = rest.split_at_checked(num_values.checked_mul(4)?)?;
    let (speech_seconds, rest) = rest.split_first_chunk()?;
    let (file_bytes, rest) = length(rest)?;
    let (file, quality) = rest.split_at_checked(file_bytes)?;
    let values = values.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b));
    let embedding = Embedding::new(values.collect(), model).ok()?;
    let file = String::from_utf8(file.to_vec()).ok()?;
    Utterance::without_quality(file, embedding, f32::from_le_bytes(*speech_seconds))
        .with_quality(quality)
}

fn length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (length, rest) = bytes.split_first_chunk()?;
    Some((u32::from_le_bytes(*length) as usize, rest))
}

#[cfg(test)]
mod tests;
