//! A voiceprint: the checked name of a speaker and an embedding of each enrolled utterance.

use super::ModelId;
use crate::{Error, Result, audio::Quality, scoring::Reason};
use std::fmt;
use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroizing;

/// The vector that a model computes for a recording, `(E,)`, finite. With quality terms it ends in ln t
/// (t seconds of speech) and the conditions. It identifies the speaker, so it is zeroed when dropped and
/// never printed.
///
/// ```
/// use spkver::{Embedding, Recording, Verifier};
///
/// let recording = Recording::open("fixtures/voices/anna-1.wav", &Default::default())?;
/// let embedding = Verifier::embedded()?.embed(&recording)?;
/// // From numbers that were kept somewhere else:
/// let again = Embedding::new(embedding.values().to_vec(), embedding.model())?;
/// assert!(again == embedding);
/// # Ok::<(), spkver::Error>(())
/// ```
#[derive(Clone, PartialEq)]
pub struct Embedding {
    values: Zeroizing<Vec<f32>>,
    model: ModelId,
}

/// A speaker's name: any Unicode text of one line, kept exactly as typed.
///
/// ```
/// use spkver::SpeakerName;
///
/// assert_eq!(SpeakerName::new("Chloé Müller")?.as_str(), "Chloé Müller");
/// assert!(SpeakerName::new("two\nlines").is_err());
/// # Ok::<(), spkver::Error>(())
/// ```
///
/// Two spellings that look the same (`é` as one character or as `e` + accent) are one name:
/// [`SpeakerName::key`] is the text in Unicode's NFC. Upper and lower case stay different.
#[derive(Debug, Clone)]
pub struct SpeakerName(String);

/// One enrolled recording.
///
/// ```
/// use spkver::{Recording, Utterance, Verifier};
///
/// let recording = Recording::open("fixtures/voices/anna-1.wav", &Default::default())?;
/// let embedding = Verifier::embedded()?.embed(&recording)?;
/// let utterance = Utterance::new("anna-1.wav", embedding, &recording.quality());
/// assert!(utterance.speech_seconds > 1.0);
/// assert!(utterance.quality().contains(r#""original_rate_hz":16000"#));
/// # Ok::<(), spkver::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Utterance {
    /// File name without its folder: a label that is never opened again.
    pub file: String,
    /// Net speech, in seconds.
    pub speech_seconds: f32,
    /// The speaker's embedding in this recording.
    pub embedding: Embedding,
    /// JSON.
    quality: String,
}

/// An enrolled speaker.
///
/// ```
/// use spkver::{Recording, SpeakerName, Utterance, Verifier};
///
/// let verifier = Verifier::embedded()?;
/// let recording = Recording::open("fixtures/voices/anna-1.wav", &Default::default())?;
/// let utterance = Utterance::new("anna-1.wav", verifier.embed(&recording)?, &recording.quality());
/// let anna = verifier.enroll(SpeakerName::new("anna")?, vec![utterance])?;
/// assert_eq!((anna.name.as_str(), anna.model), ("anna", verifier.id()));
/// assert_eq!(anna.utterances[0].file, "anna-1.wav");
/// # Ok::<(), spkver::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Voiceprint {
    /// The speaker.
    pub name: SpeakerName,
    /// The model that made the embeddings.
    pub model: ModelId,
    /// One or more.
    pub utterances: Vec<Utterance>,
}

impl Voiceprint {
    /// The embeddings of its utterances.
    pub fn embeddings(&self) -> Vec<&Embedding> {
        self.utterances.iter().map(|u| &u.embedding).collect()
    }
}

/// Adds `added` to `all`, the utterances of a voiceprint. An utterance whose embedding is already among
/// them is left out, because it would count twice. Returns, for each of `added`, the index of its double
/// in `all`, if there is one.
pub fn join(all: &mut Vec<Utterance>, added: &[Utterance]) -> Vec<Option<usize>> {
    let add = |utterance: &Utterance| {
        let double = all.iter().position(|u| u.embedding == utterance.embedding);
        if double.is_none() {
            all.push(utterance.clone());
        }
        double
    };
    added.iter().map(add).collect()
}

impl Utterance {
    /// The embedding of a recording with these quality facts; `file` is a label for people.
    pub fn new(file: impl Into<String>, embedding: Embedding, quality: &Quality) -> Self {
        let utterance = Self::without_quality(file, embedding, quality.speech_seconds);
        let facts = serde_json::to_string(quality).unwrap_or_default();
        utterance
            .with_quality(facts.as_bytes())
            .expect("quality facts can be written as JSON")
    }

    /// An utterance whose quality facts are not known, such as one that another program embedded.
    pub fn without_quality(
        file: impl Into<String>,
        embedding: Embedding,
        speech_seconds: f32,
    ) -> Self {
        Utterance {
            file: file.into(),
            speech_seconds,
            embedding,
            quality: "null".into(),
        }
    }

