//! The verifier as a library: enrollment names the recordings that do not fit, and a score that is
//! not finite is never accepted.

mod program;
mod random_model;

use program::waveform;
use random_model::random_model;
use spkver::{
    Error,
    audio::{self, Content, Quality, Waveform},
    scoring::{Decision, OperatingPoint, PairHead, Projection, Reason},
    verifier::{Embedding, Limits, ModelId, SpeakerName, Utterance, Verifier, Voiceprint, unfit},
};

/// A verifier whose score is 8·cos(a, b) on embeddings of size 2.
fn cosine() -> Verifier {
    let mut model = random_model(1, 2, 2);
    let projection = Projection::new(vec![0.0; 2], Some(vec![1.0, 0.0, 0.0, 1.0]));
    model.head = PairHead::new(projection, vec![4.0, 4.0, 0.0, 0.0]);
    Verifier::new(ModelId::of(b"cosine"), model).unwrap()
}

fn embedding(verifier: &Verifier, degrees: f32) -> Embedding {
    let (y, x) = degrees.to_radians().sin_cos();
    Embedding::new(vec![x, y], verifier.id()).unwrap()
}

fn utterances(verifier: &Verifier, degrees: &[f32]) -> Vec<Utterance> {
    let of = |d: &f32| Utterance::without_quality(format!("{d}.wav"), embedding(verifier, *d), 2.0);
    degrees.iter().map(of).collect()
}

fn odd(verifier: &Verifier, degrees: &[f32]) -> Vec<usize> {
    let odd = verifier.odd_ones_out(&utterances(verifier, degrees));
    let mut indices: Vec<usize> = odd.iter().map(|odd| odd.index).collect();
    indices.sort_unstable();
    indices
}

#[test]
fn the_recording_of_somebody_else_is_named_and_no_other() {
    let verifier = cosine();
    assert!(odd(&verifier, &[]).is_empty());
    assert!(odd(&verifier, &[0.0]).is_empty());
    assert!(odd(&verifier, &[0.0, 40.0, -30.0]).is_empty());
    assert_eq!(odd(&verifier, &[0.0, 180.0, 20.0, 10.0]), [1]);
    assert_eq!(odd(&verifier, &[170.0, 0.0, 190.0, 20.0, 10.0]), [0, 2]);
    // Of two that disagree nobody knows which one is wrong.
    assert_eq!(odd(&verifier, &[0.0, 180.0]).len(), 2);
}

#[test]
fn enrolment_refuses_what_does_not_belong() {
    let verifier = cosine();
    let name = SpeakerName::new("anna").unwrap();
    let good = utterances(&verifier, &[0.0, 20.0]);
    let voiceprint = verifier.enroll(name.clone(), good).unwrap();
    assert_eq!(voiceprint.utterances.len(), 2);
    let bad = utterances(&verifier, &[0.0, 180.0, 20.0]);
    let error = verifier.enroll(name, bad).unwrap_err();
    assert_eq!(error.exit_code(), 3);
    assert!(error.to_string().starts_with("180.wav: "), "{error}");
    assert!(!error.to_string().contains("20.wav"), "{error}");
}

#[test]
fn a_score_that_is_no_number_is_inconclusive() {
    let verifier = cosine();
    let point = OperatingPoint::default().with_threshold(f32::MIN).unwrap();
    // Length normalisation has nothing to work on.
    let zero = Embedding::new(vec![0.0; 2], verifier.id()).unwrap();
    let fine = embedding(&verifier, 0.0);
    for (a, b) in [(&zero, &fine), (&fine, &zero), (&zero, &zero)] {
        let outcome = verifier.compare(a, b, &point).unwrap();
        let inconclusive = Decision::Inconclusive(Reason::ScoreNotFinite);
        assert_eq!(outcome.decision, inconclusive);
    }
    assert!(Embedding::new(vec![f32::NAN, 0.0], verifier.id()).is_err());
    // Nor does it get into a voiceprint.
    let mut with_zero = utterances(&verifier, &[0.0, 10.0, 5.0]);
    with_zero[1].embedding = zero;
    let odd = verifier.odd_ones_out(&with_zero);
    assert!(odd.iter().any(|odd| odd.index == 1));
}

