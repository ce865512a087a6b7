//! Augmentation: makes a clean crop sound as if it had been recorded elsewhere.
//!
//! The steps follow the order in which a recording meets them: room, noise, hum or babble,
//! microphone and band, clipping, codec, mu-law, level and 16 bits. Each happens with a probability of its own.

use super::{random::Random, recordings::Recordings, rooms};
use crate::{Error, Result, audio::SAMPLE_RATE_HZ};
use rayon::prelude::*;
use realfft::{ComplexToReal, RealFftPlanner, RealToComplex, num_complex::Complex32};
use serde::{Deserialize, Serialize};
use std::sync::{Arc, Mutex};

/// Probability of each step, 0 to 1, and how strong it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AugmentOptions {
    /// Share of the crops that stay clean: only their level changes.
    pub clean: f32,
    /// A room, recorded or simulated.
    pub reverberation: f32,
    /// Noise from files, or generated noise of a random colour.
    pub noise: f32,
    /// A steady tone or mains hum, at the SNR of noise.
    pub hum: f32,
    /// Three to six other speakers.
    pub babble: f32,
    /// Random smooth frequency response.
    pub equalizer: f32,
    /// Band limit: telephone, or somewhere below 7 kHz.
    pub band_limit: f32,
    /// Peaks cut off, as an overdriven microphone does.
    pub clip: f32,
    /// Spectral holes and coarse steps, as low-rate codecs leave them.
    pub codec: f32,
    /// 8-bit mu-law samples, as on a telephone line.
    pub mu_law: f32,
    /// Signal-to-noise ratio of noise, from and to, in dB.
    pub noise_snr_db: (f32, f32),
    /// Signal-to-noise ratio of babble, from and to, in dB.
    pub babble_snr_db: (f32, f32),
    /// Number of simulated rooms.
    pub num_rooms: usize,
}

impl AugmentOptions {
    /// Refuses what makes no sense.
    ///
    /// # Errors
    /// [`Error::Usage`] naming the option and what it should be.
    pub fn check(&self) -> Result<()> {
        let probabilities = [
            self.clean,
            self.reverberation,
            self.noise,
            self.hum,
            self.babble,
            self.equalizer,
            self.band_limit,
            self.clip,
            self.codec,
            self.mu_law,
        ];
        let snr_db = [self.noise_snr_db, self.babble_snr_db];
        let rules = [
            (
                self.num_rooms <= 100_000,
                "augment.num_rooms: at most 100000",
            ),
            (
                probabilities.iter().all(|p| (0.0..=1.0).contains(p)),
                "augment probabilities: from 0 to 1",
            ),
            (
                snr_db
                    .iter()
                    .all(|(low, high)| low <= high && low.abs() <= 100.0 && *high <= 100.0),
                "augment SNRs: from -100 to 100 dB, lower first",
            ),
        ];
        match rules.iter().find(|(holds, _)| !holds) {
            Some((_, rule)) => Err(Error::Usage(format!("training option {rule} is wanted"))),
            None => Ok(()),
        }
    }
}

impl Default for AugmentOptions {
    /// Level and 16 bits only; the recipes turn on the rest.
    fn default() -> Self {
        AugmentOptions {
            clean: 0.0,
            reverberation: 0.0,
            noise: 0.0,
            hum: 0.0,
            babble: 0.0,
            equalizer: 0.0,
            band_limit: 0.0,
            clip: 0.0,
            codec: 0.0,
            mu_law: 0.0,
            noise_snr_db: (3.0, 25.0),
            babble_snr_db: (8.0, 25.0),
            num_rooms: 200,
        }
    }
}

/// Rooms and noises, ready.
pub struct Augmenter {
    rooms: Vec<Room>,
    /// How often each room is drawn: its index, once or several times.
    draws: Vec<usize>,
    noise: Recordings,
    /// Generated noise, each of another colour.
    coloured: Vec<Vec<f32>>,
    hash: String,
    transforms: Transforms,
}

/// A room's impulse response and, since most crops have one padded length, its spectrum at that.
struct Room {
    response: Vec<f32>,
    spectrum: Vec<Complex32>,
}

