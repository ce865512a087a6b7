//! Limits what goes on at the same time: requests in progress, bytes of recordings in memory, and
//! work on the processors. The work runs on the threads of rayon; the thread that serves
//! connections never computes.

use super::refusal::Refusal;
use std::{
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

/// Counts requests, held bytes and free threads, and runs the work.
pub struct Workers {
    max_requests: usize,
    max_held_bytes: usize,
    requests: Arc<Semaphore>,
    held_bytes: Arc<Semaphore>,
    threads: Arc<Semaphore>,
}

/// A request in progress, and the bytes that it holds.
pub struct Place {
    _request: OwnedSemaphorePermit,
    held: OwnedSemaphorePermit,
    free: Arc<Semaphore>,
}

impl Workers {
    /// Allows so many requests in progress and so many bytes of recordings in memory.
    pub fn new(max_requests: usize, max_held_bytes: usize) -> Self {
        let semaphore =
            |permits: usize| Arc::new(Semaphore::new(permits.min(Semaphore::MAX_PERMITS)));
        Workers {
            max_requests,
            max_held_bytes,
            requests: semaphore(max_requests),
            held_bytes: semaphore(max_held_bytes),
            threads: semaphore(rayon::current_num_threads()),
        }
    }

    /// A place for a request, if there is one.
    ///
    /// # Errors
    /// A [`Refusal`].
    pub fn place(&self) -> Result<Place, Refusal> {
        let request = self.requests.clone().try_acquire_owned();
        let held = self.held_bytes.clone().try_acquire_many_owned(0);
        match (request, held) {
            (Ok(request), Ok(held)) => Ok(Place {
                _request: request,
                held,
                free: self.held_bytes.clone(),
            }),
            _ => Err(Refusal::busy(
                "too many requests at the same time; try again",
            )),
        }
    }

    /// Runs `work` on the threads of rayon, as soon as one of them is free. Work that has begun
    /// runs to its end, even if nobody waits for it any more.
    ///
    /// # Errors
    /// A [`Refusal`] if no thread is free before `deadline`, or if the work panics.
    pub async fn run<T: Send + 'static>(
        &self,
        deadline: impl Future<Output = ()>,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Refusal> {
        let thread = tokio::select! {
            biased;
            thread = self.threads.clone().acquire_owned() => thread.map_err(|_| Refusal::internal())?,
            () = deadline => return Err(Refusal::busy("no processor became free in time; try again")),
        };
        let (sender, receiver) = oneshot::channel();
        rayon::spawn(move || {
            // An uncaught panic would end the program.
            let done = catch_unwind(AssertUnwindSafe(work));
            drop(thread);
            let _ = sender.send(done);
        });
        match receiver.await {
            Ok(Ok(done)) => Ok(done),
            _ => Err(Refusal::internal()),
        }
    }

    /// Requests in progress.
    pub fn num_requests(&self) -> usize {
        self.max_requests - self.requests.available_permits()
    }

    /// Bytes of recordings in memory.
    pub fn num_held_bytes(&self) -> usize {
        self.max_held_bytes - self.held_bytes.available_permits()
    }
}

impl Place {
    /// Holds `num_bytes` more.
    ///
    /// # Errors
    /// A [`Refusal`] if all requests together would hold too many bytes.
    pub fn hold(&mut self, num_bytes: usize) -> Result<(), Refusal> {
        let full = || Refusal::busy("too many recordings at the same time; try again");
        let num_bytes = u32::try_from(num_bytes).map_err(|_| full())?;
        let more = self.free.clone().try_acquire_many_owned(num_bytes);
        self.held.merge(more.map_err(|_| full())?);
        Ok(())
    }
}
