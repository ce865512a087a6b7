//! Many utterances of many speakers into the store at once: one transaction, all or none.

use super::Store;
use crate::{
    Result,
    verifier::{ModelId, SpeakerName, Utterance},
};

impl Store {
    /// Adds each utterance to its speaker's voiceprint, begun where there is none.
    ///
    /// # Errors
    /// [`crate::Error::ModelMismatch`] where a voiceprint is of another model,
    /// [`crate::Error::Store`], [`crate::Error::Io`], and those among the utterances.
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
