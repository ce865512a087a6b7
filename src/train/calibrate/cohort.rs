//! Makes a cohort (speakers that every recording is compared with) of speakers that are in no
//! trial. The model gets it only if it helps: each list is scored by a calibration fitted on the
//! other lists, with and without the cohort, and the mean Cllr must be lower with it.

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
    train::{calibration::Calibration, manifest::Manifest, quality_trial::QualityList, rounding},
    verifier::Embedding,
};
use std::path::{Path, PathBuf};

/// Speakers outside the trials, from whose recordings a cohort will be made.
pub(super) struct Source<'a> {
    speakers: OutsideSpeakers<'a>,
    top: usize,
}

impl<'a> Source<'a> {
    /// Reads the manifest. `top` is as in [`Judged`].
    ///
    /// # Errors
    /// As [`OutsideSpeakers::open`]; [`crate::Error::Usage`] for fewer than two tables, and for too
    /// many speakers.
    pub fn open(path: &'a Path, top: usize, tables: &[ScoreTable], root: &Path) -> Result<Self> {
        let speakers = OutsideSpeakers::open("cohort", path, tables, root)?;
        if tables.len() < 2 {
            return Err(speakers.refusal(
                "whether a cohort helps is judged on lists that were left out of the fit; give two \
                 lists or more, of different speakers",
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

    /// Embeds the recordings. All recordings of a speaker that can be used become one point, as in
    /// an enrollment.
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
        rounding::round(&mut points);
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
