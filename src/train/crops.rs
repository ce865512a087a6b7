//! Draws training examples: the features of an augmented piece of a recording, and its class.
//!
//! A *voice* is a combination of playing speed and warp (length of the vocal tract) that recordings
//! are played in. Voice 0 is the recording as it is. A speaker in another voice sounds like
//! somebody else, so each speaker in each voice is a class of its own.
//!
//! An example depends on (seed, step, slot) alone, where the slot is its place in the batch. So a
//! resumed run draws the same examples.

use super::{
    augment::Augmenter,
    batch::Batch,
    manifest::Manifest,
    options::{AugmentOptions, TrainOptions},
    random::Random,
    recordings::Recordings,
};
use crate::{
    Error, Result,
    audio::{self, SAMPLE_RATE_HZ},
    features::{Features, Mfcc},
};
use rayon::prelude::*;

/// Where crops come from.
pub struct Crops<'a> {
    /// The speaker of each recording.
    pub manifest: &'a Manifest,
    /// The audio.
    pub recordings: &'a Recordings,
    /// Utterances of each speaker, followed by one entry for each recording without a label.
    pub by_speaker: Vec<Vec<usize>>,
    /// How often each of `by_speaker` is drawn.
    pub shares: Shares,
    /// Applies rooms, noises, band limits and the other steps.
    pub augmenter: &'a Augmenter,
    /// How often each step is applied, and how strongly.
    pub augment: &'a AugmentOptions,
    /// The front-end.
    pub mfcc: &'a Mfcc,
    /// Shortest and longest crop, in seconds.
    pub seconds: (f32, f32),
    /// Playing speeds, in per cent, starting with 100.
    pub speeds_percent: &'a [u32],
    /// Front-ends that make a speaker sound as with a shorter or longer vocal tract, one for each
    /// of `warps_percent` but the first.
    pub warped: Vec<Mfcc>,
    /// The warps in per cent, starting with 100.
    pub warps_percent: &'a [u32],
    /// Share of the crops that get another pitch while the formants stay. The class stays too.
    pub pitch: f32,
    /// Smallest number of speech frames in a crop.
    pub min_frames: usize,
    /// Seed of everything random.
    pub seed: u64,
}

/// Draws speakers with a probability that grows with the square root of their number of recordings.
/// A speaker with fifty recordings is drawn seven times as often as one with a single recording.
pub struct Shares(Vec<f64>);

impl Shares {
    /// Computes the probabilities from the recordings of each speaker.
    pub fn new(by_speaker: &[Vec<usize>]) -> Self {
        let sums = by_speaker.iter().scan(0.0, |sum, recordings| {
            *sum += (recordings.len() as f64).sqrt();
            Some(*sum)
        });
        Shares(sums.collect())
    }

    fn draw(&self, random: &mut Random) -> usize {
        let last = self.0.len() - 1;
        let at = f64::from(random.unit()) * self.0[last];
        self.0.partition_point(|sum| *sum <= at).min(last)
    }
}

/// The class of an example whose speaker is not known.
pub const UNLABELLED: u32 = u32::MAX;

/// Fewest frames of speech from which a speaker can be recognised.
pub(super) const MIN_FRAMES: usize = 30;

/// Share of the training examples whose stretches of speech are extended at both ends. In use, the
/// edges of speech are not exact either, because a speech detector cannot find them in noise.
const GROWN: f32 = 0.3;
/// Largest number of frames that are added at an end.
const MAX_GROWN_FRAMES: usize = 15;

/// One example.
pub struct Crop {
    /// Speech frames, mean-normalised.
    pub features: Features,
    /// The speaker in this voice: `voice · num speakers + speaker`, or [`UNLABELLED`].
    pub class: u32,
    /// The utterance in this voice: `voice · num utterances + utterance`. The first one if the crop
    /// is made of several.
    pub utterance: u32,
}

/// Lowest and highest pitch of a crop relative to its recording's. Playing a recording faster also
/// raises its formants; the mel filters move them back.
const PITCH: (f32, f32) = (0.82, 1.4);

/// How often another example is drawn until one can be used. The last one is taken in any case.
const MAX_ATTEMPTS: u64 = 8;

