//! The path of a recording, stage by stage: three seconds of a fixture from file to decision.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use spkver::{
    audio::{self, ReadOptions},
    features::{Mfcc, MfccConfig},
    kernels::instances,
    scoring::OperatingPoint,
    storage::model,
};
use std::path::Path;

fn path(c: &mut Criterion) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/voices/anna-1.wav");
    let verifier = model::embedded().expect("the embedded model is sound");
    let mfcc = Mfcc::new(MfccConfig::default()).expect("the default is sound");
    let waveform = audio::read(&file, &ReadOptions::default()).expect("a fixture");
    let features = mfcc.extract(&waveform);
    let embedding = verifier.embed(&waveform).expect("a fixture");
    let point = OperatingPoint::default();

    c.bench_function("read, VAD, quality", |b| {
        b.iter(|| audio::read(&file, &ReadOptions::default()));
    });
    c.bench_function("MFCC", |b| b.iter(|| mfcc.extract(&waveform)));
    let mut group = c.benchmark_group("features, frames");
    group.throughput(Throughput::Elements(
        mfcc.num_frames(waveform.samples().len()) as u64,
    ));
    for table in instances() {
        group.bench_function(table.name, |b| {
            b.iter(|| mfcc.frames_with(&table, waveform.samples()));
        });
    }
    group.finish();
    c.bench_function("network", |b| {
        b.iter(|| verifier.model().network.embed(&features))
    });
    c.bench_function("score and decide", |b| {
        b.iter(|| verifier.compare(&embedding, &embedding, &point));
    });
    c.bench_function("load the embedded model", |b| b.iter(model::embedded));
}

criterion_group!(benches, path);
criterion_main!(benches);
