//! Enrolls into a store, for programs that keep voiceprints over several sessions.

use super::Store;
use crate::{
    Result,
    verifier::{SpeakerName, Utterance, Verifier, Voiceprint, join},
};

impl Store {
    /// Adds utterances to the voiceprint of `name`, all or none, after checking that all utterances
    /// of the voiceprint sound like one speaker. Creates the voiceprint if there is none. An
    /// utterance that the voiceprint already has is left out, because it would count twice. Returns
    /// the new voiceprint.
    ///
    /// ```
    /// use spkver::{Recording, SpeakerName, Store, Utterance, Verifier};
    ///
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("voiceprints.sqlite");
    /// let verifier = Verifier::embedded()?;
    /// let mut store = Store::open_or_create(&path, None)?;
    /// for file in ["fixtures/voices/anna-1.wav", "fixtures/voices/anna-2.wav"] {
    ///     let recording = Recording::open(file, &Default::default())?;
    ///     let utterance = Utterance::new(file, verifier.embed(&recording)?, &recording.quality());
    ///     store.enroll(&verifier, &SpeakerName::new("anna")?, vec![utterance])?;
    /// }
    /// assert_eq!(store.get(&SpeakerName::new("anna")?)?.utterances.len(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`Verifier::enroll`]; [`ModelMismatch`](crate::Error::ModelMismatch),
    /// [`Store`](crate::Error::Store), [`Io`](crate::Error::Io).
    pub fn enroll(
        &mut self,
        verifier: &Verifier,
        name: &SpeakerName,
        utterances: Vec<Utterance>,
    ) -> Result<Voiceprint> {
        loop {
            let enrolled = self.find(name)?;
            let mut voiceprint = enrolled.unwrap_or_else(|| Voiceprint {
                name: name.clone(),
                model: verifier.id(),
                utterances: vec![],
            });
            verifier.check_model(&voiceprint)?;
            let all = &mut voiceprint.utterances;
            let num_before = all.len();
            join(all, &utterances);
            verifier.check_consistency(name, all, num_before, |index| {
                all[index].file.clone().into()
            })?;
            // Another process has changed the voiceprint: check against its new state.
            if self.add(name, verifier.id(), num_before, &all[num_before..])? {
                return Ok(voiceprint);
            }
        }
    }
}