#[test]
fn a_voiceprint_of_one_recording_scores_as_a_comparison() {
    let verifier = cosine();
    let point = OperatingPoint::default();
    let voiceprint = Voiceprint {
        name: SpeakerName::new("anna").unwrap(),
        model: verifier.id(),
        utterances: utterances(&verifier, &[33.3]),
    };
    let enrolled = embedding(&verifier, 33.3);
    for degrees in [-170.0, -20.0, 0.1, 33.3, 77.7] {
        let test = embedding(&verifier, degrees);
        let verified = verifier.verify(&voiceprint, &test, &point).unwrap();
        assert_eq!(
            verified,
            verifier.compare(&enrolled, &test, &point).unwrap()
        );
        assert_eq!(
            verified,
            verifier.compare(&test, &enrolled, &point).unwrap()
        );
    }
}

#[test]
fn embeddings_of_another_model_are_not_scored() {
    let verifier = cosine();
    let point = OperatingPoint::default();
    let own = embedding(&verifier, 0.0);
    let other = Embedding::new(vec![1.0, 0.0], ModelId::of(b"other")).unwrap();
    for (a, b) in [(&own, &other), (&other, &own)] {
        let error = verifier.compare(a, b, &point).unwrap_err();
        assert!(matches!(error, Error::ModelMismatch { .. }));
    }
    // Nor is a test recording against a voiceprint of the right one.
    let voiceprint = Voiceprint {
        name: SpeakerName::new("anna").unwrap(),
        model: verifier.id(),
        utterances: utterances(&verifier, &[0.0]),
    };
    let error = verifier.verify(&voiceprint, &other, &point).unwrap_err();
    assert!(matches!(error, Error::ModelMismatch { .. }));
}

/// With limits that allow anything, the network still needs its frames.
#[test]
fn what_is_shorter_than_the_network_sees_has_too_little_speech() {
    let mut model = random_model(1, 2, 2);
    model.limits = Limits {
        min_speech_seconds: 0.0,
        max_clipped: 1.0,
        min_bandwidth_hz: 0.0,
        min_snr_db: -100.0,
        max_overlap: 0.0,
        ..Limits::default()
    };
    let verifier = Verifier::new(ModelId::of(b"lenient"), model).unwrap();
    let needed = verifier.model().network.receptive_field();
    let voice = waveform("anna-1");
    let mut shortest = usize::MAX;
    let mut longest_refused = 0;
    // From where Anna is in the middle of a word.
    for samples in (400..8000).step_by(80) {
        let piece = voice.samples()[16_000..16_000 + samples].to_vec();
        let piece = Waveform::from_samples(piece, audio::SAMPLE_RATE_HZ).unwrap();
        let num_frames = verifier.mfcc().extract(&piece).num_frames();
        match verifier.embed(&piece) {
            Ok(_) => shortest = shortest.min(num_frames),
            Err(Reason::TooLittleSpeech { wanted, .. }) => {
                assert!((wanted - needed as f32 * 0.01).abs() < 1e-6, "{wanted}");
                longest_refused = longest_refused.max(num_frames);
            }
            Err(Reason::NoSpeech | Reason::Silence) => {}
            Err(other) => panic!("{other:?}"),
        }
    }
    assert_eq!((longest_refused, shortest), (needed - 1, needed));
}

/// Of a recording that nothing is wrong with.
const FINE: Quality = Quality {
    original_rate_hz: 16_000,
    seconds: 3.0,
    used_seconds: 3.0,
    speech_seconds: 3.0,
    content: Content::Speech,
    bandwidth_hz: 8000.0,
    low_band_db: 0.0,
    clipped: 0.0,
    snr_db: 30.0,
    warning: None,
    truncated: false,
};

#[test]
fn the_reason_is_the_one_to_act_on_first() {
    let quality = |content, clipped, speech_seconds| Quality {
        speech_seconds,
        content,
        clipped,
        ..FINE
    };
    let code = |quality: Quality| unfit(&quality, &Limits::default()).map(|r| r.code());
    let (silence, noise, speech) = (Content::Silence, Content::NoSpeech, Content::Speech);
    assert_eq!(code(quality(silence, 0.5, 0.0)), Some("silence"));
    // What is clipped hard does not look like a voice any more.
    assert_eq!(code(quality(noise, 0.5, 3.0)), Some("clipping"));
    assert_eq!(code(quality(noise, 0.0, 3.0)), Some("no_speech"));
    assert_eq!(code(quality(speech, 0.5, 0.1)), Some("clipping"));
    assert_eq!(code(quality(speech, 0.0, 0.1)), Some("too_little_speech"));
    assert_eq!(code(quality(speech, 0.05, 3.0)), None);
    let narrow = Quality {
        bandwidth_hz: 1500.0,
        ..FINE
    };
    assert_eq!(code(narrow), Some("band_limited"));
    let noisy = Quality {
        snr_db: -4.0,
        ..FINE
    };
    assert_eq!(code(noisy), Some("noisy"));
}

