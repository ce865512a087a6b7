//! Enrolls many utterances of many speakers in one transaction: all or none.
//!
//! Speakers are written in the order of their keys, and new ones get ids in the same order. So the
//! tables grow at their ends. In any other order, SQLite would read and write a page of the file
//! for each row of a million speakers.

use super::{Store, row::new_id};
use crate::{
    Result,
    verifier::{ModelId, SpeakerName, Utterance},
};

impl Store {
    /// Adds an utterance to the voiceprint of each of the `names`; `read` gives the utterance for a
    /// position in `names`. A voiceprint that does not exist is created. A name may occur several
    /// times.
    ///
    /// # Errors
    /// [`crate::Error::ModelMismatch`] if a voiceprint was made by another model,
    /// [`crate::Error::Store`], [`crate::Error::Io`], and the errors of `read`.
    #[doc(hidden)]
    pub fn import(
        &mut self,
        model: ModelId,
        names: &[SpeakerName],
        mut read: impl FnMut(usize) -> Result<Utterance>,
    ) -> Result<()> {
        let lookup = |name: &SpeakerName| self.seal.lookup(&name.key()).into_boxed_slice();
        let lookups: Vec<Box<[u8]>> = names.iter().map(lookup).collect();
        let mut order: Vec<usize> = (0..names.len()).collect();
        // The utterances of one speaker stay in their order.
        order.sort_by(|a, b| lookups[*a].cmp(&lookups[*b]));
        let speakers = || order.chunk_by(|a, b| lookups[*a] == lookups[*b]);
        let mut ids = (0..speakers().count())
            .map(|_| new_id())
            .collect::<Result<Vec<_>>>()?;
        ids.sort_unstable();
        self.write(|tx| {
            for (of_speaker, id) in speakers().zip(ids) {
                let utterances = of_speaker.iter().map(|position| read(*position));
                let utterances: Vec<Utterance> = utterances.collect::<Result<_>>()?;
                let name = &names[of_speaker[0]];
                self.append(tx, name, model, None, id, &utterances)?;
            }
            Ok(())
        })
    }
}
