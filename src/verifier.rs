//! The page to read first: a [`Model`] and recordings in, embeddings, voiceprints, decisions out.
//!
//! ```text
//! Waveform ──embed──► Embedding ──enroll──► Voiceprint ─┐
//! Waveform ──embed──► Embedding ────────────────────────┴─verify──► Verification
//! ```
//!
//! There is one way to a score ([`Verifier::llr`]); verifying against one enrolled recording,
//! comparing two recordings and calling the library give the same bits.

mod artificial;
mod embed;
mod model;
mod speech;
mod steadiness;
mod voiceprint;

pub use embed::{Heard, unfit};
pub use model::{Limits, Measurement, Model, ModelCard, ModelId};
pub use voiceprint::{Embedding, SpeakerName, Utterance, Voiceprint, is_unseen};

use crate::{
    Error, Result,
    audio::speech_frames,
    features::{Features, Mfcc},
    scoring::{
        Decision, Llr, MeasuredRates, OperatingPoint, QualityWeights, Reason, gallery::Probe,
    },
};
use std::path::PathBuf;
use zeroize::Zeroizing;

/// Recordings that score below this against the rest do not belong in one voiceprint: they are 55
/// times more likely from two speakers than from one. At 0 one honest enrolment in some ten would
/// be refused.
pub const CONSISTENT_FROM: Llr = Llr(-4.0);

/// A model ready to run.
#[derive(Debug)]
pub struct Verifier {
    id: ModelId,
    file_id: ModelId,
    model: Model,
    mfcc: Mfcc,
}

/// What a trial comes to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Verification {
    /// Accept, reject or why neither.
    pub decision: Decision,
    /// The score; none where a recording was unfit.
    pub llr: Option<Llr>,
    /// Posterior of "same speaker" at the operating point's prior.
    pub probability: Option<f64>,
}

/// A recording that does not sound, or hardly sounds, like the others of its voiceprint.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OddOneOut {
    /// Its place among the utterances.
    pub index: usize,
    /// Its score against the others.
    pub llr: Llr,
}

impl Verifier {
    /// Checks that front-end, network and head fit together.
    ///
    /// # Errors
    /// [`Error::Usage`] that names the part that does not fit.
    pub fn new(id: ModelId, model: Model) -> Result<Self> {
        let mfcc = Mfcc::new(model.front_end.clone())?;
        model.head.check(model.network.embedding_size())?;
        model.check_overlap()?;
        model.check_speech()?;
        model.limits.check()?;
        model.rates.as_ref().map_or(Ok(()), MeasuredRates::check)?;
        Ok(Verifier {
            id,
            file_id: id,
            model,
            mfcc,
        })
    }

    /// The same verifier, read from the model file with this id.
    pub fn of_file(mut self, file_id: ModelId) -> Self {
        self.file_id = file_id;
        self
    }

    /// Id of what makes embeddings: the front-end, the network and the speech detector. Every
    /// embedding and voiceprint carries it, and they stay valid when only the head, the calibration
    /// or the card changes.
    pub fn id(&self) -> ModelId {
        self.id
    }

    /// Id of the model file, which also decides the scores.
    pub fn file_id(&self) -> ModelId {
        self.file_id
    }

    /// What the model file is to hold.
    pub fn into_model(self) -> Model {
        self.model
    }

    /// What the model file holds.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// From now on the network computes in whole numbers of 8 bits: faster, and scores differ a
    /// little. Embeddings stay comparable with those made before, and the model's id is the same.
    ///
    /// The ranges of its activations are those of artificial speech: any model can be run so, and
    /// always gives the same bits.
    ///
    /// # Errors
    /// [`Error::Usage`] where the network needs more frames than these have (about a second).
    pub fn quantise(&mut self) -> Result<()> {
        let samples = artificial::utterances(1);
        let utterances: Vec<Features> = samples
            .iter()
            .map(|samples| self.mfcc.extract_samples(samples, &speech_frames(samples)))
            .collect();
        if let Some(overlap) = &mut self.model.overlap {
            overlap.quantise(&utterances)?;
        }
        self.model.network.quantise(&utterances)
    }

    /// The same model with quality terms of no weight, no cohort and no knee, for a calibration to fit:
    /// its embeddings end in ln t.
    pub fn with_quality_terms(mut self) -> Self {
        self.model.head = self.model.head.uncalibrated();
        self.model.head.quality = Some(QualityWeights::default());
        // It was a limit on the scores with the old terms.
        self.model.limits.min_steadiness = None;
        self
    }

