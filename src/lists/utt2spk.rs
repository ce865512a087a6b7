//! Reads who speaks in each recording: `recording speaker` a line, as in Kaldi's `utt2spk`. Fields
//! stand between tabs where a line has one, otherwise between blanks.

use super::{
    fields::{Fields, Separator},
    lines::for_each_line,
};
use crate::Result;
use indexmap::{IndexMap, map::Entry};
use std::path::Path;

/// The speaker of each recording, in the order of the file.
///
/// # Errors
/// [`crate::Error::Io`]; [`crate::Error::List`] for a line of other than two fields, or a recording
/// with two speakers.
pub fn read(path: &Path) -> Result<IndexMap<String, String>> {
    let mut speakers = IndexMap::new();
    let remedy = "write one `recording speaker` a line";
    for_each_line(path, remedy, |line| {
        let fields = Fields::split(line, Separator::Blank)?;
        if fields.count() != 2 {
            return Err(format!("{} fields instead of 2", fields.count()));
        }
        let [recording, speaker] = [0, 1].map(|at| fields[at].to_string());
        match speakers.entry(recording) {
            Entry::Occupied(earlier) if *earlier.get() != speaker => Err(format!(
                "{} is spoken by {} above, and by {speaker} here",
                earlier.key(),
                earlier.get()
            )),
            Entry::Occupied(_) => Ok(()),
            Entry::Vacant(place) => {
                place.insert(speaker);
                Ok(())
            }
        }
    })?;
    Ok(speakers)
}
