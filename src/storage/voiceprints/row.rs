//! [`Utterance`] in, the columns of its row out, and back if the checksum allows.

use crate::verifier::{Embedding, ModelId, Utterance};

/// An utterance as it lies in the file.
pub(super) struct Row {
    pub file: String,
    pub speech_seconds: f64,
    pub quality: String,
    pub embedding: Vec<u8>,
    pub checksum: Vec<u8>,
}

impl Row {
    pub fn new(utterance: &Utterance, key: &str, model: ModelId) -> Self {
        let values = utterance.embedding.values().iter();
        let mut row = Row {
            file: utterance.file.clone(),
            speech_seconds: utterance.speech_seconds.into(),
            quality: utterance.quality.to_string(),
            embedding: values.flat_map(|v| v.to_le_bytes()).collect(),
            checksum: vec![],
        };
        row.checksum = row.digest(key, model);
        row
    }

    /// The utterance, unless the row is damaged or somebody else's.
    pub fn checked(self, key: &str, model: ModelId) -> Option<Utterance> {
        if self.checksum != self.digest(key, model) {
            return None;
        }
        let values = self
            .embedding
            .chunks_exact(4)
            .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]));
        Some(Utterance {
            embedding: Embedding::new(values.collect(), model).ok()?,
            quality: serde_json::from_str(&self.quality).ok()?,
            speech_seconds: self.speech_seconds as f32,
            file: self.file,
        })
    }

    fn digest(&self, key: &str, model: ModelId) -> Vec<u8> {
        let mut hasher = blake3::Hasher::new();
        for part in [
            key.as_bytes(),
            model.to_string().as_bytes(),
            self.file.as_bytes(),
            &self.speech_seconds.to_le_bytes(),
            self.quality.as_bytes(),
            &self.embedding,
        ] {
            // The length first: two columns cannot trade bytes.
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        hasher.finalize().as_bytes().to_vec()
    }
}
