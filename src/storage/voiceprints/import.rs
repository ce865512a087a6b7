//! Enrolls many utterances of many speakers in one transaction: all or none.

use super::Store;
use crate::{
    Result,
    verifier::{ModelId, SpeakerName, Utterance},
};

impl Store {
    /// Adds each utterance to its speaker's voiceprint, which is created if it does not exist.
    ///
    /// # Errors
    /// [`crate::Error::ModelMismatch`] if a voiceprint was made by another model,
    /// [`crate::Error::Store`], [`crate::Error::Io`], and the errors among the utterances.
    pub fn import(
        &mut self,
        model: ModelId,
        utterances: impl Iterator<Item = Result<(SpeakerName, Utterance)>>,
    ) -> Result<()> {
        self.write(|tx| {
            for utterance in utterances {
                let (name, utterance) = utterance?;
                self.append(tx, &name, model, None, &[utterance])?;
            }
            Ok(())
        })
    }
}
