//! Protects files from being overwritten: every file that a command writes goes through here.
//!
//! An output is refused if it would replace a file that the command reads or a file of another
//! form. It is also refused if its ending belongs to another form than the one written. Files are
//! compared by device and inode, because links and relative paths can give one file two names.
//!
//! ```text
//! Outputs::new(paths) ─► spare(each input) ─► take(path, form) ─► OutputFile ─► write
//! ```

mod form;

use super::{
    paths::folder_of,
    whole_file::{Readers, write_buffered, write_new, write_whole, write_whole_with},
};
#[cfg(feature = "store")]
use crate::storage::voiceprints;
use crate::{Error, Result, remedy::Remedy};
pub use form::Form;
use std::{
    fs::{self, File},
    io::{self, BufWriter, Read, Write},
    path::{Path, PathBuf},
};

/// How many bytes of an existing file are read to recognise its form.
const OPENING_BYTES: u64 = 1 << 16;

/// The files that a command is about to write.
#[derive(Debug)]
pub struct Outputs {
    named: Vec<(PathBuf, Identity)>,
    force: bool,
}

/// A file that may be written.
#[derive(Debug)]
pub struct OutputFile {
    path: PathBuf,
}

/// What makes two paths the same file.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Identity {
    /// Device and inode of a file that exists.
    #[cfg(unix)]
    Inode(u64, u64),
    /// The resolved path of a file that does not exist yet; where there are no inodes, of any file.
    Path(PathBuf),
}

impl Identity {
    fn of(path: &Path) -> Self {
        #[cfg(unix)]
        if let Ok(facts) = fs::metadata(path) {
            use std::os::unix::fs::MetadataExt;
            return Identity::Inode(facts.dev(), facts.ino());
        }
        if let Ok(resolved) = fs::canonicalize(path) {
            return Identity::Path(resolved);
        }
        let folder = fs::canonicalize(folder_of(path));
        Identity::Path(match (folder, path.file_name()) {
            (Ok(folder), Some(name)) => folder.join(name),
            _ => path.to_path_buf(),
        })
    }
}

impl Outputs {
    /// Takes every path that the command is going to write to. With `force`, files of another form
    /// may be replaced, but never a file that the command reads.
    ///
    /// # Errors
    /// [`Error::Usage`] if two paths are the same file.
    pub fn new(paths: impl IntoIterator<Item = PathBuf>, force: bool) -> Result<Self> {
        let mut named: Vec<(PathBuf, Identity)> = vec![];
        for path in paths {
            // A device can take any number of outputs.
            if !is_regular(&path) {
                continue;
            }
            let identity = Identity::of(&path);
            if let Some((other, _)) = named.iter().find(|(_, known)| *known == identity) {
                return Err(Error::Usage(format!(
                    "{} and {}: two outputs are the same file; name another output",
                    other.display(),
                    path.display()
                )));
            }
            named.push((path, identity));
        }
        Ok(Outputs { named, force })
    }

    /// Checks that a file which the command reads is not one of the outputs.
    ///
    /// # Errors
    /// [`Error::Usage`] if the file would be overwritten.
    pub fn spare(&self, read: &Path) -> Result<()> {
        if self.named.is_empty() {
            return Ok(());
        }
        let identity = Identity::of(read);
        match self.named.iter().any(|(_, output)| *output == identity) {
            true => Err(Error::Usage(format!(
                "{}: would be overwritten; name another output",
                read.display()
            ))),
            false => Ok(()),
        }
    }

    /// As [`Self::spare`], for a store and the files that belong to it.
    ///
    /// # Errors
    /// As [`Self::spare`].
    #[cfg(feature = "store")]
    pub fn spare_store(&self, store: &Path) -> Result<()> {
        self.spare(store)?;
        let endings = ["-wal", "-shm", "-journal", ".index"].into_iter();
        endings
            .map(|ending| voiceprints::beside(store, ending))
            .try_for_each(|path| self.spare(&path))
    }

    /// As [`Self::spare`], for the many recordings of a list. If no output exists yet, none of them
    /// can be one, and they are not looked at.
    ///
    /// # Errors
    /// As [`Self::spare`].
    pub fn spare_all<P: AsRef<Path>>(&self, read: impl IntoIterator<Item = P>) -> Result<()> {
        match self.named.iter().any(|(path, _)| path.exists()) {
            true => read
                .into_iter()
                .try_for_each(|path| self.spare(path.as_ref())),
            false => Ok(()),
        }
    }