/// Length that crops of up to 4 s are padded to for filtering.
const FILTER_LEN: usize = 1 << 16;
/// Number of generated noises, and samples of each (8 s): crops use random pieces of them.
const NUM_COLOURED: usize = 64;
const COLOURED_LEN: usize = 1 << 17;
/// A recorded room is worth more than a simulated one, and there are few: each counts for ten.
const RECORDED_ROOM_DRAWS: usize = 10;

/// FFTs by size, planned once.
#[derive(Default)]
struct Transforms(Mutex<RealFftPlanner<f32>>);

impl Augmenter {
    /// Simulates the rooms; `rirs` (recorded rooms) stay in memory, `noise` is read on demand.
    ///
    /// # Errors
    /// A room recording that cannot be read.
    pub fn new(
        options: &AugmentOptions,
        noise: Recordings,
        rirs: &Recordings,
        seed: u64,
    ) -> Result<Self> {
        let transforms = Transforms::default();
        let mut responses: Vec<Vec<f32>> = (0..options.num_rooms)
            .into_par_iter()
            .map(|n| {
                let random = &mut Random::new(seed, "room", &[n as u64]);
                rooms::impulse_response(random, n % 2 == 1)
            })
            .collect();
        let mut draws: Vec<usize> = (0..responses.len()).collect();
        for index in 0..rirs.len() {
            draws.extend(std::iter::repeat_n(responses.len(), RECORDED_ROOM_DRAWS));
            responses.push(recorded_room(&rirs.samples(index)?));
        }
        let rooms = responses.into_par_iter().map(|response| Room {
            spectrum: transforms.forward(&mut padded(&response, FILTER_LEN)),
            response,
        });
        let rooms = rooms.collect();
        let coloured = (0..NUM_COLOURED).into_par_iter().map(|n| {
            let random = &mut Random::new(seed, "noise", &[n as u64]);
            coloured_noise(&transforms, random)
        });
        let coloured = coloured.collect();
        Ok(Augmenter {
            rooms,
            draws,
            coloured,
            hash: format!("{} {}", noise.hash(), rirs.hash()),
            noise,
            transforms,
        })
    }

    /// BLAKE3 of the names of what is mixed in: another set of files is another run.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// Augments `samples` in place, as often as `options` say; the length stays. `babble` gives other speakers' samples.
    ///
    /// # Errors
    /// A noise file, or one of `babble`'s, that cannot be read.
    pub fn apply(
        &self,
        options: &AugmentOptions,
        samples: &mut [f32],
        random: &mut Random,
        mut babble: impl FnMut(&mut Random) -> Result<Vec<f32>>,
    ) -> Result<()> {
        if random.chance(options.clean) {
            quantise(samples, random.uniform(-26.0, -1.0));
            return Ok(());
        }
        if random.chance(options.reverberation) && !self.draws.is_empty() {
            let room = &self.rooms[self.draws[random.index(self.draws.len())]];
            self.transforms
                .filter(samples, room.response.len(), |spectrum| {
                    let other;
                    let response = if spectrum.len() == room.spectrum.len() {
                        &room.spectrum
                    } else {
                        let len = 2 * (spectrum.len() - 1);
                        other = self.transforms.forward(&mut padded(&room.response, len));
                        &other
                    };
                    spectrum.iter_mut().zip(response).for_each(|(s, r)| *s *= r);
                });
        }
        if random.chance(options.noise) {
            let noise = self.noise_like(samples.len(), random)?;
            let (low, high) = options.noise_snr_db;
            add_at_snr(samples, &noise, random.uniform(low, high));
        }
        if random.chance(options.hum) {
            let (low, high) = options.noise_snr_db;
            add_at_snr(
                samples,
                &hum(samples.len(), random),
                random.uniform(low, high),
            );
        }
        if random.chance(options.babble) {
            let mut crowd = vec![0.0f32; samples.len()];
            for _ in 0..3 + random.index(4) {
                let voice = looped(&babble(random)?, samples.len(), random);
                let energy = voice.iter().map(|v| v * v).sum::<f32>().sqrt().max(1e-9);
                crowd
                    .iter_mut()
                    .zip(&voice)
                    .for_each(|(c, v)| *c += v / energy);
            }
            let (low, high) = options.babble_snr_db;
            add_at_snr(samples, &crowd, random.uniform(low, high));
        }
        let equalizer = random
            .chance(options.equalizer)
            .then(|| equalizer_gains_db(random));
        let band = random.chance(options.band_limit).then(|| band_hz(random));
        if equalizer.is_some() || band.is_some() {
            self.transforms.filter(samples, 0, |spectrum| {
                shape(spectrum, equalizer.as_deref(), band)
            });
        }
        if random.chance(options.clip) {
            clip(samples, random);
        }
        if random.chance(options.codec) {
            self.transforms.coarsen(samples, random.uniform(18.0, 40.0));
        }
        quantise(samples, random.uniform(-26.0, -1.0));
        if random.chance(options.mu_law) {
            samples.iter_mut().for_each(|v| *v = through_mu_law(*v));
        }
        Ok(())
    }

