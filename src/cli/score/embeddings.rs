//! `spkver score --embeddings`: vectors of any system in the place of recordings.

use super::Args;
use crate::cli::calibrate_scores;
use spkver::{
    Error, Result,
    batch::{
        points::Scorer,
        score::Participants,
        vectors::{self, Vectors},
    },
    verifier::Verifier,
};
use std::{collections::HashSet, path::Path};

/// The head takes vectors of the model's size only.
pub(super) fn check_size(vectors: &Vectors, scorer: Scorer, verifier: &Verifier) -> Result<()> {
    let size = verifier.model().head.embedding_size();
    match scorer {
        Scorer::Head(_) if !vectors.is_empty() && vectors.size() != size => {
            Err(Error::Usage(format!(
                "--head: the vectors have {} values, the model's embeddings {size}; leave --head off \
                 for the cosine",
                vectors.size()
            )))
        }
        _ => Ok(()),
    }
}

impl Args {
    pub(super) fn vectors(&self, path: &Path, participants: &Participants) -> Result<Vectors> {
        let wanted: HashSet<&str> = participants.utterances().collect();
        vectors::read(path, self.ids.as_deref(), &|id| wanted.contains(id))
    }

    /// What makes a score of two points.
    pub(super) fn scorer<'a>(&self, verifier: &'a Verifier) -> Result<Scorer<'a>> {
        if self.embeddings.is_none() || self.head {
            return Ok(Scorer::Head(&verifier.model().head));
        }
        let calibration = self.calibration.as_deref().map(calibrate_scores::read);
        let (scale, offset) = calibration.transpose()?.unwrap_or((1.0, 0.0));
        Ok(Scorer::Cosine { scale, offset })
    }
}
