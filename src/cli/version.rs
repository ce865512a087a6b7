//! `spkver --version`: says what this program is made of, for bug reports.

use spkver::{kernels, storage::model};

/// The commit that the program was built from, as `build.rs` found it.
const COMMIT: &str = env!("SPKVER_COMMIT");

/// Version, commit, built-in model, and the kernel for this CPU. Called only for `--version`,
/// because reading the model takes a while.
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
