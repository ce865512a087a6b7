//! The store of voiceprints: one SQLite file; names in, [`Voiceprint`]s out.
//!
//! One transaction per enrolment, synced before it counts. Every row is sealed together with what
//! it belongs to, so that neither a damaged row nor one that belongs to somebody else is used; in
//! an encrypted store nobody without the secret can read or forge one. Names are data; no path is
//! ever made of one.

mod database;
mod import;
mod listing;
mod row;
mod schema;
mod sweep;
mod traces;
mod transaction;

pub(super) use database::beside;
pub use listing::{Enrolled, Listing};
pub use sweep::Sweep;

use super::{
    seal::Seal,
    secret::{Secret, SecretKind, wipe_traces},
};
use crate::{
    Error, Result,
    storage::index,
    verifier::{ModelId, SpeakerName, Utterance, Voiceprint},
};
use database::{Refusal, connect, connect_to_read, create_private, damaged, failed, write_ahead};
use row::Rows;
use rusqlite::{Connection, Transaction, TransactionBehavior};
use schema::Header;
use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
};
use traces::Traces;
use transaction::transaction;

/// An open store.
pub struct Store {
    path: PathBuf,
    connection: Connection,
    header: Header,
    seal: Seal,
}

/// Where the store is unless told otherwise: the user's data folder.
///
/// # Errors
/// [`Error::Usage`] where the system names no such folder.
pub fn default_path() -> Result<PathBuf> {
    directories::ProjectDirs::from("", "", "spkver")
        .map(|folders| folders.data_dir().join("voiceprints.sqlite"))
        .ok_or_else(|| {
            Error::Usage("no home folder to keep voiceprints in; give --store FILE".into())
        })
}

/// What kind of secret opens the store in a file; none if it is not encrypted, or not there.
///
/// # Errors
/// [`Error::Store`], [`Error::Io`].
pub fn wanted_secret(path: &Path) -> Result<Option<SecretKind>> {
    let found = find(path)?;
    Ok(found.and_then(|(_, header)| header.derivation().map(|derivation| derivation.kind())))
}

impl Store {
    /// Opens a store to read; none if there is no such file, and none is made. The file and its
    /// folder may be read-only. `secret` is what it is encrypted with: a store that is not
    /// encrypted is refused where one is given.
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

