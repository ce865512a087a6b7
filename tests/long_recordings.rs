//! Long recordings are read as an excerpt: with the memory of a short one, and the same decision.

mod program;

use program::{Place, waveform};
use spkver::{
    audio::{self, ReadOptions},
    scoring::{Decision, OperatingPoint},
    storage::model,
};
use std::path::PathBuf;

/// A voice, over and over.
fn a_long_wav(place: &Place, rate_hz: u32, seconds: usize) -> PathBuf {
    let samples = audio::resample(waveform("anna-1").samples(), 16_000, rate_hz);
    let samples = samples.iter().cycle().map(|x| (30_000.0 * x) as i16);
    let num_samples = rate_hz as usize * seconds;
    place.wav(
        &format!("{rate_hz}.wav"),
        rate_hz,
        samples.take(num_samples),
    )
}

#[test]
fn twenty_minutes_score_as_their_first_minute_does() {
    let place = Place::new();
    let verifier = model::embedded().unwrap();
    let enrolled = verifier.embed(&waveform("anna-2")).unwrap();
    for rate_hz in [16_000, 22_050, 48_000] {
        let path = a_long_wav(&place, rate_hz, 1200);
        let long = audio::read(&path, &ReadOptions::default()).unwrap();
        let heard = verifier.analyze(&long);
        assert_eq!(heard.quality.seconds, 1200.0);
        assert!((30.0..=180.0).contains(&heard.quality.used_seconds));
        let minute = a_long_wav(&place, rate_hz, 60);
        let minute = audio::read(&minute, &ReadOptions::default()).unwrap();
        let point = OperatingPoint::default();
        let [long, minute] = [heard.embedding, verifier.embed(&minute)]
            .map(|e| verifier.compare(&enrolled, &e.unwrap(), &point).unwrap());
        assert_eq!(long.decision, Decision::Accept);
        let (long, minute) = (long.llr.unwrap().value(), minute.llr.unwrap().value());
        // The excerpt cuts through words every 4 s.
        assert!((long - minute).abs() < 1.0, "{rate_hz} Hz: {long} {minute}");
    }
}

#[test]
fn all_of_a_long_recording_is_used_on_request() {
    let place = Place::new();
    let path = a_long_wav(&place, 16_000, 300);
    let all = ReadOptions {
        all: true,
        ..ReadOptions::default()
    };
    let quality = audio::read(&path, &all).unwrap().quality();
    assert_eq!((quality.seconds, quality.used_seconds), (300.0, 300.0));
}