    /// Noise of the wanted length: a piece of a file, or coloured by a random slope.
    fn noise_like(&self, len: usize, random: &mut Random) -> Result<Vec<f32>> {
        if !self.noise.is_empty() && random.chance(0.7) {
            let index = random.index(self.noise.len());
            let samples = self.noise.samples(index)?;
            return Ok(looped(&samples, len, random));
        }
        let noise = &self.coloured[random.index(self.coloured.len())];
        Ok(looped(noise, len, random))
    }
}

/// Noise whose amplitude falls or rises with a random power of frequency: brown to bluish.
fn coloured_noise(transforms: &Transforms, random: &mut Random) -> Vec<f32> {
    let mut noise: Vec<f32> = (0..COLOURED_LEN).map(|_| random.normal()).collect();
    let exponent = random.uniform(-1.2, 0.3); // amplitude ~ f^exponent
    transforms.filter(&mut noise, 0, |spectrum| {
        let n = spectrum.len() as f32;
        for (k, s) in spectrum.iter_mut().enumerate() {
            *s *= ((k as f32 + 0.005 * n) / n).powf(exponent);
        }
    });
    noise
}

/// Mains hum of 50 or 60 Hz with its harmonics, or a tone of 100 Hz to 4 kHz with two.
fn hum(len: usize, random: &mut Random) -> Vec<f32> {
    let (base_hz, num_harmonics) = match random.index(3) {
        0 => (50.0, 12),
        1 => (60.0, 10),
        _ => (100.0 * 40f32.powf(random.unit()), 3),
    };
    let mut sum = vec![0.0; len];
    for harmonic in 1..=num_harmonics {
        let hz = base_hz * harmonic as f32;
        if hz > 0.45 * SAMPLE_RATE_HZ as f32 {
            break;
        }
        let amplitude = random.unit() / (harmonic as f32).sqrt();
        // A rotating pointer: one complex product a sample.
        let step = Complex32::from_polar(1.0, std::f32::consts::TAU * hz / SAMPLE_RATE_HZ as f32);
        let mut pointer = Complex32::from_polar(amplitude, std::f32::consts::TAU * random.unit());
        for v in &mut sum {
            *v += pointer.re;
            pointer *= step;
        }
    }
    sum
}

/// Cuts what is above a level that 0.5 to 10 % of the samples pass.
fn clip(samples: &mut [f32], random: &mut Random) {
    let mut levels: Vec<f32> = samples.iter().map(|v| v.abs()).collect();
    let share = 0.005 * 20f32.powf(random.unit());
    let rank = ((1.0 - share) * levels.len() as f32) as usize;
    if rank < levels.len() {
        let (_, limit, _) = levels.select_nth_unstable_by(rank, f32::total_cmp);
        let limit = *limit;
        samples.iter_mut().for_each(|v| *v = v.clamp(-limit, limit));
    }
}

/// A sample coded as 8-bit mu-law and decoded again (ITU-T G.711).
fn through_mu_law(sample: f32) -> f32 {
    const BIAS: i32 = 33;
    let linear = ((sample.abs() * 8192.0) as i32).min(8158) + BIAS;
    // Segment: position of the leading one; 4 bits behind it are kept, the decoder's value is in
    // the middle of what they stand for.
    let dropped = (31 - linear.leading_zeros() as i32) - 4;
    let decoded = ((linear >> dropped) << dropped) + (1 << dropped) / 2 - BIAS;
    (decoded as f32 / 8192.0).copysign(sample)
}

