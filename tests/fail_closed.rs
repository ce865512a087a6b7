//! A NaN or infinity at any stage never leads to an accept: the result is a refusal, a rejection or
//! "inconclusive".

mod program;
mod random_model;

use program::waveform;
use proptest::prelude::*;
use random_model::{random_model, x_vector};
use spkver::{
    Error,
    audio::Waveform,
    features::{Mfcc, MfccConfig},
    network::{Network, Weights},
    scoring::{Decision, Llr, OperatingPoint, PairHead, Projection, Reason},
    storage::voiceprints::Store,
    verifier::{
        Embedding, Model, ModelId, SpeakerName, Utterance, Verification, Verifier, Voiceprint,
    },
};

const SPECIAL: [f32; 3] = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY];
const INCONCLUSIVE: Decision = Decision::Inconclusive(Reason::ScoreNotFinite);

/// Accepts every finite score.
fn lenient() -> OperatingPoint {
    OperatingPoint::default().with_threshold(f32::MIN).unwrap()
}

/// A verifier whose score is 8·cos(a, b) on embeddings of size 2.
fn cosine() -> Verifier {
    verifier(|_| ())
}

fn verifier(edit: impl FnOnce(&mut Model)) -> Verifier {
    let mut model = random_model(1, 2, 2);
    let projection = Projection::new(vec![0.0; 2], Some(vec![1.0, 0.0, 0.0, 1.0]));
    model.head = PairHead::new(projection, vec![4.0, 4.0, 0.0, 0.0]);
    edit(&mut model);
    Verifier::new(ModelId::of(b"cosine"), model).unwrap()
}

fn voiceprint(verifier: &Verifier, embeddings: &[&[f32]]) -> Voiceprint {
    let utterance = |values: &&[f32]| {
        let embedding = Embedding::new(values.to_vec(), verifier.id()).unwrap();
        Utterance::without_quality("x.wav", embedding, 2.0)
    };
    Voiceprint {
        name: SpeakerName::new("anna").unwrap(),
        model: verifier.id(),
        utterances: embeddings.iter().map(utterance).collect(),
    }
}

// ---- stage by stage

#[test]
fn samples_that_are_no_numbers_are_refused() {
    for special in SPECIAL {
        let mut samples = waveform("anna-1").samples().to_vec();
        samples[5000] = special;
        let error = Waveform::from_samples(samples, 16_000).unwrap_err();
        assert_eq!(error.exit_code(), 3, "{error}");
    }
    assert!(Waveform::from_samples(vec![], 16_000).is_err());
}

#[test]
fn a_network_that_overflows_gives_no_embedding() {
    // Finite weights, as required of a model file, whose sums overflow.
    let front_end = MfccConfig::default();
    let num_features = Mfcc::new(front_end.clone()).unwrap().num_channels();
    for scale in [1e30, -1e30] {
        let layers = x_vector(num_features, 2, 2);
        let mut weights = Weights::new();
        for (i, layer) in layers.iter().enumerate() {
            for (name, shape) in layer.tensors() {
                weights.insert(format!("{i}.{name}"), vec![scale; shape.iter().product()]);
            }
        }
        let network = Network::new(layers, weights, num_features).unwrap();
        let verifier = verifier(|model| model.network = network);
        if let Ok(embedding) = verifier.embed(&waveform("anna-1")) {
            // The sums may also cancel to finite values; these are then compared.
            assert!(embedding.values().iter().all(|v| v.is_finite()));
        }
    }
}

#[test]
fn an_embedding_is_numbers() {
    let id = ModelId::of(b"cosine");
    for special in SPECIAL {
        for values in [vec![special], vec![1.0, special], vec![special; 192]] {
            assert_eq!(Embedding::new(values, id), Err(Reason::ScoreNotFinite));
        }
    }
    assert_eq!(Embedding::new(vec![], id), Err(Reason::ScoreNotFinite));
}

#[test]
fn an_empty_voiceprint_accepts_nobody() {
    let verifier = cosine();
    let test = Embedding::new(vec![1.0, 0.0], verifier.id()).unwrap();
    let empty = voiceprint(&verifier, &[]);
    let outcome = verifier.verify(&empty, &test, &lenient()).unwrap();
    assert_eq!(outcome.decision, INCONCLUSIVE);
}

#[test]
fn embeddings_without_a_direction_accept_nobody() {
    let verifier = cosine();
    let fine: &[f32] = &[1.0, 0.0];
    // Of length 0, or so short or long that the squared length underflows or overflows. Scaled,
    // they would get the score of an average voice.
    let odd: [&[f32]; 5] = [
        &[0.0, 0.0],
        &[1e-30, 0.0],
        &[1e30, 1e30],
        &[f32::MAX, -f32::MAX],
        &[f32::MIN_POSITIVE, 0.0],
    ];
    for odd in odd {
        for (enrolled, test) in [
            (vec![odd], fine),
            (vec![fine], odd),
            (vec![odd], odd),
            (vec![fine, odd], fine),
        ] {
            let test = Embedding::new(test.to_vec(), verifier.id()).unwrap();
            let enrolled = voiceprint(&verifier, &enrolled);
            let outcome = verifier.verify(&enrolled, &test, &lenient()).unwrap();
            assert_eq!(outcome.decision, INCONCLUSIVE, "{odd:?}");
        }
    }
    // Opposite recordings cancel.
    let test = Embedding::new(fine.to_vec(), verifier.id()).unwrap();
    let cancelled = voiceprint(&verifier, &[&[1.0, 0.0], &[-1.0, 0.0]]);
    let outcome = verifier.verify(&cancelled, &test, &lenient()).unwrap();
    assert_eq!(outcome.decision, INCONCLUSIVE);
}