    /// Opens a store to write, made if there is none (readable by its owner only, and encrypted if
    /// there is a secret).
    ///
    /// # Errors
    /// [`Error::Store`], [`Error::Io`].
    pub fn open_or_create(path: &Path, secret: Option<&Secret>) -> Result<Self> {
        create_private(path).map_err(|e| Error::io(path, "create", e))?;
        let connection = connect(path)?;
        if schema::is_empty(&connection).map_err(|e| failed(path, e))? {
            let header = Header::new(secret)?.0;
            transaction(path, &connection, TransactionBehavior::Immediate, |tx| {
                // Two commands that start together must not both make the tables.
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

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Is it encrypted?
    pub fn is_encrypted(&self) -> bool {
        self.seal.encrypts()
    }

    /// The voiceprint of `name`, every bit of its rows checked.
    ///
    /// # Errors
    /// [`Error::UnknownSpeaker`], [`Error::Store`] for a damaged row.
    pub fn get(&self, name: &SpeakerName) -> Result<Voiceprint> {
        self.find(name)?.ok_or_else(|| self.unknown(name))
    }

    /// As [`Self::get`], but nothing where the speaker is not enrolled.
    ///
    /// # Errors
    /// [`Error::Store`] for a damaged row.
    pub fn find(&self, name: &SpeakerName) -> Result<Option<Voiceprint>> {
        let lookup = self.seal.lookup(&name.key());
        let rows = self.read(|tx| Ok(Rows::find(tx, &lookup)?))?;
        rows.map(|rows| self.checked(&rows, Some(name))).transpose()
    }

    /// Adds utterances to a voiceprint that had `num_before` of them when these were checked
    /// against it; with 0, begins one. All or none; false, and none, where the voiceprint was
    /// changed since: read it again.
    ///
    /// # Errors
    /// [`Error::ModelMismatch`], [`Error::Store`], [`Error::Io`].
    pub fn add(
        &mut self,
        name: &SpeakerName,
        model: ModelId,
        num_before: usize,
        utterances: &[Utterance],
    ) -> Result<bool> {
        self.write(|tx| self.append(tx, name, model, Some(num_before), utterances))
    }

    /// Puts utterances in the place of a voiceprint, whatever model that was of.
    ///
    /// # Errors
    /// [`Error::Store`], [`Error::Io`].
    pub fn replace(
        &mut self,
        name: &SpeakerName,
        model: ModelId,
        utterances: &[Utterance],
    ) -> Result<()> {
        // Before as well as after: whenever this is stopped, no index outlives what it holds.
        index::remove(&self.path)?;
        let mut deleted = Traces::default();
        self.write(|tx| self.put(tx, name, model, utterances, &mut deleted))?;
        self.forget_deleted(&deleted);
        Ok(())
    }

    /// Puts whole voiceprints into the store, all or none; those of speakers that are enrolled
    /// only to `replace` them.
    ///
    /// # Errors
    /// [`Error::Usage`] naming a speaker who is enrolled, [`Error::Store`], [`Error::Io`].
    pub fn restore(&mut self, voiceprints: Vec<Voiceprint>, replace: bool) -> Result<()> {
        index::remove(&self.path)?;
        let mut deleted = Traces::default();
        self.write(|tx| {
            for voiceprint in voiceprints {
                let Voiceprint {
                    name,
                    model,
                    utterances,
                } = voiceprint;
                let lookup = self.seal.lookup(&name.key());
                if !replace && Rows::find(tx, &lookup)?.is_some() {
                    return Err(Error::Usage(format!(
                        "{:?} is enrolled already; restore with --replace, or into another store",
                        name.as_str()
                    ))
                    .into());
                }
                self.put(tx, &name, model, &utterances, &mut deleted)?;
            }
            Ok(())
        })?;
        self.forget_deleted(&deleted);
        Ok(())
    }

    /// Erases a voiceprint; its bytes do not stay behind in the file.
    ///
    /// # Errors
    /// [`Error::UnknownSpeaker`], [`Error::Store`], [`Error::Io`].
    pub fn remove(&mut self, name: &SpeakerName) -> Result<()> {
        let lookup = self.seal.lookup(&name.key());
        index::remove(&self.path)?;
        let mut deleted = Traces::default();
        self.write(|tx| {
            let rows = Rows::delete(tx, &self.seal, &lookup)?;
            deleted.add(&rows.ok_or_else(|| self.unknown(name))?);
            Ok(())
        })?;
        self.forget_deleted(&deleted);
        Ok(())
    }

    /// Visits every voiceprint, or the error that says that it is damaged, as of one moment.
    ///
    /// # Errors
    /// What `visit` refuses; [`Error::Store`], [`Error::Io`].
    pub fn each(&self, mut visit: impl FnMut(Result<Voiceprint>) -> Result<()>) -> Result<()> {
        self.read(|tx| Rows::each(tx, "", |rows| Ok(visit(self.checked(&rows, None))?)))
    }

    /// Encrypts the store for another secret, or for none: every row anew, with new row keys, all
    /// or nothing. What the old secret opened is overwritten.
    ///
    /// # Errors
    /// [`Error::Store`] where a row is damaged (nothing is changed then), [`Error::Io`].
    pub fn reseal(&mut self, secret: Option<&Secret>) -> Result<()> {
        let (header, seal) = Header::new(secret)?;
        index::remove(&self.path)?;
        self.write(|tx| {
            schema::set_aside(tx)?;
            schema::make_tables(tx, &header)?;
            Rows::each(tx, "old_", |rows| {
                let voiceprint = self.checked(&rows, None)?;
                let mut again = Rows::new(seal.lookup(&voiceprint.name.key()), voiceprint.model)?;
                again.extend(&seal, &voiceprint.name, &voiceprint.utterances)?;
                Ok(again.write(tx, 0)?)
            })?;
            Ok(schema::drop_set_aside(tx)?)
        })?;
        (self.header, self.seal) = (header, seal);
        // Whole pages were freed, and overwritten as such.
        self.forget_deleted(&Traces::default());
        Ok(())
    }

    /// False, and nothing done, where the voiceprint does not have `num_before` utterances.
    fn append(
        &self,
        tx: &Transaction,
        name: &SpeakerName,
        model: ModelId,
        num_before: Option<usize>,
        utterances: &[Utterance],
    ) -> std::result::Result<bool, Refusal> {
        let lookup = self.seal.lookup(&name.key());
        let enrolled = Rows::find(tx, &lookup)?;
        let voiceprint = match &enrolled {
            Some(rows) => Some(self.checked(rows, Some(name))?),
            None => None,
        };
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
            None => Rows::new(lookup, model)?,
        };
        // As first typed.
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
        deleted: &mut Traces,
    ) -> std::result::Result<(), Refusal> {
        let lookup = self.seal.lookup(&name.key());
        if let Some(rows) = Rows::delete(tx, &self.seal, &lookup)? {
            deleted.add(&rows);
        }
        let mut rows = Rows::new(lookup, model)?;
        rows.extend(&self.seal, name, utterances)?;
        Ok(rows.write(tx, 0)?)
    }

    fn checked(&self, rows: &Rows, name: Option<&SpeakerName>) -> Result<Voiceprint> {
        checked(&self.path, &self.seal, rows, name)
    }

    fn unknown(&self, name: &SpeakerName) -> Error {
        Error::UnknownSpeaker {
            name: name.to_string(),
            store: self.path.clone(),
        }
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Store({})", self.path.display())
    }
}

/// The voiceprint in some rows of the store in `path`.
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
        Error::Store {
            path: path.to_path_buf(),
            fact: format!("{whose} is damaged"),
            remedy: "restore the store from a backup, or enrol again with --replace".into(),
        }
    })
}

/// The file's connection and header; none where there is no store yet.
fn find(path: &Path) -> Result<Option<(Connection, Header)>> {
    match fs::metadata(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(Error::io(path, "read", e)),
        Ok(facts) if !facts.is_file() => {
            return Err(Error::Store {
                path: path.to_path_buf(),
                fact: "not a file".into(),
                remedy: "give the store's file with --store".into(),
            });
        }
        Ok(_) => {}
    }
    let connection = connect_to_read(path)?;
    // Made by a command that was stopped right away.
    if schema::is_empty(&connection).map_err(|e| failed(path, e))? {
        return Ok(None);
    }
    let header = header_of(path, &connection)?;
    Ok(Some((connection, header)))
}

/// The header, of one moment and one version.
fn header_of(path: &Path, connection: &Connection) -> Result<Header> {
    transaction(path, connection, TransactionBehavior::Deferred, |tx| {
        schema::check_version(path, tx)??;
        let unreadable = || damaged(path, "the header");
        Ok(Header::read(tx)?.ok_or_else(unreadable)?)
    })
}
