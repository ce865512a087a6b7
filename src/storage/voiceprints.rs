//! The store of voiceprints: one SQLite file that holds a [`Voiceprint`] for each name.
//!
//! Each enrollment is one transaction, which is synced to disk before it counts. Every row is
//! sealed together with what it belongs to. So a damaged row, or a row of another speaker, is never
//! used. In an encrypted store, rows cannot be read or forged without the secret. Names are only
//! data: they never become part of a path.

mod database;
mod deleted_bytes;
mod enrollment;
mod import;
mod listing;
mod row;
mod schema;
mod sweep;
mod transaction;

pub(super) use database::beside;
pub use listing::{Enrolled, Listing};
pub use sweep::{Block, Sweep};

use super::{
    seal::Seal,
    secret::{Secret, SecretKind, wipe_traces},
};
use crate::{
    Error, Result,
    remedy::Remedy,
    storage::index_file,
    verifier::{ModelId, SpeakerName, Utterance, Voiceprint},
};
use database::{
    Refusal, connect, connect_to_read, create_private, damaged, failed, transaction, write_ahead,
};
use deleted_bytes::DeletedBytes;
use row::{Id, Rows, new_id};
use rusqlite::{Connection, Transaction, TransactionBehavior};
use schema::Header;
use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
};

/// An open store.
///
/// ```
/// use spkver::{Recording, SpeakerName, Store, Utterance, Verifier};
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("voiceprints.sqlite");
/// let verifier = Verifier::embedded()?;
/// let mut store = Store::open_or_create(&path, None)?;
/// let recording = Recording::open("fixtures/voices/anna-1.wav", &Default::default())?;
/// let utterance = Utterance::new("anna-1.wav", verifier.embed(&recording)?, &recording.quality());
/// let anna = SpeakerName::new("anna")?;
/// store.enroll(&verifier, &anna, vec![utterance])?;
/// assert_eq!(store.get(&anna)?.utterances[0].file, "anna-1.wav");
/// store.remove(&anna)?;
/// assert!(store.find(&anna)?.is_none());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Store {
    path: PathBuf,
    connection: Connection,
    header: Header,
    seal: Seal,
}

/// The default path of the store, in the user's data folder.
///
/// # Errors
/// [`Error::Usage`] if the system defines no such folder.
pub fn default_path() -> Result<PathBuf> {
    directories::ProjectDirs::from("", "", "spkver")
        .map(|folders| folders.data_dir().join("voiceprints.sqlite"))
        .ok_or_else(|| {
            Error::refused(
                "no home folder to keep voiceprints in",
                Remedy::OtherStore("give a file"),
            )
        })
}

/// The kind of secret that the store at `path` needs; `None` if the store is not encrypted or does
/// not exist.
///
/// # Errors
/// [`Error::Store`], [`Error::Io`].
pub fn wanted_secret(path: &Path) -> Result<Option<SecretKind>> {
    let found = find(path)?;
    Ok(found.and_then(|(_, header)| header.derivation().map(|derivation| derivation.kind())))
}

impl Store {
    /// Opens a store for reading; `None` if the file does not exist (it is not created). The file
    /// and its folder may be read-only. `secret` decrypts the store; a secret for a store that is
    /// not encrypted is refused.
    ///
    /// # Errors
    /// [`Error::Store`], [`Error::Io`].
    pub fn open(path: &Path, secret: Option<&Secret>) -> Result<Option<Self>> {
        let Some((connection, header)) = find(path)? else {
            return Ok(None);
        };
        let seal = header.unlock(path, secret);
        wipe_traces();
        Ok(Some(Store {
            path: path.to_path_buf(),
            connection,
            header,
            seal: seal?,
        }))
    }