/// The first result of `draw` that is `fit`, else the last one. With `any_file` each attempt draws
/// another file, so that a file that cannot be read does not end a run of several days.
pub(super) fn retried<T>(
    any_file: bool,
    fit: impl Fn(&T) -> bool,
    draw: impl Fn(u64) -> Result<T>,
) -> Result<T> {
    for attempt in 0..MAX_ATTEMPTS - 1 {
        match draw(attempt) {
            Ok(drawn) if fit(&drawn) => return Ok(drawn),
            Ok(_) => {}
            Err(Error::Audio { .. } | Error::Io { .. }) if any_file => {}
            Err(error) => return Err(error),
        }
    }
    draw(MAX_ATTEMPTS - 1)
}

/// A front-end for each of `warps_percent` except the first, which is 100.
///
/// # Errors
/// [`Error::Usage`] for a warp that the mel filters do not allow.
pub(super) fn warped(options: &TrainOptions) -> Result<Vec<Mfcc>> {
    let warp = |percent: &u32| Mfcc::warped(options.front_end.clone(), f64::from(*percent) / 100.0);
    options.warps_percent.iter().skip(1).map(warp).collect()
}

/// Extends each run of `true` by `frames` on either side.
fn grown(speech: &[bool], frames: usize) -> Vec<bool> {
    let near = |t: usize| {
        let window = &speech[t.saturating_sub(frames)..(t + frames + 1).min(speech.len())];
        window.contains(&true)
    };
    (0..speech.len()).map(near).collect()
}

impl<'a> Crops<'a> {
    /// Number of classes.
    pub fn num_classes(&self) -> usize {
        self.manifest.speakers.len() * self.speeds_percent.len() * (1 + self.warped.len())
    }

    /// Draws the batch of `step`: the features `(ΣT, C)`, and the class and the utterance of each
    /// crop. Speakers are drawn by [`Shares`].
    ///
    /// # Errors
    /// A recording that cannot be read.
    pub fn batch(&self, step: usize, size: usize) -> Result<(Batch, Vec<u32>, Vec<u32>)> {
        let crops: Vec<Crop> = (0..size)
            .into_par_iter()
            .map(|slot| self.crop("crop", &[step as u64, slot as u64], None, true))
            .collect::<Result<_>>()?;
        let classes = crops.iter().map(|c| c.class).collect();
        let utterances = crops.iter().map(|c| c.utterance).collect();
        let features: Vec<Features> = crops.into_iter().map(|c| c.features).collect();
        Ok((
            Batch::of_features(&features, self.mfcc.num_channels()),
            classes,
            utterances,
        ))
    }

    /// Draws a crop of the given utterance, with speed, pitch and formants unchanged. Without a
    /// given utterance, draws one, and its voice. The draw depends only on the seed, on `purpose`
    /// and on `place`.
    ///
    /// # Errors
    /// If the given recording cannot be read, or none of several that were drawn.
    pub fn crop(
        &self,
        purpose: &str,
        place: &[u64],
        utterance: Option<usize>,
        augmented: bool,
    ) -> Result<Crop> {
        let long_enough = |crop: &Crop| crop.features.num_frames() >= self.min_frames;
        let crop = retried(utterance.is_none(), long_enough, |attempt| {
            let place: Vec<u64> = place.iter().copied().chain([attempt]).collect();
            let random = Random::new(self.seed, purpose, &place);
            self.attempt(random, utterance, augmented)
        })?;
        Ok(self.long_enough(crop))
    }