    /// The feature extractor.
    pub fn mfcc(&self) -> &Mfcc {
        &self.mfcc
    }

    /// One voiceprint of all the utterances, unless some do not sound like the rest.
    ///
    /// # Errors
    /// As [`Self::check_consistency`].
    pub fn enroll(&self, name: SpeakerName, utterances: Vec<Utterance>) -> Result<Voiceprint> {
        self.check_consistency(&name, &utterances, 0, |index| {
            utterances[index].file.clone().into()
        })?;
        Ok(Voiceprint {
            name,
            model: self.id,
            utterances,
        })
    }

    /// Do these utterances sound like one speaker? The first `num_enrolled` are in the store
    /// already; `path_of` names the file of the utterance at an index for the user.
    ///
    /// # Errors
    /// [`Error::Several`], an [`Error::Audio`] for each that does not sound like the rest.
    pub fn check_consistency(
        &self,
        name: &SpeakerName,
        utterances: &[Utterance],
        num_enrolled: usize,
        path_of: impl Fn(usize) -> PathBuf,
    ) -> Result<()> {
        let odd = self.odd_ones_out(utterances);
        if odd.is_empty() {
            return Ok(());
        }
        let refused = odd.iter().map(|odd| {
            // What is in the store cannot be left out of the command.
            let (which, remedy) = if odd.index < num_enrolled {
                (
                    "already enrolled, ",
                    "begin anew with --replace or `spkver remove`, or insist with --force",
                )
            } else {
                (
                    "",
                    "leave out the recording of somebody else, or insist with --force",
                )
            };
            Error::Audio {
                path: path_of(odd.index),
                fact: format!(
                    "{which}does not sound like the other recordings of {:?} (LLR {:+.2})",
                    name.as_str(),
                    odd.llr.0
                ),
                remedy: remedy.into(),
            }
        });
        Err(Error::Several(refused.collect()))
    }

    /// Was the voiceprint made by this model?
    ///
    /// # Errors
    /// [`Error::ModelMismatch`].
    pub fn check_model(&self, voiceprint: &Voiceprint) -> Result<()> {
        self.check_made_here(voiceprint.name.as_str(), voiceprint.model)
    }

    /// Is the speaker of `test` the one of `voiceprint`?
    ///
    /// # Errors
    /// [`Error::ModelMismatch`] where either was made by another model.
    pub fn verify(
        &self,
        voiceprint: &Voiceprint,
        test: &Embedding,
        point: &OperatingPoint,
    ) -> Result<Verification> {
        self.check_model(voiceprint)?;
        self.check_made_here("the test recording", test.model())?;
        let utterances = voiceprint.utterances.iter();
        let enrolled: Vec<&Embedding> = utterances.map(|u| &u.embedding).collect();
        Ok(Verification::of(self.llr(&enrolled, test), point))
    }

    /// Are these two recordings of one speaker? The same score either way round.
    ///
    /// # Errors
    /// [`Error::ModelMismatch`] where either was made by another model.
    pub fn compare(
        &self,
        a: &Embedding,
        b: &Embedding,
        point: &OperatingPoint,
    ) -> Result<Verification> {
        self.check_made_here("the first recording", a.model())?;
        self.check_made_here("the second recording", b.model())?;
        Ok(Verification::of(self.llr(&[a], b), point))
    }

    /// The score of `test` against one or more embeddings of the enrolled speaker.
    pub fn llr(&self, enrolled: &[&Embedding], test: &Embedding) -> Llr {
        let head = &self.model.head;
        // Both sides take the same path, so that swapping two single recordings changes no bit.
        let fits = |e: &&Embedding| e.values().len() == head.embedding_size();
        if !(enrolled.iter().all(fits) && fits(&test)) {
            // Only a forged voiceprint has another size than its model's.
            return Llr(f32::NAN);
        }
        let speaker = head.project_enrolment(enrolled.iter().map(|e| e.values()));
        let test = head.project_enrolment(std::iter::once(test.values()));
        let (speaker, test) = (Zeroizing::new(speaker), Zeroizing::new(test));
        Llr(head.llr(&speaker, &test))
    }

    /// The enrolled speaker's point, as [`Self::llr`] scores it. `(P,)`
    pub fn project(&self, voiceprint: &Voiceprint) -> Vec<f32> {
        let utterances = voiceprint.utterances.iter();
        let head = &self.model.head;
        head.project_enrolment(utterances.map(|u| u.embedding.values()))
    }

