//! Samples at one rate in, samples at another out, through rubato's FFT resampler: linear phase,
//! alias-free, `round(N · to / from)` samples, aligned (time 0 stays time 0).

use rubato::audioadapter_buffers::direct::SequentialSlice;
use rubato::{Fft, FixedSync, Resampler, WindowFunction};

/// Samples of the lower rate that go through one FFT. More make a steeper filter: with these the
/// passband reaches 98 % of the lower Nyquist frequency.
const CHUNK: usize = 1024;

/// Resamples `(N,) -> (round(N · to / from),)`. Speed perturbation is the same thing: treat the
/// samples as if recorded at 0.9 times their rate.
///
/// # Panics
/// When a rate is 0.
pub fn resample(samples: &[f32], from_hz: u32, to_hz: u32) -> Vec<f32> {
    if from_hz == to_hz || samples.is_empty() {
        return samples.to_vec();
    }
    let num_out = (samples.len() as u128 * u128::from(to_hz) * 2 + u128::from(from_hz))
        / (u128::from(from_hz) * 2);
    let num_out = num_out as usize;
    let mut resampler = Fft::<f32>::new_custom(
        from_hz as usize,
        to_hz as usize,
        CHUNK * from_hz.div_ceil(to_hz) as usize,
        1,
        1,
        WindowFunction::BlackmanHarris2,
        FixedSync::Both,
    )
    .expect("rates above 0 and a chunk of more than 0 frames");
    let input = SequentialSlice::new(samples, 1, samples.len()).expect("one channel of N frames");
    let mut out = resampler
        .process_all(&input, samples.len(), None)
        .expect("the buffers were made for these lengths")
        .take_data();
    out.resize(num_out, 0.0);
    out
}
