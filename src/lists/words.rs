//! The words that are used in lists: names of columns, labels, scores and channels.

/// What a column of a list holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Column {
    /// The enrolled recording or model.
    Enroll,
    /// The recording under test.
    Test,
    /// Whether both recordings are of the same speaker.
    Label,
    /// The score of the trial.
    Score,
    /// Channel a or b of the recording under test, as in NIST's lists.
    Side,
}

/// Names of the columns in headers, in JSON and in Parquet; upper and lower case count the same.
/// Errors mention the first name of each column.
const NAMES: &[(Column, &[&str])] = &[
    (
        Column::Enroll,
        &[
            "enroll",
            "enrol",
            "enrollment",
            "enrolment",
            "enroll_path",
            "enrol_path",
            "enrollment_path",
            "enrolment_path",
            "enroll_id",
            "enrol_id",
            "modelid",
            "model_id",
            "model",
            "path1",
            "file1",
            "utt1",
        ],
    ),
    (
        Column::Test,
        &[
            "test",
            "test_path",
            "testid",
            "test_id",
            "segmentid",
            "segment_id",
            "segment",
            "path2",
            "file2",
            "utt2",
        ],
    ),
    (
        Column::Label,
        &[
            "label",
            "labels",
            "target",
            "is_target",
            "targettype",
            "target_type",
            "trial_type",
            "key",
        ],
    ),
    (Column::Score, &["score", "scores", "llr"]),
    (Column::Side, &["side", "channel"]),
];

const TARGET: &[&str] = &[
    "1", "target", "tgt", "tar", "true", "same", "genuine", "1.0",
];

const NONTARGET: &[&str] = &[
    "0",
    "nontarget",
    "non-target",
    "nontgt",
    "non",
    "imp",
    "impostor",
    "imposter",
    "false",
    "different",
    "diff",
    "0.0",
];

/// Words in place of a score, besides `nan` and an empty field: the recording was refused.
const NO_SCORE: &[&str] = &["null", "none", "na"];

fn is_one_of(text: &str, words: &[&str]) -> bool {
    words.iter().any(|word| word.eq_ignore_ascii_case(text))
}

impl Column {
    /// All columns, in the order of the enum.
    pub const ALL: [Column; 5] = [
        Column::Enroll,
        Column::Test,
        Column::Label,
        Column::Score,
        Column::Side,
    ];

    /// The columns that name recordings.
    pub const NAMES: [Column; 2] = [Column::Enroll, Column::Test];

    /// The column of this name.
    pub fn named(name: &str) -> Option<Column> {
        let name = name.trim_ascii();
        let known = NAMES.iter().find(|(_, names)| is_one_of(name, names));
        known.map(|(column, _)| *column)
    }

    /// The usual name of the column, for errors.
    pub fn name(self) -> &'static str {
        let known = NAMES.iter().find(|(column, _)| *column == self);
        known.map_or("", |(_, names)| names[0])
    }
}

/// Whether a label says that both recordings are of the same speaker; `None` if it is no label.
pub fn label(text: &str) -> Option<bool> {
    match text {
        // Nearly all labels are one of these.
        "1" | "target" => Some(true),
        "0" | "nontarget" => Some(false),
        _ if is_one_of(text, TARGET) => Some(true),
        _ if is_one_of(text, NONTARGET) => Some(false),
        _ => None,
    }
}

/// Whether the text is a label and cannot be a score.
pub fn is_label_word(text: &str) -> bool {
    label(text).is_some() && text.parse::<f64>().is_err()
}

/// A finite score, or NaN for a refused recording.
pub fn score(text: &str) -> Option<f64> {
    match text.parse::<f64>() {
        Ok(score) => (!score.is_infinite()).then_some(score),
        Err(_) if text.is_empty() || is_one_of(text, NO_SCORE) => Some(f64::NAN),
        Err(_) => None,
    }
}

/// Whether the word means channel b; `None` if it means no channel.
pub fn is_side_b(text: &str) -> Option<bool> {
    match text {
        "a" | "A" | "1" | "" => Some(false),
        "b" | "B" | "2" => Some(true),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_column_has_its_place_and_a_name() {
        for (place, column) in Column::ALL.into_iter().enumerate() {
            assert_eq!(column as usize, place);
            assert_eq!(Column::named(column.name()), Some(column));
        }
        assert_eq!(NAMES.len(), Column::ALL.len());
    }

    #[test]
    fn a_word_means_one_thing() {
        let columns = NAMES.iter().flat_map(|(_, names)| names.iter());
        let mut all: Vec<&&str> = columns.collect();
        all.sort();
        assert!(all.is_sorted_by(|a, b| a < b), "{all:?}");
        for word in TARGET {
            assert_eq!(label(&word.to_uppercase()), Some(true), "{word}");
        }
        for word in NONTARGET {
            assert_eq!(label(&word.to_uppercase()), Some(false), "{word}");
        }
        assert_eq!(Column::named(" Model_ID "), Some(Column::Enroll));
        assert_eq!((label(""), label("yes")), (None, None));
    }

    #[test]
    fn no_score_is_nan_and_infinity_is_no_score() {
        assert_eq!(score("-1.5e1"), Some(-15.0));
        for text in ["", "nan", "NaN", "NA", "None", "null"] {
            assert!(score(text).is_some_and(f64::is_nan), "{text}");
        }
        for text in ["inf", "-Infinity", "1,5", "x"] {
            assert_eq!(score(text), None, "{text}");
        }
    }
}
