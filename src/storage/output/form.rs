//! The forms of files that commands write: which endings belong to a form, and how the first bytes
//! of an existing file show its form.

use crate::{Error, Result, audio::formats, remedy::Remedy};
use std::{ffi::OsStr, path::Path};

/// A form of file.
#[derive(Debug)]
pub struct Form {
    /// The form's name in messages, with its article.
    pub name: &'static str,
    /// The endings of this form. The first is the recommended one. An ending that belongs to no
    /// form is allowed for all.
    endings: &'static [&'static str],
    /// Whether a file that begins with these bytes has this form.
    pub shows: fn(&[u8]) -> bool,
    /// Whether an older file of the same form is kept too, unless the user forces its replacement.
    pub(super) is_kept: bool,
}

/// Endings of files that no command writes, besides those of recordings ([`formats::is_ending`]): tables,
/// archives, documents, code.
const OTHER_ENDINGS: &[&str] = &[
    "amr", "raw", "tsv", "xls", "xlsx", "xlsm", "ods", "sqlite", "db", "zip", "tar", "gz", "xz",
    "zst", "7z", "pdf", "doc", "docx", "odt", "md", "xml", "yaml", "yml", "toml", "jpg", "jpeg",
    "gif", "h5", "hdf5", "mat", "pkl", "pickle", "pt", "pth", "feather", "arrow", "py", "sh",
];

const fn form(
    name: &'static str,
    endings: &'static [&'static str],
    shows: fn(&[u8]) -> bool,
) -> Form {
    Form {
        name,
        endings,
        shows,
        is_kept: false,
    }
}

impl Form {
    /// A model of ours.
    pub const MODEL: Form = form("a model", &["safetensors"], |b| {
        b.get(8..)
            .is_some_and(|b| b.starts_with(b"{\"__metadata__\":{\"spkver\":"))
    });
    /// The state of a training run.
    pub const CHECKPOINT: Form = form("a checkpoint", &["ckpt"], |b| {
        let start = b"{\"__metadata__\":{\"spkver-checkpoint\":";
        b.get(8..).is_some_and(|b| b.starts_with(start))
    });
    /// A network for other runtimes. Its file begins with the fields 1 (version) and 2 (program).
    pub const ONNX: Form = form("an ONNX network", &["onnx"], |b| {
        matches!(b, [8, _, 18, ..])
    });
    /// A recording.
    pub const WAV: Form = form("a WAV file", &["wav"], |b| b.starts_with(b"RIFF"));
    /// An array.
    pub const NPY: Form = form("a NumPy array", &["npy"], |b| b.starts_with(b"\x93NUMPY"));
    /// Several arrays.
    pub const NPZ: Form = form("a NumPy archive", &["npz"], |b| {
        b.starts_with(b"PK\x03\x04") && contains(b, b".npy")
    });
    /// Kaldi's binary vectors.
    pub const ARK: Form = form("a Kaldi archive", &["ark", "scp"], |b| {
        let id_end = b.iter().position(|&b| b == b' ');
        id_end.is_some_and(|at| b[at..].starts_with(b" \0B"))
    });
    /// Kaldi's index of vectors.
    pub const ARK_INDEX: Form = form("an index of a Kaldi archive", &["scp", "ark"], |b| {
        first_line(b).is_some_and(|line| {
            let place = line.split_once(' ').and_then(|(_, p)| p.rsplit_once(':'));
            place.is_some_and(|(_, offset)| offset.parse::<u64>().is_ok())
        })
    });
    /// Kaldi's vectors as text.
    pub const ARK_TEXT: Form = form("a Kaldi archive as text", &["ark", "txt"], |b| {
        first_line(b).is_some_and(|line| line.contains("  [ "))
    });
    /// Parquet, of embeddings or of scores.
    pub const PARQUET: Form = form("a Parquet file", &["parquet", "pq"], |b| {
        b.starts_with(b"PAR1")
    });
    /// Embeddings, one JSON object per line.
    pub const EMBEDDING_JSON: Form = form(
        "embeddings as JSON lines",
        &["jsonl", "ndjson", "json"],
        |b| b.starts_with(b"{\"id\":"),
    );
    /// Embeddings, `id value…` on each line.
    pub const EMBEDDING_TEXT: Form = form("embeddings as text", &["txt"], |b| {
        first_line(b).is_some_and(is_embedding)
    });
    /// Scores, one JSON object per line.
    pub const SCORE_JSON: Form = form("scores as JSON lines", &["jsonl", "ndjson", "json"], |b| {
        b.starts_with(b"{\"enroll\":")
    });
    /// Scores with a header.
    pub const SCORE_CSV: Form = form("scores as CSV", &["csv"], |b| {
        // If the output is divided into parts, only the first one has the header.
        b.starts_with(b"enroll,test,label,score") || first_line(b).is_some_and(is_csv_score)
    });
    /// Scores, `enroll test score` on each line.
    pub const SCORE_TEXT: Form = form("scores as text", &["txt"], are_scores);
    /// A calibration, which turns the scores of any system into LLRs.
    pub const CALIBRATION: Form = form("a calibration of scores", &["json"], |b| {
        b.starts_with(b"{") && contains(b, b"\"calibrate\"") && contains(b, b"\"scale\"")
    });
    /// A report as a web page.
    pub const PAGE: Form = form("a page", &["html", "htm"], |b| {
        b.get(..14)
            .is_some_and(|b| b.eq_ignore_ascii_case(b"<!doctype html"))
    });
    /// A page of the manual.
    pub const MANUAL: Form = form("a manual page", &["1"], |b| contains(b, b"\n.TH "));
    /// A plot as a drawing.
    pub const SVG: Form = form("a plot as SVG", &["svg"], |b| contains(b, b"<svg"));
    /// A plot as a picture.
    pub const PNG: Form = form("a plot as PNG", &["png"], |b| b.starts_with(b"\x89PNG"));
    /// Voiceprints as rows of a table of PostgreSQL.
    pub const TABLE_ROWS: Form = form("rows for PostgreSQL", &["copy", "tsv", "txt"], |b| {
        first_line(b).is_some_and(|line| {
            let fields: Vec<&str> = line.splitn(3, '\t').collect();
            matches!(&fields[..], [id, _, vector] if id.parse::<i64>().is_ok() && vector.starts_with('['))
        })
    });
    /// Names of the rows of an array. To which array they belong is checked by
    /// [`super::Outputs::take_row_names`].
    pub const ROW_NAMES: Form = form("the names of the rows", &["txt", "names", "ids"], |_| false);
    /// Encrypted voiceprints. An existing backup is kept, because an older backup may hold the only copy
    /// of a removed voiceprint.
    pub const BACKUP: Form = Form {
        is_kept: true,
        ..form("a backup", &["age"], |_| false)
    };
    /// The key of a store.
    pub const KEY: Form = Form {
        is_kept: true,
        ..form("a key", &["key", "hex", "txt"], |_| false)
    };

