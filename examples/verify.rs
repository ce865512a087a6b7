//! Enrolls a speaker and verifies two recordings, from samples as a microphone at 48 kHz gives them.
//!
//! ```text
//! cargo run --no-default-features --example verify
//! ```

use spkver::{Decision, OperatingPoint, Recording, SpeakerName, Utterance, Verifier};
use std::error::Error;

const MICROPHONE_HZ: u32 = 48_000;

fn main() -> Result<(), Box<dyn Error>> {
    let verifier = Verifier::embedded()?;
    let record = |voice| -> Result<Utterance, Box<dyn Error>> {
        let recording = Recording::from_samples(microphone(voice)?, MICROPHONE_HZ)?;
        // A recording without enough speech is refused here.
        let embedding = verifier.embed(&recording)?;
        Ok(Utterance::new(voice, embedding, &recording.quality()))
    };
    let utterances = vec![record("anna-1")?, record("anna-2")?];
    let anna = verifier.enroll(SpeakerName::new("Anna")?, utterances)?;
    for voice in ["anna-3", "boris-1"] {
        let test = record(voice)?.embedding;
        let answer = verifier.verify(&anna, &test, &OperatingPoint::default())?;
        match answer.decision {
            Decision::Accept => println!("{voice}: this is Anna"),
            Decision::Reject => println!("{voice}: this is somebody else"),
            Decision::Inconclusive(reason) => println!("{voice}: {reason}; {}", reason.remedy()),
            other => println!("{voice}: {}", other.code()),
        }
    }
    Ok(())
}

/// Stands in for a microphone: a recording at 16 kHz with each sample three times.
fn microphone(voice: &str) -> std::io::Result<Vec<f32>> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/voices");
    let wav = std::fs::read(format!("{folder}/{voice}.wav"))?;
    let samples = wav[44..].as_chunks().0.iter();
    let samples = samples.map(|pcm| f32::from(i16::from_le_bytes(*pcm)) / 32768.0);
    Ok(samples.flat_map(|sample| [sample; 3]).collect())
}
