#![allow(unsafe_code, missing_docs)]
use spkver::{features::Features, kernels::*, storage::model};
use std::arch::x86_64::*;
use std::{hint::black_box, time::Instant};
#[target_feature(enable = "avx512f")]
fn peak() -> f64 {
    let mut acc = [_mm512_set1_ps(0.5); 16];
    let a = _mm512_set1_ps(black_box(0.9999));
    let b = _mm512_set1_ps(black_box(1e-7));
    let n = 100_000;
    let t = Instant::now();
    for _ in 0..n {
        for x in &mut acc {
            *x = _mm512_fmadd_ps(*x, a, b);
        }
    }
    let s = t.elapsed().as_secs_f64();
    black_box(acc);
    (n * 16 * 32) as f64 / s
}
fn best(mut f: impl FnMut(), reps: usize) -> f64 {
    (0..reps)
        .map(|_| {
            let t = Instant::now();
            f();
            t.elapsed().as_secs_f64()
        })
        .fold(f64::MAX, f64::min)
}
fn main() {
    let v = model::embedded().unwrap();
    let net = &v.model().network;
    let mut peak_fl: f64 = 0.0;
    for _ in 0..30 {
        peak_fl = peak_fl.max(unsafe { peak() });
    }
    println!("peak {:.1} GFLOP/s", peak_fl / 1e9);
    for secs in [1usize, 2, 3, 5, 10] {
        let t = secs * 100 - 2;
        let x: Vec<f32> = (0..t * 40)
            .map(|i| ((i * i) as f32 * 0.37).sin() * 5.0)
            .collect();
        let f = Features::new(x, 40);
        let s = best(
            || {
                black_box(net.embed(&f));
            },
            400 / secs,
        );
        let p2 = (t - 4, t - 8, t - 14);
        let fl = 2.0 * (p2.0 * 38400 + p2.1 * 110592 + p2.2 * (110592 + 36864 + 110592)) as f64;
        println!(
            "{secs} s: {:.3} ms, {:.3} of peak (conv flops / whole network)",
            s * 1e3,
            fl / s / peak_fl
        );
    }
    let mut q = model::embedded().unwrap();
    println!("quantise {:.3} ms", best(|| q.quantise(), 5) * 1e3);
    for secs in [1usize, 2, 3, 5, 10] {
        let t = secs * 100 - 2;
        let x: Vec<f32> = (0..t * 40)
            .map(|i| ((i * i) as f32 * 0.37).sin() * 5.0)
            .collect();
        let f = Features::new(x, 40);
        let s = best(
            || {
                black_box(net.embed(&f));
            },
            300 / secs,
        );
        let s8 = best(
            || {
                black_box(q.model().network.embed(&f));
            },
            600 / secs,
        );
        println!(
            "{secs} s: f32 {:.3} ms, int8 {:.3} ms, ratio {:.2}",
            s * 1e3,
            s8 * 1e3,
            s / s8
        );
    }
    {
        use spkver::audio::{self, ReadOptions};
        let dir = std::path::Path::new("/tmp/int8_wav");
        std::fs::create_dir_all(dir).unwrap();
        let w = audio::read(
            std::path::Path::new("fixtures/voices/anna-1.wav"),
            &ReadOptions::default(),
        )
        .unwrap();
        let samples: Vec<f32> = w.samples().iter().cycle().take(160_000).copied().collect();
        let mut bytes = vec![];
        bytes.extend(b"RIFF");
        bytes.extend((36 + 320_000u32).to_le_bytes());
        bytes.extend(b"WAVEfmt ");
        bytes.extend(16u32.to_le_bytes());
        bytes.extend(1u16.to_le_bytes());
        bytes.extend(1u16.to_le_bytes());
        bytes.extend(16_000u32.to_le_bytes());
        bytes.extend(32_000u32.to_le_bytes());
        bytes.extend(2u16.to_le_bytes());
        bytes.extend(16u16.to_le_bytes());
        bytes.extend(b"data");
        bytes.extend(320_000u32.to_le_bytes());
        for x in &samples {
            bytes.extend(((x * 32767.0) as i16).to_le_bytes());
        }
        let path = dir.join("ten.wav");
        std::fs::write(&path, bytes).unwrap();
        let s = best(
            || {
                black_box(audio::decode(&path).unwrap());
            },
            50,
        );
        println!("10 s: decode {:.3} ms", s * 1e3);
        let s = best(
            || {
                black_box(audio::read(&path, &ReadOptions::default()).unwrap());
            },
            50,
        );
        println!("10 s: read {:.3} ms", s * 1e3);
        let w = audio::read(&path, &ReadOptions::default()).unwrap();
        let s = best(
            || {
                black_box(v.mfcc().extract(&w));
            },
            20,
        );
        println!("10 s: mfcc {:.3} ms", s * 1e3);
        let s = best(
            || {
                black_box(audio::speech_frames(w.samples()));
            },
            20,
        );
        println!("10 s: vad {:.3} ms", s * 1e3);
        let s = best(
            || {
                let w = audio::read(&path, &ReadOptions::default()).unwrap();
                black_box(v.embed(&w).unwrap());
            },
            20,
        );
        println!("10 s: file to embedding {:.3} ms", s * 1e3);
        let s = best(
            || {
                let w = audio::read(&path, &ReadOptions::default()).unwrap();
                black_box(q.embed(&w).unwrap());
            },
            20,
        );
        println!("10 s: file to embedding, int8 {:.3} ms", s * 1e3);
    }
    // layers alone
    let table = table();
    for (name, rows, ci, co, k, d) in [
        ("c40k5", 284, 40, 192, 5, 1),
        ("k3", 284, 192, 192, 3, 2),
        ("k1", 284, 192, 192, 1, 1),
        ("k1 576", 284, 192, 576, 1, 1),
        ("k1 576 short", 95, 192, 576, 1, 1),
        ("lin", 1, 1152, 192, 1, 1),
    ] {
        let frames = rows + (k - 1) * d;
        let x: Vec<f32> = (0..frames * ci)
            .map(|i| ((i * i) as f32 * 0.37).sin())
            .collect();
        let w: Vec<f32> = (0..co * ci * k)
            .map(|i| ((i * i) as f32 * 0.31).sin())
            .collect();
        let p = Packed::from_pytorch((co, ci, k), table.nr, &w, &vec![0.1; co]);
        let mut y = vec![0.0; rows * co];
        let s = best(
            || {
                (table.affine)(
                    &x,
                    &p,
                    Steps {
                        stride: 1,
                        dilation: d,
                        relu: true,
                    },
                    &mut y,
                );
                black_box(&y);
            },
            300,
        );
        println!(
            "{name}: {:.1} us {:.3} of peak",
            s * 1e6,
            2.0 * (rows * ci * co * k) as f64 / s / peak_fl
        );
    }
    let s = best(
        || {
            black_box(model::embedded().unwrap());
        },
        20,
    );
    println!("load embedded {:.3} ms", s * 1e3);
}
