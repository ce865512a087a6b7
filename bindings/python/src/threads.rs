//! Work without the GIL, on all cores (or RAYON_NUM_THREADS of them).

use pyo3::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder, prelude::*};
use std::{
    panic::resume_unwind,
    process,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc::{self, RecvTimeoutError},
    },
    thread,
    time::Duration,
};

/// How long Ctrl-C waits.
const INTERRUPT: Duration = Duration::from_millis(100);

/// Does some work while other Python threads run.
pub fn detached<T: Send>(py: Python, work: impl FnOnce() -> T + Send) -> T {
    py.detach(|| pool().install(work))
}

/// The results of `work` for 0 to `count`, in order, while other Python threads run.
///
/// # Errors
/// KeyboardInterrupt, or what else a signal raises; what the work fails with.
pub fn each<T: Send>(
    py: Python,
    count: usize,
    work: impl Fn(usize) -> PyResult<T> + Sync,
) -> PyResult<Vec<T>> {
    let stop = AtomicBool::new(false);
    let one = |index: usize| match stop.load(Ordering::Relaxed) {
        true => Ok(None),
        false => work(index).map(Some),
    };
    let all = || (0..count).into_par_iter().map(one).collect();
    py.detach(|| {
        thread::scope(|scope| {
            let (done, is_done) = mpsc::channel();
            let working = scope.spawn(move || {
                let results: PyResult<Vec<Option<T>>> = pool().install(all);
                // Nobody waits any more only where that thread panicked.
                let _ = done.send(());
                results
            });
            // Signals are for the thread that Python called from: this one.
            let mut signal = Ok(());
            while let Err(RecvTimeoutError::Timeout) = is_done.recv_timeout(INTERRUPT) {
                if signal.is_ok() {
                    signal = Python::attach(|py| py.check_signals());
                    stop.store(signal.is_err(), Ordering::Relaxed);
                }
            }
            let results = working
                .join()
                .unwrap_or_else(|panic| resume_unwind(panic))?;
            signal?;
            Ok(results.into_iter().flatten().collect())
        })
    })
}

/// A pool of this process: of a forked one's parent only the memory is left, and no thread.
fn pool() -> Arc<ThreadPool> {
    static POOL: Mutex<Option<(u32, Arc<ThreadPool>)>> = Mutex::new(None);
    let mut pool = POOL.lock().unwrap_or_else(PoisonError::into_inner);
    let own = process::id();
    match &*pool {
        Some((owner, threads)) if *owner == own => threads.clone(),
        _ => {
            let threads = ThreadPoolBuilder::new()
                .build()
                .expect("threads can be started");
            let threads = Arc::new(threads);
            // Dropping the parent's would wait for its threads.
            std::mem::forget(pool.replace((own, threads.clone())));
            threads
        }
    }
}