    /// Opens a store for writing. Creates it if it does not exist: readable by its owner only, and
    /// encrypted if there is a secret.
    ///
    /// # Errors
    /// [`Error::Store`], [`Error::Io`].
    pub fn open_or_create(path: &Path, secret: Option<&Secret>) -> Result<Self> {
        create_private(path).map_err(|e| Error::io(path, "create", e))?;
        let connection = connect(path)?;
        if schema::is_empty(&connection).map_err(|e| failed(path, e))? {
            let header = Header::new(secret)?.0;
            schema::set_page_size(&connection).map_err(|e| failed(path, e))?;
            transaction(path, &connection, TransactionBehavior::Immediate, |tx| {
                // Two commands that start at the same time must not both create the tables.
                if schema::is_empty(tx)? {
                    schema::make_tables(tx, &header)?;
                }
                Ok(())
            })?;
        }
        let header = header_of(path, &connection)?;
        let seal = header.unlock(path, secret);
        wipe_traces();
        let seal = seal?;
        write_ahead(&connection).map_err(|e| failed(path, e))?;
        Ok(Store {
            path: path.to_path_buf(),
            connection,
            header,
            seal,
        })
    }

    /// Path of the store.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the store is encrypted.
    pub fn is_encrypted(&self) -> bool {
        self.seal.encrypts()
    }

    /// The voiceprint of `name`, after checking every bit of its rows.
    ///
    /// # Errors
    /// [`Error::UnknownSpeaker`], [`Error::Store`] for a damaged row.
    pub fn get(&self, name: &SpeakerName) -> Result<Voiceprint> {
        self.find(name)?.ok_or_else(|| self.unknown(name))
    }

    /// As [`Self::get`], but `None` if the speaker is not enrolled.
    ///
    /// # Errors
    /// [`Error::Store`] for a damaged row.
    pub fn find(&self, name: &SpeakerName) -> Result<Option<Voiceprint>> {
        let lookup = self.seal.lookup(&name.key());
        let rows = self.read(|tx| Ok(Rows::find(tx, &lookup)?))?;
        rows.map(|rows| self.checked(&rows, Some(name))).transpose()
    }

    /// Adds utterances to a voiceprint, all or none. `num_before` is the number of utterances that
    /// the voiceprint had when the new ones were checked against it; 0 creates a voiceprint.
    /// Returns false and adds nothing if the voiceprint has changed since then: read it again.
    ///
    /// # Errors
    /// [`Error::ModelMismatch`], [`Error::Store`], [`Error::Io`].
    #[doc(hidden)]
    pub fn add(
        &mut self,
        name: &SpeakerName,
        model: ModelId,
        num_before: usize,
        utterances: &[Utterance],
    ) -> Result<bool> {
        let id = new_id()?;
        self.write(|tx| self.append(tx, name, model, Some(num_before), id, utterances))
    }

    /// Replaces a voiceprint, whatever model made it.
    ///
    /// # Errors
    /// [`Error::Store`], [`Error::Io`].
    #[doc(hidden)]
    pub fn replace(
        &mut self,
        name: &SpeakerName,
        model: ModelId,
        utterances: &[Utterance],
    ) -> Result<()> {
        self.write_deleting(|tx, deleted| self.put(tx, name, model, utterances, deleted))
    }

    /// Stores whole voiceprints, all or none. Speakers who are already enrolled are replaced only
    /// if `replace` is set.
    ///
    /// # Errors
    /// [`Error::Usage`] naming a speaker who is enrolled, [`Error::Store`], [`Error::Io`].
    #[doc(hidden)]
    pub fn restore(&mut self, voiceprints: Vec<Voiceprint>, replace: bool) -> Result<()> {
        self.write_deleting(|tx, deleted| {
            for voiceprint in voiceprints {
                let Voiceprint {
                    name,
                    model,
                    utterances,
                } = voiceprint;
                let lookup = self.seal.lookup(&name.key());
                if !replace && Rows::find(tx, &lookup)?.is_some() {
                    return Err(Error::refused(
                        format!("{:?} is enrolled already", name.as_str()),
                        Remedy::Option(&["restore with ", "replace", ", or into another store"]),
                    )
                    .into());
                }
                self.put(tx, &name, model, &utterances, deleted)?;
            }
            Ok(())
        })
    }

