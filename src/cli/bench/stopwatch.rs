//! Measures the median time of one call of each of several jobs. The jobs take turns, so that a CPU
//! that slows down slows all of them alike.

use std::time::{Duration, Instant};

/// Shortest sample, in seconds: long enough that the time to read the clock does not matter.
const MIN_SAMPLE: f64 = 2e-3;
/// Fewest and most rounds. Jobs that are so slow that they would far exceed their time get fewer.
const MIN_ROUNDS: usize = 5;
const MAX_ROUNDS: usize = 501;

/// The clock to measure with.
#[derive(Clone, Copy, PartialEq)]
pub enum Clock {
    /// CPU time of this thread, so that other programs do not count, if the system reports it
    /// (Linux). Wall time elsewhere.
    Cpu,
    /// Wall time.
    Wall,
}

impl Clock {
    /// The clock's name, for people and machines.
    pub fn name(self) -> &'static str {
        if self == Clock::Cpu && cfg!(target_os = "linux") {
            "thread CPU time"
        } else {
            "wall time"
        }
    }

    fn seconds(self, begun: Instant) -> f64 {
        #[cfg(target_os = "linux")]
        if self == Clock::Cpu {
            let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
            return time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9;
        }
        begun.elapsed().as_secs_f64()
    }
}

/// A job to time.
pub type Job<'a> = Box<dyn FnMut() + 'a>;

/// Seconds per call, of every sample taken, in no order.
#[derive(Clone)]
pub struct Times(Vec<f64>);

impl Times {
    /// The time below which a share `q` of the samples lies, in seconds.
    pub fn quantile(&self, q: f64) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        sorted[((sorted.len() - 1) as f64 * q).round() as usize]
    }

    /// The median, in seconds.
    pub fn median(&self) -> f64 {
        self.quantile(0.5)
    }

    /// Number of samples.
    pub fn count(&self) -> usize {
        self.0.len()
    }
}

/// Calls the jobs in turn for about `budget`. A sample is as many calls as are needed to make it
/// long enough.
pub fn alternate(clock: Clock, budget: Duration, jobs: &mut [Job]) -> Vec<Times> {
    take_turns(clock, budget, jobs, MIN_SAMPLE)
}

/// As [`alternate`], but each sample is one call.
pub fn one_by_one(clock: Clock, budget: Duration, jobs: &mut [Job]) -> Vec<Times> {
    take_turns(clock, budget, jobs, 0.0)
}

fn take_turns(clock: Clock, budget: Duration, jobs: &mut [Job], min_sample: f64) -> Vec<Times> {
    let begun = Instant::now();
    let sample = |job: &mut Job, calls: usize| {
        let before = clock.seconds(begun);
        for _ in 0..calls {
            job();
        }
        (clock.seconds(begun) - before) / calls as f64
    };
    let calls: Vec<usize> = jobs
        .iter_mut()
        .map(|job| {
            let first = sample(job, 1); // warms the caches, too
            let second = if first < min_sample {
                sample(job, 1)
            } else {
                first
            };
            ((min_sample / second.max(1e-9)).ceil() as usize).clamp(1, 1 << 20)
        })
        .collect();
    let mut times = vec![Times(vec![]); jobs.len()];
    for round in 0..MAX_ROUNDS {
        for ((job, calls), times) in jobs.iter_mut().zip(&calls).zip(&mut times) {
            times.0.push(sample(job, *calls));
        }
        let spent = begun.elapsed();
        if spent > 2 * budget || (round + 1 >= MIN_ROUNDS && spent > budget) {
            break;
        }
    }
    times
}