    /// The file at `path`, to be written in this form. Call it when all inputs are known, and
    /// before any work.
    ///
    /// # Errors
    /// [`Error::Usage`] for a folder, an ending of another form, and (without force) a file of
    /// another form.
    pub fn take(&self, path: &Path, form: &Form) -> Result<OutputFile> {
        form.check_ending(path)?;
        self.take_of_any_ending(path, form)
    }

    /// As [`Self::take`] if the user named the form: then the ending does not matter.
    ///
    /// # Errors
    /// As [`Self::take`].
    pub fn take_of_any_ending(&self, path: &Path, form: &Form) -> Result<OutputFile> {
        self.take_if(path, form.name, form.is_kept, form.shows)
    }

    /// As [`Self::take`], for content that cannot be made again: no existing file is replaced.
    ///
    /// # Errors
    /// As [`Self::take`], and for any file that exists.
    pub fn take_new(&self, path: &Path, form: &Form) -> Result<OutputFile> {
        if path.is_file() {
            return Err(Error::Usage(format!(
                "{}: exists already; name another file",
                path.display()
            )));
        }
        self.take(path, form)
    }

    /// The text file at `path`, which will hold a line for each row of `array`. An existing file is
    /// replaced only if it has as many lines as the old array has rows.
    ///
    /// # Errors
    /// As [`Self::take`].
    pub fn take_row_names(&self, path: &Path, array: &Path) -> Result<OutputFile> {
        Form::ROW_NAMES.check_ending(path)?;
        let rows = opening(array).ok().and_then(|bytes| form::npy_rows(&bytes));
        let belongs = |_: &[u8]| {
            let lines = fs::read(path).map(|bytes| bytes.iter().filter(|&&b| b == b'\n').count());
            rows.is_some() && lines.ok() == rows
        };
        self.take_if(path, Form::ROW_NAMES.name, false, belongs)
    }

    fn take_if(
        &self,
        path: &Path,
        what: &str,
        is_kept: bool,
        is_same: impl Fn(&[u8]) -> bool,
    ) -> Result<OutputFile> {
        let refuse = |text: String| Err(Error::Usage(format!("{}: {text}", path.display())));
        let occupied = |fact: String| {
            let remedy = Remedy::Option(&["name another output, or replace it with ", "force", ""]);
            Err(Error::refused(
                format!("{}: {fact}", path.display()),
                remedy,
            ))
        };
        if path.is_dir() {
            return refuse("is a folder; name a file to write".into());
        }
        if !folder_of(path).is_dir() {
            let folder = folder_of(path).display();
            return refuse(format!("there is no folder {folder}; create it first"));
        }
        let exists = fs::metadata(path).is_ok_and(|facts| facts.is_file() && facts.len() > 0);
        if exists && !self.force {
            if is_kept {
                return occupied("exists already".into());
            }
            if !opening(path).is_ok_and(|bytes| is_same(&bytes)) {
                return occupied(format!("exists already and is not {what}"));
            }
        }
        Ok(OutputFile {
            path: path.to_path_buf(),
        })
    }
}

impl OutputFile {
    /// The path, as the user named it.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes the whole file, or nothing.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn write(&self, bytes: &[u8]) -> Result<()> {
        write_whole(&self.path, bytes)
    }

    /// As [`Self::write`], but `work` writes the contents.
    ///
    /// # Errors
    /// [`Error::Io`], and those of `work`.
    pub fn write_with(
        &self,
        readers: Readers,
        work: impl FnOnce(&mut File) -> Result<()>,
    ) -> Result<()> {
        write_whole_with(&self.path, readers, work)
    }

    /// As [`Self::write_with`], for what `work` writes in many pieces, from front to back.
    ///
    /// # Errors
    /// [`Error::Io`], and those of `work`.
    pub fn write_buffered(
        &self,
        readers: Readers,
        work: impl FnOnce(&mut BufWriter<&mut File>) -> Result<()>,
    ) -> Result<()> {
        write_buffered(&self.path, readers, work)
    }

    /// Writes a file that only its owner may read and that must not exist yet.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn write_new(&self, bytes: &[u8]) -> Result<()> {
        write_new(&self.path, bytes)
    }

    /// Opens the pipe or device of this name, to be written piece by piece.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn stream(&self) -> Result<Box<dyn Write + Send>> {
        let opened = File::options().write(true).open(&self.path);
        let file = opened.map_err(|e| Error::io(&self.path, "write", e))?;
        Ok(Box::new(file))
    }
}

/// Whether `path` is a file or does not exist yet: no pipe, device or folder.
pub fn is_regular(path: &Path) -> bool {
    fs::metadata(path).map_or(true, |facts| facts.is_file())
}

fn opening(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = vec![];
    File::open(path)?
        .take(OPENING_BYTES)
        .read_to_end(&mut bytes)?;
    Ok(bytes)
}