    /// The same with quality facts that were stored as JSON; none if they are not JSON.
    #[doc(hidden)]
    pub fn with_quality(self, json: &[u8]) -> Option<Self> {
        // Parsed and written again, so that the same facts are always the same text.
        let facts: serde_json::Value = serde_json::from_slice(json).ok()?;
        let quality = facts.to_string();
        Some(Utterance { quality, ..self })
    }

    /// The quality facts as JSON, as the version that enrolled it wrote them; `null` if they are not
    /// known.
    pub fn quality(&self) -> &str {
        &self.quality
    }
}

impl Embedding {
    /// An embedding `(E,)` that `model` made.
    ///
    /// # Errors
    /// [`Reason::ScoreNotFinite`] if a number is not finite, or if there are none.
    pub fn new(values: Vec<f32>, model: ModelId) -> std::result::Result<Self, Reason> {
        let values = Zeroizing::new(values);
        if !values.is_empty() && values.iter().all(|v| v.is_finite()) {
            Ok(Embedding { values, model })
        } else {
            Err(Reason::ScoreNotFinite)
        }
    }

    /// `(E,)`
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// The little-endian bytes of the values, without leaving a copy behind. `(4 · E,)`
    #[doc(hidden)]
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let mut bytes = Zeroizing::new(vec![0; size_of_val(self.values())]);
        for (to, value) in bytes.as_chunks_mut().0.iter_mut().zip(self.values()) {
            *to = value.to_le_bytes();
        }
        bytes
    }

    /// The model that made it.
    pub fn model(&self) -> ModelId {
        self.model
    }
}

impl fmt::Debug for Embedding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Embedding(({},), {:?})", self.values.len(), self.model)
    }
}

impl SpeakerName {
    /// Longest name, in bytes of UTF-8.
    pub const MAX_BYTES: usize = 512;

    /// # Errors
    /// [`Error::Usage`] for a name that is empty, too long, surrounded by blanks, or holds
    /// characters that would act on a terminal instead of being seen, or pass for others.
    pub fn new(name: impl Into<String>) -> Result<Self> {
        let name = name.into();
        let fault = if name.trim().is_empty() {
            "is empty; give the speaker a name".to_string()
        } else if name.len() > Self::MAX_BYTES {
            format!(
                "has {} bytes; at most {} are allowed",
                name.len(),
                Self::MAX_BYTES
            )
        } else if name.trim() != name {
            "begins or ends with a blank; leave it off".into()
        } else if let Some(c) = name.chars().find(|&c| is_unseen(c)) {
            format!(
                "holds a control character or an invisible one, U+{:04X}; leave it out",
                u32::from(c)
            )
        } else if let Some(c) = posing_blank(&name) {
            format!(
                "holds a blank that looks like another, U+{:04X}; use single spaces",
                u32::from(c)
            )
        } else if let Some(c) = unseen_modifier(&name) {
            format!(
                "holds U+{:04X} where it changes nothing that can be seen; leave it out",
                u32::from(c)
            )
        } else {
            return Ok(SpeakerName(name));
        };
        // A name of a megabyte would flood the terminal.
        let rest = name.chars().nth(40).map_or("", |_| "…");
        let shown: String = name.chars().take(40).map(escaped).collect();
        Err(Error::Usage(format!(
            "speaker name \"{shown}\"{rest} {fault}"
        )))
    }

    /// Exactly as given.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name in Unicode's NFC, which decides whether two names are the same.
    pub fn key(&self) -> String {
        self.0.nfc().collect()
    }
}

impl fmt::Display for SpeakerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether a character acts on a terminal or cannot be seen, so that a name could pose as another. Such
/// characters are refused in names, and escaped where text from outside is printed. Not among them are
/// ZWNJ and ZWJ (U+200C, U+200D), which Persian, the scripts of India and emoji are written with.
pub fn is_unseen(c: char) -> bool {
    c.is_control()
        // Line and paragraph separator.
        || matches!(c, '\u{2028}' | '\u{2029}')
        // Marks that set or reverse the direction of text.
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}')
        || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{206f}')
        // Of no width: soft hyphen, zero-width space, word joiner and operators, byte order mark.
        || matches!(c, '\u{ad}' | '\u{180e}' | '\u{200b}' | '\u{2060}'..='\u{2064}' | '\u{feff}')
        // Hangul fillers, marks of annotations, tags.
        || matches!(c, '\u{115f}' | '\u{1160}' | '\u{3164}' | '\u{ffa0}')
        || matches!(c, '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
        // Combining grapheme joiner, Khmer inherent vowels, blank Braille pattern, shorthand and
        // musical format controls.
        || matches!(c, '\u{34f}' | '\u{17b4}' | '\u{17b5}' | '\u{2800}')
        || matches!(c, '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}')
}

/// Escapes a character as Rust's text literals do, and also every character that [`is_unseen`].
fn escaped(c: char) -> String {
    if is_unseen(c) {
        c.escape_unicode().to_string()
    } else {
        c.escape_debug().to_string()
    }
}

