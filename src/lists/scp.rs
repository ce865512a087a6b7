//! Reads lists of recordings with ids: `id path` on each line, as in Kaldi's `wav.scp`.

use super::lines::for_each_line;
use crate::Result;
use indexmap::IndexMap;
use std::path::Path;

/// The path of each id, in the order of the list.
///
/// # Errors
/// [`crate::Error::Io`]; [`crate::Error::List`] for a line without a path, or an id that has two.
pub fn read(path: &Path) -> Result<IndexMap<String, String>> {
    let mut files = IndexMap::new();
    let remedy = "write `id path` on each line, each id once";
    for_each_line(path, remedy, |line| {
        let fields = line.trim_ascii().split_once([' ', '\t']);
        let (id, file) = fields.ok_or("no path after the id")?;
        add(&mut files, id, file.trim_ascii())?;
        Ok(())
    })?;
    Ok(files)
}

/// Adds an id. Returns `false` if the id is already there with the same path.
///
/// # Errors
/// The fact, if the id has another path.
pub fn add(
    files: &mut IndexMap<String, String>,
    id: &str,
    file: &str,
) -> std::result::Result<bool, String> {
    match files.get(id) {
        Some(earlier) if earlier == file => Ok(false),
        Some(earlier) => Err(format!(
            "a line above gives {id} the file {earlier}, this line {file}"
        )),
        None => {
            files.insert(id.to_string(), file.to_string());
            Ok(true)
        }
    }
}

/// The path, unless `file` is a command whose output is the audio (`sox a.wav -t wav - |`).
///
/// # Errors
/// The fact and the remedy, for the row of this recording.
pub fn path_of(file: &str) -> std::result::Result<&str, String> {
    match file.ends_with('|') {
        true => Err(format!(
            "the list has the command `{file}` here, and commands are not run; write the audio to a \
             file and name that"
        )),
        false => Ok(file),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_one_path() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("wav.scp");
        let read_text = |text: &str| {
            std::fs::write(&path, text).unwrap();
            read(&path)
        };
        let files = read_text("\u{feff}a1 my a.wav\r\nb1\tb.wav\n\na1 my a.wav\n").unwrap();
        let wanted = [("a1", "my a.wav"), ("b1", "b.wav")];
        let found = files.iter().map(|(id, file)| (id.as_str(), file.as_str()));
        assert_eq!(found.collect::<Vec<_>>(), wanted);
        for (text, fact) in [
            (
                "a1 a.wav\na1 b.wav\n",
                "wav.scp:2: a line above gives a1 the file a.wav, this line b.wav",
            ),
            ("a1\n", "wav.scp:1: no path after the id"),
        ] {
            let refused = read_text(text).unwrap_err().to_string();
            assert!(refused.contains(fact), "{refused}");
        }
    }

    #[test]
    fn a_command_is_no_path() {
        assert_eq!(path_of("a|b.wav"), Ok("a|b.wav"));
        let refused = path_of("sox a.wav -t wav - |").unwrap_err();
        assert!(refused.contains("commands are not run"), "{refused}");
    }
}
