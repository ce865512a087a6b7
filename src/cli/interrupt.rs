//! Turns Ctrl-C (or the signal by which a batch system ends a job) into a flag. Long runs look at the
//! flag, finish the work in progress, and can be resumed. A second signal ends the program at once.

use spkver::{Error, Result};
use std::sync::{
    Arc, LazyLock,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

/// 128 plus the number of SIGINT, the exit code that a shell expects of an interrupted program.
const INTERRUPTED: usize = 130;

static STOP: AtomicBool = AtomicBool::new(false);
static CODE: LazyLock<Arc<AtomicUsize>> = LazyLock::new(|| Arc::new(INTERRUPTED.into()));

/// The flag. From now on, Ctrl-C sets it.
pub fn flag() -> Result<&'static AtomicBool> {
    ctrlc::set_handler(|| {
        if STOP.swap(true, Ordering::Relaxed) {
            std::process::exit(exit_code().into());
        }
    })
    .map_err(|e| Error::Usage(format!("cannot watch for Ctrl-C: {e}")))?;
    // Needed besides the handler above, which does not know which signal came.
    #[cfg(unix)]
    for signal in [signal_hook::consts::SIGTERM, signal_hook::consts::SIGHUP] {
        let code = 128 + signal as usize;
        let noted = signal_hook::flag::register_usize(signal, CODE.clone(), code);
        noted.map_err(|e| Error::Usage(format!("cannot watch for signals: {e}")))?;
    }
    Ok(&STOP)
}

/// The exit code of a run that was stopped: 130 after Ctrl-C, 143 after SIGTERM, 129 after SIGHUP.
pub fn exit_code() -> u8 {
    CODE.load(Ordering::Relaxed) as u8
}
