//! Compares features with those of kaldi-native-fbank (`fixtures/golden/make_mfcc.py`).

use spkver::{
    features::{Mfcc, MfccConfig},
    kernels,
};
use std::path::{Path, PathBuf};

/// Largest difference allowed, on values of up to ±150. Both sides round f32 FFTs and logarithms in
/// their own order. Measured: at most 6e-4, where the logarithm amplifies a mel bin that holds only
/// rounding errors.
const TOLERANCE: f32 = 1e-3;

#[derive(serde::Deserialize)]
struct Case {
    name: String,
    config: MfccConfig,
    shape: [usize; 2],
}

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fixtures/golden")
        .join(name)
}

/// The file of a voice of `fixtures/voices`. Read here, because this test also runs where nothing but the
/// core is built.
fn voice(name: &str) -> PathBuf {
    golden("../voices").join(format!("{name}.wav"))
}

/// The samples of a WAV file, at the level that they were recorded.
fn samples(path: &Path) -> Vec<f32> {
    let reader = hound::WavReader::open(path).unwrap();
    let samples = reader.into_samples::<i16>();
    samples.map(|x| f32::from(x.unwrap()) / 32768.0).collect()
}

fn largest_difference(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    let differences = a.iter().zip(b).map(|(a, b)| (a - b).abs());
    differences.fold(0.0, |largest, d| {
        if d > largest || d.is_nan() {
            d
        } else {
            largest
        }
    })
}

#[test]
fn every_option_agrees_with_kaldi() {
    let samples = samples(&golden("mfcc.wav"));
    let cases: Vec<Case> =
        serde_json::from_slice(&std::fs::read(golden("mfcc.json")).unwrap()).unwrap();
    let bytes = std::fs::read(golden("mfcc.f32")).unwrap();
    let (values, _) = bytes.as_chunks();
    let values: Vec<f32> = values.iter().map(|b| f32::from_le_bytes(*b)).collect();
    let mut values = values.as_slice();
    for case in cases {
        let Case { name, shape, .. } = case;
        let (wanted, rest) = values.split_at(shape[0] * shape[1]);
        values = rest;
        let mfcc = Mfcc::new(case.config).unwrap();
        let found = [mfcc.num_frames(samples.len()), mfcc.num_channels()];
        assert_eq!(found, shape, "{name}");
        for table in kernels::instances() {
            let difference = largest_difference(&mfcc.frames_with(&table, &samples), wanted);
            let path = table.name;
            println!("{name}, {path}: largest difference {difference:.1e}");
            assert!(difference <= TOLERANCE, "{name}, {path}: {difference}");
        }
    }
    assert!(values.is_empty(), "results without a case");
}

#[test]
fn on_speech_the_kernels_agree_with_the_reference() {
    for name in ["anna-1", "boris-1"] {
        let samples = samples(&voice(name));
        for snip_edges in [true, false] {
            let mfcc = Mfcc::new(MfccConfig {
                snip_edges,
                ..MfccConfig::default()
            })
            .unwrap();
            let tables = kernels::instances();
            let (reference, fast) = tables.split_last().unwrap();
            let wanted = mfcc.frames_with(reference, &samples);
            for table in fast {
                let got = mfcc.frames_with(table, &samples);
                let difference = largest_difference(&got, &wanted);
                println!(
                    "{name}, {}: largest difference {difference:.1e}",
                    table.name
                );
                assert!(difference <= 1e-4, "{name}, {}: {difference}", table.name);
            }
        }
    }
}

#[test]
fn a_frame_is_the_same_wherever_it_stands() {
    let samples = samples(&voice("anna-2"));
    let mfcc = Mfcc::new(MfccConfig::default()).unwrap();
    for table in kernels::instances() {
        let all = mfcc.frames_with(&table, &samples);
        for first in [1, 7, 16, 100] {
            let later = mfcc.frames_with(&table, &samples[160 * first..]);
            assert!(all[40 * first..] == later, "{} from {first}", table.name);
        }
    }
}
