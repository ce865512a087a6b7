//! Listens to a speaker while the recording is still being made, and answers as soon as the score is
//! clear enough.
//!
//! From time to time ([`next_look`]) the listener takes a look: it embeds what it has heard so far, and
//! scores it. Each look is one more chance to be wrong, so the thresholds of a [`SequentialTest`] are
//! fitted on scores of repeated looks.

use super::{Analysis, Verifier, Voiceprint};
use crate::{
    Result,
    audio::Growing,
    scoring::{Decision, Llr, SequentialTest},
};
use std::sync::Arc;

/// The first look is taken at this length, in seconds.
const FIRST_LOOK_SECONDS: f32 = 1.0;
/// Least time between two looks, in seconds.
const MIN_STEP_SECONDS: f32 = 0.25;
/// The time between two looks, as a share of the length of the recording. Up to half a minute, a look
/// costs more the longer the recording is; as looks also become rarer, each second of audio costs about
/// the same. Beyond half a minute a look costs no more, so each second of audio costs less and less.
const STEP_SHARE: f32 = 0.125;

/// The length at which the look after the one at `seconds` is taken, in seconds. For 0, the first look.
pub fn next_look(seconds: f32) -> f32 {
    (seconds + MIN_STEP_SECONDS.max(STEP_SHARE * seconds)).max(FIRST_LOOK_SECONDS)
}

/// Hears one speaker, block by block.
///
/// ```
/// use spkver::{Listener, Recording, Verifier};
/// use std::sync::Arc;
///
/// let verifier = Arc::new(Verifier::embedded()?);
/// let recording = Recording::open("fixtures/voices/anna-1.wav", &Default::default())?;
/// let mut listener = Listener::new(Arc::clone(&verifier), 16_000)?;
/// for block in recording.samples().chunks(320) {
///     let state = listener.push(block)?; // 20 ms
///     if state.is_new && state.speech_seconds > 2.0 {
///         break; // enough to enroll
///     }
/// }
/// let heard = listener.finish()?;
/// assert!(heard.embedding.is_ok() && heard.quality.seconds < recording.seconds());
/// # Ok::<(), spkver::Error>(())
/// ```
pub struct Listener {
    verifier: Arc<Verifier>,
    growing: Growing,
    /// In samples at the rate of the recording.
    next_look: usize,
    claim: Option<Claim>,
    heard: Option<Analysis>,
    llr: Option<Llr>,
    decision: Option<Decision>,
}

/// The speaker that the recording is claimed to be of.
struct Claim {
    voiceprint: Arc<Voiceprint>,
    test: Option<SequentialTest>,
}

/// What a [`Listener`] knows.
///
/// ```
/// use spkver::{Listener, Verifier};
///
/// let mut listener = Listener::new(Verifier::embedded()?.into(), 8_000)?;
/// let state = listener.push(&[0.0; 4_000])?;
/// assert_eq!((state.seconds, state.decision), (0.5, None));
/// # Ok::<(), spkver::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct State {
    /// Seconds of audio so far.
    pub seconds: f32,
    /// Whether this block made the listener take a look. The fields below are from the last look.
    pub is_new: bool,
    /// Seconds of speech.
    pub speech_seconds: f32,
    /// The score against the claimed speaker; none without a claim, or while what was heard allows no
    /// score. [`Listener::heard`] has the reason.
    pub llr: Option<Llr>,
    /// Accept or reject, once the score is clear enough; it does not change any more.
    pub decision: Option<Decision>,
}

impl Verifier {
    /// The sequential test with these rates. A rate that is not given is 1 %, or the smallest that the
    /// calibration supports if that is higher. None if the model was not calibrated for one.
    ///
    /// # Errors
    /// [`Usage`](crate::Error::Usage) for a rate that the calibration does not support.
    pub fn sequential_test(
        &self,
        false_accept: Option<f64>,
        false_reject: Option<f64>,
    ) -> Result<Option<SequentialTest>> {
        let rates = self.model.sequential.as_ref();
        let test = rates.map(|r| SequentialTest::with_rates(r, false_accept, false_reject));
        test.transpose()
    }
}

