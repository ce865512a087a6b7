//! Embeddings with their speakers, recording sessions and domains, which heads are fitted on.

use crate::{Error, Result};
use std::collections::BTreeMap;

/// N embeddings of size D with their labels, checked once.
#[derive(Debug, Clone)]
pub struct Labelled {
    embeddings: Vec<Vec<f32>>,
    speakers: Vec<usize>,
    sessions: Vec<u32>,
    domains: Vec<u32>,
    by_speaker: Vec<Vec<usize>>,
}

impl Labelled {
    /// Checks `embeddings` (N × D) and `speakers` (N). Each embedding is its own session, and all
    /// are of one domain, until [`Self::with_sessions`] and [`Self::with_domains`] say otherwise.
    ///
    /// # Errors
    /// [`Error::Usage`] for lengths that differ, values that are not finite, fewer than two
    /// speakers, or no speaker with two embeddings.
    pub fn new(embeddings: Vec<Vec<f32>>, speakers: &[u32]) -> Result<Self> {
        let refuse = |fact: String| {
            Err(Error::Usage(format!(
                "embeddings to fit a head on: {fact}; give at least two speakers, one of them with \
                 two recordings, and finite embeddings of one size"
            )))
        };
        let size = embeddings.first().map_or(0, Vec::len);
        if speakers.len() != embeddings.len() {
            return refuse(format!(
                "{} embeddings and {} speaker labels",
                embeddings.len(),
                speakers.len()
            ));
        }
        if let Some(i) = embeddings
            .iter()
            .position(|e| e.len() != size || e.is_empty() || e.iter().any(|v| !v.is_finite()))
        {
            return refuse(format!(
                "number {i} is not finite or not of size {size} like the first"
            ));
        }
        let mut members: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
        for (i, &speaker) in speakers.iter().enumerate() {
            members.entry(speaker).or_default().push(i);
        }
        let by_speaker: Vec<Vec<usize>> = members.into_values().collect();
        if by_speaker.len() < 2 || by_speaker.iter().all(|m| m.len() < 2) {
            return refuse(format!(
                "{} speakers, {} embeddings",
                by_speaker.len(),
                embeddings.len()
            ));
        }
        let num_embeddings = embeddings.len();
        let mut index_of = vec![0; num_embeddings];
        for (s, members) in by_speaker.iter().enumerate() {
            members.iter().for_each(|&i| index_of[i] = s);
        }
        Ok(Labelled {
            embeddings,
            speakers: index_of,
            sessions: (0..num_embeddings as u32).collect(),
            domains: vec![0; num_embeddings],
            by_speaker,
        })
    }

    /// Sets the session in which each embedding was recorded. Target pairs within one session do
    /// not show how channel and day change a voice, so [`super::head::refine`] can leave them out.
    ///
    /// # Errors
    /// [`Error::Usage`] if there is not one session per embedding.
    pub fn with_sessions(mut self, sessions: Vec<u32>) -> Result<Self> {
        self.sessions = one_each("session", sessions, self.len())?;
        Ok(self)
    }

    /// Sets the corpus (or channel) of each embedding. Nontarget pairs are drawn within one domain, or
    /// a head would learn to tell microphones and languages apart instead of voices.
    ///
    /// # Errors
    /// [`Error::Usage`] if there is not one domain per embedding.
    pub fn with_domains(mut self, domains: Vec<u32>) -> Result<Self> {
        self.domains = one_each("domain", domains, self.len())?;
        Ok(self)
    }

    /// N.
    #[allow(clippy::len_without_is_empty)] // never empty
    pub fn len(&self) -> usize {
        self.embeddings.len()
    }
    /// D.
    pub fn embedding_size(&self) -> usize {
        self.embeddings[0].len()
    }
    /// N × (D,)
    pub fn embeddings(&self) -> &[Vec<f32>] {
        &self.embeddings
    }
    /// Speaker of each embedding, from 0 without gaps.
    pub fn speakers(&self) -> &[usize] {
        &self.speakers
    }
    /// Session of each embedding.
    pub fn sessions(&self) -> &[u32] {
        &self.sessions
    }
    /// Domain of each embedding.
    pub fn domains(&self) -> &[u32] {
        &self.domains
    }
    /// Indices of the embeddings of each speaker.
    pub fn by_speaker(&self) -> &[Vec<usize>] {
        &self.by_speaker
    }
}

fn one_each(what: &str, labels: Vec<u32>, num_embeddings: usize) -> Result<Vec<u32>> {
    if labels.len() != num_embeddings {
        return Err(Error::Usage(format!(
            "{} {what} labels for {num_embeddings} embeddings; give one each",
            labels.len()
        )));
    }
    Ok(labels)
}
