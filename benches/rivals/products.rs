//! The affine kernel against the crates for matrix products, on the shipped network's layers at
//! three seconds: `cargo bench --features rivals --bench products`.
//!
//! A Conv1d of K taps is given to the others as the product that it is after im2col, which is not
//! counted: they get the work for less than they could do it.
#![allow(unsafe_code)] // both crates take raw pointers

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use spkver::kernels::{Packed, Steps, table};

const ROWS: usize = 300;
/// C_in, K, dilation, C_out.
const LAYERS: [(usize, usize, usize, usize); 4] = [
    (40, 5, 1, 192),
    (192, 3, 2, 192),
    (192, 1, 1, 192),
    (192, 1, 1, 576),
];

fn products(c: &mut Criterion) {
    for (c_in, taps, dilation, c_out) in LAYERS {
        let inputs = c_in * taps;
        let wave = |len: usize| -> Vec<f32> { (0..len).map(|i| (i as f32).sin()).collect() };
        let x = wave((ROWS + (taps - 1) * dilation) * c_in);
        let unfolded = wave(ROWS * inputs);
        let weight = wave(c_out * inputs);
        let mut y = vec![0.0f32; ROWS * c_out];
        let name = format!("{ROWS} frames {c_in}->{c_out} k{taps} (FLOP)");
        let mut group = c.benchmark_group(name);
        let flop = 2 * ROWS * inputs * c_out;
        group
            .throughput(Throughput::Elements(flop as u64))
            .sample_size(30);

        let shape = (c_out, c_in, taps);
        let bias = vec![0.0; c_out];
        let packed = Packed::from_pytorch(shape, table().nr, &weight, &bias);
        let steps = Steps {
            stride: 1,
            dilation,
            relu: true,
        };
        group.bench_function(BenchmarkId::from_parameter("spkver"), |b| {
            b.iter(|| (table().affine)(&x, &packed, steps, &mut y));
        });

        let (m, k, n) = (ROWS, inputs, c_out);
        group.bench_function(BenchmarkId::from_parameter("gemm"), |b| {
            b.iter(|| {
                // SAFETY: (m, k) · (k, n) -> (m, n), row-major, of these lengths.
                unsafe {
                    gemm::gemm(
                        m,
                        n,
                        k,
                        y.as_mut_ptr(),
                        1,
                        n as isize,
                        false,
                        unfolded.as_ptr(),
                        1,
                        k as isize,
                        weight.as_ptr(),
                        1,
                        n as isize,
                        0.0f32,
                        1.0f32,
                        false,
                        false,
                        false,
                        gemm::Parallelism::None,
                    );
                }
            });
        });
        group.bench_function(BenchmarkId::from_parameter("matrixmultiply"), |b| {
            b.iter(|| {
                // SAFETY: as above.
                unsafe {
                    matrixmultiply::sgemm(
                        m,
                        k,
                        n,
                        1.0,
                        unfolded.as_ptr(),
                        k as isize,
                        1,
                        weight.as_ptr(),
                        n as isize,
                        1,
                        0.0,
                        y.as_mut_ptr(),
                        n as isize,
                        1,
                    );
                }
            });
        });
        group.finish();
    }
}

criterion_group!(benches, products);
criterion_main!(benches);
