//! Reading audio of any length takes at most 64 MiB of heap, whatever the bytes claim or contain.

mod wav_file;

use peak_alloc::PeakAlloc;
use spkver::{
    audio::{self, ReadOptions},
    storage::model,
};
use std::{
    fs,
    path::{Path, PathBuf},
};
use wav_file::wav;

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

/// Peak of the heap during `run`, in bytes, minus what was in use before.
fn peak<T>(run: impl FnOnce() -> T) -> usize {
    let before = HEAP.current_usage();
    HEAP.reset_peak_usage();
    run();
    HEAP.peak_usage() - before
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

/// Similar to speech: a buzz that comes and goes.
fn buzz(num_bytes: usize) -> Vec<u8> {
    (0..num_bytes)
        .map(|n| ((n % 160) * usize::from(n / 8_000 % 2 == 0)) as u8)
        .collect()
}

// A single test, so that nothing else uses the heap at the same time.
#[test]
fn heap_stays_below_64_mib_however_long_the_audio() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("some.wav");
    let mib = |n: usize| n << 20;
    let data = buzz(mib(24));
    let fixture = |name: &str| fs::read(fixtures().join(name)).unwrap();
    let cases: [(&str, Vec<u8>); 8] = [
        // 26 minutes at 8 kHz become twice as many samples of twice the size.
        ("16 bits at 8 kHz", wav(1, 1, 8_000, 16, &data)),
        ("16 bits at 16 kHz", wav(1, 1, 16_000, 16, &data)),
        ("44.1 kHz stereo", wav(1, 2, 44_100, 16, &data)),
        (
            "8 bits at 8 kHz, 5 minutes",
            wav(1, 1, 8_000, 8, &data[..2_400_000]),
        ),
        ("8 bits at 8 kHz, 50 minutes", wav(1, 1, 8_000, 8, &data)),
        ("an awkward rate", wav(1, 1, 191_999, 16, &data[..mib(2)])),
        ("8 channels", wav(1, 8, 16_000, 16, &data)),
        ("an hour of silence", fixture("audio/silence-1h.flac")),
    ];
    // Warm up tables that are built once: FFT plans, decoders.
    fs::write(&path, wav(1, 1, 44_100, 16, &data[..mib(1)])).unwrap();
    audio::read(&path, &ReadOptions::default()).unwrap();
    for (name, bytes) in cases {
        let n = bytes.len();
        fs::write(&path, &bytes).unwrap();
        let bound = mib(64);
        let heap = peak(|| {
            let outcome = audio::read(&path, &ReadOptions::default());
            assert!(outcome.is_ok(), "{name}: {:?}", outcome.err());
        });
        assert!(heap <= bound, "{name}, {n} bytes: {heap} of {bound}");
        // If they come through a pipe, the bytes themselves are in memory, too.
        let heap = peak(|| audio::read_from(&bytes[..], &path, &ReadOptions::default()).is_ok());
        assert!(
            heap <= bound + n,
            "{name} from a pipe, {n} bytes: {heap} of {bound}"
        );
        // The full work of `embed` with the model, on two threads.
        let heap = peak(|| {
            let verifier = model::embedded().unwrap();
            let waveform = audio::read(&path, &ReadOptions::default())?;
            spkver::Result::Ok(verifier.analyze(&waveform))
        });
        assert!(
            heap <= bound,
            "{name} embedded, {n} bytes: {heap} of {bound}"
        );
    }
    // 8 kB that claim to be an hour.
    let path = fixtures().join("crashes/audio/declared-long.flac");
    let bound = mib(16) + 4 * fs::read(&path).unwrap().len();
    let heap = peak(|| audio::read(&path, &ReadOptions::default()).is_ok());
    assert!(heap <= bound, "{}: {heap} of {bound}", path.display());
    // A header that promises more than the file holds costs nothing.
    let path = folder.path().join("liar.wav");
    let mut liar = wav(1, 1, 16_000, 8, &[]);
    liar[40..44].copy_from_slice(&u32::MAX.to_le_bytes());
    fs::write(&path, &liar).unwrap();
    assert!(peak(|| audio::read(&path, &ReadOptions::default()).is_err()) < mib(1));
}
