//! The page to read first: a [`Verifier`] turns recordings into embeddings, embeddings into voiceprints,
//! and a voiceprint and a test recording into a decision.
//!
//! ```text
//! Recording ──embed──► Embedding ──enroll──► Voiceprint ─┐
//! Recording ──embed──► Embedding ────────────────────────┴─verify──► Verification
//! ```
//!
//! All scores come from one function, [`Verifier::llr`]. Verifying against a single enrolled recording and
//! comparing two recordings therefore give the same bits.

pub mod artificial;
mod consistency;
mod embed;
mod int8;
mod listener;
mod model;
mod parts;
mod speech;
mod verification;
mod voiceprint;

pub use consistency::{CONSISTENT_FROM, OddOneOut};
pub use embed::{Analysis, unfit};
pub use listener::{Listener, State, next_look};
pub use model::{Limits, Measurement, Model, ModelCard, ModelId};
pub use parts::OneSpeakerFacts;
pub use verification::Verification;
pub use voiceprint::{Embedding, SpeakerName, Utterance, Voiceprint, is_unseen, join};

use crate::{
    Error, Result,
    features::Mfcc,
    remedy::Remedy,
    scoring::{CONDITIONS, Llr, OperatingPoint, PairHead, QualityTerms, TrialKind, gallery::Probe},
};
use std::{path::PathBuf, sync::Arc};
use zeroize::Zeroizing;

/// A model that is ready to embed, enroll, verify and compare.
///
/// ```
/// use spkver::{Decision, OperatingPoint, Recording, SpeakerName, Utterance, Verifier};
///
/// let verifier = Verifier::embedded()?;
/// let record = |name: &str| -> spkver::Result<Utterance> {
///     let path = format!("fixtures/voices/{name}.wav");
///     let recording = Recording::open(&path, &Default::default())?;
///     Ok(Utterance::new(path, verifier.embed(&recording)?, &recording.quality()))
/// };
/// let anna = verifier.enroll(SpeakerName::new("anna")?, vec![record("anna-1")?])?;
/// let test = record("anna-2")?.embedding;
/// let answer = verifier.verify(&anna, &test, &OperatingPoint::default())?;
/// assert_eq!(answer.decision, Decision::Accept);
/// # Ok::<(), spkver::Error>(())
/// ```
///
/// A clone is cheap, because it shares the model. Threads may share a verifier, or have a clone each.
#[derive(Debug, Clone)]
pub struct Verifier {
    id: ModelId,
    file_id: ModelId,
    model: Arc<Model>,
    /// Compares the parts of one recording, see [`PairHead::of_parts`].
    head_of_parts: Arc<PairHead>,
    mfcc: Arc<Mfcc>,
}

impl Verifier {
    /// Checks that front-end, network and head fit together.
    ///
    /// # Errors
    /// [`Error::Usage`] that names the part that does not fit.
    #[doc(hidden)]
    pub fn new(id: ModelId, model: Model) -> Result<Self> {
        let mfcc = Mfcc::new(model.front_end.clone())?;
        model.head.check(model.embedding_size())?;
        model.check_overlap()?;
        model.check_speech()?;
        model.limits.check()?;
        for rates in model.rates.iter().chain(&model.sequential) {
            rates.check()?;
        }
        Ok(Verifier {
            id,
            file_id: id,
            head_of_parts: Arc::new(model.head.of_parts()),
            model: Arc::new(model),
            mfcc: Arc::new(mfcc),
        })
    }

    /// Sets the id of the model file that this verifier was read from.
    #[doc(hidden)]
    pub fn of_file(mut self, file_id: ModelId) -> Self {
        self.file_id = file_id;
        self
    }

    /// Id of the parts that make embeddings: front-end, network and speech detector. Every embedding
    /// and voiceprint carries it, so they stay valid when only the head, the calibration or the card
    /// changes. [`ModelId`] has an example.
    pub fn id(&self) -> ModelId {
        self.id
    }

    /// Id of the model file, which also decides the scores.
    #[doc(hidden)]
    pub fn file_id(&self) -> ModelId {
        self.file_id
    }

    /// Takes the model out, to be changed or saved. If a clone of this verifier still uses it, this is
    /// a copy, see [`Model::as_made`].
    #[doc(hidden)]
    pub fn into_model(self) -> Model {
        Arc::try_unwrap(self.model).unwrap_or_else(|shared| shared.as_made())
    }

    /// The model, to be changed. If a clone of this verifier uses it too, this one gets a copy first, see
    /// [`Model::as_made`].
    fn model_mut(&mut self) -> &mut Model {
        if Arc::get_mut(&mut self.model).is_none() {
            self.model = Arc::new(self.model.as_made());
        }
        Arc::get_mut(&mut self.model).expect("nobody else has it")
    }

