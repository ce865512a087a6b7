//! Bytes in, a file out that is either complete or not there: a sibling temporary file, synced,
//! then renamed.

use crate::{Error, Result};
use std::{
    fs::{self, File},
    io::Write,
    path::Path,
};

/// Writes `bytes` to `path`; what was there stays until the new file is safely on disk.
///
/// # Errors
/// [`Error::Io`].
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    let failed = |source| Error::io(path, "write", source);
    // Through a symbolic link; and a pipe or device is written to, not renamed over.
    let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
    if fs::metadata(&target).is_ok_and(|facts| !facts.is_file()) {
        return fs::write(&target, bytes).map_err(failed);
    }
    let folder = match target.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let mut builder = tempfile::Builder::new();
    builder.prefix(".spkver-");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // As any new file: the umask decides.
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    let mut file = builder.tempfile_in(folder).map_err(failed)?;
    file.write_all(bytes).map_err(failed)?;
    file.as_file().sync_all().map_err(failed)?;
    file.persist(&target).map_err(|e| failed(e.error))?;
    // The rename itself is safe once the folder is synced.
    #[cfg(unix)]
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(failed)?;
    Ok(())
}