/// Measured at the limit is fit; a hair beyond is not.
#[test]
fn a_recording_at_the_limit_is_fit() {
    let limits = Limits {
        min_speech_seconds: 0.5,
        max_clipped: 0.25,
        min_bandwidth_hz: 2000.0,
        min_snr_db: 3.0,
        max_overlap: 0.0,
        ..Limits::default()
    };
    let at = Quality {
        speech_seconds: 0.5,
        bandwidth_hz: 2000.0,
        clipped: 0.25,
        snr_db: 3.0,
        ..FINE
    };
    assert_eq!(unfit(&at, &limits), None);
    let beyond = |change: &dyn Fn(&mut Quality)| {
        let mut beyond = at.clone();
        change(&mut beyond);
        unfit(&beyond, &limits)
    };
    // Seconds count in hundredths, as they are shown.
    let (seconds, wanted) = (0.49, 0.5);
    let little = Reason::TooLittleSpeech { seconds, wanted };
    assert_eq!(beyond(&|at| at.speech_seconds = seconds), Some(little));
    let share = 0.25f32.next_up();
    let clipped = Reason::Clipping { share };
    assert_eq!(beyond(&|at| at.clipped = share), Some(clipped));
    let (bandwidth_hz, wanted_hz) = (2000.0f32.next_down(), 2000.0);
    let narrow = Reason::BandLimited {
        bandwidth_hz,
        wanted_hz,
    };
    assert_eq!(beyond(&|at| at.bandwidth_hz = bandwidth_hz), Some(narrow));
    let (snr_db, wanted_db) = (3.0f32.next_down(), 3.0);
    let noisy = Reason::Noisy { snr_db, wanted_db };
    assert_eq!(beyond(&|at| at.snr_db = snr_db), Some(noisy));
}

#[test]
fn consistent_from_a_score_of_minus_four() {
    let verifier = cosine();
    // 8·cos 119.9° = −3.99, 8·cos 120.1° = −4.01.
    assert!(odd(&verifier, &[0.0, 119.9]).is_empty());
    assert_eq!(odd(&verifier, &[0.0, 120.1]), [0, 1]);
    // −4 itself is consistent: opposite directions, and 4 times their product.
    let mut model = random_model(1, 2, 1);
    model.head = PairHead::new(Projection::identity(1, 1), vec![4.0, 0.0]);
    let verifier = Verifier::new(ModelId::of(b"one number"), model).unwrap();
    let sides = [1.0, -1.0].map(|side| {
        let embedding = Embedding::new(vec![side], verifier.id()).unwrap();
        Utterance::without_quality("x.wav", embedding, 2.0)
    });
    let score = verifier.llr(&[&sides[0].embedding], &sides[1].embedding);
    assert_eq!(score.unwrap().value(), -4.0);
    assert!(verifier.odd_ones_out(&sides).is_empty());
}

#[test]
fn doubtful_is_what_passes_below_zero() {
    let verifier = cosine();
    let doubtful = |degrees: &[f32]| -> Vec<usize> {
        let doubtful = verifier.doubtful(&utterances(&verifier, degrees));
        doubtful.iter().map(|one| one.index).collect()
    };
    assert!(doubtful(&[]).is_empty());
    assert!(doubtful(&[0.0]).is_empty());
    assert!(doubtful(&[0.0, 89.0]).is_empty());
    assert_eq!(doubtful(&[0.0, 91.0]), [0, 1]);
    assert_eq!(doubtful(&[0.0, 10.0, 100.0]), [2]);
    // What does not pass is told as such, and the others are judged without it.
    assert!(doubtful(&[0.0, 10.0, 180.0]).is_empty());
    assert!(doubtful(&[0.0, 180.0]).is_empty());
    assert_eq!(doubtful(&[0.0, 180.0, 10.0, 100.0]), [3]);
    // 0 is as likely from one speaker as from two.
    let mut right_angle = utterances(&verifier, &[0.0, 90.0]);
    right_angle[1].embedding = Embedding::new(vec![0.0, 1.0], verifier.id()).unwrap();
    assert!(verifier.doubtful(&right_angle).is_empty());
}
