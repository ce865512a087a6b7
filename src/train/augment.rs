//! Augmentation: makes a clean crop sound as if it had been recorded elsewhere.
//!
//! The steps follow the path of sound from the speaker to the file: room, noise, hum, babble, equalizer
//! and band limit, clipping, codec, level and 16 bits, mu-law. Each has its own probability, except level
//! and 16 bits, which every crop gets. A telephone line is one step: a narrow band, 8 kHz and mu-law.

use super::{
    distortion::{clip, energy, quantise, through_mu_law},
    filter::{FILTER_LEN, Transforms, band_hz, equalizer_gains_db, padded, shape, telephone_hz},
    noise::{add_at_snr, coloured_noise, hum, looped},
    options::AugmentOptions,
    random::Random,
    recordings::Recordings,
    rooms,
};
use crate::{
    Result,
    audio::{self, SAMPLE_RATE_HZ},
};
use rayon::prelude::*;
use realfft::num_complex::Complex32;

/// Rooms and noises, ready to be applied.
pub struct Augmenter {
    rooms: Vec<Room>,
    /// The rooms to draw from, as indices into `rooms`. A room is listed several times if it is to
    /// be drawn more often.
    draws: Vec<usize>,
    noise: Recordings,
    /// Generated noises, each of a random colour.
    coloured: Vec<Vec<f32>>,
    hash: String,
    transforms: Transforms,
}

/// A room's impulse response, and its spectrum at the padded length that most crops have.
struct Room {
    response: Vec<f32>,
    spectrum: Vec<Complex32>,
}

/// Number of generated noises. Crops use random pieces of them.
const NUM_COLOURED: usize = 64;

/// Sampling rate of a telephone line.
const TELEPHONE_RATE_HZ: u32 = 8000;

/// A recorded room is drawn this many times as often as a simulated one. Recorded rooms are better,
/// but there are few of them.
const RECORDED_ROOM_DRAWS: usize = 10;

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

    /// BLAKE3 of the names of the files that are mixed in. A run cannot be continued with other files.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// Augments `samples` in place with the probabilities of `options`; the length stays. `babble` draws
    /// the samples of other speakers.
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
            add_at_snr(samples, &noise, random.within(options.noise_snr_db));
        }
        if random.chance(options.hum) {
            let hum = hum(samples.len(), random);
            add_at_snr(samples, &hum, random.within(options.noise_snr_db));
        }
        if random.chance(options.babble) {
            let mut crowd = vec![0.0f32; samples.len()];
            for _ in 0..3 + random.index(4) {
                let voice = looped(&babble(random)?, samples.len(), random);
                let norm = energy(&voice).sqrt().max(1e-9);
                crowd
                    .iter_mut()
                    .zip(&voice)
                    .for_each(|(c, v)| *c += v / norm);
            }
            add_at_snr(samples, &crowd, random.within(options.babble_snr_db));
        }
        let equalizer = random
            .chance(options.equalizer)
            .then(|| equalizer_gains_db(random));
        let mut band = random.chance(options.band_limit).then(|| band_hz(random));
        // The random number is drawn only if the option is on: recipes without telephones then get
        // the same random numbers as before there was this option.
        let telephone = options.telephone > 0.0 && random.chance(options.telephone);
        if telephone {
            band = Some(telephone_hz(random));
        }
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
        if telephone {
            let mut line = audio::resample(samples, SAMPLE_RATE_HZ, TELEPHONE_RATE_HZ);
            line.iter_mut().for_each(|v| *v = through_mu_law(*v));
            let heard = audio::resample(&line, TELEPHONE_RATE_HZ, SAMPLE_RATE_HZ);
            samples
                .iter_mut()
                .zip(heard)
                .for_each(|(v, heard)| *v = heard);
        } else if random.chance(options.mu_law) {
            samples.iter_mut().for_each(|v| *v = through_mu_law(*v));
        }
        Ok(())
    }

    /// Noise of `len` samples: a piece of a file, or generated with a random colour.
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

/// Makes a room's impulse response from a recording of it: starts at the loudest sample, keeps at
/// most half a second, and scales the energy to 1.
fn recorded_room(samples: &[i16]) -> Vec<f32> {
    let loudest = (0..samples.len())
        .max_by_key(|i| samples[*i].unsigned_abs())
        .unwrap_or(0);
    let tail = samples[loudest..].iter().take(SAMPLE_RATE_HZ as usize / 2);
    let mut response: Vec<f32> = tail.map(|v| f32::from(*v)).collect();
    let norm = energy(&response).sqrt().max(1e-9);
    response.iter_mut().for_each(|v| *v /= norm);
    response
}
