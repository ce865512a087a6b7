//! The compiled part of the Python module `spkver`: thin classes over the library. What handles Python
//! objects of other packages (NumPy, pandas, polars) is Python, in `python/spkver/`.
//!
//! ```text
//! path, array ──recording──► verifier ──► Embedding or Refusal ──► Voiceprint, Verification
//!                                             scores, labels ──evaluation──► figures
//! ```

mod embedding;
mod evaluation;
mod listener;
mod raised;
mod recording;
mod scored;
mod store;
mod threads;
mod verification;
mod verifier;
mod voiceprint;

/// Python sees this as `spkver._spkver`.
#[pyo3::pymodule]
mod _spkver {
    #[pymodule_export]
    use crate::embedding::{Embedding, Refusal};
    #[pymodule_export]
    use crate::evaluation::figures;
    #[pymodule_export]
    use crate::listener::{Listener, State};
    #[pymodule_export]
    use crate::store::Store;
    #[pymodule_export]
    use crate::verification::Verification;
    #[pymodule_export]
    use crate::verifier::Verifier;
    #[pymodule_export]
    use crate::voiceprint::Voiceprint;

    #[pymodule_export]
    #[allow(non_upper_case_globals)]
    const __version__: &str = env!("CARGO_PKG_VERSION");
}
