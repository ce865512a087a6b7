//! Artificial speech, on which the activations of a network are about as large as on real speech.
//! The ranges of int8 activations are measured on it, and the benchmark embeds it, so that neither needs
//! recordings of people.
//!
//! Source and filter (Fant 1960): pulses of a gliding pitch, or noise, through three resonators that
//! move from vowel to vowel, over background noise. Each speaker also speaks over a telephone, which
//! passes nothing above 4 kHz, because the features of real recordings can differ as much from those of
//! full-band speech.

use crate::audio::{SAMPLE_RATE_HZ, resample};
use rand_core::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use std::f32::consts::PI;

/// Pitch in Hz, scale of the formants, level of the background relative to the voice's peak.
const SPEAKERS: [(f32, f32, f32); 4] = [
    (95.0, 0.95, 0.0003),
    (130.0, 1.0, 0.01),
    (210.0, 1.15, 0.001),
    (290.0, 1.25, 0.003),
];

/// First three formants of vowels, in Hz (Peterson and Barney 1952, men).
const VOWELS: [[f32; 3]; 6] = [
    [270.0, 2290.0, 3010.0],
    [530.0, 1840.0, 2480.0],
    [730.0, 1090.0, 2440.0],
    [570.0, 840.0, 2410.0],
    [300.0, 870.0, 2240.0],
    [490.0, 1350.0, 1690.0],
];

/// Sounds per utterance, and samples of each (0.1 s).
const NUM_SOUNDS: usize = 12;
const SOUND_LEN: usize = SAMPLE_RATE_HZ as usize / 10;
/// Samples between two changes of the resonators (5 ms).
const STEP_LEN: usize = SAMPLE_RATE_HZ as usize / 200;

/// Positions of the sounds that are hiss (as in s and f), and of the pause. The others are voiced.
const HISS_AT: [usize; 3] = [3, 7, 11];
const PAUSE_AT: usize = 8;

/// Sample rate of a telephone line.
const TELEPHONE_HZ: u32 = 8000;

/// One utterance of each speaker, then the same utterances over a telephone: 16 kHz, nominally −1 to 1.
pub fn utterances(seed: u64) -> Vec<Vec<f32>> {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
    let mut utterances: Vec<Vec<f32>> = SPEAKERS
        .iter()
        .map(|speaker| utterance(*speaker, &mut random))
        .collect();
    let narrow = utterances.iter().map(|samples| {
        let sent = resample(samples, SAMPLE_RATE_HZ, TELEPHONE_HZ);
        resample(&sent, TELEPHONE_HZ, SAMPLE_RATE_HZ)
    });
    let narrow: Vec<Vec<f32>> = narrow.collect();
    utterances.extend(narrow);
    utterances
}

/// Utterances of one of the speakers, 0 to 3, one after the other: 16 kHz, −0.5 to 0.5.
pub fn speech(speaker: usize, seconds: f32) -> Vec<f32> {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(1);
    let num_samples = (seconds * SAMPLE_RATE_HZ as f32) as usize;
    let mut samples = vec![];
    while samples.len() < num_samples {
        samples.extend(utterance(SPEAKERS[speaker], &mut random));
    }
    samples.truncate(num_samples);
    samples
}

fn utterance(
    (pitch_hz, size, background): (f32, f32, f32),
    random: &mut Xoshiro256PlusPlus,
) -> Vec<f32> {
    let mut noise = move || (random.next_u32() >> 8) as f32 / (1 << 23) as f32 - 1.0;
    let mut resonators = [Resonator::default(); 3];
    let mut samples = vec![];
    let mut phase = 0.0f32;
    let mut to = VOWELS[0];
    for sound in 0..NUM_SOUNDS {
        let from = to;
        to = VOWELS[(noise() * 3.0 + 3.0) as usize % VOWELS.len()];
        let hiss_hz = 4500.0 + 1500.0 * noise();
        for n in 0..SOUND_LEN {
            let along = n as f32 / SOUND_LEN as f32;
            if n % STEP_LEN == 0 {
                for i in 0..3 {
                    let formant_hz = size * (from[i] + (to[i] - from[i]) * along);
                    match HISS_AT.contains(&sound) {
                        true => resonators[i].tune(hiss_hz, 1200.0),
                        false => resonators[i].tune(formant_hz, 80.0 + 40.0 * i as f32),
                    }
                }
            }
            // A sound swells and fades; the voice falls a little over the utterance.
            let loudness = (along * PI).sin().sqrt();
            phase += pitch_hz * (1.2 - 0.03 * sound as f32) / SAMPLE_RATE_HZ as f32;
            let pulse = if phase >= 1.0 { 1.0 } else { 0.0 };
            phase -= phase.floor();
            let mut x = if HISS_AT.contains(&sound) {
                resonators[2].next(0.1 * noise() * loudness)
            } else if sound == PAUSE_AT {
                0.0
            } else {
                let source = (pulse + 0.01 * noise()) * loudness;
                let mut x = 0.0;
                for (resonator, gain) in resonators.iter_mut().zip([1.0, 0.5, 0.25]) {
                    x += gain * resonator.next(source);
                }
                x
            };
            x += background * noise();
            samples.push(x);
        }
    }
    let peak = samples
        .iter()
        .fold(f32::EPSILON, |peak, x| peak.max(x.abs()));
    samples.iter_mut().for_each(|x| *x *= 0.5 / peak);
    samples
}

/// Two poles: y[n] = (1 − r)·x[n] + 2r·cos θ·y[n−1] − r²·y[n−2].
#[derive(Clone, Copy, Default)]
struct Resonator {
    /// 1 − r, 2r·cos θ, r².
    coefficients: [f32; 3],
    last: [f32; 2],
}

impl Resonator {
    fn tune(&mut self, centre_hz: f32, bandwidth_hz: f32) {
        let rate_hz = SAMPLE_RATE_HZ as f32;
        let r = (-PI * bandwidth_hz / rate_hz).exp();
        let theta = 2.0 * PI * centre_hz / rate_hz;
        self.coefficients = [1.0 - r, 2.0 * r * theta.cos(), r * r];
    }

    fn next(&mut self, x: f32) -> f32 {
        let [gain, first, second] = self.coefficients;
        let y = gain * x + first * self.last[0] - second * self.last[1];
        self.last = [y, self.last[0]];
        y
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::{Content, Waveform};

    #[test]
    fn artificial_speech_passes_for_speech_and_is_the_same_each_time() {
        let made = utterances(1);
        assert_eq!(made, utterances(1));
        for samples in made {
            let waveform = Waveform::from_samples(samples, SAMPLE_RATE_HZ).unwrap();
            assert_eq!(waveform.quality().content, Content::Speech);
            assert!(waveform.quality().speech_seconds > 0.8);
        }
    }
}
