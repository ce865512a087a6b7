//! `spkver --version`: what this program is made of, for bug reports.

use spkver::{kernels, storage::model};

/// The commit that the program was built from, as `build.rs` found it.
const COMMIT: &str = env!("SPKVER_COMMIT");

/// Version, commit, model inside the program, and the kernel that this CPU gets. Reads the model,
/// which takes a while: only for those who ask.
pub fn long() -> String {
    let model = match model::embedded() {
        Ok(verifier) => verifier.file_id().to_string(),
        Err(error) => error.to_string(),
    };
    format!(
        "{}\ncommit: {COMMIT}\nmodel: {model}\nkernel: {}",
        env!("CARGO_PKG_VERSION"),
        kernels::table().name,
    )
}