    /// The model: front-end, networks, head, limits and card.
    #[doc(hidden)]
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// Prepares the model for a calibration with quality terms: their weights are 0, and there is no
    /// cohort and no lower slope. Its embeddings end in ln t and the conditions.
    #[doc(hidden)]
    pub fn with_quality_terms(mut self) -> Self {
        let model = self.model_mut();
        if model.head.quality.is_none() {
            model.rounded_from = None; // its embeddings differ from those of that model
        }
        model.head = model.head.uncalibrated();
        model.head.quality = Some(QualityTerms::default());
        model.limits = model.limits.without_scores();
        self.head_of_parts = Arc::new(model.head.of_parts());
        self
    }

    /// The feature extractor.
    #[doc(hidden)]
    pub fn mfcc(&self) -> &Mfcc {
        &self.mfcc
    }

    /// Makes a voiceprint of the utterances, unless some do not sound like the others.
    ///
    /// ```
    /// use spkver::{Error, Recording, SpeakerName, Utterance, Verifier};
    ///
    /// let verifier = Verifier::embedded()?;
    /// let record = |file: &str| -> spkver::Result<Utterance> {
    ///     let recording = Recording::open(format!("fixtures/voices/{file}"), &Default::default())?;
    ///     Ok(Utterance::new(file, verifier.embed(&recording)?, &recording.quality()))
    /// };
    /// let utterances = vec![record("anna-1.wav")?, record("anna-2.wav")?];
    /// let anna = verifier.enroll(SpeakerName::new("anna")?, utterances)?;
    /// assert_eq!(anna.utterances.len(), 2);
    /// # Ok::<(), Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Several`] with an [`Error::Audio`] for each utterance that does not sound like the others.
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

