//! Compares the MFCC of every instance with the f64 definition, and checks that frames do not
//! influence each other.

use super::*;
use crate::kernels::{
    Table, reference,
    tests::{every_instance, noise},
};

/// A front-end with made-up filters, taper and DCT.
struct Example {
    fft_size: usize,
    window: Vec<f32>,
    weights: Vec<Vec<f32>>,
    num_ceps: usize,
    energy: Option<Energy>,
    remove_mean: bool,
    magnitude: bool,
}

impl Example {
    /// The sizes of the shipped front-end.
    fn usual() -> Self {
        Example::new(512, 400, 40, 40)
    }

    fn new(fft_size: usize, length: usize, num_mel_bins: usize, num_ceps: usize) -> Self {
        let taper = |i: usize| {
            let phase = std::f32::consts::PI * (i as f32 + 0.5) / length as f32;
            32768.0 * phase.sin().powi(2)
        };
        // Filters wide enough to cover all bins, at least two bins each.
        let width = |m: usize| (fft_size / 2 / num_mel_bins).max(2) + m % 2;
        Example {
            fft_size,
            window: (0..length).map(taper).collect(),
            weights: (0..num_mel_bins)
                .map(|m| noise(width(m), 1).iter().map(|w| w.abs() + 0.1).collect())
                .collect(),
            num_ceps,
            energy: None,
            remove_mean: true,
            magnitude: false,
        }
    }

    fn plan(&self) -> MfccPlan {
        let num_mel_bins = self.weights.len();
        let first = |m: usize| m * (self.fft_size / 2 - 8) / num_mel_bins;
        let cos = |n: usize, k: usize| {
            let step = std::f64::consts::PI / num_mel_bins as f64;
            ((n as f64 + 0.5) * k as f64 * step).cos() as f32 / (num_mel_bins as f32).sqrt()
        };
        let dct = (0..num_mel_bins).flat_map(|n| (0..self.num_ceps).map(move |k| cos(n, k)));
        let num_outputs = match self.num_ceps {
            0 => num_mel_bins,
            num_ceps => num_ceps,
        };
        let mut channels: Vec<Channel> = (0..num_outputs).map(Channel::Output).collect();
        if self.energy.is_some() {
            channels.push(Channel::Energy);
        }
        MfccPlan::new(&FrontEnd {
            fft_size: self.fft_size,
            remove_mean: self.remove_mean,
            preemph_coeff: 0.97,
            window: &self.window,
            magnitude: self.magnitude,
            filters: (0..num_mel_bins)
                .map(|m| (first(m), self.weights[m].clone()))
                .collect(),
            dct: &dct.collect::<Vec<f32>>(),
            energy: self.energy,
            bounds: (f32::EPSILON, 3e38),
            channels,
        })
    }
}

fn rows(table: &Table, plan: &MfccPlan, frames: &[&[f32]]) -> Vec<f32> {
    let mut out = vec![f32::NAN; frames.len() * plan.num_channels];
    (table.mfcc)(plan, frames, &mut out);
    out
}

/// Values are logarithms up to ±90 and sums of them: f32 has a relative error of 1e-5.
fn assert_close(got: &[f32], wanted: &[f32], tolerance: f32, what: &str) {
    assert_eq!(got.len(), wanted.len());
    for (i, (g, w)) in got.iter().zip(wanted).enumerate() {
        assert!(
            (g - w).abs() <= tolerance,
            "{what}: [{i}] {g} instead of {w}"
        );
    }
}

fn assert_agrees(example: &Example, frames: &[&[f32]], tolerance: f32, what: &str) {
    let plan = example.plan();
    let mut wanted = vec![f32::NAN; frames.len() * plan.num_channels];
    reference::mfcc(&plan, frames, &mut wanted);
    for table in every_instance() {
        let what = format!("{} {what}", table.name);
        assert_close(&rows(&table, &plan, frames), &wanted, tolerance, &what);
    }
}

