//! Makes a synthetic voice as a WAV file, so that the benchmark needs no recording of the user.
//!
//! The voice is made of pulses that pass through three resonators, which move from vowel to vowel
//! (Klatt 1980, cascade branch). The detector takes this for speech, so the whole path of a
//! recording is measured.

use hound::{SampleFormat, WavSpec, WavWriter};
use spkver::audio::SAMPLE_RATE_HZ;
use std::{f32::consts::TAU, path::Path};

const RATE: f32 = SAMPLE_RATE_HZ as f32;
/// Formants, in Hz.
const VOWELS: [[f32; 3]; 4] = [
    [700.0, 1220.0, 2600.0],
    [300.0, 2200.0, 3000.0],
    [500.0, 1800.0, 2500.0],
    [320.0, 800.0, 2400.0],
];
const BANDWIDTHS_HZ: [f32; 3] = [80.0, 110.0, 160.0];
const VOWEL_SECONDS: f32 = 0.25;

/// Samples of a voice with this mean pitch, at 16 kHz, from −1 to 1.
pub fn samples(seconds: f32, pitch_hz: f32) -> Vec<f32> {
    let mut noise = 1u32;
    let mut phase = 0.0f32;
    let mut state = [[0.0f32; 2]; 3];
    let mut samples: Vec<f32> = (0..(seconds * RATE) as usize)
        .map(|n| {
            let t = n as f32 / RATE;
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let breath = (noise >> 8) as f32 / (1 << 23) as f32 - 1.0;
            phase += pitch_hz * (1.0 + 0.15 * (TAU * 0.7 * t).sin()) / RATE;
            let pulse = if phase >= 1.0 { 1.0 } else { 0.0 };
            phase -= phase.floor();
            let at = t / VOWEL_SECONDS;
            let (from, to) = (at as usize % VOWELS.len(), (at as usize + 1) % VOWELS.len());
            // A syllable swells and fades; every sixth vowel is a pause.
            let loud = if at as usize % 6 == 5 {
                0.0
            } else {
                0.55 - 0.45 * (TAU * at).cos()
            };
            let mut x = loud * (pulse + 0.01 * breath) + 1e-4 * breath;
            for (i, [y1, y2]) in state.iter_mut().enumerate() {
                let centre_hz = VOWELS[from][i] + at.fract() * (VOWELS[to][i] - VOWELS[from][i]);
                let radius = (-0.5 * TAU * BANDWIDTHS_HZ[i] / RATE).exp();
                let (b, c) = (
                    2.0 * radius * (TAU * centre_hz / RATE).cos(),
                    -radius * radius,
                );
                x = (1.0 - b - c) * x + b * *y1 + c * *y2;
                (*y2, *y1) = (*y1, x);
            }
            x
        })
        .collect();
    let peak = samples.iter().fold(1e-9f32, |peak, x| peak.max(x.abs()));
    samples.iter_mut().for_each(|x| *x *= 0.5 / peak);
    samples
}

/// Writes a WAV file with 16 bits and one channel, as most recordings have.
pub fn write(path: &Path, samples: &[f32]) -> hound::Result<()> {
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
