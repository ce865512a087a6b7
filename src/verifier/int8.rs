//! A verifier in int8: its network computes with 8-bit integers, which is faster. The detectors
//! stay in f32. They are small, and in int8 the detector of overlapped speech refused 1.5 times as
//! many recordings.

use super::{Model, Verifier, artificial};
use crate::{Result, audio::speech_frames, features::Features};

impl Verifier {
    /// Switches the network to int8, which is faster and changes scores a little. Embeddings can
    /// still be compared with embeddings in f32, and the id stays the same.
    ///
    /// The ranges of the activations are measured on artificial speech, so this works with any model
    /// and always gives the same bits.
    ///
    /// # Errors
    /// [`Error::Usage`](crate::Error::Usage) if the network needs more frames than this speech has
    /// (about a second).
    #[doc(hidden)]
    pub fn quantise(&mut self) -> Result<()> {
        if self.model.network.is_int8() {
            return Ok(());
        }
        let utterances = self.artificial_speech();
        self.model_mut().network.quantise(&utterances)
    }

    /// The model with its weights rounded to int8, as a smaller file that is loaded faster. It scores as
    /// this verifier does after [`Self::quantise`], and voiceprints of this one stay valid.
    ///
    /// # Errors
    /// As [`Self::quantise`].
    #[doc(hidden)]
    pub fn to_int8(&self) -> Result<Model> {
        let utterances = self.artificial_speech();
        Ok(Model {
            network: self.model.network.to_int8(&utterances)?,
            rounded_from: Some(self.id()),
            ..self.model.as_made()
        })
    }

    fn artificial_speech(&self) -> Vec<Features> {
        let samples = artificial::utterances(1);
        let features = samples
            .iter()
            .map(|samples| self.mfcc.extract_samples(samples, &speech_frames(samples)));
        features.collect()
    }
}
