//! The hot loops of every instance that this CPU has, against the plain reference.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use spkver::kernels::{Outer, Packed, Steps, instances};

/// The middle layer of the shipped network on three seconds of speech.
const FRAMES: usize = 300;
const CHANNELS: usize = 192;
const TAPS: usize = 3;

fn kernels(c: &mut Criterion) {
    let steps = Steps {
        stride: 1,
        dilation: 2,
        relu: true,
    };
    let x: Vec<f32> = (0..(FRAMES + 4) * CHANNELS)
        .map(|i| (i as f32).sin())
        .collect();
    let weight: Vec<f32> = (0..CHANNELS * CHANNELS * TAPS)
        .map(|i| (i as f32).cos())
        .collect();
    let mut y = vec![0.0; FRAMES * CHANNELS];
    let flops = |products: usize| Throughput::Elements(2 * products as u64);

    let mut group = c.benchmark_group("conv1d 300 frames 192->192 k3 (FLOP)");
    group
        .throughput(flops(FRAMES * CHANNELS * CHANNELS * TAPS))
        .sample_size(20);
    for table in instances() {
        let shape = (CHANNELS, CHANNELS, TAPS);
        let packed = Packed::from_pytorch(shape, table.nr, &weight, &vec![0.0; CHANNELS]);
        group.bench_function(BenchmarkId::from_parameter(table.name), |b| {
            b.iter(|| (table.affine)(&x, &packed, steps, &mut y));
        });
    }
    group.finish();

    let mut group = c.benchmark_group("weight gradient 300 frames 192x192 (FLOP)");
    group
        .throughput(flops(FRAMES * CHANNELS * CHANNELS))
        .sample_size(20);
    let mut gradient = vec![0.0; CHANNELS * CHANNELS];
    for table in instances() {
        let inputs = (0, CHANNELS);
        let job = Outer {
            x: &x,
            x_step: CHANNELS,
            inputs,
            dy: &y,
            c_out: CHANNELS,
        };
        group.bench_function(BenchmarkId::from_parameter(table.name), |b| {
            b.iter(|| (table.outer)(job, &mut gradient));
        });
    }
    group.finish();
}

criterion_group!(benches, kernels);
criterion_main!(benches);