fn padded(samples: &[f32], len: usize) -> Vec<f32> {
    let mut padded = samples.to_vec();
    padded.resize(len, 0.0);
    padded
}

/// From the loudest sample on, at most half a second, energy 1.
fn recorded_room(samples: &[i16]) -> Vec<f32> {
    let loudest = (0..samples.len())
        .max_by_key(|i| samples[*i].unsigned_abs())
        .unwrap_or(0);
    let tail = samples[loudest..].iter().take(SAMPLE_RATE_HZ as usize / 2);
    let mut response: Vec<f32> = tail.map(|v| f32::from(*v)).collect();
    let energy = response.iter().map(|v| v * v).sum::<f32>().sqrt().max(1e-9);
    response.iter_mut().for_each(|v| *v /= energy);
    response
}

/// A piece of `samples` from a random place, begun again at its end.
fn looped<T: Copy + Into<f32>>(samples: &[T], len: usize, random: &mut Random) -> Vec<f32> {
    let mut start = random.index(samples.len().saturating_sub(len).max(1));
    let mut piece = Vec::with_capacity(len);
    while piece.len() < len && !samples.is_empty() {
        let end = (start + len - piece.len()).min(samples.len());
        piece.extend(samples[start..end].iter().map(|v| (*v).into()));
        start = 0;
    }
    piece
}

/// samples += noise, scaled so that the energies differ by `snr_db`; nothing happens to silence.
fn add_at_snr(samples: &mut [f32], noise: &[f32], snr_db: f32) {
    let energy = |x: &[f32]| x.iter().map(|v| v * v).sum::<f32>();
    let (signal, other) = (energy(samples), energy(noise));
    if other <= 0.0 {
        return;
    }
    let gain = (signal / other * 10f32.powf(-snr_db / 10.0)).sqrt();
    samples
        .iter_mut()
        .zip(noise)
        .for_each(|(s, n)| *s += gain * n);
}

/// The peak to `peak_db` of full scale, then whole 16-bit steps, as files hold them: what a filter
/// took away is rounding noise there, and not the digital silence that no recording has.
fn quantise(samples: &mut [f32], peak_db: f32) {
    let peak = samples.iter().fold(1e-9f32, |peak, v| peak.max(v.abs()));
    let gain = 10f32.powf(peak_db / 20.0) / peak;
    samples
        .iter_mut()
        .for_each(|v| *v = (*v * gain * 32768.0).round() / 32768.0);
}

impl Transforms {
    fn of(&self, size: usize) -> (Arc<dyn RealToComplex<f32>>, Arc<dyn ComplexToReal<f32>>) {
        let mut planner = self
            .0
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        (
            planner.plan_fft_forward(size),
            planner.plan_fft_inverse(size),
        )
    }

    fn forward(&self, samples: &mut [f32]) -> Vec<Complex32> {
        let (forward, _) = self.of(samples.len());
        let mut spectrum = forward.make_output_vec();
        forward
            .process(samples, &mut spectrum)
            .expect("lengths are the plan's");
        spectrum
    }

    /// Multiplies the spectrum by what `shape` does; `tail` samples of response are cut off.
    fn filter(&self, samples: &mut [f32], tail: usize, shape: impl FnOnce(&mut [Complex32])) {
        let len = (samples.len() + tail).next_power_of_two().max(FILTER_LEN);
        let mut padded = padded(samples, len);
        let scale = 1.0 / padded.len() as f32;
        let mut spectrum = self.forward(&mut padded);
        shape(&mut spectrum);
        let last = spectrum.len() - 1;
        spectrum[0].im = 0.0;
        spectrum[last].im = 0.0;
        let (_, inverse) = self.of(padded.len());
        inverse
            .process(&mut spectrum, &mut padded)
            .expect("lengths are the plan's");
        samples
            .iter_mut()
            .zip(&padded)
            .for_each(|(s, p)| *s = p * scale);
    }
}

/// Ten gains, evenly spaced in the logarithm of frequency from 60 Hz to 8 kHz.
fn equalizer_gains_db(random: &mut Random) -> Vec<f32> {
    let strength_db = random.uniform(1.0, 6.0);
    (0..10).map(|_| strength_db * random.normal()).collect()
}

