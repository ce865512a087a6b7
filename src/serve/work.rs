//! Does the work of each verb once its request has arrived. The answers are those of the command
//! line.

use super::{Service, refusal::Refusal, tries::Try, upload::Part};
use crate::{
    Error, Result,
    answer::{
        Outcome, Recording, Rules, all_or_errors, enrollment, identification, listing, removal,
    },
    audio::{ReadOptions, read_from},
    identify::{Plan, Search},
    parallel,
    scoring::Decision,
    storage::voiceprints::Store,
    verifier::{SpeakerName, Voiceprint},
};
use axum::http::StatusCode;
use serde_json::Value;
use std::{num::NonZeroU32, path::Path, slice};

/// The answer to a request, and what is recorded about it.
pub struct Done {
    /// The answer, as the command line prints it with `--json`.
    pub answer: Value,
    /// The decision, if there is one.
    pub decision: Option<&'static str>,
    /// Length of the recordings, in seconds.
    pub audio_seconds: f64,
}

impl Service {
    /// Stores recordings of a speaker.
    pub(super) fn enroll(
        &self,
        name: SpeakerName,
        rules: &Rules,
        parts: &[Part],
        attempt: Try,
    ) -> std::result::Result<Done, Refusal> {
        let done = self.stores.with(|store| {
            let enrolled = enrollment::enrolled(&name, rules, &self.verifier, store.as_ref())?;
            let recordings = self.analyze(parts)?;
            let audio_seconds = seconds_of(&recordings);
            let create = || self.stores.create();
            let enrollment = enrollment::enroll(
                name,
                enrolled,
                recordings,
                rules,
                &self.verifier,
                store,
                create,
            )?;
            Ok(Done {
                answer: enrollment.answer(&self.verifier, self.store_name()),
                decision: None,
                audio_seconds,
            })
        });
        let done = done.map_err(Refusal::from);
        // This counts as a try, because the refusal reveals whether the voice fits an enrolled one.
        if let Err(refusal) = &done
            && refusal.status == StatusCode::UNPROCESSABLE_ENTITY
        {
            attempt.spend();
        }
        done
    }

    /// Is the recording of the enrolled speaker?
    pub(super) fn verify(
        &self,
        name: &SpeakerName,
        parts: &[Part],
        attempt: Try,
    ) -> std::result::Result<Done, Refusal> {
        let (voiceprint, attempt) = self.voiceprint(name, attempt)?;
        let recording = &self.analyze(parts)?[0];
        let outcome = Outcome::of_voiceprint(
            &voiceprint,
            &recording.embedding,
            &self.criterion,
            &self.verifier,
        )?;
        if outcome.verification.decision != Decision::Accept {
            attempt.spend();
        }
        let recordings = slice::from_ref(recording);
        let name = Some(voiceprint.name.as_str());
        Ok(Done {
            answer: outcome.answer("verify", name, recordings, &self.verifier),
            decision: Some(outcome.verification.decision.code()),
            audio_seconds: seconds_of(recordings),
        })
    }

    /// The voiceprint of the claimed speaker.
    pub(super) fn voiceprint(
        &self,
        name: &SpeakerName,
        attempt: Try,
    ) -> std::result::Result<(Voiceprint, Try), Refusal> {
        let voiceprint = self
            .stores
            .with(|store| self.opened(name, store)?.get(name));
        let voiceprint = match voiceprint {
            // This counts as a try, because the error reveals who is enrolled.
            Err(error @ Error::UnknownSpeaker { .. }) => {
                attempt.spend();
                return Err(error.into());
            }
            voiceprint => voiceprint?,
        };
        self.verifier.check_model(&voiceprint)?;
        Ok((voiceprint, attempt))
    }

