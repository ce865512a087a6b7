//! Silence, gates and background around the speech do not decide: the score is that of the voice.

mod program;

use program::waveform;
use spkver::{
    audio::{self, SAMPLE_RATE_HZ, Waveform},
    scoring::OperatingPoint,
    storage::model,
    verifier::Verifier,
};

const RATE: usize = SAMPLE_RATE_HZ as usize;
const VOICES: [&str; 5] = ["anna", "boris", "chloe", "david", "edith"];

fn samples(voice: &str, number: usize) -> Vec<f32> {
    waveform(&format!("{voice}-{number}")).samples().to_vec()
}

fn silence(seconds: usize) -> Vec<f32> {
    vec![0.0; seconds * RATE]
}

/// LLR of two recordings; none where one is inconclusive.
fn llr(verifier: &Verifier, a: Vec<f32>, b: Vec<f32>) -> Option<f32> {
    let embed = |samples| {
        let waveform = Waveform::from_samples(samples, SAMPLE_RATE_HZ).unwrap();
        verifier.embed(&waveform).ok()
    };
    let verification = verifier.compare(&embed(a)?, &embed(b)?, &OperatingPoint::default());
    Some(verification.unwrap().llr?.value())
}

/// Mean and largest change of the LLR over pairs of one voice and of two, where `changed` is done to
/// the second recording, or to both.
///
/// A change may make a recording inconclusive, but leaves `fewest` pairs.
fn moved(changed: impl Fn(Vec<f32>) -> Vec<f32>, both: bool, fewest: usize) -> (f32, f32) {
    let verifier = model::embedded().unwrap();
    let mut moves = vec![];
    for (n, voice) in VOICES.iter().enumerate() {
        for other in [voice, VOICES[(n + 1) % VOICES.len()]] {
            let (a, b) = (samples(voice, 1), samples(other, 2));
            let plain = llr(&verifier, a.clone(), b.clone());
            let a = if both { changed(a) } else { a };
            let now = llr(&verifier, a, changed(b));
            moves.extend(plain.zip(now).map(|(plain, now)| (now - plain).abs()));
        }
    }
    assert!(moves.len() >= fewest, "{} pairs are left", moves.len());
    let mean = moves.iter().sum::<f32>() / moves.len().max(1) as f32;
    (mean, moves.into_iter().fold(0.0, f32::max))
}

#[test]
fn ten_seconds_of_silence_do_not_move_a_score() {
    let padded = |x: Vec<f32>| [silence(5), x, silence(5)].concat();
    for both in [false, true] {
        let (mean, most) = moved(padded, both, VOICES.len());
        assert!(mean <= 0.5 && most <= 1.5, "{both}: {mean}, {most}");
    }
}

#[test]
fn silence_in_the_middle_does_not_move_a_score() {
    let split = |x: Vec<f32>| {
        let half = x.len() / 2;
        [&x[..half], &silence(3), &x[half..]].concat()
    };
    let (mean, most) = moved(split, true, VOICES.len());
    assert!(mean <= 0.5 && most <= 1.5, "{mean}, {most}");
}

#[test]
fn a_noise_gate_does_not_make_strangers_alike() {
    // Pauses zeroed on both sides, as a gate leaves them.
    let gated = |x: Vec<f32>| {
        let speech = audio::speech_frames(&x);
        let gate = |n: usize| speech.get(n / audio::SPEECH_HOP).copied().unwrap_or(false);
        let samples = x.iter().enumerate();
        samples
            .map(|(n, x)| if gate(n) { *x } else { 0.0 })
            .collect()
    };
    let (mean, most) = moved(gated, true, 0);
    assert!(mean <= 1.0 && most <= 2.5, "{mean}, {most}");
}
