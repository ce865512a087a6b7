//! Recordings too long to hold in memory give the same results as if they were held.

use spkver::{
    audio::{self, LongRecording, ReadOptions, Recording},
    features::{LongFeatures, Mfcc, MfccConfig},
    storage::model,
};
use std::{
    fs::{self, File},
    path::{Path, PathBuf},
};

/// A voice, over and over, as 8-bit mono with some DC: few bytes a second.
fn a_long_wav(folder: &Path, rate_hz: u32, seconds: u32) -> PathBuf {
    let voice = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/voices/anna-1.wav");
    let voice = audio::read(&voice, &ReadOptions::default()).unwrap();
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: rate_hz,
        bits_per_sample: 8,
        sample_format: hound::SampleFormat::Int,
    };
    let path = folder.join(format!("{rate_hz}.wav"));
    let mut writer = hound::WavWriter::create(&path, spec).unwrap();
    let num_samples = (rate_hz * seconds + 77) as usize;
    for (n, x) in voice.samples().iter().cycle().take(num_samples).enumerate() {
        let gain = 100.0 * (1.0 + (n as f32 * 1e-5).sin());
        writer.write_sample((gain * x + 3.0) as i8).unwrap();
    }
    writer.finalize().unwrap();
    path
}

fn long(path: &Path) -> LongRecording {
    match audio::open(path, &ReadOptions::default()).unwrap() {
        Recording::Long(recording) => *recording,
        Recording::Held(_) => panic!("{} is held in memory", path.display()),
    }
}

/// The user asks for so many seconds, whatever memory that takes.
fn held(path: &Path) -> audio::Waveform {
    let options = ReadOptions {
        max_seconds: Some(3600),
        ..ReadOptions::default()
    };
    audio::read(path, &options).unwrap()
}

#[test]
fn a_long_recording_has_the_embedding_that_it_would_have_in_memory() {
    let folder = tempfile::tempdir().unwrap();
    let verifier = model::embedded().unwrap();
    for rate_hz in [8_000, 11_025, 16_000] {
        let path = a_long_wav(folder.path(), rate_hz, 200);
        let held = held(&path);
        let wanted = verifier.embed(&held).unwrap();
        let stream = File::open(&path).unwrap();
        for opened in [
            Recording::Long(Box::new(long(&path))),
            audio::open_stream(stream, &path, &ReadOptions::default()).unwrap(),
        ] {
            let mut opened = opened;
            assert!(matches!(opened, Recording::Long(_)), "{rate_hz} Hz");
            assert_eq!(opened.quality(), held.quality());
            let embedding = verifier.embed_recording(&mut opened).unwrap().unwrap();
            assert_eq!(embedding.values(), wanted.values(), "{rate_hz} Hz");
        }
    }
}

#[test]
fn the_features_are_the_same_whatever_the_options() {
    let folder = tempfile::tempdir().unwrap();
    let path = a_long_wav(folder.path(), 8_000, 100);
    let held = held(&path);
    for (speech_only, snip_edges, mean_norm, mean_channels) in [
        (true, true, true, false),
        (false, false, true, true),
        (true, false, false, false),
    ] {
        let mfcc = Mfcc::new(MfccConfig {
            speech_only,
            snip_edges,
            mean_norm,
            mean_channels,
            ..MfccConfig::default()
        })
        .unwrap();
        let wanted = mfcc.extract(&held);
        let mut recording = long(&path);
        let mut features = LongFeatures::new(&mfcc, &mut recording).unwrap();
        assert_eq!(features.num_frames(), wanted.num_frames());
        let channels = features.num_channels();
        for from in (0..wanted.num_frames()).step_by(900) {
            // Overlapping, as a network asks for them.
            let range = from.saturating_sub(20)..(from + 900).min(wanted.num_frames());
            let values = &wanted.values()[range.start * channels..range.end * channels];
            assert!(features.frames(range).unwrap() == values, "frame {from}");
        }
    }
}

#[test]
fn a_file_that_shrinks_meanwhile_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = a_long_wav(folder.path(), 8_000, 100);
    let mut recording = long(&path);
    let len = fs::metadata(&path).unwrap().len();
    File::options()
        .write(true)
        .open(&path)
        .unwrap()
        .set_len(len / 2)
        .unwrap();
    // From the front again: the end is held still.
    recording.samples(0..1).unwrap();
    let last = recording.num_samples() - 1;
    let error = recording.samples(last..last + 1).unwrap_err().to_string();
    assert!(error.contains("8000.wav: became shorter"), "{error}");
}