/// Low and high edge, in Hz: half of them a telephone's.
fn band_hz(random: &mut Random) -> (f32, f32) {
    if random.chance(0.5) {
        let low = if random.chance(0.6) {
            random.uniform(150.0, 350.0)
        } else {
            0.0
        };
        (low, random.uniform(3300.0, 4000.0))
    } else {
        (0.0, random.uniform(4500.0, 7500.0))
    }
}

/// Multiplies by the gains and cuts the band. Both change slowly over frequency, so they are
/// computed every `STEP` bins, some 8 Hz each, and interpolated.
fn shape(spectrum: &mut [Complex32], gains_db: Option<&[f32]>, band: Option<(f32, f32)>) {
    const STEP: usize = 64;
    let hz = SAMPLE_RATE_HZ as f32 / 2.0 / (spectrum.len() - 1) as f32;
    let gain_at = |k: usize| {
        let f = (k as f32 * hz).max(60.0);
        let mut gain = 1.0;
        if let Some(gains_db) = gains_db {
            let at = (f / 60.0).ln() / (8000.0f32 / 60.0).ln() * (gains_db.len() - 1) as f32;
            let below = (at as usize).min(gains_db.len() - 2);
            let share = at - below as f32;
            let db = gains_db[below] * (1.0 - share) + gains_db[below + 1] * share;
            gain *= 10f32.powf(db / 20.0);
        }
        if let Some((low, high)) = band {
            let edge = |distance_hz: f32| (distance_hz / 150.0 + 0.5).clamp(0.0, 1.0);
            gain *= edge(high - f) * if low > 0.0 { edge(f - low) } else { 1.0 };
        }
        gain
    };
    let mut left = gain_at(0);
    for (block, bins) in spectrum.chunks_mut(STEP).enumerate() {
        let right = gain_at((block + 1) * STEP);
        for (i, s) in bins.iter_mut().enumerate() {
            *s *= left + (right - left) * (i as f32 / STEP as f32);
        }
        left = right;
    }
}

impl Transforms {
    /// What a low-rate transform codec does: frames of 512, in each the bins more than `depth_db` below
    /// their neighbourhood's peak vanish and the rest keep coarse magnitudes.
    fn coarsen(&self, samples: &mut [f32], depth_db: f32) {
        const SIZE: usize = 512;
        const BAND: usize = 16;
        let floor = 10f32.powf(-depth_db / 20.0);
        let window: Vec<f32> = (0..SIZE)
            .map(|i| (std::f32::consts::PI * (i as f32 + 0.5) / SIZE as f32).sin())
            .collect();
        let (analysis, synthesis) = self.of(SIZE);
        let mut out = vec![0.0f32; samples.len()];
        let mut spectrum = analysis.make_output_vec();
        let mut frame = vec![0.0f32; SIZE];
        let mut start = 0;
        while start < samples.len() {
            let end = (start + SIZE).min(samples.len());
            frame.fill(0.0);
            for i in start..end {
                frame[i - start] = samples[i] * window[i - start];
            }
            analysis
                .process(&mut frame, &mut spectrum)
                .expect("lengths are the plan's");
            let frame_peak = spectrum.iter().map(|s| s.norm()).fold(0.0, f32::max);
            for band in spectrum.chunks_mut(BAND) {
                let peak = band.iter().map(|s| s.norm()).fold(0.0, f32::max);
                let step = (peak * floor).max(frame_peak * floor * 0.03).max(1e-12);
                for s in band {
                    let magnitude = s.norm();
                    let kept = (magnitude / step).round() * step;
                    *s *= if magnitude > 0.0 {
                        kept / magnitude
                    } else {
                        0.0
                    };
                }
            }
            spectrum[0].im = 0.0;
            spectrum[SIZE / 2].im = 0.0;
            synthesis
                .process(&mut spectrum, &mut frame)
                .expect("lengths are the plan's");
            for i in start..end {
                out[i] += frame[i - start] * window[i - start] / SIZE as f32;
            }
            start += SIZE / 2;
        }
        // The first half frame has no partner; it is as it was.
        let head = (SIZE / 2).min(samples.len());
        samples[head..].copy_from_slice(&out[head..]);
    }
}