impl Listener {
    /// Listens to a recording of one channel at `rate_hz`, 8000 to 192,000.
    ///
    /// # Errors
    /// [`crate::Error::Audio`] for another rate.
    pub fn new(verifier: Arc<Verifier>, rate_hz: u32) -> Result<Self> {
        Ok(Listener {
            growing: Growing::new(rate_hz)?,
            next_look: samples_in(next_look(0.0), rate_hz),
            verifier,
            claim: None,
            heard: None,
            llr: None,
            decision: None,
        })
    }

    /// Also scores the recording against `voiceprint`, and decides by `test` if there is one.
    ///
    /// # Errors
    /// [`crate::Error::ModelMismatch`] for a voiceprint of another model.
    pub fn against(
        mut self,
        voiceprint: Arc<Voiceprint>,
        test: Option<SequentialTest>,
    ) -> Result<Self> {
        self.verifier.check_model(&voiceprint)?;
        self.claim = Some(Claim { voiceprint, test });
        Ok(self)
    }

    /// Takes the next samples, nominally −1 to 1: `(num_samples,)`, any number of them.
    ///
    /// # Errors
    /// [`crate::Error::Audio`] for samples that are not finite or far beyond full scale; none of the
    /// block is taken then.
    pub fn push(&mut self, samples: &[f32]) -> Result<State> {
        // The looks are taken at the same samples, however long the blocks are.
        let mut rest = samples;
        let mut is_new = false;
        while self.decision.is_none() && self.growing.num_samples() + rest.len() >= self.next_look {
            let (now, later) = rest.split_at(self.next_look - self.growing.num_samples());
            self.growing.push(now)?;
            self.look();
            is_new = true;
            rest = later;
        }
        self.growing.push(rest)?;
        Ok(State {
            is_new,
            ..self.state()
        })
    }

    /// What is known so far.
    pub fn state(&self) -> State {
        let rate_hz = self.growing.rate_hz() as f32;
        let heard = self.heard.as_ref();
        State {
            seconds: self.growing.num_samples() as f32 / rate_hz,
            is_new: false,
            speech_seconds: heard.map_or(0.0, |heard| heard.quality.speech_seconds),
            llr: self.llr,
            decision: self.decision,
        }
    }

    /// What the last look found: the embedding, or why there is none, and the quality facts. The
    /// decision rests on it; after that there are no more looks.
    pub fn heard(&self) -> Option<&Analysis> {
        self.heard.as_ref()
    }

    /// As [`Self::heard`], and ends the listener.
    #[doc(hidden)]
    pub fn into_heard(self) -> Option<Analysis> {
        self.heard
    }

    /// Ends the recording. Returns its embedding and quality facts, the same as for a file with these
    /// samples.
    ///
    /// # Errors
    /// [`crate::Error::Audio`] if there were no samples.
    pub fn finish(self) -> Result<Analysis> {
        let waveform = self.growing.finish()?;
        Ok(self.verifier.analyze(&waveform))
    }

    fn look(&mut self) {
        let rate_hz = self.growing.rate_hz();
        let seconds = self.growing.num_samples() as f32 / rate_hz as f32;
        self.next_look = samples_in(next_look(seconds), rate_hz).max(self.next_look + 1);
        let Some(waveform) = self.growing.so_far() else {
            return;
        };
        let heard = self.verifier.analyze(&waveform);
        self.llr = None;
        if let (Some(claim), Ok(test)) = (&self.claim, &heard.embedding) {
            let enrolled = claim.voiceprint.embeddings();
            let llr = self.verifier.llr(&enrolled, test);
            let kind = self.verifier.trial_kind(&enrolled, test);
            self.llr = llr;
            self.decision = claim.test.as_ref().and_then(|test| test.decide(llr?, kind));
        }
        self.heard = Some(heard);
    }
}

fn samples_in(seconds: f32, rate_hz: u32) -> usize {
    (f64::from(seconds) * f64::from(rate_hz)).round() as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_come_often_at_first_and_ever_more_rarely() {
        let mut looks = vec![];
        let mut seconds = 0.0;
        while seconds < 3600.0 {
            seconds = next_look(seconds);
            looks.push(seconds);
        }
        assert_eq!(looks[..5], [1.0, 1.25, 1.5, 1.75, 2.0]);
        // In an hour of audio, each second is looked at about nine times.
        assert!(looks.len() < 80, "{}", looks.len());
        let cost: f32 = looks.iter().sum();
        assert!(cost < 10.0 * seconds, "{cost}");
    }
}
