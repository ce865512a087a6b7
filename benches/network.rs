//! The shipped network at several lengths of speech, and one step of training.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use spkver::{
    features::Features,
    storage::model,
    train::{batch::Batch, checkpoint::State, options::TrainOptions, recipe::optimise},
};

fn network(c: &mut Criterion) {
    let verifier = model::embedded().expect("the embedded model is sound");
    let channels = verifier.mfcc().num_channels();
    let wave = |len: usize| -> Vec<f32> { (0..len).map(|i| (i as f32).sin()).collect() };

    let mut group = c.benchmark_group("network (frames)");
    for seconds in [1, 2, 3, 5, 10] {
        let frames = 100 * seconds - 2;
        let features = Features::new(wave(frames * channels), channels);
        group.throughput(Throughput::Elements(frames as u64));
        group.bench_function(BenchmarkId::from_parameter(format!("{seconds} s")), |b| {
            b.iter(|| verifier.model().network.embed(&features));
        });
    }
    group.finish();

    let options = TrainOptions::default();
    let layers = options.layers().expect("the defaults are sound");
    let size = options.architecture.embedding_size;
    let (utterances, frames, classes) = (options.batch_size, 210, 1557);
    let mut state = State::fresh(layers, classes, size, 1);
    let channels = options.front_end.num_frame_channels();
    let mut batch = Batch::zeros(vec![frames; utterances], channels);
    batch.values = wave(batch.values.len());
    let labels: Vec<u32> = (0..utterances as u32).collect();
    let mut group = c.benchmark_group("training");
    group.sample_size(10);
    group.bench_function("one step, 64 crops of 2.1 s", |b| {
        b.iter(|| optimise(&options, &mut state, batch.clone(), &labels, None));
    });
    group.finish();
}

criterion_group!(benches, network);
criterion_main!(benches);
