//! Many voiceprints into the store at once: one transaction, all or none.

use super::{Store, insert};
use crate::{Error, Result, verifier::Voiceprint};

impl Store {
    /// Enrols speakers who are not enrolled yet.
    ///
    /// # Errors
    /// [`Error::Usage`] naming one who is, [`Error::Store`], [`Error::Io`].
    pub fn import(&mut self, voiceprints: &[Voiceprint]) -> Result<()> {
        self.write(|tx| {
            for voiceprint in voiceprints {
                let name = &voiceprint.name;
                let enrolled = tx
                    .prepare_cached("SELECT 1 FROM speaker WHERE key = ?1")?
                    .exists([name.key()])?;
                if enrolled {
                    let name = name.as_str();
                    return Err(Error::Usage(format!(
                        "{name:?} is enrolled already; `spkver remove` it, or take another store"
                    ))
                    .into());
                }
                insert(tx, name, voiceprint.model, &voiceprint.utterances)?;
            }
            Ok(())
        })
    }
}