    /// Erases a voiceprint so that its bytes do not remain in the file.
    ///
    /// # Errors
    /// [`Error::UnknownSpeaker`], [`Error::Store`], [`Error::Io`].
    pub fn remove(&mut self, name: &SpeakerName) -> Result<()> {
        let lookup = self.seal.lookup(&name.key());
        self.write_deleting(|tx, deleted| {
            let rows = Rows::delete(tx, &self.seal, &lookup)?;
            deleted.add(&rows.ok_or_else(|| self.unknown(name))?);
            Ok(())
        })
    }

    /// Erases one recording of a voiceprint, given by its number from 0, so that its bytes do not
    /// remain in the file. Returns the voiceprint with the recordings that are left.
    ///
    /// # Errors
    /// [`Error::UnknownSpeaker`]; [`Error::Usage`] if there is no recording of this number, or no
    /// other one; [`Error::Store`], [`Error::Io`].
    pub fn remove_utterance(&mut self, name: &SpeakerName, index: usize) -> Result<Voiceprint> {
        let lookup = self.seal.lookup(&name.key());
        self.write_deleting(|tx, deleted| {
            let rows = Rows::find(tx, &lookup)?.ok_or_else(|| self.unknown(name))?;
            let mut voiceprint = self.checked(&rows, Some(name))?;
            let count = voiceprint.utterances.len();
            if index >= count || count == 1 {
                let fact = match count {
                    1 => "has one recording; remove the speaker instead".to_string(),
                    _ => format!("has the recordings 1 to {count}, no {}", index + 1),
                };
                return Err(Error::Usage(format!("{:?} {fact}", name.as_str())).into());
            }
            voiceprint.utterances.remove(index);
            let (name, model) = (voiceprint.name.clone(), voiceprint.model);
            self.put(tx, &name, model, &voiceprint.utterances, deleted)?;
            Ok(voiceprint)
        })
    }

    /// Visits all voiceprints of one state of the store. In place of a damaged one, `visit` gets
    /// the error.
    ///
    /// # Errors
    /// Errors of `visit`; [`Error::Store`], [`Error::Io`].
    #[doc(hidden)]
    pub fn each(&self, mut visit: impl FnMut(Result<Voiceprint>) -> Result<()>) -> Result<()> {
        self.read(|tx| Rows::each(tx, "", |rows| Ok(visit(self.checked(&rows, None))?)))
    }

    /// Encrypts the store with another secret, or decrypts it if there is none. Rewrites all rows
    /// with new row keys, or none. The old contents are overwritten.
    ///
    /// # Errors
    /// [`Error::Store`] if a row is damaged (then nothing is changed), [`Error::Io`].
    #[doc(hidden)]
    pub fn reseal(&mut self, secret: Option<&Secret>) -> Result<()> {
        let (header, seal) = Header::new(secret)?;
        index_file::remove(&self.path)?;
        self.write(|tx| {
            schema::set_aside(tx)?;
            schema::make_tables(tx, &header)?;
            Rows::each(tx, "old_", |rows| {
                let voiceprint = self.checked(&rows, None)?;
                let lookup = seal.lookup(&voiceprint.name.key());
                let mut again = Rows::new(lookup, new_id()?, voiceprint.model);
                again.extend(&seal, &voiceprint.name, &voiceprint.utterances)?;
                Ok(again.write(tx, 0)?)
            })?;
            Ok(schema::drop_set_aside(tx)?)
        })?;
        (self.header, self.seal) = (header, seal);
        // SQLite has already overwritten the pages that were freed.
        self.purge_deleted(&DeletedBytes::default());
        Ok(())
    }

