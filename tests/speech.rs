//! What counts as speech: a quiet voice does, and background does not. The recordings are made here
//! from the fixture voices.

mod program;

use spkver::{
    audio::{Content, SAMPLE_RATE_HZ, Waveform},
    scoring::Reason,
    storage::model,
    verifier::{Analysis, Verifier},
};
use std::{f32::consts::TAU, sync::LazyLock};

const RATE: usize = SAMPLE_RATE_HZ as usize;

static VERIFIER: LazyLock<Verifier> = LazyLock::new(|| model::embedded().unwrap());

fn voice(name: &str) -> Vec<f32> {
    program::waveform(name).samples().to_vec()
}

fn hear(samples: Vec<f32>) -> Analysis {
    VERIFIER.analyze(&Waveform::from_samples(samples, SAMPLE_RATE_HZ).unwrap())
}

fn rms(samples: &[f32]) -> f32 {
    (samples.iter().map(|x| x * x).sum::<f32>() / samples.len() as f32).sqrt()
}

fn scaled(samples: &[f32], to_rms: f32) -> Vec<f32> {
    let gain = to_rms / rms(samples);
    samples.iter().map(|x| x * gain).collect()
}

fn sum(a: &[f32], b: &[f32]) -> Vec<f32> {
    a.iter().zip(b).map(|(a, b)| a + b).collect()
}

/// Uniform noise between −1 and 1, the same for the same seed.
fn white_noise(num_samples: usize, mut seed: u64) -> Vec<f32> {
    let mut next = || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        (seed >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    };
    (0..num_samples).map(|_| next()).collect()
}

/// What a room sounds like when nobody speaks: noise that falls with frequency.
fn room(num_samples: usize, seed: u64) -> Vec<f32> {
    let mut level = 0.0;
    let white = white_noise(num_samples, seed).into_iter();
    let fall = |x| {
        level += 0.2 * (x - level);
        level
    };
    white.map(fall).collect()
}

/// An empty telephone line: hum of the mains with its harmonics, and hiss.
fn line_noise(num_samples: usize, seed: u64) -> Vec<f32> {
    let hum = |n: usize| -> f32 {
        let phase = TAU * 50.0 * n as f32 / RATE as f32;
        let harmonics = [1.0, 3.0, 5.0, 7.0].iter();
        harmonics.map(|h| (h * phase).sin() / h).sum()
    };
    let hiss = white_noise(num_samples, seed);
    hiss.iter().enumerate().map(|(n, x)| hum(n) + x).collect()
}

#[test]
fn quiet_speech_is_not_refused_as_none() {
    // A quiet voice in a room, with pauses: about 4 s of speech at 18 to 25 dB.
    for name in ["chloe", "anna", "edith"] {
        let pause = vec![0.0; RATE / 2];
        let [first, second] = [1, 2].map(|number| voice(&format!("{name}-{number}")));
        let speech = [&pause[..], &first, &pause, &second, &pause].concat();
        for (snr_db, level) in [(18.0, 0.003), (25.0, 0.003), (20.0, 0.01)] {
            let quiet = scaled(&speech, level);
            let noise_rms = level * 10f32.powf(-snr_db / 20.0);
            let noise = scaled(&room(quiet.len(), 7), noise_rms);
            let heard = hear(sum(&quiet, &noise));
            let which = format!("{name} at {level}, {snr_db} dB: {heard:?}");
            assert_eq!(heard.quality.content, Content::Speech, "{which}");
            assert!(heard.embedding.is_ok(), "{which}");
            assert!(heard.quality.speech_seconds > 0.5, "{which}");
        }
    }
}

#[test]
fn speech_behind_a_hold_tone_is_not_refused_as_none() {
    for name in ["boris-1", "chloe-2", "felix-1"] {
        let speech = voice(name);
        let alone = hear(speech.clone()).quality.speech_seconds;
        // As long as the voice. (A tone that is much louder is noise in which nobody is told.)
        let level = 0.5 * rms(&speech);
        let tone = (0..3 * RATE).map(|n| level * (TAU * 440.0 * n as f32 / RATE as f32).sin());
        let call: Vec<f32> = tone.chain(speech).collect();
        let heard = hear(call);
        assert!(heard.embedding.is_ok(), "{name}: {heard:?}");
        let seconds = heard.quality.speech_seconds;
        let near = (0.6 * alone..alone + 0.5).contains(&seconds);
        assert!(near, "{name}: {seconds} s of {alone}");
    }
}

#[test]
fn background_with_60_ms_of_a_word_is_not_a_second_of_speech() {
    for (name, seed) in [("anna-1", 1), ("boris-2", 2), ("david-1", 3)] {
        let speech = voice(name);
        // The loudest 60 ms are within a word.
        let word = speech
            .chunks_exact(RATE * 60 / 1000)
            .max_by(|a, b| rms(a).total_cmp(&rms(b)))
            .unwrap();
        for background in [line_noise(RATE, seed), room(RATE, seed)] {
            let mut second = scaled(&background, rms(word) / 10.0);
            for (x, w) in second[RATE / 2..].iter_mut().zip(word) {
                *x += w;
            }
            let heard = hear(second);
            let seconds = heard.quality.speech_seconds;
            assert!(seconds < 0.3, "{name}: {seconds} s");
            let reason = heard.embedding.expect_err("nobody can be told from 60 ms");
            let said = matches!(reason, Reason::NoSpeech | Reason::TooLittleSpeech { .. });
            assert!(said, "{name}: {reason:?}");
        }
    }
}