#[test]
fn agrees_with_the_definition_at_every_fft_size_and_awkward_lengths() {
    for log2 in 5..=12 {
        let size = 1 << log2;
        for length in [1, 2, size / 2 + 1, size - 1, size] {
            let samples = noise(length + 40, log2);
            let frames: Vec<&[f32]> = samples.windows(length).step_by(7).take(3).collect();
            let what = format!("FFT of {size}, {length} samples");
            // Removing the mean from a frame of one sample would leave nothing.
            let example = Example {
                remove_mean: length > 2,
                ..Example::new(size, length, 5, 4)
            };
            assert_agrees(&example, &frames, 1e-4, &what);
        }
    }
}

#[test]
fn agrees_with_the_definition_at_awkward_numbers_of_frames_and_channels() {
    let samples = noise(2000, 3);
    for num_frames in [0, 1, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33] {
        let frames: Vec<&[f32]> = samples.windows(256).step_by(50).take(num_frames).collect();
        for (num_mel_bins, num_ceps) in [(3, 1), (5, 5), (23, 13), (40, 17), (41, 41), (33, 0)] {
            let what = format!("{num_frames} frames, {num_mel_bins} bins, {num_ceps} cepstra");
            let example = Example::new(256, 256, num_mel_bins, num_ceps);
            assert_agrees(&example, &frames, 1e-4, &what);
        }
    }
}

#[test]
fn every_option_agrees_with_the_definition() {
    let samples: Vec<f32> = noise(3000, 4).iter().map(|x| 0.1 * x + 0.05).collect();
    let frames: Vec<&[f32]> = samples.windows(401).step_by(160).collect();
    let floor = 1e-7;
    for magnitude in [false, true] {
        for remove_mean in [false, true] {
            for raw_scale in [None, Some(32768.0 * 32768.0)] {
                for num_ceps in [0, 13] {
                    let example = Example {
                        magnitude,
                        remove_mean,
                        energy: Some(Energy { raw_scale, floor }),
                        ..Example::new(512, 401, 23, num_ceps)
                    };
                    assert_agrees(&example, &frames, 1e-4, "with options");
                }
            }
        }
    }
}

#[test]
fn a_frames_bits_depend_on_nothing_but_the_frame() {
    let plan = Example::usual().plan();
    let samples = noise(16_000, 5);
    let frames: Vec<&[f32]> = samples.windows(400).step_by(160).take(37).collect();
    for table in every_instance() {
        let together = rows(&table, &plan, &frames);
        for (frame, wanted) in frames.iter().zip(together.chunks(40)) {
            assert_eq!(rows(&table, &plan, &[frame]), wanted, "{}", table.name);
        }
        let backwards: Vec<&[f32]> = frames.iter().rev().copied().collect();
        let mut backwards = rows(&table, &plan, &backwards);
        let mut turned: Vec<f32> = vec![];
        while !backwards.is_empty() {
            turned.extend(backwards.split_off(backwards.len() - 40));
        }
        assert_eq!(turned, together, "{}", table.name);
    }
}

#[test]
fn silence_is_the_floor_and_broken_frames_stay_finite_and_alone() {
    let plan = Example::new(512, 400, 23, 0).plan();
    let sound = noise(400, 6);
    let square: Vec<f32> = (0..400)
        .map(|i| if i / 50 % 2 == 0 { 1.0 } else { -1.0 })
        .collect();
    let floored: [&[f32]; 4] = [&[0.0; 400], &[0.25; 400], &[1e-40; 400], &[-0.0; 400]];
    let broken: [&[f32]; 4] = [
        &[f32::NAN; 400],
        &[f32::INFINITY; 400],
        &[3e38; 400],
        &[-3e38; 400],
    ];
    for table in every_instance() {
        let alone = rows(&table, &plan, &[&sound, &square]);
        for frame in floored {
            for value in rows(&table, &plan, &[frame]) {
                assert_eq!(value, f32::EPSILON.ln(), "{}", table.name);
            }
        }
        for frame in broken {
            let values = rows(&table, &plan, &[&sound, frame, &square, frame, frame]);
            assert!(values.iter().all(|x| x.is_finite()), "{}", table.name);
            assert_eq!(values[..23], alone[..23], "{}", table.name);
            assert_eq!(values[46..69], alone[23..], "{}", table.name);
        }
    }
}

