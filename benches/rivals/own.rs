//! Our side of `benches/rivals`: commands on stdin, one answer line each on stdout, so that a script
//! can let two programs take turns without starting either anew.
//!
//! ```text
//! own WAV KERNEL|- [CHANNELS|MODEL]        the shipped network, a random one of C channels, or that of a file
//! onnx FILE               -> bytes            the network
//! features SECONDS FILE   -> T C              what enters the network, f32 (T, C), written to FILE
//! samples SECONDS FILE    -> N                the samples at 16 kHz, f32
//! embedding SECONDS FILE  -> D                the network's answer, f32 (D,)
//! network SECONDS CALLS   -> seconds          CPU time of one call
//! mfcc SECONDS CALLS      -> seconds frames   CPU time of one call
//! step UTTERANCES SHORTEST LONGEST CLASSES THREADS CALLS -> cpu wall loss   of one training step
//! ```

use spkver::{
    audio::{self, ReadOptions, Waveform},
    features::{Features, Mfcc},
    kernels,
    network::{Network, fold_batch_norms},
    storage::{model, onnx},
    train::{
        batch::Batch, checkpoint::State, options::TrainOptions, random::Random, recipe::optimise,
        tape::Trainable,
    },
};
use std::{fmt::Write, fs, hint::black_box, io::BufRead, path::Path, time::Instant};

/// Of the default front-end.
const NUM_FEATURES: usize = 54;

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let [_, wav, kernel, other @ ..] = &args[..] else {
        panic!("own WAV KERNEL|- [CHANNELS|MODEL]");
    };
    assert!(
        kernel == "-" || kernels::force(kernel),
        "this CPU or build has not {kernel}"
    );
    let waveform = audio::read(Path::new(wav), &ReadOptions::default()).expect("a WAV file");
    let channels: Option<usize> = other.first().and_then(|other| other.parse().ok());
    let verifier = match other.first() {
        Some(file) if channels.is_none() => model::load(Path::new(file)).expect("a model file"),
        _ => model::embedded().expect("the embedded model is sound"),
    };
    let random = channels.map(random_network);
    let network = random.as_ref().unwrap_or(&verifier.model().network);
    let usual = Mfcc::new(TrainOptions::default().front_end).expect("the defaults are sound");
    let mfcc = random.as_ref().map_or(verifier.mfcc(), |_| &usual);
    for line in std::io::stdin().lock().lines() {
        let line = line.expect("a line of text");
        let words: Vec<&str> = line.split_whitespace().collect();
        println!("{}", answer(&words, &waveform, mfcc, network));
    }
}

/// The recipe's architecture before any training.
fn random_network(channels: usize) -> Network {
    let mut options = TrainOptions::default();
    options.architecture.channels = channels;
    let layers = options.layers().expect("a number of channels");
    let Trainable { layers, weights } = Trainable::new(layers, 1);
    let (layers, weights) = fold_batch_norms(&layers, &weights);
    Network::new(layers, weights, NUM_FEATURES).expect("the defaults are sound")
}

fn answer(words: &[&str], waveform: &Waveform, mfcc: &Mfcc, network: &Network) -> String {
    let number = |at: usize| -> f64 { words[at].parse().expect("a number") };
    let count = |at: usize| number(at) as usize;
    let samples = || &waveform.samples()[..(number(1) * 16_000.0) as usize];
    let features = || -> Features {
        let all_speech = vec![true; samples().len() / 160];
        mfcc.extract_samples(samples(), &all_speech)
    };
    match words[0] {
        "onnx" => {
            let bytes = onnx::to_bytes(network, mfcc.num_channels(), network.embedding_size(), &[]);
            fs::write(words[1], &bytes).expect("a file to write");
            bytes.len().to_string()
        }
        "features" => {
            let features = features();
            write(words[2], features.values());
            format!("{} {}", features.num_frames(), features.num_channels())
        }
        "samples" => {
            write(words[2], samples());
            samples().len().to_string()
        }
        "embedding" => {
            let embedding = network.embed(&features());
            write(words[2], &embedding);
            embedding.len().to_string()
        }
        "network" => {
            let features = features();
            let timed = cpu_seconds(count(2), || drop(black_box(network.embed(&features))));
            timed.to_string()
        }
        "mfcc" => {
            let samples = samples();
            let timed = cpu_seconds(count(2), || drop(black_box(mfcc.frames(samples))));
            format!("{timed} {}", mfcc.num_frames(samples.len()))
        }
        "step" => step([1, 2, 3, 4, 5, 6].map(count)),
        other => panic!("no command {other}"),
    }
}

/// Steps of the shipped recipe on noise: forward, loss, backward, AdamW; no data loading.
fn step([utterances, shortest, longest, classes, threads, calls]: [usize; 6]) -> String {
    let options = TrainOptions::default();
    let layers = options.layers().expect("the defaults are sound");
    let size = options.architecture.embedding_size;
    let mut state = State::fresh(layers, classes, size, 1);
    let mut random = Random::new(1, "features", &[]);
    // Lengths evenly spread.
    let length = |u| shortest + (longest - shortest) * u / (utterances - 1).max(1);
    let mut features = Batch::zeros((0..utterances).map(length), NUM_FEATURES);
    let mut fill = || random.uniform(-1.7, 1.7);
    features.values.iter_mut().for_each(|v| *v = fill());
    let labels: Vec<u32> = (0..utterances).map(|u| (u % classes) as u32).collect();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    pool.expect("threads").install(|| {
        let mut loss = 0.0;
        let mut once = || {
            let step = optimise(&options, &mut state, features.clone(), &labels, None);
            loss = step.expect("no divergence").0;
        };
        once();
        let begun = Instant::now();
        let cpu = cpu_seconds(calls, once);
        let mut text = format!("{cpu} {}", begun.elapsed().as_secs_f64() / calls as f64);
        let _ = write!(text, " {loss}");
        text
    })
}

fn write(path: &str, values: &[f32]) {
    let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    fs::write(path, bytes).expect("a file to write");
}

/// Of one call; of the whole process, its threads included. Wall time where there is no CPU clock.
fn cpu_seconds(calls: usize, mut job: impl FnMut()) -> f64 {
    let begun = Instant::now();
    let before = cpu_clock(begun);
    for _ in 0..calls {
        job();
    }
    (cpu_clock(begun) - before) / calls as f64
}

#[cfg(target_os = "linux")]
fn cpu_clock(_: Instant) -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9
}

#[cfg(not(target_os = "linux"))]
fn cpu_clock(begun: Instant) -> f64 {
    begun.elapsed().as_secs_f64()
}
