//! Finds the recordings in a folder.

use super::formats;
use crate::{Error, Result};
use std::{
    collections::HashSet,
    ffi::OsStr,
    fs, io,
    path::{Path, PathBuf},
};

/// The recordings in a folder and in those below it, by their endings, sorted. Hidden files and
/// folders are left out.
///
/// # Errors
/// [`Error::Io`] for a folder that cannot be read.
pub fn recordings_in(folder: &Path) -> Result<Vec<PathBuf>> {
    let (mut found, mut seen) = (vec![], HashSet::new());
    add(folder, &mut found, &mut seen)?;
    Ok(found)
}

fn add(folder: &Path, found: &mut Vec<PathBuf>, seen: &mut HashSet<PathBuf>) -> Result<()> {
    let failed = |e| Error::io(folder, "read", e);
    // Links can lead in a circle.
    if !seen.insert(fs::canonicalize(folder).map_err(failed)?) {
        return Ok(());
    }
    let entries = fs::read_dir(folder).map_err(failed)?;
    let paths = entries.map(|entry| Ok(entry?.path()));
    let mut paths: Vec<PathBuf> = paths.collect::<io::Result<_>>().map_err(failed)?;
    paths.sort();
    let is_hidden = |name: &OsStr| name.as_encoded_bytes().starts_with(b".");
    for path in paths {
        if path.file_name().is_some_and(is_hidden) {
            continue;
        }
        if path.is_dir() {
            add(&path, found, seen)?;
        } else if is_recording(&path) {
            found.push(path);
        }
    }
    Ok(())
}

/// Whether a file in a folder is taken for a recording, by its ending.
fn is_recording(path: &Path) -> bool {
    path.extension().is_some_and(formats::is_ending)
}

// The tests need `tempfile`, which comes with this feature.
#[cfg(all(test, feature = "save"))]
mod tests {
    use super::*;

    #[test]
    fn hidden_files_and_files_of_other_kinds_are_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let below = folder.path().join("below");
        fs::create_dir_all(folder.path().join(".hidden")).unwrap();
        fs::create_dir(&below).unwrap();
        for name in [
            "b.WAV",
            "a.flac",
            "notes.txt",
            "._a.flac",
            ".hidden/c.wav",
            "below/d.wave",
        ] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        let expected = ["a.flac", "b.WAV", "below/d.wave"].map(|name| folder.path().join(name));
        assert_eq!(recordings_in(folder.path()).unwrap(), expected);
    }
}
