//! Makes a cohort (speakers that every recording is compared with) of speakers that are in no
//! trial. The model gets it only if it helps: each list is scored by a calibration fitted on the
//! other lists, with and without the cohort, and the mean Cllr must be lower with it.

use super::outside::OutsideSpeakers;
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

/// A cohort before it is judged. The model may get it.
pub(super) struct Candidate {
    pub cohort: Cohort,
    name: String,
    num_speakers: usize,
    num_refused: usize,
}

/// A cohort, and whether it helps.
#[derive(Debug, Clone, PartialEq)]
pub struct Judged {
    /// The manifest's file name.
    pub name: String,
    /// Mean Cllr over the lists, each scored by a calibration with the cohort that was fitted on
    /// the other lists.
    pub cllr_with: f64,
    /// The same without the cohort.
    pub cllr_without: f64,
    /// Speakers in the cohort.
    pub num_speakers: usize,
    /// Recordings that could not be used.
    pub num_refused: usize,
    /// How many of a recording's highest scores against the cohort are averaged.
    pub top: usize,
}

impl<'a> Source<'a> {
    /// Reads the manifest. `top` is as in [`Judged`].
    ///
    /// # Errors
    /// As [`OutsideSpeakers::open`]; [`crate::Error::Usage`] for fewer than two tables, and for too
    /// many speakers.
    pub fn open(path: &'a Path, top: usize, tables: &[ScoreTable], root: &Path) -> Result<Self> {
        let speakers = OutsideSpeakers::open("--cohort", path, tables, root)?;
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
    pub fn embed(self, embedder: &Embedder) -> Result<Candidate> {
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
            cohort: Cohort {
                points,
                top: num_speakers.min(self.top),
            },
            name: file_name(self.speakers.path),
            num_speakers,
            num_refused: embedded.iter().filter(|embedded| embedded.is_err()).count(),
        })
    }
}

impl Candidate {
    /// Compares fits with and without the cohort on lists that were left out of the fit.
    ///
    /// # Errors
    /// As [`Calibration::cllr_left_out`].
    pub fn judge(&self, lists: &[Vec<QualityList>], prior: f64) -> Result<Judged> {
        Ok(Judged {
            cllr_with: Calibration::cllr_left_out(lists, prior, true)?,
            cllr_without: Calibration::cllr_left_out(lists, prior, false)?,
            name: self.name.clone(),
            num_speakers: self.num_speakers,
            num_refused: self.num_refused,
            top: self.cohort.top,
        })
    }
}

impl Judged {
    /// Whether the cohort helps, so that the model gets it.
    pub fn is_kept(&self) -> bool {
        self.cllr_with < self.cllr_without
    }

    /// The part about the cohort in the model card's sentence about the calibration.
    pub(super) fn sentence(&self) -> String {
        format!(
            ", cohort {} by Cllr {:.4} with it, {:.4} without on lists left out ({}: {} speakers, {} \
             recordings refused, top {})",
            if self.is_kept() { "kept" } else { "not kept" },
            self.cllr_with,
            self.cllr_without,
            self.name,
            self.num_speakers,
            self.num_refused,
            self.top,
        )
    }
}
