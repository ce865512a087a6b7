//! Turns Ctrl-C (or the signal that a job's time is over) into a flag. Long runs look at it, finish the
//! work in progress and can be resumed. A second signal ends the program at once.

use spkver::{Error, Result};
use std::sync::{
    Arc, LazyLock,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

/// 128 and the number of SIGINT: what a shell expects of a program that was interrupted.
const INTERRUPTED: usize = 130;

static STOP: AtomicBool = AtomicBool::new(false);
static CODE: LazyLock<Arc<AtomicUsize>> = LazyLock::new(|| Arc::new(INTERRUPTED.into()));

/// The flag, from now on set by Ctrl-C.
pub fn flag() -> Result<&'static AtomicBool> {
    ctrlc::set_handler(|| {
        if STOP.swap(true, Ordering::Relaxed) {
            std::process::exit(exit_code().into());
        }
    })
    .map_err(|e| Error::Usage(format!("cannot watch for Ctrl-C: {e}")))?;
    // Beside the handler above, which does not tell signals apart.
    #[cfg(unix)]
    for signal in [signal_hook::consts::SIGTERM, signal_hook::consts::SIGHUP] {
        let code = 128 + signal as usize;
        let noted = signal_hook::flag::register_usize(signal, CODE.clone(), code);
        noted.map_err(|e| Error::Usage(format!("cannot watch for signals: {e}")))?;
    }
    Ok(&STOP)
}

/// The exit code of a run that was stopped: 130 by Ctrl-C, 143 by SIGTERM.
pub fn exit_code() -> u8 {
    CODE.load(Ordering::Relaxed) as u8
}
