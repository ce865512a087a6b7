//! Times the path of a recording in this process, from file to decision: features per frame, ten
//! seconds on one core, the latency of a verification, many files with 1 to N threads.

use super::stopwatch::{Clock, Job, Times, alternate, one_by_one};
use hound::{SampleFormat, WavSpec, WavWriter};
use rayon::prelude::*;
use spkver::{
    Error, Result,
    audio::{self, ReadOptions, SAMPLE_RATE_HZ},
    scoring::OperatingPoint,
    verifier::{Embedding, SpeakerName, Utterance, Verifier, Voiceprint, artificial},
};
use std::{
    hint::black_box,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// Length of the long recording, in seconds.
pub const LONG_SECONDS: f32 = 10.0;
/// Length of the short recordings, in seconds.
pub const SHORT_SECONDS: f32 = 3.0;
/// Most files in one batch.
const MAX_BATCH: usize = 64;

/// The recordings that all measurements use, of artificial speech.
pub struct Recordings {
    _folder: tempfile::TempDir,
    /// A recording of [`LONG_SECONDS`].
    pub long: PathBuf,
    /// Two recordings of [`SHORT_SECONDS`], of two voices.
    pub short: [PathBuf; 2],
}

impl Recordings {
    /// Writes the recordings into a folder that is removed when the value is dropped.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn write() -> Result<Self> {
        let place = std::env::temp_dir();
        let folder = tempfile::tempdir().map_err(|e| Error::io(&place, "write to", e))?;
        let write = |name: &str, seconds: f32, speaker: usize| {
            let path = folder.path().join(name);
            match write_wav(&path, &artificial::speech(speaker, seconds)) {
                Ok(()) => Ok(path),
                Err(e) => Err(Error::io(&path, "write", std::io::Error::other(e))),
            }
        };
        Ok(Recordings {
            long: write("10s.wav", LONG_SECONDS, 0)?,
            short: [
                write("3s-a.wav", SHORT_SECONDS, 0)?,
                write("3s-b.wav", SHORT_SECONDS, 2)?,
            ],
            _folder: folder,
        })
    }
}

/// Writes a WAV file with 16 bits and one channel, as most recordings have.
fn write_wav(path: &Path, samples: &[f32]) -> hound::Result<()> {
    let spec = WavSpec {
        channels: 1,
        sample_rate: SAMPLE_RATE_HZ,
        bits_per_sample: 16,
        sample_format: SampleFormat::Int,
    };
    let mut wav = WavWriter::create(path, spec)?;
    let mut samples = samples.iter().map(|x| (x * 32767.0) as i16);
    samples.try_for_each(|x| wav.write_sample(x))?;
    wav.finalize()
}

/// Seconds per frame of MFCC, without normalisation, on one core.
pub fn mfcc(verifier: &Verifier, budget: Duration) -> f64 {
    let samples = artificial::speech(0, LONG_SECONDS);
    let mfcc = verifier.mfcc();
    let num_frames = mfcc.num_frames(samples.len()) as f64;
    let mut jobs: [Job; 1] = [Box::new(|| drop(black_box(mfcc.frames(&samples))))];
    alternate(Clock::Cpu, budget, &mut jobs)[0].median() / num_frames
}

/// An enrolled speaker, against whom the other recordings are verified.
pub struct Enrolled<'a> {
    verifier: &'a Verifier,
    voiceprint: Voiceprint,
    point: OperatingPoint,
}

impl<'a> Enrolled<'a> {
    /// Enrolls the first voice.
    ///
    /// # Errors
    /// As `spkver enroll`: a model may refuse the synthetic voice.
    pub fn new(verifier: &'a Verifier, recordings: &Recordings) -> Result<Self> {
        let path = &recordings.short[0];
        let waveform = audio::read(path, &ReadOptions::default())?;
        let analysis = verifier.analyze(&waveform);
        let embedding = analysis.embedding.map_err(|reason| {
            Error::audio(
                path.clone(),
                format!("the model refuses the synthetic voice of the benchmark: {reason}"),
                "measure another model",
            )
        })?;
        let utterance = Utterance::new("synthetic", embedding, &analysis.quality);
        let name = SpeakerName::new("synthetic")?;
        Ok(Enrolled {
            verifier,
            voiceprint: verifier.enroll(name, vec![utterance])?,
            point: OperatingPoint::default(),
        })
    }

