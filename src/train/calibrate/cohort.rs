//! Makes a cohort of speakers that are in no trial, and judges whether the scores against it lower
//! Cllr on trial lists that they were not fitted on.

use super::{
    judged::{Addition, Candidate, Judged},
    outside::OutsideSpeakers,
};
use crate::{
    Result,
    eval::{
        embedded::{Embedder, Part},
        table::ScoreTable,
    },
    scoring::Cohort,
    storage::file_name,
    train::{calibration::Calibration, ensemble, manifest::Manifest, quality_trial::QualityList},
    verifier::Embedding,
};
use std::path::{Path, PathBuf};

/// Speakers outside the trials, from whose recordings a cohort will be made.
pub(super) struct Source<'a> {
    speakers: OutsideSpeakers<'a>,
    top: usize,
}

impl<'a> Source<'a> {
    /// Reads the manifest. `top` is how many of the highest scores against the cohort count.
    ///
    /// # Errors
    /// As [`OutsideSpeakers::open`]; [`crate::Error::Usage`] for a single table and too many speakers.
    pub fn open(path: &'a Path, top: usize, tables: &[ScoreTable], root: &Path) -> Result<Self> {
        let speakers = OutsideSpeakers::open("--cohort", path, tables, root)?;
        if tables.len() < 2 {
            return Err(speakers.refusal(
                "whether it helps is judged on a list that it was not fitted on; give two lists or more, \
                 of different speakers",
            ));
        }
        if speakers.manifest.speakers.len() > Cohort::MAX_SPEAKERS {
            return Err(speakers.refusal(&format!(
                "more than {} speakers; leave some out",
                Cohort::MAX_SPEAKERS
            )));
        }
        Ok(Source { speakers, top })
    }

    /// The files of the recordings.
    pub fn recordings(&self) -> impl Iterator<Item = &PathBuf> {
        self.speakers.recordings()
    }

    /// Embeds the recordings. A speaker's point is made of all of their recordings that can be used.
    ///
    /// # Errors
    /// [`crate::Error::Io`]; [`crate::Error::Usage`] where no recording can be used.
    pub fn embed(self, embedder: &Embedder) -> Result<Candidate<Cohort>> {
        let Manifest {
            utterances,
            speakers,
            ..
        } = &self.speakers.manifest;
        let paths: Vec<PathBuf> = self.recordings().cloned().collect();
        let embedded = embedder.files(&paths, Part::Whole)?;
        let mut by_speaker: Vec<Vec<&Embedding>> = vec![vec![]; speakers.len()];
        for (utterance, embedded) in utterances.iter().zip(&embedded) {
            if let Ok(embedding) = embedded {
                by_speaker[utterance.speaker as usize].push(embedding);
            }
        }
        let head = &embedder.verifier.model().head;
        let mut points = vec![];
        for embeddings in by_speaker {
            let point = head.project_enrollment(embeddings.iter().map(|e| e.values()));
            let point = &point[..head.size()];
            // The point of a speaker without an embedding is NaN.
            if point.iter().all(|v| v.is_finite()) {
                points.extend_from_slice(point);
            }
        }
        // F16 halves their size in the model file.
        ensemble::round(&mut points);
        let num_speakers = points.len() / head.size();
        if num_speakers == 0 {
            let why = embedded.into_iter().find_map(std::result::Result::err);
            return Err(self.speakers.none_used(why));
        }
        Ok(Candidate {
            added: Cohort {
                points,
                top: num_speakers.min(self.top),
            },
            name: file_name(self.speakers.path),
            num_speakers,
            num_refused: embedded.iter().filter(|embedded| embedded.is_err()).count(),
        })
    }
}

impl Candidate<Cohort> {
    /// Compares fits with and without the cohort on lists that were left out of the fit.
    ///
    /// # Errors
    /// As [`Calibration::cllr_left_out`].
    pub fn judge(&self, lists: &[Vec<QualityList>], prior: f64) -> Result<Judged> {
        let cllr = |with| Calibration::cllr_left_out(lists, prior, with);
        let top = self.added.top;
        Ok(self.judged(Addition::Cohort { top }, cllr(true)?, cllr(false)?))
    }
}