    /// Whether the ending of `path` is one of this form.
    pub fn has_ending(&self, path: &Path) -> bool {
        self.endings.contains(&&*ending_of(path))
    }

    /// Checks that the ending of `path` names this form, or no form at all.
    ///
    /// # Errors
    /// [`Error::Usage`] if it names another form.
    pub(super) fn check_ending(&self, path: &Path) -> Result<()> {
        let ending = ending_of(path);
        let promises = formats::is_ending(OsStr::new(&ending))
            || OTHER_ENDINGS.contains(&&*ending)
            || ALL.iter().any(|form| form.has_ending(path));
        if !promises || self.has_ending(path) {
            return Ok(());
        }
        let endings: Vec<String> = self.endings.iter().map(|e| format!(".{e}")).collect();
        let fact = format!(
            "{}: the ending .{ending} does not belong to {}",
            path.display(),
            self.name
        );
        Err(Error::refused(
            fact,
            Remedy::NameOutput(endings.join(" or ")),
        ))
    }
}

const ALL: &[Form] = &[
    Form::MODEL,
    Form::CHECKPOINT,
    Form::ONNX,
    Form::NPY,
    Form::NPZ,
    Form::ARK,
    Form::PARQUET,
    Form::EMBEDDING_JSON,
    Form::SCORE_CSV,
    Form::SCORE_TEXT,
    Form::PAGE,
    Form::MANUAL,
    Form::SVG,
    Form::PNG,
    Form::TABLE_ROWS,
    Form::ROW_NAMES,
    Form::BACKUP,
    Form::KEY,
];

/// The ending in lower case; empty if there is none.
fn ending_of(path: &Path) -> String {
    let ending = path.extension().and_then(|ending| ending.to_str());
    ending.unwrap_or_default().to_ascii_lowercase()
}