    fn verify(&self, path: &Path) {
        let embedding = embed(self.verifier, path);
        let verified = self
            .verifier
            .verify(&self.voiceprint, &embedding, &self.point);
        black_box(verified.expect("of this model"));
    }

    /// Times from file to decision for [`LONG_SECONDS`], on one core.
    pub fn file_to_decision(&self, recordings: &Recordings, budget: Duration) -> Times {
        let measure = || {
            let mut jobs: [Job; 1] = [Box::new(|| self.verify(&recordings.long))];
            alternate(Clock::Cpu, budget, &mut jobs).remove(0)
        };
        pool(1).install(measure)
    }

    /// Times from file to decision for [`SHORT_SECONDS`], one call at a time, with all threads.
    pub fn latency(&self, recordings: &Recordings, budget: Duration) -> Times {
        let mut jobs: [Job; 1] = [Box::new(|| self.verify(&recordings.short[1]))];
        one_by_one(Clock::Wall, budget, &mut jobs).remove(0)
    }
}

/// Speed of a batch of files with some number of threads.
pub struct Throughput {
    /// Files in the batch.
    pub num_files: usize,
    /// Threads.
    pub threads: usize,
    /// Files of [`SHORT_SECONDS`] that are embedded per second.
    pub files_per_second: f64,
    /// How many times faster than with one thread.
    pub speed_up: f64,
}

/// Measures with 1 thread, and with more, up to as many as the program uses.
pub fn throughput(
    verifier: &Verifier,
    recordings: &Recordings,
    budget: Duration,
) -> Vec<Throughput> {
    let most = rayon::current_num_threads();
    let mut counts: Vec<usize> = (0..).map(|n| 1 << n).take_while(|n| *n < most).collect();
    counts.push(most);
    let pools: Vec<rayon::ThreadPool> = counts.iter().map(|n| pool(*n)).collect();
    // The batch has fewer files if one batch would use up the time, but always enough to keep the
    // threads busy.
    let begun = Instant::now();
    embed(verifier, &recordings.short[0]);
    let affordable = budget.as_secs_f64() / (8 * counts.len()) as f64;
    let num_files = (affordable / begun.elapsed().as_secs_f64()) as usize;
    let num_files = num_files.clamp(4 * most, MAX_BATCH.max(4 * most));
    let batch = || {
        (0..num_files).into_par_iter().for_each(|index| {
            black_box(embed(verifier, &recordings.short[index % 2]));
        });
    };
    let mut jobs: Vec<Job> = vec![];
    for pool in &pools {
        jobs.push(Box::new(|| pool.install(batch)));
    }
    let times = one_by_one(Clock::Wall, budget, &mut jobs);
    let one = times[0].median();
    let rows = counts.iter().zip(&times);
    rows.map(|(&threads, times)| Throughput {
        num_files,
        threads,
        files_per_second: num_files as f64 / times.median(),
        speed_up: one / times.median(),
    })
    .collect()
}

/// A pool of threads in which a job runs as a whole, because a thread's clock does not count what
/// other threads do for the job.
pub(super) fn pool(num_threads: usize) -> rayon::ThreadPool {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(num_threads);
    pool.build().expect("as many threads as the program has")
}

/// The embedding of a recording that the model has already accepted.
fn embed(verifier: &Verifier, path: &Path) -> Embedding {
    let waveform = audio::read(path, &ReadOptions::default()).expect("written by us");
    verifier.embed(&waveform).expect("taken before")
}
