//! MFCC per frame, against realfft with plain loops for the rest: ten seconds, one core.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use realfft::RealFftPlanner;
use spkver::features::{Mfcc, MfccConfig};
use std::hint::black_box;

const FRAME: usize = 400;
const HOP: usize = 160;
const FFT: usize = 512;
const BINS: usize = FFT / 2 + 1;
const MELS: usize = 40;

fn features(c: &mut Criterion) {
    let samples: Vec<f32> = (0..160_000)
        .map(|n| (n as f32 * 0.37).sin() * 0.3)
        .collect();
    let mfcc = Mfcc::new(MfccConfig::default()).expect("the default is sound");
    let num_frames = mfcc.num_frames(samples.len());

    let mut group = c.benchmark_group("MFCC of 10 s (frames)");
    group.throughput(Throughput::Elements(num_frames as u64));
    group.bench_function("spkver", |b| b.iter(|| mfcc.frames(&samples)));

    // The same steps and sizes; the tables' values do not matter to the time.
    let fft = RealFftPlanner::<f32>::new().plan_fft_forward(FFT);
    let (mut time, mut spectrum) = (fft.make_input_vec(), fft.make_output_vec());
    let mut scratch = fft.make_scratch_vec();
    let taper: Vec<f32> = (0..FRAME).map(|n| (n as f32 * 0.00785).sin()).collect();
    let mel = |m: usize| (m * 5 + 3, 2 + m / 3); // first bin, and half its width
    let cosines: Vec<f32> = (0..MELS * MELS).map(|i| (i as f32).cos()).collect();
    let mut one_frame = |frame: &[f32], cepstrum: &mut [f32]| {
        let mean = frame.iter().sum::<f32>() / FRAME as f32;
        let mut last = frame[0] - mean;
        for ((to, x), w) in time.iter_mut().zip(frame).zip(&taper) {
            let x = x - mean;
            *to = (x - 0.97 * last) * w;
            last = x;
        }
        time[FRAME..].fill(0.0);
        fft.process_with_scratch(&mut time, &mut spectrum, &mut scratch)
            .expect("the sizes are its own");
        let power: Vec<f32> = spectrum.iter().map(|x| x.norm_sqr()).collect();
        let mut energies = [0.0f32; MELS];
        for (m, energy) in energies.iter_mut().enumerate() {
            let (first, half) = mel(m);
            let bins = &power[first..(first + 2 * half).min(BINS)];
            let sum: f32 = bins.iter().enumerate().map(|(i, p)| i as f32 * p).sum();
            *energy = sum.max(f32::EPSILON).ln();
        }
        for (value, row) in cepstrum.iter_mut().zip(cosines.chunks_exact(MELS)) {
            *value = row.iter().zip(&energies).map(|(c, e)| c * e).sum();
        }
    };
    let mut values = vec![0.0f32; num_frames * MELS];
    group.bench_function("realfft and plain loops", |b| {
        b.iter(|| {
            for (t, cepstrum) in values.chunks_exact_mut(MELS).enumerate() {
                one_frame(&samples[t * HOP..][..FRAME], cepstrum);
            }
            black_box(&values);
        });
    });
    group.finish();
}

criterion_group!(benches, features);
criterion_main!(benches);
