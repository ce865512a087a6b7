//! Ctrl-C (or the end of a job's time) in, a flag out that long runs look at: they finish what is in
//! hand and can be resumed. A second one ends the program at once.

use spkver::{Error, Result};
use std::sync::atomic::{AtomicBool, Ordering};

/// What a shell expects of a program that was interrupted.
pub const EXIT_CODE: u8 = 130;

static STOP: AtomicBool = AtomicBool::new(false);

/// The flag, from now on set by Ctrl-C.
pub fn flag() -> Result<&'static AtomicBool> {
    ctrlc::set_handler(|| {
        if STOP.swap(true, Ordering::Relaxed) {
            std::process::exit(EXIT_CODE.into());
        }
    })
    .map_err(|e| Error::Usage(format!("cannot watch for Ctrl-C: {e}")))?;
    Ok(&STOP)
}