    /// Checks that the utterances sound like one speaker. The first `num_enrolled` are in the store
    /// already; `path_of` gives the file of an utterance, for the message.
    ///
    /// # Errors
    /// [`Error::Several`] with an [`Error::Audio`] for each utterance that does not sound like the others.
    #[doc(hidden)]
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
            // A recording in the store cannot be left out of the command, so the remedies differ.
            let (which, remedy) = if odd.index < num_enrolled {
                ("already enrolled, ", Remedy::StartOver)
            } else {
                (
                    "",
                    Remedy::Option(&[
                        "leave out the recording of somebody else, or insist with ",
                        "force",
                        "",
                    ]),
                )
            };
            Error::audio(
                path_of(odd.index),
                format!(
                    "{which}does not sound like the other recordings of {:?} (LLR {:+.2})",
                    name.as_str(),
                    odd.value()
                ),
                remedy,
            )
        });
        Err(Error::Several(refused.collect()))
    }

    /// Checks that the voiceprint was made by this model.
    ///
    /// # Errors
    /// [`Error::ModelMismatch`].
    #[doc(hidden)]
    pub fn check_model(&self, voiceprint: &Voiceprint) -> Result<()> {
        self.check_made_here(voiceprint.name.as_str(), voiceprint.model)
    }

    /// Decides whether the speaker of `test` is the one of `voiceprint`.
    ///
    /// ```
    /// use spkver::{Decision, OperatingPoint, Recording, SpeakerName, Utterance, Verifier};
    ///
    /// let verifier = Verifier::embedded()?;
    /// let open = |name| Recording::open(format!("fixtures/voices/{name}.wav"), &Default::default());
    /// let enrolled = open("anna-1")?;
    /// let utterance = Utterance::new("anna-1", verifier.embed(&enrolled)?, &enrolled.quality());
    /// let anna = verifier.enroll(SpeakerName::new("anna")?, vec![utterance])?;
    /// let point = OperatingPoint::default();
    /// for (name, decision) in [("anna-2", Decision::Accept), ("chloe-1", Decision::Reject)] {
    ///     let test = verifier.embed(&open(name)?)?;
    ///     assert_eq!(verifier.verify(&anna, &test, &point)?.decision, decision);
    /// }
    /// # Ok::<(), spkver::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::ModelMismatch`] if either was made by another model.
    pub fn verify(
        &self,
        voiceprint: &Voiceprint,
        test: &Embedding,
        point: &OperatingPoint,
    ) -> Result<Verification> {
        self.check_model(voiceprint)?;
        self.check_made_here("the test recording", test.model())?;
        let llr = self.llr(&voiceprint.embeddings(), test);
        Ok(Verification::of(llr, point))
    }

    /// Decides whether two recordings are of one speaker. The order does not change the score.
    ///
    /// ```
    /// use spkver::{OperatingPoint, Recording, Verifier};
    ///
    /// let verifier = Verifier::embedded()?;
    /// let embed = |path| -> spkver::Result<_> {
    ///     Ok(verifier.embed(&Recording::open(path, &Default::default())?)?)
    /// };
    /// let (a, b) = (embed("fixtures/voices/anna-1.wav")?, embed("fixtures/voices/anna-2.wav")?);
    /// // Accepts where the odds are 100 : 1.
    /// let point = OperatingPoint::default().with_threshold(100f32.ln())?;
    /// let answer = verifier.compare(&a, &b, &point)?;
    /// println!("{}, LLR {:+.2}", answer.decision.code(), answer.llr.unwrap().value());
    /// assert_eq!(answer, verifier.compare(&b, &a, &point)?);
    /// # Ok::<(), spkver::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::ModelMismatch`] if either was made by another model.
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

    /// The score of `test` against one or more embeddings of the enrolled speaker; none if it is not a
    /// finite number.
    #[doc(hidden)]
    pub fn llr(&self, enrolled: &[&Embedding], test: &Embedding) -> Option<Llr> {
        let head = &self.model.head;
        // Both sides take the same path, so swapping two single recordings changes no bit.
        let fits = |e: &&Embedding| e.values().len() == head.embedding_size();
        if !(enrolled.iter().all(fits) && fits(&test)) {
            // Only a forged voiceprint has another size than its model's embeddings.
            return None;
        }
        let speaker = head.project_enrollment(enrolled.iter().map(|e| e.values()));
        let test = head.project_enrollment(std::iter::once(test.values()));
        let (speaker, test) = (Zeroizing::new(speaker), Zeroizing::new(test));
        Llr::new(head.llr(&speaker, &test))
    }

    /// The point `(P,)` of an enrolled speaker: all of a voiceprint that a score needs.
    #[doc(hidden)]
    pub fn project(&self, voiceprint: &Voiceprint) -> Vec<f32> {
        let utterances = voiceprint.utterances.iter();
        let head = &self.model.head;
        head.project_enrollment(utterances.map(|u| u.embedding.values()))
    }

    /// Prepares a test recording for the search of an index; none if it has no finite score.
    #[doc(hidden)]
    pub fn probe(&self, test: &Embedding) -> Option<Probe> {
        let head = &self.model.head;
        let point = head.project_enrollment(std::iter::once(test.values()));
        let finite = point.iter().all(|v| v.is_finite());
        finite.then(|| head.probe(&point))
    }

    /// The noise and the missing band of an embedding's recording, see
    /// [`conditions`](crate::scoring::conditions); all 0 for a model without quality terms.
    #[doc(hidden)]
    pub fn conditions(&self, embedding: &Embedding) -> [f32; CONDITIONS] {
        self.model.head.conditions_of(embedding.values())
    }

    /// Whether a trial is clean, noisy or narrow-band: each kind has its own error rates.
    #[doc(hidden)]
    pub fn trial_kind(&self, enrolled: &[&Embedding], test: &Embedding) -> TrialKind {
        let mut mean = [0.0; CONDITIONS];
        for embedding in enrolled {
            let sums = mean.iter_mut().zip(self.conditions(embedding));
            sums.for_each(|(sum, condition)| *sum += condition / enrolled.len() as f32);
        }
        TrialKind::of(mean, self.conditions(test))
    }

    /// As [`Self::trial_kind`], by the test recording alone, as if the enrollment were like it.
    #[doc(hidden)]
    pub fn kind_alone(&self, test: &Embedding) -> TrialKind {
        let conditions = self.conditions(test);
        TrialKind::of(conditions, conditions)
    }

    /// Whether the model could have made this embedding, judged by its length. An embedding that
    /// another program scaled to length 1 would score too high.
    #[doc(hidden)]
    pub fn could_have_made(&self, embedding: &Embedding) -> bool {
        let Some((low, high)) = self.model.limits.ln_length else {
            return true;
        };
        (low..=high).contains(&self.model.head.ln_length(embedding.values()))
    }

    /// Seconds of speech that an embedding was made of; none if this model's embeddings do not hold
    /// them.
    #[doc(hidden)]
    pub fn speech_seconds(&self, embedding: &Embedding) -> Option<f32> {
        let head = &self.model.head;
        head.quality.as_ref()?;
        let seconds = head.ln_seconds_of(embedding.values()).exp();
        seconds.is_finite().then_some(seconds)
    }

    /// Checks that this model made an embedding or a voiceprint that carries the id `model`; `name` is
    /// for the message.
    ///
    /// # Errors
    /// [`Error::ModelMismatch`].
    #[doc(hidden)]
    pub fn check_made_here(&self, name: &str, model: ModelId) -> Result<()> {
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

#[cfg(test)]
mod tests {
    use super::Verifier;

    #[test]
    fn one_verifier_serves_many_threads() {
        fn shared<T: Clone + Send + Sync + 'static>() {}
        shared::<Verifier>();
    }

    #[test]
    fn a_clone_keeps_its_precision() {
        let verifier = Verifier::embedded().unwrap();
        let mut fast = verifier.clone();
        assert!(std::ptr::eq(verifier.model(), fast.model()));
        fast.quantise().unwrap();
        assert!(fast.model().network.is_int8() && !verifier.model().network.is_int8());
        assert_eq!(fast.id(), verifier.id());
    }
}
