//! Compares the speed of the network with the peak of the core, for several lengths of speech:
//! milliseconds, GFLOP/s and shares of the FMA peak.

use super::stopwatch::{Clock, Job, alternate};
use serde_json::{Value, json};
use spkver::{
    features::Features,
    kernels::{self, Table},
    network::Network,
    verifier::{Verifier, artificial},
};
use std::{hint::black_box, time::Duration};

/// Lengths of speech.
const SECONDS: [f32; 5] = [1.0, 2.0, 3.0, 5.0, 10.0];
/// Rounds of the peak's loop in one call, which takes some 20 µs.
const PEAK_ROUNDS: usize = 10_000;

/// FMA peak of each kernel on one core, in GFLOP/s.
pub fn peaks(budget: Duration) -> Vec<(&'static str, f64)> {
    // The reference kernel has no vector instructions of its own.
    let mut tables = kernels::instances();
    tables.retain(|table| table.name != "reference");
    let mut jobs: Vec<Job> = tables.iter().map(peak_job).collect();
    let times = alternate(Clock::Cpu, budget, &mut jobs);
    let rows = tables.iter().zip(times);
    rows.map(|(table, times)| (table.name, peak_flop(table) / times.median() * 1e-9))
        .collect()
}

fn peak_job(table: &Table) -> Job<'static> {
    let peak = table.peak;
    Box::new(move || {
        black_box(peak(PEAK_ROUNDS));
    })
}

fn peak_flop(table: &Table) -> f64 {
    (PEAK_ROUNDS * kernels::flop_per_round(table.lanes)) as f64
}

/// The figures for one length of speech.
pub struct Row {
    /// Seconds of speech.
    pub seconds: f32,
    /// Number of frames, T.
    pub frames: usize,
    /// Speed of the whole network.
    pub whole: Speed,
    /// Speed of what took turns with it.
    pub beside: Beside,
}

/// What a network is compared with.
pub enum Beside {
    /// For a network in f32: its own Conv1d layers (and Linears before the pooling).
    ConvLayers(Speed),
    /// For a network in int8: the same network in f32.
    F32(Speed),
}

/// How fast a number of operations was done.
pub struct Speed {
    /// Milliseconds.
    pub ms: f64,
    /// GFLOP/s; a multiplication and an addition count as two operations.
    pub gflops: f64,
    /// Share of the FMA peak, in per cent. The peak and the network took turns when they were measured.
    pub percent_of_peak: f64,
}

impl Speed {
    fn new(flop: f64, seconds: f64, peak: f64) -> Self {
        Speed {
            ms: seconds * 1e3,
            gflops: flop / seconds * 1e-9,
            percent_of_peak: 100.0 * flop / seconds / peak,
        }
    }

    fn json(&self) -> Value {
        json!({"ms": self.ms, "gflops": self.gflops, "percent_of_peak": self.percent_of_peak})
    }
}

impl Row {
    /// The figures as JSON.
    pub fn json(&self) -> Value {
        let (name, beside) = match &self.beside {
            Beside::ConvLayers(speed) => ("conv_layers", speed),
            Beside::F32(speed) => ("f32", speed),
        };
        json!({
            "seconds": self.seconds,
            "frames": self.frames,
            "network": self.whole.json(),
            name: beside.json(),
        })
    }
}

/// Times the network at every length, on one core. A network in int8 takes turns with the network
/// of `exact`. Lengths below the receptive field are left out.
pub fn rows(verifier: &Verifier, exact: &Verifier, budget: Duration) -> Vec<Row> {
    let network = &verifier.model().network;
    let voice = artificial::speech(0, SECONDS[SECONDS.len() - 1]);
    let speech = vec![true; voice.len() / 160];
    let inputs: Vec<(f32, Features)> = SECONDS
        .iter()
        .map(|&seconds| {
            let samples = &voice[..(seconds * 16_000.0) as usize];
            (seconds, verifier.mfcc().extract_samples(samples, &speech))
        })
        .filter(|(_, features)| features.num_frames() >= network.receptive_field())
        .collect();

    let table = kernels::table();
    let mut jobs = vec![peak_job(table)];
    for (_, features) in &inputs {
        jobs.push(Box::new(move || drop(black_box(network.embed(features)))));
        jobs.push(match network.is_int8() {
            true => Box::new(move || drop(black_box(exact.model().network.embed(features)))),
            false => convolutions(network, features),
        });
    }
    let times = alternate(Clock::Cpu, budget, &mut jobs);
    let peak = peak_flop(table) / times[0].median();
    let rows = inputs.iter().zip(times[1..].chunks_exact(2));
    rows.map(|((seconds, features), times)| {
        let frames = features.num_frames();
        let (whole, convolutions) = flop(network, frames);
        Row {
            seconds: *seconds,
            frames,
            whole: Speed::new(whole, times[0].median(), peak),
            beside: match network.is_int8() {
                true => Beside::F32(Speed::new(whole, times[1].median(), peak)),
                false => Beside::ConvLayers(Speed::new(convolutions, times[1].median(), peak)),
            },
        }
    })
    .collect()
}

/// Operations of all layers, and of the layers before the last pooling, for T frames.
fn flop(network: &Network, num_frames: usize) -> (f64, f64) {
    let (whole, before_pooling) = network.num_products(num_frames);
    (2.0 * whole, 2.0 * before_pooling)
}

/// The part of [`Network::embed`] before the pooling.
fn convolutions<'a>(network: &'a Network, features: &'a Features) -> Job<'a> {
    Box::new(move || drop(black_box(network.frame_outputs(features))))
}
