//! `calibrate --cohort`: a manifest of speakers that no trial is about in, a point for each out, and
//! whether the mean of the highest scores against them helps on lists that it was not fitted on.

use crate::cli::evaluate::embedded::{Part, embed_files};
use serde_json::{Value, json};
use spkver::{
    Error, Result,
    audio::ReadOptions,
    eval::{speakers::Speakers, table::ScoreTable},
    scoring::Cohort,
    train::{
        calibration::{Calibration, QualityList},
        ensemble,
        manifest::Manifest,
    },
    verifier::{Embedding, Verifier},
};
use std::{
    collections::HashSet,
    path::{Path, PathBuf},
};

/// How an answer to the trials' own speakers ends.
const OTHERS: &str = "give speakers that are in no trial";

/// A manifest, none of whose speakers is in the trials.
pub struct Source<'a> {
    path: &'a Path,
    top: usize,
    manifest: Manifest,
}

/// The cohort, and what it was made of.
pub struct Candidate {
    /// To be kept or not.
    pub cohort: Cohort,
    name: String,
    num_speakers: usize,
    num_refused: usize,
}

/// A cohort that was judged: each Cllr is the mean over lists left out.
pub struct Judged {
    candidate: Candidate,
    cllr_with: f64,
    cllr_without: f64,
}

impl<'a> Source<'a> {
    /// Reads the manifest; `top` scores are to count.
    ///
    /// # Errors
    /// As [`Manifest::open`]; [`Error::Usage`] for one list, for too many speakers and for one of the
    /// trials; [`Error::Io`] for a recording that is not there.
    pub fn open(path: &'a Path, top: usize, tables: &[ScoreTable], root: &Path) -> Result<Self> {
        let refuse = |fact: &str| Err(Error::Usage(format!("--cohort {}: {fact}", path.display())));
        if tables.len() < 2 {
            return refuse(
                "whether it helps is judged on a list that it was not fitted on; give two lists or more, \
                 of different speakers",
            );
        }
        let manifest = Manifest::open(path)?;
        if manifest.speakers.len() > Cohort::MAX_SPEAKERS {
            return refuse(&format!(
                "more than {} speakers; leave some out",
                Cohort::MAX_SPEAKERS
            ));
        }
        let mut files = vec![];
        for utterance in &manifest.utterances {
            let path = utterance.path.canonicalize();
            let path = path.map_err(|e| Error::io(&utterance.path, "read", e))?;
            files.push(path.to_string_lossy().into_owned());
        }
        let files: HashSet<&str> = files.iter().map(String::as_str).collect();
        for table in tables {
            for recording in 0..table.names().len() {
                let name = table.name(recording as u32);
                let is_there = |path: PathBuf| files.contains(&*path.to_string_lossy());
                if root.join(name).canonicalize().is_ok_and(is_there) {
                    return refuse(&format!("{name} is in the trials; {OTHERS}"));
                }
            }
            let speakers = Speakers::of_table(table);
            let count = speakers
                .as_ref()
                .map_or(table.names().len(), Speakers::count);
            for i in 0..count {
                let folder = match &speakers {
                    Some(speakers) => speakers.name(i),
                    None => table
                        .name(i as u32)
                        .rsplit_once('/')
                        .map_or("", |(folder, _)| folder),
                };
                let folder = folder.rsplit_once('/').map_or(folder, |(_, last)| last);
                if manifest
                    .speakers
                    .binary_search_by(|name| (**name).cmp(folder))
                    .is_ok()
                {
                    return refuse(&format!("speaker {folder:?} is in the trials; {OTHERS}"));
                }
            }
        }
        Ok(Source {
            path,
            top,
            manifest,
        })
    }

    /// The files of the recordings.
    pub fn recordings(&self) -> impl Iterator<Item = &PathBuf> {
        self.manifest
            .utterances
            .iter()
            .map(|utterance| &utterance.path)
    }

    /// Embeds the recordings; a speaker is the point of all of theirs that can be used.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Usage`] where no recording can be used.
    pub fn embed(self, options: &ReadOptions, verifier: &Verifier) -> Result<Candidate> {
        let utterances = &self.manifest.utterances;
        let paths: Vec<PathBuf> = utterances.iter().map(|u| u.path.clone()).collect();
        let embedded = embed_files(&paths, options, Part::Whole, verifier)?;
        let mut by_speaker: Vec<Vec<&Embedding>> = vec![vec![]; self.manifest.speakers.len()];
        for (utterance, embedded) in utterances.iter().zip(&embedded) {
            if let Ok(embedding) = embedded {
                by_speaker[utterance.speaker as usize].push(embedding);
            }
        }
        let head = &verifier.model().head;
        let mut points = vec![];
        for embeddings in by_speaker {
            let point = head.project_enrolment(embeddings.iter().map(|e| e.values()));
            let point = &point[..head.size()];
            // A speaker without an embedding has no direction.
            if point.iter().all(|v| v.is_finite()) {
                points.extend_from_slice(point);
            }
        }
        // Half the size in the file.
        ensemble::round(&mut points);
        let num_speakers = points.len() / head.size();
        if num_speakers == 0 {
            let why = embedded.into_iter().find_map(std::result::Result::err);
            return Err(Error::Usage(format!(
                "--cohort {}: none of its {} recordings can be used: {}",
                self.path.display(),
                paths.len(),
                why.unwrap_or_default(),
            )));
        }
        let name = self.path.file_name().unwrap_or(self.path.as_os_str());
        Ok(Candidate {
            cohort: Cohort {
                points,
                top: num_speakers.min(self.top),
            },
            name: name.to_string_lossy().into_owned(),
            num_speakers,
            num_refused: embedded.iter().filter(|embedded| embedded.is_err()).count(),
        })
    }
}

impl Candidate {
    /// Of what it does to lists that it was not fitted on.
    ///
    /// # Errors
    /// As [`Calibration::cllr_left_out`].
    pub fn judge(self, lists: &[Vec<QualityList>], prior: f64) -> Result<Judged> {
        Ok(Judged {
            cllr_with: Calibration::cllr_left_out(lists, prior, true)?,
            cllr_without: Calibration::cllr_left_out(lists, prior, false)?,
            candidate: self,
        })
    }
}

impl Judged {
    /// Does it help?
    pub fn is_kept(&self) -> bool {
        self.cllr_with < self.cllr_without
    }

    /// Its points, where they are kept.
    pub fn cohort(&self) -> Option<Cohort> {
        self.is_kept().then(|| self.candidate.cohort.clone())
    }

    /// For the line and the model card.
    pub fn line(&self) -> String {
        let candidate = &self.candidate;
        format!(
            ", cohort {} by Cllr {:.4} with it, {:.4} without on lists left out ({}: {} speakers, {} \
             recordings refused, top {})",
            if self.is_kept() { "kept" } else { "not kept" },
            self.cllr_with,
            self.cllr_without,
            candidate.name,
            candidate.num_speakers,
            candidate.num_refused,
            candidate.cohort.top,
        )
    }

    /// For machines.
    pub fn json(&self) -> Value {
        json!({
            "kept": self.is_kept(),
            "cllr_with": self.cllr_with,
            "cllr_without": self.cllr_without,
            "speakers": self.candidate.num_speakers,
            "refused": self.candidate.num_refused,
            "top": self.candidate.cohort.top,
        })
    }
}
