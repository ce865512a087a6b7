//! Writes files completely or not at all: into a temporary file in the same folder, which is then
//! synced and renamed.

use super::paths::folder_of;
use crate::{Error, Result};
use std::{
    fs::{self, File},
    io::{BufWriter, Write},
    path::Path,
};

/// Writes `bytes` to `path`. An existing file is kept until the new one is safely on disk.
///
/// # Errors
/// [`Error::Io`].
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    write_whole_with(path, Readers::Everybody, |file| {
        file.write_all(bytes)
            .map_err(|e| Error::io(path, "write", e))
    })
}

/// Who may read a new file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readers {
    /// Everybody, as far as the umask allows.
    Everybody,
    /// Only its owner.
    Owner,
}

/// As [`write_whole`], but `work` writes the file, and may seek in it.
///
/// # Errors
/// [`Error::Io`], and errors of `work`.
pub fn write_whole_with(
    path: &Path,
    readers: Readers,
    work: impl FnOnce(&mut File) -> Result<()>,
) -> Result<()> {
    let failed = |source| Error::io(path, "write", source);
    // Follows symbolic links. Pipes and devices are written to directly, not replaced.
    let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
    if fs::metadata(&target).is_ok_and(|facts| !facts.is_file()) {
        let mut device = File::options().write(true).open(&target).map_err(failed)?;
        return work(&mut device);
    }
    let folder = folder_of(&target);
    let mut builder = tempfile::Builder::new();
    builder.prefix(".spkver-");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = match readers {
            // As for any new file, the umask decides.
            Readers::Everybody => 0o666,
            Readers::Owner => 0o600,
        };
        builder.permissions(std::fs::Permissions::from_mode(mode));
    }
    // On other systems the folder decides who may read the file.
    #[cfg(not(unix))]
    let _ = readers;
    let mut file = builder.tempfile_in(folder).map_err(failed)?;
    work(file.as_file_mut())?;
    file.as_file().sync_all().map_err(failed)?;
    file.persist(&target).map_err(|e| failed(e.error))?;
    sync_folder(folder).map_err(failed)
}

/// As [`write_whole_with`], for a file that `work` writes in many pieces, from front to back.
///
/// # Errors
/// [`Error::Io`], and those of `work`.
pub fn write_buffered(
    path: &Path,
    readers: Readers,
    work: impl FnOnce(&mut BufWriter<&mut File>) -> Result<()>,
) -> Result<()> {
    write_whole_with(path, readers, |file| {
        let mut out = BufWriter::with_capacity(1 << 20, file);
        work(&mut out)?;
        out.flush().map_err(|e| Error::io(path, "write", e))
    })
}

/// Gives a file that is complete its name, in the same folder.
///
/// # Errors
/// [`Error::Io`].
pub fn name_whole(file: &File, from: &Path, to: &Path) -> Result<()> {
    let named = file.sync_all().and_then(|()| fs::rename(from, to));
    let synced = named.and_then(|()| sync_folder(folder_of(to)));
    synced.map_err(|e| Error::io(to, "write", e))
}

/// Writes a file that only its owner may read and that must not exist yet.
///
/// # Errors
/// [`Error::Io`].
pub(super) fn write_new(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    let written = options
        .open(path)
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()));
    written.map_err(|e| Error::io(path, "create", e))
}

/// Syncs a folder to disk, because until then a rename in it may be lost.
fn sync_folder(folder: &Path) -> std::io::Result<()> {
    match cfg!(unix) {
        true => File::open(folder)?.sync_all(),
        false => Ok(()),
    }
}
