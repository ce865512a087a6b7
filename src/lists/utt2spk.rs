//! Reads who speaks in each recording: `recording speaker` on each line, as in Kaldi's `utt2spk`.
//! Fields stand between tabs if the line has one, otherwise between blanks.

use super::{
    fields::{Fields, Separator},
    lines::for_each_line,
};
use crate::Result;
use indexmap::IndexMap;
use std::path::Path;

/// The speaker of each recording, in the order of the file.
///
/// # Errors
/// [`crate::Error::Io`]; [`crate::Error::List`] for a line that has not exactly two fields, or a
/// recording with two speakers.
pub fn read(path: &Path) -> Result<IndexMap<String, String>> {
    let mut speakers = IndexMap::new();
    let remedy = "write `recording speaker` on each line";
    for_each_line(path, remedy, |line| {
        let fields = Fields::split(line.trim_ascii(), Separator::Blank)?;
        if fields.count() != 2 {
            return Err(format!("{} fields instead of 2", fields.count()));
        }
        let [recording, speaker] = [0, 1].map(|at| fields[at].to_string());
        match speakers.get(&recording) {
            Some(earlier) if *earlier != speaker => Err(format!(
                "{recording} is spoken by {earlier} above, and by {speaker} here"
            )),
            _ => {
                speakers.insert(recording, speaker);
                Ok(())
            }
        }
    })?;
    Ok(speakers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recording_has_one_speaker() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("utt2spk");
        let read_text = |text: &str| {
            std::fs::write(&path, text).unwrap();
            read(&path)
        };
        let speakers = read_text("\u{feff}a1 anna\nmy b.wav\tboris\na1 anna\n").unwrap();
        assert_eq!((speakers.len(), &*speakers["a1"]), (2, "anna"));
        assert_eq!(speakers["my b.wav"], "boris");
        for (text, fact) in [
            (
                "a1 anna\na1 boris\n",
                "utt2spk:2: a1 is spoken by anna above, and by boris here",
            ),
            ("a1\n", "utt2spk:1: 1 fields instead of 2"),
        ] {
            let refused = read_text(text).unwrap_err().to_string();
            assert!(refused.contains(fact), "{refused}");
        }
    }
}
