//! Limits the tries that are not accepted: those against one speaker, and those by one client.
//! Without a limit, a stranger is accepted sooner or later.
//!
//! With a limit of N tries an hour, N can be made at once, and after that one more every 1/N of an hour. A
//! try that ends in an accept does not count. Tries in progress do, so sending many at once does not get
//! around the limit.

use super::refusal::Refusal;
use axum::http::StatusCode;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

const HOUR: Duration = Duration::from_secs(3600);
/// Most speakers and clients whose tries are counted, some megabytes. Further ones have to wait.
const MAX_KEYS: usize = 100_000;

/// The time since some fixed moment; it never goes back. The service is given it, so that tests need not
/// wait.
pub type Clock = Arc<dyn Fn() -> Duration + Send + Sync>;

/// Whose tries are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Key {
    /// An enrolled speaker, by the hash of the name.
    Speaker([u8; 32]),
    /// A client, by the hash of the token's name or of the address.
    Client([u8; 32]),
}

/// The tries of the last hour.
pub struct Tries {
    per_speaker: u32,
    per_client: u32,
    clock: Clock,
    /// For each key, when its last try stops counting. Each try moves this time on by 1/N of an
    /// hour.
    clear_at: Mutex<HashMap<Key, Duration>>,
}

/// A try in progress, which counts. Once dropped, it counts only if it was [spent](Self::spend).
pub struct Try {
    tries: Arc<Tries>,
    keys: Vec<Key>,
    is_spent: bool,
}

impl Tries {
    /// Allows so many tries an hour against each speaker and by each client; 0 sets no limit.
    pub fn new(per_speaker: u32, per_client: u32, clock: Clock) -> Arc<Self> {
        Arc::new(Tries {
            per_speaker,
            per_client,
            clock,
            clear_at: Mutex::new(HashMap::new()),
        })
    }

    /// Begins a try, unless one of the keys has none left.
    ///
    /// # Errors
    /// A [`Refusal`] with the time to wait.
    pub fn begin(self: &Arc<Self>, keys: &[Key]) -> Result<Try, Refusal> {
        let now = (self.clock)();
        let limited = keys.iter().copied().filter(|key| self.limit(*key) > 0);
        let keys: Vec<Key> = limited.collect();
        let mut clear_at = self.clear_at();
        if clear_at.len() + keys.len() > MAX_KEYS {
            clear_at.retain(|_, clear_at| *clear_at > now);
        }
        let is_full = clear_at.len() + keys.len() > MAX_KEYS;
        for key in &keys {
            let full_at = now + HOUR - self.share(*key);
            let wait = match clear_at.get(key) {
                Some(clear_at) => clear_at.saturating_sub(full_at),
                None if is_full => HOUR,
                None => Duration::ZERO,
            };
            if !wait.is_zero() {
                return Err(too_many(*key, wait));
            }
        }
        for key in &keys {
            let at = clear_at.entry(*key).or_insert(now);
            *at = (*at).max(now) + self.share(*key);
        }
        drop(clear_at);
        Ok(Try {
            tries: self.clone(),
            keys,
            is_spent: false,
        })
    }

    fn limit(&self, key: Key) -> u32 {
        match key {
            Key::Speaker(_) => self.per_speaker,
            Key::Client(_) => self.per_client,
        }
    }

    /// How long a single try counts: 1/N of an hour.
    fn share(&self, key: Key) -> Duration {
        HOUR / self.limit(key).max(1)
    }

    fn clear_at(&self) -> MutexGuard<'_, HashMap<Key, Duration>> {
        self.clear_at.lock().unwrap_or_else(|e| e.into_inner())
    }
}

impl Try {
    /// The try was not accepted: it goes on counting.
    pub fn spend(mut self) {
        self.is_spent = true;
    }
}

