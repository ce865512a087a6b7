//! The text of a backup: JSON lines, first a head, then one line for each voiceprint. Embeddings
//! are base64 of little-endian f32.

use crate::verifier::{Embedding, ModelId, SpeakerName, Utterance, Voiceprint};
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use serde_json::json;
use std::{
    borrow::Cow,
    io::{self, Write},
};
use zeroize::Zeroizing;

const VERSION: u64 = 1;

#[derive(serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Line<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    model: String,
    utterances: Vec<LineUtterance<'a>>,
}

#[derive(serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct LineUtterance<'a> {
    file: Cow<'a, str>,
    speech_seconds: f32,
    quality: serde_json::Value,
    #[serde(borrow)]
    embedding: &'a str,
}

/// Why a text is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// The text does not begin as a backup of this version does.
    Unknown,
    /// A line of the text is no voiceprint.
    Damaged,
}

/// The text of these voiceprints, not encrypted.
pub fn to_text<'a>(voiceprints: impl IntoIterator<Item = &'a Voiceprint>) -> Zeroizing<Vec<u8>> {
    let voiceprints: Vec<&Voiceprint> = voiceprints.into_iter().collect();
    // Allocated at full size, because a buffer that grows leaves copies behind.
    let values = voiceprints.iter().flat_map(|v| &v.utterances);
    let num_bytes: usize = values.map(|u| 6 * u.embedding.values().len() + 2048).sum();
    let mut text = Zeroizing::new(Vec::with_capacity(
        num_bytes + 2048 * (1 + voiceprints.len()),
    ));
    write_head(&mut *text).expect("memory takes every byte");
    for voiceprint in voiceprints {
        write_line(&mut *text, voiceprint).expect("memory takes every byte");
    }
    text
}

/// Parses the voiceprints in a text.
///
/// # Errors
/// [`Refused`]
pub fn from_text(text: &[u8]) -> Result<Vec<Voiceprint>, Refused> {
    let mut lines = text.split(|&b| b == b'\n').filter(|line| !line.is_empty());
    let head = lines
        .next()
        .and_then(|line| serde_json::from_slice(line).ok());
    let head: serde_json::Value = head.unwrap_or_default();
    if head != json!({ "spkver_backup": VERSION }) {
        return Err(Refused::Unknown);
    }
    lines
        .map(|line| voiceprint(line).ok_or(Refused::Damaged))
        .collect()
}

/// The first line.
pub(super) fn write_head(out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "{}", json!({ "spkver_backup": VERSION }))
}

/// The line of a voiceprint.
pub(super) fn write_line(out: &mut impl Write, voiceprint: &Voiceprint) -> io::Result<()> {
    let texts = voiceprint
        .utterances
        .iter()
        .map(|utterance| Zeroizing::new(BASE64.encode(utterance.embedding.to_bytes())));
    let texts: Vec<Zeroizing<String>> = texts.collect();
    let utterances = voiceprint.utterances.iter().zip(&texts);
    let line = Line {
        name: voiceprint.name.as_str().into(),
        model: voiceprint.model.to_string(),
        utterances: utterances
            .map(|(utterance, text)| LineUtterance {
                file: utterance.file.as_str().into(),
                speech_seconds: utterance.speech_seconds,
                quality: serde_json::from_str(utterance.quality()).unwrap_or_default(),
                embedding: text,
            })
            .collect(),
    };
    serde_json::to_writer(&mut *out, &line)?;
    out.write_all(b"\n")
}

fn voiceprint(line: &[u8]) -> Option<Voiceprint> {
    let line: Line = serde_json::from_slice(line).ok()?;
    let model: ModelId = line.model.parse().ok()?;
    let utterance = |u: LineUtterance| {
        let mut bytes = Zeroizing::new(vec![0; base64::decoded_len_estimate(u.embedding.len())]);
        let length = BASE64.decode_slice(u.embedding, &mut bytes).ok()?;
        let (values, rest) = bytes[..length].as_chunks();
        let values = values.iter().map(|b| f32::from_le_bytes(*b)).collect();
        let embedding = Embedding::new(values, model).ok()?;
        let fits = rest.is_empty() && u.speech_seconds.is_finite();
        let utterance =
            fits.then(|| Utterance::without_quality(u.file, embedding, u.speech_seconds));
        utterance?.with_quality(u.quality.to_string().as_bytes())
    };
    Some(Voiceprint {
        name: SpeakerName::new(line.name).ok()?,
        model,
        utterances: line
            .utterances
            .into_iter()
            .map(utterance)
            .collect::<Option<_>>()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_voiceprint_comes_back_from_its_text() {
        let model = ModelId::of(b"a model");
        let embedding = Embedding::new(vec![0.1, -2.5e-30], model).unwrap();
        let utterance = Utterance::without_quality("a \u{1f600}.wav", embedding, 1.85);
        let utterance = utterance.with_quality(br#"{ "snr_db": 20.5 }"#).unwrap();
        let zoe = Voiceprint {
            name: SpeakerName::new("Zo\u{eb}").unwrap(),
            model,
            utterances: vec![utterance.clone(), utterance],
        };
        let text = to_text([&zoe, &zoe]);
        let read = from_text(&text).unwrap();
        assert_eq!(read.len(), 2);
        assert_eq!(read[1].name.as_str(), zoe.name.as_str());
        assert_eq!(read[1].model, model);
        assert_eq!(read[1].utterances, zoe.utterances);

        assert_eq!(from_text(b"").unwrap_err(), Refused::Unknown);
        let newer = b"{\"spkver_backup\":2}\n";
        assert_eq!(from_text(newer).unwrap_err(), Refused::Unknown);
        let cut = &text[..text.len() - 3];
        assert_eq!(from_text(cut).unwrap_err(), Refused::Damaged);
    }
}
