//! The outcome of a recording: its embedding, or why it has none. All batch commands embed files with
//! this module. No file can stop a run: a panic becomes the error of its recording.

use super::recording::{Recording, Segment};
use crate::{
    Error, Result,
    audio::{self, ReadOptions, SAMPLE_RATE_HZ, Waveform},
    verifier::{Analysis, Verifier},
};
use std::{
    fs::File,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
};

/// BLAKE3 of an audio file's bytes.
pub type AudioHash = blake3::Hash;

/// The outcome of a recording.
pub type Outcome = std::result::Result<Embedded, Refused>;

/// An embedding and facts about its recording.
#[derive(Debug, Clone, PartialEq)]
pub struct Embedded {
    /// (D,)
    pub values: Vec<f32>,
    /// Net speech, in seconds.
    pub speech_seconds: f32,
}

/// Why a recording has no embedding.
#[derive(Debug, Clone, PartialEq)]
pub struct Refused {
    /// A code that stays the same: `io`, `audio`, `panic`, or that of a [`Reason`](crate::Reason).
    pub code: String,
    /// The fact and the remedy, without the file's name.
    pub reason: String,
}

impl Refused {
    /// A refusal with this code and reason.
    pub fn new(code: &str, reason: impl Into<String>) -> Self {
        Refused {
            code: code.into(),
            reason: reason.into(),
        }
    }

    fn of(error: Error) -> Self {
        match error {
            Error::Audio { fact, remedy, .. } => Refused::new("audio", format!("{fact}; {remedy}")),
            Error::Io {
                doing,
                source,
                remedy,
                ..
            } => Refused::new("io", format!("cannot {doing}: {source}; {remedy}")),
            other => Refused::new(other.code(), other.to_string()),
        }
    }
}

/// The key of an outcome: recordings with the same key have the same embedding.
pub fn key(verifier: &Verifier, audio: &AudioHash, recording: &Recording) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new_derive_key("spkver 2026 embedding of a recording");
    hasher.update(verifier.id().to_string().as_bytes());
    hasher.update(&[u8::from(verifier.model().network.is_int8())]);
    hasher.update(audio.as_bytes());
    let number = |value: Option<u64>| value.map_or(u64::MAX, |v| v).to_le_bytes();
    let reading = &recording.reading;
    hasher.update(&number(reading.channel.map(|c| c as u64)));
    // The limits decide which recordings are refused.
    hasher.update(&number(reading.max_seconds.map(u64::from)));
    hasher.update(&[u8::from(reading.all)]);
    hasher.update(&number(reading.max_bytes));
    hasher.update(&number(recording.segment.map(|s| s.start_us)));
    hasher.update(&number(recording.segment.and_then(|s| s.end_us)));
    hasher.finalize()
}

/// Hash of the file's bytes.
///
/// # Errors
/// Why the file cannot be read.
pub fn hash(path: &Path) -> std::result::Result<AudioHash, Refused> {
    let failed = |e| Refused::of(Error::io(path, "read", e));
    let file = File::open(path).map_err(failed)?;
    let facts = file.metadata().map_err(failed)?;
    if !facts.is_file() {
        let kind = if facts.is_dir() {
            "a directory"
        } else {
            "a device or a pipe"
        };
        return Err(Refused::new(
            "audio",
            format!("is {kind}; name an audio file"),
        ));
    }
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(file).map_err(failed)?;
    Ok(hasher.finalize())
}

/// Decodes one file once and embeds each of its segments.
pub fn embed(
    verifier: &Verifier,
    path: &Path,
    reading: &ReadOptions,
    segments: &[Option<Segment>],
) -> Vec<Outcome> {
    if let [None] = segments {
        let analysis = guarded(|| Ok(verifier.analyze(&audio::read(path, reading)?)));
        return vec![analysis.and_then(outcome)];
    }
    // The whole recording is decoded, because the times of segments count from its beginning.
    let all = ReadOptions {
        all: true,
        ..*reading
    };
    match guarded(|| audio::read(path, &all)) {
        Ok(whole) => segments
            .iter()
            .map(|segment| {
                guarded(|| segment_analysis(verifier, path, &whole, *segment)).and_then(outcome)
            })
            .collect(),
        Err(refused) => vec![Err(refused); segments.len()],
    }
}

fn segment_analysis(
    verifier: &Verifier,
    path: &Path,
    whole: &Waveform,
    segment: Option<Segment>,
) -> Result<Analysis> {
    let part;
    let waveform = match segment {
        None => whole,
        Some(segment) => {
            let samples = whole.samples();
            let range = segment.samples(SAMPLE_RATE_HZ, samples.len());
            if range.is_empty() {
                return Err(Error::audio(
                    path,
                    format!("ends after {:.2} s", whole.seconds()),
                    "check the segment's times",
                ));
            }
            part = Waveform::from_samples(samples[range].to_vec(), SAMPLE_RATE_HZ)?;
            &part
        }
    };
    Ok(verifier.analyze(waveform))
}

fn outcome(analysis: Analysis) -> Outcome {
    let embedding = analysis
        .embedding
        .map_err(|reason| Refused::of(reason.into()));
    embedding.map(|embedding| Embedded {
        values: embedding.values().to_vec(),
        speech_seconds: analysis.quality.speech_seconds,
    })
}

/// Turns a panic into the refusal of this file, so that the run goes on.
fn guarded<T>(work: impl FnOnce() -> Result<T>) -> std::result::Result<T, Refused> {
    // Safe to assert: nothing that `work` changes is used after a panic.
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(done) => done.map_err(Refused::of),
        Err(payload) => {
            let text = payload
                .downcast_ref::<String>()
                .map(String::as_str)
                .or(payload.downcast_ref::<&str>().copied())
                .unwrap_or("without a message");
            Err(Refused::new(
                "panic",
                format!("the program failed on this file ({text}); report the file"),
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_the_error_of_one_recording() {
        let number = std::hint::black_box(3);
        let refused = guarded(|| -> Result<()> { panic!("index {number}") }).unwrap_err();
        assert_eq!(refused.code, "panic");
        assert!(refused.reason.contains("index 3"), "{}", refused.reason);
        assert_eq!(guarded(|| Ok(1)), Ok(1));
    }
}