#[test]
fn full_scale_square_waves_agree_with_the_definition() {
    let example = Example::new(512, 400, 40, 0);
    let plan = example.plan();
    for period in [2, 8, 100, 133] {
        let square = |i: usize| match i % period < period / 2 {
            true => 32767.0 / 32768.0,
            false => -1.0,
        };
        let samples: Vec<f32> = (0..1200).map(square).collect();
        let frames: Vec<&[f32]> = samples.windows(400).step_by(97).collect();
        let mut wanted = vec![0.0; frames.len() * 40];
        reference::mfcc(&plan, &frames, &mut wanted);
        // Between the harmonics there is almost no energy, only the f32 rounding error: 2⁻²⁴ of a
        // full-scale amplitude.
        let amplitude = |log_energy: &f32| (0.5 * f64::from(*log_energy)).exp();
        let rounding = 6e-8 * f64::from(example.window.iter().sum::<f32>());
        for table in every_instance() {
            for (got, wanted) in rows(&table, &plan, &frames).iter().zip(&wanted) {
                let (got, wanted) = (amplitude(got), amplitude(wanted));
                assert!(
                    (got - wanted).abs() <= 1e-5 * wanted + rounding,
                    "{} square of {period}: {got} instead of {wanted}",
                    table.name
                );
            }
        }
    }
}

#[test]
fn noise_in_the_last_of_16_bits_agrees_with_the_definition() {
    let samples: Vec<f32> = noise(2000, 7).iter().map(|x| x.round() / 32768.0).collect();
    let frames: Vec<&[f32]> = samples.windows(400).step_by(160).collect();
    assert_agrees(&Example::usual(), &frames, 1e-4, "faint noise");
}

#[test]
fn the_fft_of_any_size_agrees_with_the_definition() {
    for n in [2, 16, 400, 510, 512] {
        let samples = noise(n, 8);
        let plan = MfccPlan::power_spectrum(&vec![1.0; n]);
        assert_eq!(plan.has_lane_fft(), n == 512, "{n}");
        let (mut wanted, mut got) = (vec![0.0; n / 2], vec![f32::NAN; n / 2]);
        reference::mfcc(&plan, &[&samples], &mut wanted);
        reference::mfcc_of_any_size(&plan, &[&samples], &mut got);
        let largest = wanted.iter().copied().fold(0.0, f32::max);
        // Each butterfly level rounds a few times, relative to the strongest bin.
        assert_close(&got, &wanted, 1e-6 * largest, &format!("FFT of {n}"));
    }
}

/// One frame of one sample, whose power in bin 0 is 1, under filters of one weight each.
#[test]
fn the_logarithm_is_right_over_all_normal_floats() {
    // Every exponent, with mantissas at odd steps; and the neighbourhood of 1, where ln is small.
    let all = (0x0080_0000u32..0x7f80_0000).step_by(104_729);
    let near_1 = (0x3f7f_0000u32..0x3f81_0000).step_by(13);
    let x: Vec<f32> = all.chain(near_1).map(f32::from_bits).collect();
    let plan = MfccPlan::new(&FrontEnd {
        fft_size: 32,
        remove_mean: false,
        preemph_coeff: 0.0,
        window: &[1.0],
        magnitude: false,
        filters: x.iter().map(|x| (0, vec![*x])).collect(),
        dct: &[],
        energy: None,
        bounds: (f32::MIN_POSITIVE, f32::MAX),
        channels: (0..x.len()).map(Channel::Output).collect(),
    });
    for table in every_instance() {
        for (x, got) in x.iter().zip(rows(&table, &plan, &[&[1.0]])) {
            let wanted = f64::from(*x).ln() as f32;
            let difference = (got - wanted).abs();
            let what = format!("{}: ln {x}: {got} not {wanted}", table.name);
            assert!(difference <= 1e-6 * wanted.abs(), "{what}");
        }
    }
}