/// N in the header of an array `(N, D)`.
pub(super) fn npy_rows(opening: &[u8]) -> Option<usize> {
    let header = opening.get(..128.min(opening.len()))?;
    let text = String::from_utf8_lossy(header.strip_prefix(b"\x93NUMPY")?).into_owned();
    let shape = text.split_once("'shape': (")?.1;
    shape.split_once(',')?.0.trim().parse().ok()
}

fn contains(bytes: &[u8], wanted: &[u8]) -> bool {
    memchr::memmem::find(bytes, wanted).is_some()
}

fn first_line(bytes: &[u8]) -> Option<&str> {
    let end = memchr::memchr(b'\n', bytes).unwrap_or(bytes.len());
    std::str::from_utf8(&bytes[..end]).ok()
}

/// `enroll,test,label,score,error`.
fn is_csv_score(line: &str) -> bool {
    let fields: Vec<&str> = line.split(',').collect();
    let mut pairs = fields.windows(2).skip(2);
    let is_label = |text: &str| matches!(text, "target" | "nontarget" | "");
    pairs.any(|pair| is_label(pair[0]) && pair[1].parse::<f32>().is_ok())
}

/// `id value value…` or `id # why`; the last value may be cut off.
fn is_embedding(line: &str) -> bool {
    let split = line.split_once('\t').or_else(|| line.split_once(' '));
    let Some((_, rest)) = split else {
        return false;
    };
    let values: Vec<&str> = rest.split(' ').collect();
    let (_, whole) = values.split_last().expect("at least one");
    rest.starts_with("# ")
        || !whole.is_empty() && whole.iter().all(|value| value.parse::<f32>().is_ok())
}

/// Whether these are lines of `enroll test score`. If all values are the whole numbers 0 and 1,
/// they are labels, and the file is a trial list.
fn are_scores(bytes: &[u8]) -> bool {
    let end = memchr::memrchr(b'\n', bytes).unwrap_or(bytes.len());
    let Ok(text) = std::str::from_utf8(&bytes[..end]) else {
        return false;
    };
    let mut has_score = false;
    for line in text.lines() {
        let gap = if line.contains('\t') { '\t' } else { ' ' };
        let fields: Vec<&str> = line.splitn(4, gap).collect();
        let score = match fields[..] {
            [_, _, score] => score,
            [_, _, score, why] if why.starts_with("# ") => score,
            _ => return false,
        };
        if score.parse::<f64>().is_err() {
            return false;
        }
        has_score |= !matches!(score, "0" | "1");
    }
    has_score
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_not_taken_for_scores_or_embeddings() {
        for list in [
            "1 anna-1.wav boris-1.wav\n",
            "anna-1.wav boris-1.wav target\n",
            "a b 1\na c 0\n",
            "a1 anna-1.wav\n",
            "anna-1.wav\n",
            "a b 1.5 1\n",
            "a1 call 0.5 2.5\n",
            "",
        ] {
            let bytes = list.as_bytes();
            assert!(!(Form::SCORE_TEXT.shows)(bytes), "{list:?}");
            assert!(!(Form::EMBEDDING_TEXT.shows)(bytes), "{list:?}");
            assert!(!(Form::ARK_INDEX.shows)(bytes), "{list:?}");
        }
        for scores in ["a b 1.5\na c 0\n", "a b nan # too short\n", "a x\tb\t-3\n"] {
            assert!((Form::SCORE_TEXT.shows)(scores.as_bytes()), "{scores:?}");
        }
        assert!((Form::EMBEDDING_TEXT.shows)(b"a1 0.5 -2 1e-3\n"));
        assert!((Form::ARK_INDEX.shows)(b"a1 e.ark:3\n"));
    }

    #[test]
    fn an_ending_that_promises_another_form_is_refused() {
        let refuses = |form: &Form, name: &str| form.check_ending(Path::new(name)).is_err();
        for name in ["s.xlsx", "s.tsv", "s.wav", "s.NPY", "s.safetensors"] {
            assert!(refuses(&Form::SCORE_TEXT, name), "{name}");
            assert!(refuses(&Form::EMBEDDING_TEXT, name), "{name}");
        }
        for name in ["s", "s.txt", "s.scores", "exp.v2", "s.TXT"] {
            assert!(!refuses(&Form::SCORE_TEXT, name), "{name}");
        }
        assert!(refuses(&Form::EMBEDDING_TEXT, "e.csv") && !refuses(&Form::SCORE_CSV, "e.csv"));
    }
}