impl Drop for Try {
    fn drop(&mut self) {
        if self.is_spent {
            return;
        }
        let mut clear_at = self.tries.clear_at();
        for key in &self.keys {
            if let Some(at) = clear_at.get_mut(key) {
                *at = at.saturating_sub(self.tries.share(*key));
            }
        }
    }
}

fn too_many(key: Key, wait: Duration) -> Refusal {
    let whose = match key {
        Key::Speaker(_) => "against this speaker",
        Key::Client(_) => "by this client",
    };
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    let text = format!("too many tries {whose}; try again in {seconds} s");
    Refusal {
        retry_after_seconds: Some(seconds),
        ..Refusal::new(StatusCode::TOO_MANY_REQUESTS, "too_many_tries", text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering};

    const ANNA: Key = Key::Speaker([1; 32]);
    const DESK: Key = Key::Client([2; 32]);

    /// A clock that stands still until it is set.
    fn stopped() -> (Arc<AtomicU64>, Clock) {
        let seconds = Arc::new(AtomicU64::new(0));
        let read = seconds.clone();
        let clock = Arc::new(move || Duration::from_secs(read.load(Ordering::Relaxed)));
        (seconds, clock)
    }

    #[test]
    fn after_three_tries_in_vain_one_more_comes_each_third_of_an_hour() {
        let (seconds, clock) = stopped();
        let tries = Tries::new(3, 0, clock);
        let spend = || tries.begin(&[ANNA, DESK]).map(Try::spend);
        for _ in 0..3 {
            spend().unwrap();
        }
        let refusal = spend().unwrap_err();
        assert_eq!(refusal.status, StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(refusal.retry_after_seconds, Some(1200));
        seconds.store(1199, Ordering::Relaxed);
        assert_eq!(spend().unwrap_err().retry_after_seconds, Some(1));
        seconds.store(1200, Ordering::Relaxed);
        spend().unwrap();
        assert!(spend().is_err());
        assert!(tries.begin(&[Key::Speaker([3; 32])]).is_ok());
    }

    #[test]
    fn tries_in_progress_count_and_accepted_ones_do_not() {
        let (_, clock) = stopped();
        let tries = Tries::new(2, 0, clock);
        let both = [tries.begin(&[ANNA]).unwrap(), tries.begin(&[ANNA]).unwrap()];
        assert!(tries.begin(&[ANNA]).is_err());
        drop(both);
        for _ in 0..100 {
            drop(tries.begin(&[ANNA]).unwrap());
        }
    }

    #[test]
    fn a_refused_try_counts_for_nobody() {
        let (_, clock) = stopped();
        let tries = Tries::new(1, 2, clock);
        tries.begin(&[ANNA, DESK]).unwrap().spend();
        for _ in 0..10 {
            let refusal = tries.begin(&[ANNA, DESK]).map(Try::spend).unwrap_err();
            assert!(refusal.text.contains("against this speaker"), "{refusal}");
        }
        let other = Key::Speaker([9; 32]);
        tries.begin(&[other, DESK]).unwrap().spend();
        let refusal = tries.begin(&[DESK]).map(Try::spend).unwrap_err();
        assert!(refusal.text.contains("by this client"), "{refusal}");
    }

    #[test]
    fn memory_is_bounded_and_old_tries_are_forgotten() {
        let (seconds, clock) = stopped();
        let tries = Tries::new(1, 1, clock);
        let key = |number: usize| {
            let mut hash = [0; 32];
            hash[..8].copy_from_slice(&number.to_le_bytes());
            Key::Client(hash)
        };
        for number in 0..MAX_KEYS {
            tries.begin(&[key(number)]).unwrap().spend();
        }
        assert!(tries.begin(&[ANNA]).is_err());
        assert_eq!(tries.clear_at().len(), MAX_KEYS);
        seconds.store(3600, Ordering::Relaxed);
        assert!(tries.begin(&[ANNA]).is_ok());
        assert!(tries.clear_at().len() < 2);
    }
}
