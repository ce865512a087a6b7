//! A search of a million enrolled speakers: one query on one core, many at once on all of them.
//!
//! ```sh
//! cargo bench --bench gallery [-- NUM_SPEAKERS]
//! ```

use rayon::prelude::*;
use spkver::{
    kernels,
    scoring::{
        PairHead, Projection,
        gallery::{Gallery, PANEL_ROWS, Probe, panel_bytes, write_panel},
    },
};
use std::time::Instant;

const SIZE: usize = 192;
const BATCH: usize = 336;

/// Bell-shaped numbers (a sum of four), the same for the same seed.
fn noise(seed: u64, values: &mut [f32]) {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    for value in values.iter_mut() {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let parts = state.to_le_bytes();
        let sum: i32 = parts[4..].iter().map(|&part| i32::from(part)).sum();
        *value = (sum - 510) as f32 / 148.0;
    }
    let length: f32 = values.iter().map(|v| v * v).sum();
    let scale = (SIZE as f32 / length).sqrt();
    values.iter_mut().for_each(|v| *v *= scale);
}

fn main() {
    let asked = std::env::args().find_map(|arg| arg.parse().ok());
    let num_speakers: usize = asked.unwrap_or(1_000_000);
    let weight = [vec![0.1; SIZE], vec![-0.03; SIZE]].concat();
    let mut head = PairHead::new(Projection::identity(SIZE, 1), weight);
    head.bias = -1.0;
    let mut rows = vec![0.0f32; num_speakers * SIZE];
    rows.par_chunks_mut(SIZE)
        .enumerate()
        .for_each(|(i, row)| noise(i as u64, row));
    let words = panel_bytes(SIZE) / size_of::<f32>();
    let mut panels = vec![0.0f32; num_speakers.div_ceil(PANEL_ROWS) * words];
    let largest_magnitude = panels
        .par_chunks_mut(words)
        .zip(rows.par_chunks(PANEL_ROWS * SIZE))
        .map(|(panel, rows)| write_panel(&head, rows, bytemuck::cast_slice_mut(panel)))
        .reduce(|| 0.0, f32::max);
    let gallery = Gallery {
        panels: bytemuck::cast_slice(&panels),
        rows: &rows,
        largest_magnitude,
        head: &head,
    };
    let probes: Vec<Probe> = (0..BATCH)
        .map(|i| {
            let mut point = vec![0.0; SIZE];
            noise(1 << 40 | i as u64, &mut point);
            head.probe(&point)
        })
        .collect();
    println!("{num_speakers} x {SIZE}, kernel {}", kernels::table().name);
    let on = |threads: usize, work: &(dyn Fn() + Sync)| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        // Kept: a thread that ends in between would take its CPU time along.
        let pool: &_ = Box::leak(Box::new(pool.expect("threads")));
        pool.install(|| {
            let (begun, cpu) = (Instant::now(), cpu_ms());
            work();
            (begun.elapsed().as_secs_f64() * 1e3, cpu_ms() - cpu)
        })
    };
    for _ in 0..3 {
        let (wall, cpu) = on(1, &|| {
            for probe in &probes[..10] {
                gallery.search(std::slice::from_ref(probe), 5);
            }
        });
        println!(
            "one query, one core: {:.1} ms, {:.1} ms of CPU",
            wall / 10.0,
            cpu / 10.0
        );
    }
    for threads in [
        1,
        std::thread::available_parallelism().map_or(1, usize::from),
    ] {
        let (wall, cpu) = on(threads, &|| {
            gallery.search(&probes, 5);
        });
        let rate = |ms: f64| 1e3 * BATCH as f64 / ms;
        println!(
            "{BATCH} at once, {threads} threads: {:.0} queries/s, {:.0} per second of CPU",
            rate(wall),
            rate(cpu)
        );
    }
}

/// What all threads of this process have run, in ms: wall time tells little on a machine that others
/// use. Linux tells; elsewhere 0.
fn cpu_ms() -> f64 {
    let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten();
    let of = |task: std::io::Result<std::fs::DirEntry>| -> Option<f64> {
        let text = std::fs::read_to_string(task.ok()?.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse().ok()
    };
    tasks.filter_map(of).sum::<f64>() / 1e6
}
