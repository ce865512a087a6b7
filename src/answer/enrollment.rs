//! Does the work of `enroll`, and makes its answer: stores recordings of one speaker, all or none.

use super::{Recording, all_or_errors, json_of};
use crate::{
    Error, Result,
    remedy::Remedy,
    storage::voiceprints::Store,
    verifier::{OddOneOut, SpeakerName, Utterance, Verifier, Voiceprint, join},
};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Seconds of speech in a good voiceprint. With less speech, there are more misses.
pub const GOOD_SECONDS: f32 = 5.0;

/// Which recordings to enroll.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rules {
    /// Enroll recordings even if they do not sound like one speaker.
    pub force: bool,
    /// Refuse recordings that hardly sound like the others.
    pub strict: bool,
    /// Replace the voiceprint instead of adding to it.
    pub replace: bool,
    /// Accept recordings whose files were cut off.
    pub allow_truncated: bool,
}

/// What was enrolled.
pub struct Enrollment {
    name: SpeakerName,
    joined: Joined,
    findings: Vec<Finding>,
}

/// The voiceprint to which new recordings will be added, if there is one. Call this before the
/// recordings are read, so that a voiceprint of another model is refused before any work is done.
///
/// # Errors
/// [`Error::ModelMismatch`], and as [`Store::find`].
pub fn enrolled(
    name: &SpeakerName,
    rules: &Rules,
    verifier: &Verifier,
    store: Option<&Store>,
) -> Result<Option<Voiceprint>> {
    let enrolled = match store {
        Some(store) if !rules.replace => store.find(name)?,
        _ => None,
    };
    enrolled
        .as_ref()
        .map_or(Ok(()), |v| verifier.check_model(v))?;
    Ok(enrolled)
}

/// Adds the recordings to the voiceprint from [`enrolled`]. A store that does not exist is created
/// with `create`, but only once it is known that the recordings can be used.
///
/// # Errors
/// [`Error::Audio`] for each recording that cannot be used; those of the store.
pub fn enroll(
    name: SpeakerName,
    mut enrolled: Option<Voiceprint>,
    mut recordings: Vec<Recording>,
    rules: &Rules,
    verifier: &Verifier,
    store: &mut Option<Store>,
    create: impl Fn() -> Result<Store>,
) -> Result<Enrollment> {
    if !rules.allow_truncated {
        recordings = all_or_errors(recordings.into_iter().map(Recording::whole).collect())?;
    }
    let files: Vec<PathBuf> = recordings.iter().map(|r| r.path.clone()).collect();
    let utterances = recordings.into_iter().map(Recording::utterance).collect();
    let utterances = all_or_errors(utterances)?;
    loop {
        let joined = Joined::new(enrolled, &utterances, &files);
        let findings = joined.check(&name, verifier, rules)?;
        let store = match store.as_mut() {
            Some(store) => store,
            None => store.insert(create()?),
        };
        let added = joined.added();
        let stored = if rules.replace {
            store.replace(&name, verifier.id(), added)?;
            true
        } else {
            store.add(&name, verifier.id(), joined.num_before, added)?
        };
        if stored {
            return Ok(Enrollment {
                name,
                joined,
                findings,
            });
        }
        // Another command has changed the voiceprint: these recordings must be consistent with the
        // change too.
        enrolled = store.find(&name)?;
    }
}

impl Enrollment {
    /// Number of recordings that were added.
    pub fn num_added(&self) -> usize {
        self.joined.added().len()
    }

    /// Number of recordings in the voiceprint.
    pub fn num_utterances(&self) -> usize {
        self.joined.all.len()
    }

    /// Net speech in the voiceprint, in seconds; a multiple of 10 ms, the hop of the speech
    /// detector.
    pub fn speech_seconds(&self) -> f32 {
        let seconds = self.joined.all.iter().map(|u| u.speech_seconds);
        hundredths(seconds.sum())
    }

    /// Seconds of net speech that are missing for a good voiceprint.
    pub fn missing_seconds(&self) -> f32 {
        (GOOD_SECONDS - self.speech_seconds()).max(0.0)
    }

    /// A line for people about each finding.
    pub fn warnings(&self) -> impl Iterator<Item = String> {
        let findings = self.findings.iter();
        findings.map(|finding| finding.line(&self.joined.paths))
    }

    /// The answer.
    pub fn answer(&self, verifier: &Verifier, store: &Path) -> Value {
        let findings = self.findings.iter();
        let findings = findings.map(|finding| finding.json(&self.joined.paths));
        let added = self.joined.added().iter();
        let files = added.map(|u| {
            let quality: Value = serde_json::from_str(u.quality()).unwrap_or_default();
            json!({ "file": u.file, "quality": quality })
        });
        json!({
            "command": "enroll",
            "speaker": self.name.as_str(),
            "num_added": self.num_added(),
            "num_utterances": self.num_utterances(),
            "speech_seconds": json_of(&self.speech_seconds()),
            "missing_seconds": json_of(&hundredths(self.missing_seconds())),
            "findings": findings.collect::<Vec<_>>(),
            "model": verifier.id().to_string(),
            "store": store.to_string_lossy(),
            "files": files.collect::<Vec<_>>(),
        })
    }
}