    /// Adds utterances. A voiceprint that does not exist is created, with this `id`. Returns false,
    /// and does nothing, if the voiceprint does not have `num_before` utterances.
    fn append(
        &self,
        tx: &Transaction,
        name: &SpeakerName,
        model: ModelId,
        num_before: Option<usize>,
        id: Id,
        utterances: &[Utterance],
    ) -> std::result::Result<bool, Refusal> {
        let lookup = self.seal.lookup(&name.key());
        let enrolled = Rows::find(tx, &lookup)?;
        let voiceprint = enrolled.as_ref().map(|rows| self.checked(rows, Some(name)));
        let voiceprint = voiceprint.transpose()?;
        if let Some(voiceprint) = &voiceprint
            && voiceprint.model != model
        {
            return Err(Error::ModelMismatch {
                name: name.to_string(),
                voiceprint_model: voiceprint.model.to_string(),
                model: model.to_string(),
            }
            .into());
        }
        let enrolled_before = voiceprint.as_ref().map_or(0, |v| v.utterances.len());
        if num_before.is_some_and(|num| num != enrolled_before) {
            return Ok(false);
        }
        let mut rows = match enrolled {
            Some(rows) => rows,
            None => Rows::new(lookup, id, model),
        };
        // The name is kept as it was first typed.
        let name = voiceprint.as_ref().map_or(name, |v| &v.name);
        rows.extend(&self.seal, name, utterances)?;
        rows.write(tx, enrolled_before)?;
        Ok(true)
    }

    fn put(
        &self,
        tx: &Transaction,
        name: &SpeakerName,
        model: ModelId,
        utterances: &[Utterance],
        deleted: &mut DeletedBytes,
    ) -> std::result::Result<(), Refusal> {
        let lookup = self.seal.lookup(&name.key());
        if let Some(rows) = Rows::delete(tx, &self.seal, &lookup)? {
            deleted.add(&rows);
        }
        let mut rows = Rows::new(lookup, new_id()?, model);
        rows.extend(&self.seal, name, utterances)?;
        Ok(rows.write(tx, 0)?)
    }

    fn checked(&self, rows: &Rows, name: Option<&SpeakerName>) -> Result<Voiceprint> {
        checked(&self.path, &self.seal, rows, name)
    }

    fn unknown(&self, name: &SpeakerName) -> Error {
        Error::unknown_speaker(name.as_str(), &self.path)
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Store({})", self.path.display())
    }
}

/// Opens the voiceprint in `rows`; `path` and `name` are for error messages.
fn checked(
    path: &Path,
    seal: &Seal,
    rows: &Rows,
    name: Option<&SpeakerName>,
) -> Result<Voiceprint> {
    rows.open(seal).map_err(|_| {
        let whose = match (name, rows.lookup_text(seal)) {
            (Some(name), _) => format!("the voiceprint of {:?}", name.as_str()),
            (None, Some(name)) => format!("the voiceprint of {name:?}"),
            (None, None) => "a voiceprint".into(),
        };
        Error::store(
            path,
            format!("{whose} is damaged"),
            Remedy::Option(&[
                "restore the store from a backup, or enroll again with ",
                "replace",
                "",
            ]),
        )
    })
}

/// Connection and header of the store in a file; `None` if there is no store.
fn find(path: &Path) -> Result<Option<(Connection, Header)>> {
    match fs::metadata(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(Error::io(path, "read", e)),
        Ok(facts) if !facts.is_file() => {
            return Err(Error::store(
                path,
                "not a file",
                Remedy::OtherStore("give the store's file"),
            ));
        }
        Ok(_) => {}
    }
    let connection = connect_to_read(path)?;
    // A command that created the file was interrupted right afterwards.
    if schema::is_empty(&connection).map_err(|e| failed(path, e))? {
        return Ok(None);
    }
    let header = header_of(path, &connection)?;
    Ok(Some((connection, header)))
}

/// Reads and checks the header in one transaction.
fn header_of(path: &Path, connection: &Connection) -> Result<Header> {
    transaction(path, connection, TransactionBehavior::Deferred, |tx| {
        schema::check_version(path, tx)?;
        let unreadable = || damaged(path, "the header");
        Ok(Header::read(tx)?.ok_or_else(unreadable)?)
    })
}