    fn attempt(
        &self,
        mut random: Random,
        utterance: Option<usize>,
        augmented: bool,
    ) -> Result<Crop> {
        let num_speakers = self.manifest.speakers.len();
        let (speaker, speed) = match utterance {
            Some(u) => (self.manifest.utterances[u].speaker as usize, 0),
            None => (
                self.shares.draw(&mut random),
                random.index(self.speeds_percent.len()),
            ),
        };
        let pitch = match utterance {
            None if self.pitch > 0.0 && random.chance(self.pitch) => {
                random.uniform(PITCH.0.ln(), PITCH.1.ln()).exp()
            }
            _ => 1.0,
        };
        let percent = (self.speeds_percent[speed] as f32 * pitch).round() as u32;
        let wanted = self.length(&mut random) * percent as usize / 100;
        let recordings = &self.by_speaker[speaker];
        let first = utterance.unwrap_or_else(|| recordings[random.index(recordings.len())]);
        let mut samples = self.piece(first, wanted, &mut random)?;
        // A recording of a single word gives too short a piece. Half of the time, further
        // recordings of the speaker are appended, so that the crop sounds like an enrollment
        // phrase.
        if utterance.is_none() && random.chance(0.5) {
            while samples.len() < wanted {
                let next = recordings[random.index(recordings.len())];
                samples.extend(self.piece(next, wanted - samples.len(), &mut random)?);
            }
        }
        if percent != 100 {
            samples = audio::resample(&samples, SAMPLE_RATE_HZ * percent / 100, SAMPLE_RATE_HZ);
        }
        // Speech is found before noise is added, because noise should not decide which frames are
        // dropped.
        let mut speech = audio::speech_frames(&samples);
        if augmented && random.chance(GROWN) {
            speech = grown(&speech, 1 + random.index(MAX_GROWN_FRAMES));
        }
        if augmented {
            self.disturb(&mut samples, &mut random)?;
        }
        let warp = match utterance {
            Some(_) => 0,
            None => random.index(1 + self.warped.len()),
        };
        let of_tract = warp.checked_sub(1).map_or(self.mfcc, |w| &self.warped[w]);
        let features = match percent == self.speeds_percent[speed] {
            true => of_tract.extract_samples(&samples, &speech),
            false => {
                let back = f64::from(self.speeds_percent[speed]) / f64::from(percent);
                let tract = f64::from(self.warps_percent[warp]) / 100.0;
                let config = self.mfcc.config().clone();
                Mfcc::warped(config, tract * back)?.extract_samples(&samples, &speech)
            }
        };
        let voice = warp * self.speeds_percent.len() + speed;
        Ok(Crop {
            features,
            class: match speaker < num_speakers {
                true => (voice * num_speakers + speaker) as u32,
                false => UNLABELLED,
            },
            utterance: (voice * self.manifest.utterances.len() + first) as u32,
        })
    }

    /// Augments `samples`. Babble is made of pieces of random recordings, of up to three seconds each.
    pub(super) fn disturb(&self, samples: &mut [f32], random: &mut Random) -> Result<()> {
        let of_anybody = |random: &mut Random| {
            let utterance = random.index(self.recordings.len());
            self.piece(utterance, 3 * SAMPLE_RATE_HZ as usize, random)
        };
        self.augmenter
            .apply(self.augment, samples, random, of_anybody)
    }

    /// Draws a length in samples.
    pub(super) fn length(&self, random: &mut Random) -> usize {
        (random.within(self.seconds) * SAMPLE_RATE_HZ as f32) as usize
    }

    /// Up to `len` samples from a random place of a recording.
    pub(super) fn piece(
        &self,
        utterance: usize,
        len: usize,
        random: &mut Random,
    ) -> Result<Vec<f32>> {
        let samples = self.recordings.samples(utterance)?;
        let start = random.index((samples.len() + 1).saturating_sub(len).max(1));
        let end = (start + len).min(samples.len());
        Ok(samples[start..end]
            .iter()
            .map(|v| f32::from(*v) / 32768.0)
            .collect())
    }