    /// A test recording as what an index is searched with; none where it has no score.
    pub fn probe(&self, test: &Embedding) -> Option<Probe> {
        let head = &self.model.head;
        let point = head.project_enrolment(std::iter::once(test.values()));
        let finite = point.iter().all(|v| v.is_finite());
        finite.then(|| head.probe(&point))
    }

    /// Could the model have made this embedding? One that another program scaled, to length 1 say,
    /// would score too high.
    pub fn could_have_made(&self, embedding: &Embedding) -> bool {
        let Some((low, high)) = self.model.limits.ln_length else {
            return true;
        };
        (low..=high).contains(&self.model.head.ln_length(embedding.values()))
    }

    /// The utterances that do not sound like the rest, worst first: each is scored against the
    /// voiceprint of the others, and the worst is taken out before the others are judged again.
    pub fn odd_ones_out(&self, utterances: &[Utterance]) -> Vec<OddOneOut> {
        let mut kept: Vec<usize> = (0..utterances.len()).collect();
        let mut odd = vec![];
        while kept.len() > 1 {
            // A NaN counts as the lowest: it must not pass.
            let worst = self
                .against_the_others(utterances, &kept)
                .into_iter()
                .min_by(|a, b| rank(a.llr).total_cmp(&rank(b.llr)))
                .expect("kept holds two or more");
            if rank(worst.llr) >= CONSISTENT_FROM.0 {
                break;
            }
            kept.retain(|&index| index != worst.index);
            odd.push(worst);
            if kept.len() == 1 {
                // Of two that disagree nobody knows which is the wrong one.
                odd.push(OddOneOut {
                    index: kept[0],
                    llr: worst.llr,
                });
            }
        }
        odd
    }

    /// The utterances that pass, but more likely come from somebody else: they score below 0
    /// against the others that pass.
    pub fn doubtful(&self, utterances: &[Utterance]) -> Vec<OddOneOut> {
        let odd = self.odd_ones_out(utterances);
        let passes = |index: &usize| odd.iter().all(|odd| odd.index != *index);
        let kept: Vec<usize> = (0..utterances.len()).filter(passes).collect();
        // One that is left alone has a NaN, which is not below.
        let mut doubtful = self.against_the_others(utterances, &kept);
        doubtful.retain(|one| one.llr.0 < 0.0);
        doubtful
    }

    /// Each utterance against the voiceprint of the others; NaN for one alone.
    pub fn each_against_the_others(&self, utterances: &[Utterance]) -> Vec<OddOneOut> {
        let all: Vec<usize> = (0..utterances.len()).collect();
        self.against_the_others(utterances, &all)
    }

    /// Each of the `kept` utterances against the voiceprint of the rest of them.
    fn against_the_others(&self, utterances: &[Utterance], kept: &[usize]) -> Vec<OddOneOut> {
        let score = |&index: &usize| {
            let others: Vec<&Embedding> = kept
                .iter()
                .filter(|&&other| other != index)
                .map(|&other| &utterances[other].embedding)
                .collect();
            let llr = self.llr(&others, &utterances[index].embedding);
            OddOneOut { index, llr }
        };
        kept.iter().map(score).collect()
    }

    fn check_made_here(&self, name: &str, model: ModelId) -> Result<()> {
        if model == self.id {
            return Ok(());
        }
        Err(Error::ModelMismatch {
            name: name.to_string(),
            voiceprint_model: model.to_string(),
            model: self.id.to_string(),
        })
    }
}

impl Verification {
    /// The outcome where a recording is unfit.
    pub fn unfit(reason: Reason) -> Self {
        Verification {
            decision: Decision::Inconclusive(reason),
            llr: None,
            probability: None,
        }
    }

    fn of(llr: Llr, point: &OperatingPoint) -> Self {
        Verification {
            decision: point.decide(llr),
            llr: Some(llr),
            probability: Some(point.probability(llr)),
        }
    }
}

fn rank(llr: Llr) -> f32 {
    if llr.0.is_nan() {
        f32::NEG_INFINITY
    } else {
        llr.0
    }
}

#[cfg(test)]
mod tests {
    use super::Verifier;

    #[test]
    fn one_verifier_serves_many_threads() {
        fn shared<T: Send + Sync + 'static>() {}
        shared::<Verifier>();
    }
}