/// The first blank that could be taken for an ordinary one: it has another width, or follows another
/// blank. The ideographic space, U+3000, is allowed, because Japanese names are written with it.
fn posing_blank(name: &str) -> Option<char> {
    let mut before = None;
    name.chars().find(|&c| {
        let blank = c.is_whitespace();
        let twice = blank && before.is_some_and(char::is_whitespace);
        before = Some(c);
        twice || (blank && !matches!(c, ' ' | '\u{3000}'))
    })
}

/// The first joiner or variation selector after a letter that it cannot change. The scripts that need
/// them begin at U+0600, and emoji come after.
fn unseen_modifier(name: &str) -> Option<char> {
    let mut before = ' ';
    name.chars().find(|&c| {
        let modifies = matches!(c, '\u{200c}' | '\u{200d}')
            || matches!(c, '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}');
        let vain = modifies && before < '\u{600}';
        before = c;
        vain
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_any_text_of_one_line() {
        let longest = "x".repeat(SpeakerName::MAX_BYTES);
        assert!(SpeakerName::new(longest.as_str()).is_ok());
        assert!(SpeakerName::new(longest + "x").is_err());
        for name in [
            "anna",
            "Zoë Ångström",
            "李小龍",
            "علی‌رضا",
            "../../etc/passwd",
            "o'; DROP TABLE",
        ] {
            assert_eq!(SpeakerName::new(name).unwrap().as_str(), name);
        }
        for name in [
            "",
            " ",
            "a ",
            "\ta",
            "a\nb",
            "a\x1b[2J",
            "a\u{0}",
            "a\u{202e}b",
            "an\u{200b}na",
            "anna\u{200e}",
            "\u{200f}anna",
            "an\u{2060}na",
            "an\u{ad}na",
            "\u{feff}anna",
        ] {
            assert!(SpeakerName::new(name).is_err(), "{name:?}");
        }
        assert!(SpeakerName::new("a".repeat(513)).is_err());
    }

    #[test]
    fn no_kind_of_unseen_character_is_in_a_name() {
        let unseen = "\u{0} \u{7f} \u{85} \u{2028} \u{2029} \u{61c} \u{200e} \u{202a} \u{202e} \u{2066} \
                      \u{206f} \u{ad} \u{180e} \u{200b} \u{2060} \u{2064} \u{feff} \u{115f} \u{1160} \u{3164} \
                      \u{ffa0} \u{fff9} \u{fffb} \u{e0000} \u{e0041} \u{e007f} \u{34f} \u{17b4} \u{17b5} \
                      \u{2800} \u{1bca0} \u{1bca3} \u{1d173} \u{1d17a}";
        for c in unseen.chars().filter(|&c| c != ' ') {
            assert!(is_unseen(c), "{c:?}");
            let told = SpeakerName::new(format!("an{c}na"))
                .unwrap_err()
                .to_string();
            assert!(!told.contains(is_unseen), "{told:?}");
            let escaped = format!("\"an{}na\"", c.escape_unicode());
            assert!(told.contains(&escaped), "{told}");
        }
        for c in "aé李ع 👩\u{301}\u{200d}".chars() {
            assert!(!is_unseen(c), "{c:?}");
        }
    }

    #[test]
    fn blanks_and_joiners_are_those_that_are_seen() {
        // The joiner makes another form of the Arabic letter, and none of a Latin one.
        for name in [
            "anna b",
            "山田\u{3000}太郎",
            "\u{628}\u{200c}\u{628}",
            "\u{600}\u{200d}a",
        ] {
            assert!(SpeakerName::new(name).is_ok(), "{name:?}");
        }
        for name in [
            "anna  b",
            "anna\u{a0}b",
            "anna\u{2003}b",
            "anna\u{3000} b",
            "an\u{200c}na",
            "an\u{200d}na",
            "anna\u{fe0f}",
            "anna\u{e0100}",
            "\u{5ff}\u{200d}a",
        ] {
            assert!(SpeakerName::new(name).is_err(), "{name:?}");
        }
    }

    #[test]
    fn an_embedding_is_used_and_not_shown() {
        let model = ModelId::of(b"a model");
        let embedding = Embedding::new(vec![0.625, -3.5], model).unwrap();
        assert_eq!(embedding.values(), [0.625, -3.5]);
        let shown = format!("{embedding:?}");
        assert!(shown.contains("(2,)") && !shown.contains("625"), "{shown}");
        for values in [vec![], vec![f32::NAN], vec![1.0, f32::INFINITY]] {
            assert!(Embedding::new(values, model).is_err());
        }
    }

    #[test]
    fn spellings_that_look_the_same_are_one_name() {
        let composed = SpeakerName::new("Zo\u{eb}").unwrap();
        let decomposed = SpeakerName::new("Zoe\u{308}").unwrap();
        assert_eq!(composed.key(), decomposed.key());
        assert_ne!(composed.as_str(), decomposed.as_str());
        assert_eq!(composed.key(), "Zo\u{eb}");
        assert_eq!(decomposed.to_string(), "Zoe\u{308}");
    }
}