#[test]
fn embeddings_of_another_size_accept_nobody() {
    let verifier = cosine();
    let fine: &[f32] = &[1.0, 0.0];
    for odd in [&[1.0][..], &[1.0, 0.0, 0.0], &[1.0; 192]] {
        for (enrolled, test) in [
            (vec![odd], fine),
            (vec![fine], odd),
            (vec![fine, odd], fine),
        ] {
            let test = Embedding::new(test.to_vec(), verifier.id()).unwrap();
            let enrolled = voiceprint(&verifier, &enrolled);
            let outcome = verifier.verify(&enrolled, &test, &lenient()).unwrap();
            assert_eq!(outcome.decision, INCONCLUSIVE);
            assert!(
                verifier
                    .compare(
                        &enrolled.utterances.last().unwrap().embedding,
                        &test,
                        &lenient()
                    )
                    .unwrap()
                    .decision
                    != Decision::Accept
            );
        }
    }
}

#[test]
fn a_head_that_is_no_numbers_is_no_model() {
    let projection = Projection::new(vec![0.0; 2], Some(vec![1.0, 0.0, 0.0, 1.0]));
    let good = PairHead::new(projection, vec![4.0, 4.0, 0.0, 0.0]);
    good.check(2).unwrap();
    for special in SPECIAL {
        let edits: [fn(&mut PairHead, f32); 5] = [
            |head, v| head.projection.mean[1] = v,
            |head, v| head.projection.whiten = Some(vec![1.0, 0.0, 0.0, v]),
            |head, v| head.weight[0] = v,
            |head, v| head.bias = v,
            |head, v| head.prior = v,
        ];
        for edit in edits {
            let mut head = good.clone();
            edit(&mut head, special);
            assert!(head.check(2).is_err());
        }
    }
    // Finite numbers whose sums overflow.
    let verifier = verifier(|model| {
        model.head.weight = vec![f32::MAX, f32::MAX, f32::MAX, f32::MAX];
        model.head.bias = f32::MAX;
    });
    let same: &[f32] = &[1.0, 1.0];
    let test = Embedding::new(same.to_vec(), verifier.id()).unwrap();
    let enrolled = voiceprint(&verifier, &[same]);
    let outcome = verifier.verify(&enrolled, &test, &lenient()).unwrap();
    assert_eq!(outcome.decision, INCONCLUSIVE);
}

#[test]
fn a_stored_embedding_that_is_no_numbers_is_damage() {
    // The checksum of the row is right: whoever wrote the row could compute it.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s");
    let verifier = cosine();
    let mut store = Store::open_or_create(&path, None).unwrap();
    let enrolled = voiceprint(&verifier, &[&[1.0, 0.5]]);
    store
        .add(&enrolled.name, verifier.id(), 0, &enrolled.utterances)
        .unwrap();
    let connection = rusqlite::Connection::open(&path).unwrap();
    let body: Vec<u8> = connection
        .query_row("SELECT body FROM template", [], |row| row.get(0))
        .unwrap();
    for special in SPECIAL {
        let mut forged = body.clone();
        forged[4..8].copy_from_slice(&special.to_le_bytes());
        connection
            .execute("UPDATE template SET body = ?1", [&forged])
            .unwrap();
        let error = store.get(&enrolled.name).unwrap_err();
        assert!(matches!(error, Error::Store { .. }), "{error:?}");
    }
}

// ---- the decision

proptest! {
    /// For every bit pattern of score and threshold.
    #[test]
    fn accepted_is_what_is_finite_and_reaches_the_threshold(score: u32, threshold: u32) {
        let (score, threshold) = (f32::from_bits(score), f32::from_bits(threshold));
        let point = OperatingPoint::default().with_threshold(threshold);
        prop_assert_eq!(point.is_ok(), threshold.is_finite());
        let Ok(point) = point else { return Ok(()) };
        let decision = Verification::of(Llr::new(score), &point).decision;
        let expected = if !score.is_finite() {
            INCONCLUSIVE
        } else if score >= threshold {
            Decision::Accept
        } else {
            Decision::Reject
        };
        prop_assert_eq!(decision, expected);
    }

    /// Whatever the values of an embedding, an accepted score is finite and reaches the threshold.
    #[test]
    fn any_embeddings_are_scored_with_care(bits: [u32; 4]) {
        let verifier = cosine();
        let of = |bits: &[u32]| {
            Embedding::new(bits.iter().map(|b| f32::from_bits(*b)).collect(), verifier.id())
        };
        let (Ok(a), Ok(b)) = (of(&bits[..2]), of(&bits[2..])) else { return Ok(()) };
        let outcome = verifier.compare(&a, &b, &OperatingPoint::default()).unwrap();
        if outcome.decision == Decision::Accept {
            let llr = outcome.llr.unwrap().value();
            prop_assert!(llr.is_finite() && llr >= 0.0);
            // The cosine in f64, where nothing overflows.
            let dot = |x: &Embedding, y: &Embedding| -> f64 {
                let pairs = x.values().iter().zip(y.values());
                pairs.map(|(x, y)| f64::from(*x) * f64::from(*y)).sum()
            };
            let cosine = dot(&a, &b) / (dot(&a, &a) * dot(&b, &b)).sqrt();
            prop_assert!(cosine > -1e-3, "{cosine}");
        }
    }
}

#[test]
fn costs_and_priors_that_are_no_numbers_make_no_operating_point() {
    let special = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.0, -1.0];
    for v in special {
        assert!(OperatingPoint::new(v, 1.0, 1.0).is_err(), "{v}");
        assert!(OperatingPoint::new(0.5, v, 1.0).is_err(), "{v}");
        assert!(OperatingPoint::new(0.5, 1.0, v).is_err(), "{v}");
    }
    assert!(OperatingPoint::new(1.0, 1.0, 1.0).is_err());
}