    /// Repeats the frames of a crop that has fewer than `min_frames`. A crop without frames becomes
    /// all zeros.
    fn long_enough(&self, crop: Crop) -> Crop {
        let channels = self.mfcc.num_channels();
        let have = crop.features.num_frames();
        if have >= self.min_frames {
            return crop;
        }
        let values = if have == 0 {
            vec![0.0; self.min_frames * channels]
        } else {
            let cycle = crop.features.values().iter().copied().cycle();
            cycle.take(self.min_frames * channels).collect()
        };
        Crop {
            features: Features::new(values, channels),
            ..crop
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::manifest::Utterance, *};
    use std::cell::Cell;

    #[test]
    fn another_file_is_drawn_for_one_that_cannot_be_read_but_a_given_one_is_read_once() {
        let draws = |any_file| {
            let draws = Cell::new(0);
            let drawn = retried(
                any_file,
                |_: &()| true,
                |_| {
                    draws.set(draws.get() + 1);
                    let gone = std::io::ErrorKind::NotFound.into();
                    Err(Error::io("gone.wav".as_ref(), "read", gone))
                },
            );
            assert!(drawn.is_err());
            draws.get()
        };
        assert_eq!((draws(true), draws(false)), (MAX_ATTEMPTS, 1));
    }

    #[test]
    fn at_another_pitch_formants_stay_where_they_were() {
        let path = std::env::temp_dir().join(format!("spkver-pitch-{}.wav", std::process::id()));
        let spec = hound::WavSpec {
            channels: 1,
            sample_rate: SAMPLE_RATE_HZ,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let mut wav = hound::WavWriter::create(&path, spec).unwrap();
        // Resonances of 1 and 2 kHz in turn, a quarter of a second each.
        for n in 0..4 * SAMPLE_RATE_HZ {
            let hz = 1000.0 * (1 + n / 4000 % 2) as f32;
            let phase = std::f32::consts::TAU * hz * n as f32 / SAMPLE_RATE_HZ as f32;
            wav.write_sample((8000.0 * phase.sin()) as i16).unwrap();
        }
        wav.finalize().unwrap();
        let mfcc = Mfcc::new(Default::default()).unwrap();
        let utterance = |speaker| Utterance {
            path: path.clone(),
            speaker,
            session: 0,
            corpus: 0,
        };
        let manifest = Manifest {
            utterances: vec![utterance(0)],
            speakers: vec!["a".into()],
            corpora: vec![String::new()],
        };
        let recordings = Recordings::new(vec![path.clone()], 1 << 20);
        let augment = AugmentOptions {
            num_rooms: 0,
            ..Default::default()
        };
        let nothing = Recordings::new(vec![], 0);
        let augmenter = Augmenter::new(&augment, nothing, &Recordings::new(vec![], 0), 1).unwrap();
        let crops = |pitch| Crops {
            manifest: &manifest,
            recordings: &recordings,
            by_speaker: vec![vec![0]],
            shares: Shares::new(&[vec![0]]),
            augmenter: &augmenter,
            augment: &augment,
            mfcc: &mfcc,
            seconds: (2.8, 2.8),
            speeds_percent: &[100],
            warped: vec![Mfcc::warped(Default::default(), 1.2).unwrap()],
            warps_percent: &[100, 120],
            pitch,
            min_frames: 30,
            seed: 1,
        };
        let size = mfcc.num_channels();
        let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
        let alike = |a: &[f32], b: &[f32]| dot(a, b) / (dot(a, a) * dot(b, b)).sqrt();
        let draw = |crops: &Crops, n| crops.crop("test", &[n], None, true).unwrap();
        let plain = crops(0.0);
        let reference: Vec<Crop> = (0..8).map(|n| draw(&plain, n)).collect();
        // How similar the frames of a crop are to the most similar frames of the unchanged crops of
        // `class`.
        let nearness = |crop: &Crop, class: u32| {
            let frames = crop.features.values().chunks_exact(size);
            let nearest = frames.map(|frame| {
                let same = reference.iter().filter(|r| r.class == class);
                let frames = same.flat_map(|r| r.features.values().chunks_exact(size));
                frames.map(|r| alike(frame, r)).fold(-1.0, f32::max)
            });
            let nearest: Vec<f32> = nearest.collect();
            nearest.iter().sum::<f32>() / nearest.len() as f32
        };
        // How often the resonance changes: more often if the recording is played faster.
        let changes = |crop: &Crop| {
            // Frames that contain both resonances are left out.
            let clear = &reference[1].features.values()[..size];
            let frames = crop.features.values().chunks_exact(size);
            let alike = frames.map(|f| alike(f, clear));
            let first: Vec<bool> = alike.filter(|a| a.abs() > 0.5).map(|a| a > 0.0).collect();
            first.windows(2).filter(|w| w[0] != w[1]).count()
        };
        assert!(reference.iter().all(|crop| changes(crop) <= 12));
        let moved = crops(1.0);
        assert_eq!(moved.num_classes(), plain.num_classes());
        let drawn: Vec<Crop> = (0..20).map(|n| draw(&moved, n)).collect();
        assert!(drawn.iter().any(|crop| changes(crop) > 13));
        for crop in &drawn {
            let (right, wrong) = (nearness(crop, crop.class), nearness(crop, 1 - crop.class));
            assert!(right > 0.95 && wrong < 0.8, "{right} {wrong}");
        }
        std::fs::remove_file(&path).unwrap();
    }
}