    /// Of which enrolled speaker, if any, is the recording?
    pub(super) fn identify(
        &self,
        top: usize,
        parts: &[Part],
        attempt: Try,
    ) -> std::result::Result<Done, Refusal> {
        let recording = self.analyze(parts)?.remove(0);
        let audio_seconds = seconds_of(slice::from_ref(&recording));
        let mut about = recording.json();
        let probe = identification::probe(recording.embedding, &self.verifier);
        let tests: Vec<_> = probe.as_ref().ok().into_iter().collect();
        let found = self.stores.with(|store| {
            let Some(store) = store else { return Ok(None) };
            let plan = Plan {
                store,
                verifier: &self.verifier,
                top,
                point: self.point,
            };
            let mut search = Search::open(plan, Some(&self.last_index), &mut |_| ())?;
            match search.num_speakers() {
                0 => Ok(None),
                _ => search.identify(&tests, &mut |_| ()).map(Some),
            }
        })?;
        let Some(found) = found else {
            let text = "nobody is enrolled with this model";
            return Err(Refusal::new(StatusCode::NOT_FOUND, "nobody_enrolled", text));
        };
        let matches = found.matches.into_iter().next().unwrap_or_default();
        let (mut result, decision) = match &probe {
            Ok(_) => (
                identification::found(&matches),
                identification::decision(&matches),
            ),
            Err(reason) => (
                identification::inconclusive(*reason),
                Decision::Inconclusive(*reason),
            ),
        };
        for key in ["path", "quality"] {
            result[key] = about[key].take();
        }
        if decision != Decision::Accept {
            attempt.spend();
        }
        Ok(Done {
            answer: identification::answer(
                &self.verifier,
                self.store_name(),
                self.point.p_target(),
                self.point.among(found.num_speakers).threshold(),
                found.num_speakers,
                &[&result],
            ),
            decision: Some(decision.code()),
            audio_seconds,
        })
    }

    /// Are both recordings of one speaker?
    pub(super) fn compare(&self, parts: &[Part]) -> std::result::Result<Done, Refusal> {
        if parts.len() != 2 {
            return Err(Refusal::request("send two recordings"));
        }
        let both = self.analyze(parts)?;
        let outcome = Outcome::of_pair([&both[0], &both[1]], &self.criterion, &self.verifier)?;
        Ok(Done {
            answer: outcome.answer("compare", None, &both, &self.verifier),
            decision: Some(outcome.verification.decision.code()),
            audio_seconds: seconds_of(&both),
        })
    }

    /// Erases a voiceprint, or one recording of it.
    pub(super) fn delete(
        &self,
        name: &SpeakerName,
        recording: Option<NonZeroU32>,
    ) -> std::result::Result<Done, Refusal> {
        let num_left = self.stores.with(|store| {
            let store = store.as_mut().ok_or_else(|| self.unknown(name))?;
            removal::remove(store, name, recording)
        })?;
        self.last_index.forget();
        Ok(Done::without_audio(removal::answer(
            name, recording, num_left,
        )))
    }

    /// Who is enrolled, or the recordings of one speaker.
    pub(super) fn list(&self, name: Option<&SpeakerName>) -> std::result::Result<Done, Refusal> {
        let answer = self.stores.with(|store| match name {
            Some(name) => {
                let voiceprint = self.opened(name, store)?.get(name)?;
                // No scores if another model made the voiceprint.
                let scores = listing::scores(&voiceprint, &self.verifier).unwrap_or_default();
                Ok(listing::of_voiceprint(&voiceprint, &scores))
            }
            None => {
                let listing = store.as_ref().map_or(Ok(Default::default()), Store::list)?;
                Ok(listing::of_store(&listing, self.store_name()))
            }
        })?;
        Ok(Done::without_audio(answer))
    }

    /// Decodes and embeds the recordings.
    fn analyze(&self, parts: &[Part]) -> Result<Vec<Recording>> {
        let options = ReadOptions {
            max_seconds: Some(self.limits.max_seconds),
            max_bytes: Some(self.limits.max_bytes),
            ..ReadOptions::default()
        };
        let recordings = parallel::map(parts, |part| {
            let waveform = read_from(&part.bytes[..], &part.name, &options)?;
            Ok(Recording::new(
                part.name.clone(),
                self.verifier.analyze(&waveform),
            ))
        });
        all_or_errors(recordings)
    }

    fn opened<'a>(&self, name: &SpeakerName, store: &'a Option<Store>) -> Result<&'a Store> {
        store.as_ref().ok_or_else(|| self.unknown(name))
    }

    fn unknown(&self, name: &SpeakerName) -> Error {
        Error::unknown_speaker(name.as_str(), self.stores.path())
    }

    /// The store's file name. Clients may not see its folder.
    fn store_name(&self) -> &Path {
        Path::new(self.stores.path().file_name().unwrap_or_default())
    }
}

impl Done {
    fn without_audio(answer: Value) -> Self {
        Done {
            answer,
            decision: None,
            audio_seconds: 0.0,
        }
    }
}

fn seconds_of(recordings: &[Recording]) -> f64 {
    let seconds = recordings.iter().map(|r| f64::from(r.quality.seconds));
    seconds.sum()
}