fn hundredths(seconds: f32) -> f32 {
    (seconds * 100.0).round() / 100.0
}

/// The enrolled and the new recordings, together.
struct Joined {
    /// All recordings, the enrolled ones first.
    all: Vec<Utterance>,
    num_before: usize,
    /// What messages call each recording: its label in the store, or its path on the command line.
    paths: Vec<PathBuf>,
    /// Recordings that were left out.
    doubles: Vec<Finding>,
}

/// What the user should know about a recording that was enrolled or left out.
#[derive(Debug, Clone)]
pub enum Finding {
    /// Left out, because it is the same as another recording.
    Double {
        /// Path of the recording that was left out.
        path: PathBuf,
        /// Index of the other recording.
        same_as: usize,
        /// In what way both are the same; a code that stays the same.
        code: &'static str,
    },
    /// Enrolled although it does not sound like the others.
    Odd(OddOneOut),
    /// Enrolled although it hardly sounds like the others.
    Doubtful(OddOneOut),
}

impl Finding {
    fn line(&self, paths: &[PathBuf]) -> String {
        match self {
            Finding::Double {
                path,
                same_as,
                code,
            } => {
                let (file, other) = (path.display(), paths[*same_as].display());
                match *code {
                    "already-enrolled" => {
                        format!("{file}: already enrolled, as {other}; left out")
                    }
                    "given-twice" => format!("{file}: given twice; left out the second time"),
                    _ => format!("{file}: the same recording as {other}; left out"),
                }
            }
            Finding::Odd(odd) => {
                let (file, llr) = (paths[odd.index].display(), odd.value());
                format!("{file}: does not sound like the others (LLR {llr:+.2})")
            }
            Finding::Doubtful(one) => {
                let (file, llr) = (paths[one.index].display(), one.value());
                format!(
                    "{file}: hardly sounds like the others (LLR {llr:+.2}), enrolled all the same; \
                     is it the same speaker?"
                )
            }
        }
    }

    fn json(&self, paths: &[PathBuf]) -> Value {
        let of_score = |code: &str, one: &OddOneOut| {
            let path = paths[one.index].to_string_lossy();
            json!({ "code": code, "path": path, "llr": json_of(&one.llr) })
        };
        match self {
            Finding::Double {
                path,
                same_as,
                code,
            } => json!({
                "code": code,
                "path": path.to_string_lossy(),
                "same_as": paths[*same_as].to_string_lossy(),
            }),
            Finding::Odd(odd) => of_score("odd", odd),
            Finding::Doubtful(one) => of_score("doubtful", one),
        }
    }
}

impl Joined {
    /// The new recordings, without those that were left out.
    fn added(&self) -> &[Utterance] {
        &self.all[self.num_before..]
    }

    /// Joins both, and leaves out each recording that the voiceprint already has.
    fn new(enrolled: Option<Voiceprint>, utterances: &[Utterance], files: &[PathBuf]) -> Self {
        let all = enrolled.map_or_else(Vec::new, |v| v.utterances);
        let num_before = all.len();
        let mut joined = Joined {
            paths: all.iter().map(|u| PathBuf::from(&u.file)).collect(),
            all,
            num_before,
            doubles: vec![],
        };
        for (path, double) in files.iter().zip(join(&mut joined.all, utterances)) {
            let Some(same_as) = double else {
                joined.paths.push(path.clone());
                continue;
            };
            let code = match () {
                () if same_as < num_before => "already-enrolled",
                () if *path == joined.paths[same_as] => "given-twice",
                () => "same-recording",
            };
            let path = path.clone();
            joined.doubles.push(Finding::Double {
                path,
                same_as,
                code,
            });
        }
        joined
    }

    /// Checks that the recordings sound like one speaker, unless `--force` is given. Returns what
    /// the user should know about them.
    fn check(
        &self,
        name: &SpeakerName,
        verifier: &Verifier,
        rules: &Rules,
    ) -> Result<Vec<Finding>> {
        let path_of = |index: usize| self.paths[index].clone();
        let mut findings: Vec<Finding> = self.doubles.clone();
        if rules.force {
            let odd = verifier.odd_ones_out(&self.all).into_iter();
            findings.extend(odd.map(Finding::Odd));
        } else {
            verifier.check_consistency(name, &self.all, self.num_before, path_of)?;
        }
        let mut doubtful = verifier.doubtful(&self.all);
        doubtful.retain(|one| one.index >= self.num_before);
        if rules.strict && !doubtful.is_empty() {
            let refused = doubtful.iter().map(|one| {
                Error::audio(
                    path_of(one.index),
                    format!(
                        "hardly sounds like the other recordings of {:?} (LLR {:+.2})",
                        name.as_str(),
                        one.value()
                    ),
                    Remedy::Option(&["leave it out, or enroll without ", "strict", ""]),
                )
            });
            return Err(Error::Several(refused.collect()));
        }
        findings.extend(doubtful.into_iter().map(Finding::Doubtful));
        Ok(findings)
    }
}
