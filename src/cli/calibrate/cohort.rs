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
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// Whom to compare with.
#[derive(clap::Args)]
pub struct Args {
    /// Speakers that are in no trial, as `train` takes them: fit with --quality what sounding like
    /// many of them takes from a score, and keep them in the model if Cllr at --p-target, of each list
    /// by a fit on the others, is lower with them. Wants two lists or more
    #[arg(long, value_name = "DIR|MANIFEST", requires = "quality")]
    cohort: Option<PathBuf>,
    /// How many of the highest scores against the cohort count, at most all
    #[arg(
        long,
        value_name = "N",
        default_value_t = 100,
        value_parser = clap::value_parser!(u16).range(1..=Cohort::MAX_SPEAKERS as i64)
    )]
    cohort_top: u16,
}

/// A manifest, none of whose speakers is in the trials.
pub struct Source<'a> {
    args: &'a Args,
    path: &'a Path,
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

impl Args {
    /// Reads the manifest, if one is given.
    ///
    /// # Errors
    /// As [`Manifest::open`]; [`Error::Usage`] for a speaker of the trials, for too many speakers, and
    /// for one list; [`Error::Io`] for a recording that is not there.
    pub fn source(&self, tables: &[ScoreTable], root: &Path) -> Result<Option<Source<'_>>> {
        let Some(path) = &self.cohort else {
            return Ok(None);
        };
        let refuse =
            |fact: String| Err(Error::Usage(format!("--cohort {}: {fact}", path.display())));
        if tables.len() < 2 {
            return refuse(
                "whether it helps is judged on a list that it was not fitted on; give two lists or more, \
                 of different speakers"
                    .into(),
            );
        }
        let manifest = Manifest::open(path)?;
        if manifest.speakers.len() > Cohort::MAX_SPEAKERS {
            return refuse(format!(
                "{} speakers; at most {} are taken",
                manifest.speakers.len(),
                Cohort::MAX_SPEAKERS
            ));
        }
        if let Some(both) = tables
            .iter()
            .find_map(|table| in_both(table, root, &manifest))
        {
            return refuse(format!(
                "{both} is in the trials too; give speakers that are in no trial"
            ));
        }
        Ok(Some(Source {
            args: self,
            path,
            manifest,
        }))
    }
}

/// A speaker or a recording of both, as users call it: the folder of a speaker's recordings is named
/// as a speaker of the manifest, or the file is the same.
fn in_both(table: &ScoreTable, root: &Path, manifest: &Manifest) -> Option<String> {
    let same_name = |folder: &str| {
        let known = manifest
            .speakers
            .binary_search_by(|name| (**name).cmp(folder));
        known.is_ok().then(|| format!("speaker {folder:?}"))
    };
    let last_folder = |path: &str| path.rsplit(['/', '\\']).next().map(str::to_string);
    let folders: Vec<String> = match Speakers::of_table(table) {
        Some(speakers) => (0..speakers.count())
            .filter_map(|speaker| last_folder(speakers.name(speaker)))
            .collect(),
        None => table
            .names()
            .filter_map(|name| last_folder(name.rsplit_once(['/', '\\'])?.0))
            .collect(),
    };
    let real = |path: &Path| {
        let path = path.canonicalize().ok()?;
        Some(path.to_string_lossy().into_owned())
    };
    let utterances = manifest.utterances.iter();
    let files: BTreeMap<String, u32> = utterances
        .filter_map(|utterance| Some((real(&utterance.path)?, utterance.speaker)))
        .collect();
    let same_file = |name: &str| {
        let path = root.join(name);
        let known = files.contains_key(&real(&path)?);
        known.then(|| path.display().to_string())
    };
    let mut folders = folders.iter();
    folders
        .find_map(|folder| same_name(folder))
        .or_else(|| table.names().find_map(same_file))
}

impl Source<'_> {
    /// Embeds the recordings; a speaker is the point of all of theirs that can be used.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Usage`] where no recording can be used.
    pub fn embed(self, options: &ReadOptions, verifier: &Verifier) -> Result<Candidate> {
        let utterances = &self.manifest.utterances;
        let paths: Vec<PathBuf> = utterances.iter().map(|u| u.path.clone()).collect();
        if let Some(lost) = paths.iter().find(|path| !path.exists()) {
            let missing = std::io::ErrorKind::NotFound.into();
            return Err(Error::io(lost, "read", missing));
        }
        let embedded = embed_files(&paths, options, Part::Whole, verifier)?;
        let mut by_speaker: Vec<Vec<&Embedding>> = vec![vec![]; self.manifest.speakers.len()];
        for (utterance, embedded) in utterances.iter().zip(&embedded) {
            if let Ok(embedding) = embedded {
                by_speaker[utterance.speaker as usize].push(embedding);
            }
        }
        let head = &verifier.model().head;
        let mut points: Vec<f32> = by_speaker
            .iter()
            .map(|embeddings| head.project_enrolment(embeddings.iter().map(|e| e.values())))
            // A speaker without an embedding has no direction.
            .filter(|point| point[..head.size()].iter().all(|v| v.is_finite()))
            .flat_map(|point| point.into_iter().take(head.size()))
            .collect();
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
                top: num_speakers.min(self.args.cohort_top.into()),
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
