//! An output file that grows block by block, so that a killed run can be resumed.
//!
//! Rows go to `OUT.partial`. The [`Ledger`] in `OUT.state` records each block once it is written. A
//! resumed run cuts off everything after the last recorded block, so that no row is lost or
//! doubled. When the file is complete, it gets its final name.

use super::{
    ledger::{Block, Ledger},
    parquet_rows,
    rows::Format,
};
use crate::{
    Error, Result,
    remedy::Remedy,
    storage::{Readers, folder_of, name_whole, remove_file, with_ending, write_buffered},
};
use std::{
    fs::{self, File, OpenOptions},
    io::{Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

/// The paths of a run with one output file.
#[derive(Debug, Clone)]
pub struct Place {
    out: PathBuf,
    partial: PathBuf,
    state: PathBuf,
}

/// The part of the output that is written so far.
#[derive(Debug)]
pub struct Output {
    place: Place,
    file: File,
    num_rows: u64,
}

impl Place {
    /// The place of an output at `out`. A symbolic link is followed.
    pub fn of(out: &Path) -> Self {
        let out = fs::canonicalize(out).unwrap_or_else(|_| out.to_path_buf());
        Place {
            partial: with_ending(&out, ".partial"),
            state: with_ending(&out, ".state"),
            out,
        }
    }

    /// Every file that a run writes: the output and the files beside it.
    pub fn files(&self) -> [&Path; 3] {
        [&self.out, &self.partial, &self.state]
    }

    /// The folder of the output.
    pub fn folder(&self) -> &Path {
        folder_of(&self.out)
    }

    /// Opens the ledger of the run: a new one, or with `resume` the ledger of the interrupted run.
    ///
    /// # Errors
    /// [`Error::Usage`] if there is an interrupted run and `resume` is not set, or if the
    /// interrupted run was another job.
    pub fn open(
        &self,
        resume: bool,
        fingerprint: &blake3::Hash,
        cache: Option<&Path>,
    ) -> Result<Ledger> {
        if !resume && self.state.exists() {
            return Err(Error::refused(
                format!("{}: an earlier run did not end", self.state.display()),
                Remedy::Option(&[
                    "go on with ",
                    "resume",
                    ", or delete this file to start over",
                ]),
            ));
        }
        let begun = self.state.exists();
        let opened = Ledger::open(Some(&self.state), cache);
        if opened.is_err() && !begun {
            // Nothing is left behind: a run that could not start cannot be resumed.
            let _ = Ledger::remove(&self.state);
        }
        let ledger = opened?;
        ledger.check_job(fingerprint)?;
        Ok(ledger)
    }

    /// Removes the files kept for resuming.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn forget(&self, ledger: Ledger) -> Result<()> {
        remove_file(&self.partial)?;
        ledger.erase()
    }
}

impl Output {
    /// Opens the part that is written so far, and cuts it to the blocks that the ledger has
    /// recorded.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Usage`] if the part is shorter than these blocks.
    pub fn open(place: &Place, ledger: &Ledger) -> Result<Self> {
        let failed = |e| Error::io(&place.partial, "write", e);
        let blocks = ledger.blocks()?;
        let length: u64 = blocks.iter().map(|block| block.bytes).sum();
        // A run may be killed after the file got its final name and before the ledger was removed.
        let is_whole = |facts: fs::Metadata| facts.is_file() && facts.len() == length;
        if length > 0 && !place.partial.exists() && fs::metadata(&place.out).is_ok_and(is_whole) {
            fs::rename(&place.out, &place.partial).map_err(failed)?;
        }
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let mut file = options.open(&place.partial).map_err(failed)?;
        if file.metadata().map_err(failed)?.len() < length {
            return Err(Error::Usage(format!(
                "{}: shorter than {} says; delete both to start over",
                place.partial.display(),
                place.state.display()
            )));
        }
        file.set_len(length).map_err(failed)?;
        file.seek(SeekFrom::End(0)).map_err(failed)?;
        Ok(Output {
            place: place.clone(),
            file,
            num_rows: blocks.iter().map(|block| block.rows).sum(),
        })
    }

    /// Number of rows written.
    pub fn num_rows(&self) -> u64 {
        self.num_rows
    }

    /// Writes a block and records it.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Store`].
    pub fn append(&mut self, ledger: &Ledger, bytes: &[u8], rows: u64) -> Result<()> {
        let failed = |e| Error::io(&self.place.partial, "write", e);
        self.file.write_all(bytes).map_err(failed)?;
        self.num_rows += rows;
        ledger.add_block(Block {
            rows,
            bytes: bytes.len() as u64,
        })
    }

    /// Gives the file its final name and removes the ledger.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn complete(
        mut self,
        ledger: Ledger,
        format: Format,
        about: &[(&str, &str)],
    ) -> Result<()> {
        let place = self.place.clone();
        let failed = |e| Error::io(&place.out, "write", e);
        if format == Format::Parquet {
            self.file.rewind().map_err(failed)?;
            let blocks = ledger.blocks()?;
            let parts = &mut self.file;
            write_buffered(&place.out, Readers::Everybody, |whole| {
                parquet_rows::join(parts, &blocks, about, whole, &place.out)
            })?;
        } else {
            name_whole(&self.file, &place.partial, &place.out)?;
        }
        place.forget(ledger)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_noted_is_cut_off() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("out.txt");
        let place = Place::of(&out);
        let job = blake3::hash(b"job");
        let ledger = place.open(false, &job, None).unwrap();
        let mut output = Output::open(&place, &ledger).unwrap();
        output.append(&ledger, b"1\n2\n", 2).unwrap();
        drop((output, ledger));
        let mut torn = fs::read(&place.partial).unwrap();
        torn.extend(b"3 without an e");
        fs::write(&place.partial, torn).unwrap();

        assert!(place.open(false, &job, None).is_err());
        let other = place.open(true, &blake3::hash(b"other"), None);
        assert!(other.unwrap_err().to_string().contains("another list"));
        let ledger = place.open(true, &job, None).unwrap();
        let busy = place.open(true, &job, None).unwrap_err().to_string();
        assert!(busy.contains("another run is writing"), "{busy}");
        let mut output = Output::open(&place, &ledger).unwrap();
        assert_eq!(output.num_rows(), 2);
        output.append(&ledger, b"3\n", 1).unwrap();
        output.complete(ledger, Format::Text, &[]).unwrap();
        assert_eq!(fs::read(&out).unwrap(), b"1\n2\n3\n");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
