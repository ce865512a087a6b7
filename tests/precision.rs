//! `--precision int8`: scores that hardly differ, always the same bits, with any model.

mod program;
mod random_model;

use program::{Place, waveform};
use random_model::random_model;
use spkver::{
    storage::model,
    verifier::{ModelId, Verifier},
};

fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| -> f64 {
        let products = a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b));
        products.sum()
    };
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

fn compare(flags: &str) -> serde_json::Value {
    Place::new().json(&format!("compare @anna-1 @anna-2 {flags}"))
}

#[test]
fn int8_scores_come_near_those_of_f32() {
    let exact = model::embedded().unwrap();
    let mut rounded = model::embedded().unwrap();
    rounded.quantise().unwrap();
    let is_one = exact.id() == rounded.id();
    assert!(is_one, "one model, whatever the precision");
    let names = [
        "anna-1", "anna-2", "boris-1", "chloe-1", "david-1", "felix-2",
    ];
    let waveforms = names.map(waveform);
    let embeddings = |verifier: &Verifier| waveforms.each_ref().map(|w| verifier.embed(w).unwrap());
    let (wanted, got) = (embeddings(&exact), embeddings(&rounded));
    for i in 0..names.len() {
        let alike = cosine(wanted[i].values(), got[i].values());
        // Rounding to 8 bits changes a value by up to 0.4 % of the largest. The lowest cosine here is 0.99918.
        assert!(alike > 0.999, "{}: cosine {alike}", names[i]);
        for j in 0..i {
            let wanted = exact.llr(&[&wanted[i]], &wanted[j]).unwrap().value();
            let got = rounded.llr(&[&got[i]], &got[j]).unwrap().value();
            // Scores of pairs spread over ten and more.
            let [a, b] = [names[i], names[j]];
            let is_near = (wanted - got).abs() < 1.0;
            assert!(is_near, "{a} ~ {b}: {got:+.2}, not {wanted:+.2}");
        }
    }
}

#[test]
fn int8_refuses_no_more_recordings_as_two_voices_at_once() {
    let exact = model::embedded().unwrap();
    let mut rounded = model::embedded().unwrap();
    rounded.quantise().unwrap();
    let stored = exact.to_int8().unwrap();
    let stored = Verifier::new(ModelId::of(b"stored"), stored).unwrap();
    for name in ["anna-1", "boris-1", "chloe-1"] {
        let waveform = waveform(name);
        let logit = |verifier: &Verifier| verifier.one_speaker_facts(&waveform).overlap.unwrap();
        let wanted = logit(&exact);
        for other in [&rounded, &stored] {
            let got = logit(other);
            // Of logits from -12 to 2.5; the detector alone gives the same bits.
            assert!((got - wanted).abs() < 0.5, "{name}: {got}, not {wanted}");
        }
    }
}

#[test]
fn any_model_can_be_run_in_int8() {
    let waveform = waveform("boris-2");
    // C from below a word to past a panel.
    for (seed, channels) in [(1, 1), (2, 3), (3, 18), (4, 67)] {
        let embed = |quantise: bool| {
            let model = random_model(seed, channels, 8);
            let mut verifier = Verifier::new(ModelId::of(b"random"), model).unwrap();
            if quantise {
                verifier.quantise().unwrap();
                assert!(verifier.model().network.is_int8());
            }
            verifier.embed(&waveform).unwrap().values().to_vec()
        };
        let (exact, rounded) = (embed(false), embed(true));
        assert_eq!(rounded, embed(true), "always the same bits");
        let alike = cosine(&exact, &rounded);
        assert!(alike > 0.99, "{channels} channels: cosine {alike}");
    }
}

#[test]
fn a_model_file_in_int8_scores_as_the_flag_does_and_keeps_voiceprints_valid() {
    let waveform = waveform("boris-2");
    let random = |seed, channels| {
        Verifier::new(ModelId::of(b"random"), random_model(seed, channels, 8)).unwrap()
    };
    for exact in [model::embedded().unwrap(), random(3, 18), random(4, 67)] {
        let bytes = model::to_bytes(&exact.to_int8().unwrap());
        let back = model::from_bytes(&bytes, "m".as_ref()).unwrap();
        assert_eq!(back.id(), exact.id());
        assert!(back.model().network.is_int8());
        let size = model::to_bytes(exact.model()).len();
        assert!(bytes.len() < size, "{} bytes, {size} in f32", bytes.len());
        // Saved again, after a calibration for example, it stays as it is.
        assert_eq!(model::to_bytes(back.model()), bytes);
        assert_eq!(model::to_bytes(&back.to_int8().unwrap()), bytes);

        let embedding = back.embed(&waveform).unwrap();
        let mut flagged = exact;
        flagged.quantise().unwrap();
        assert_eq!(embedding, flagged.embed(&waveform).unwrap());
    }
}

#[test]
fn the_flag_changes_the_score_a_little_and_the_threads_nothing() {
    let exact = compare("");
    let rounded = compare("--precision int8");
    assert_eq!(exact, compare("--precision f32"));
    assert_eq!(exact["decision"], rounded["decision"]);
    let llr = |json: &serde_json::Value| json["llr"].as_f64().unwrap();
    assert_ne!(llr(&exact), llr(&rounded));
    assert!((llr(&exact) - llr(&rounded)).abs() < 1.0);
    for threads in 1..=3 {
        let flags = format!("--precision int8 --threads {threads}");
        assert_eq!(rounded, compare(&flags), "{threads} threads");
    }
}

#[test]
fn model_info_tells_a_model_in_int8_from_one_in_f32() {
    let place = Place::new();
    place.done("model int8 -o small");
    let exact = place.json("model info");
    assert_eq!(exact["precision"], "f32");
    assert!(exact["rounded_from"].is_null(), "{exact}");
    let small = place.json("model info --model small");
    assert_eq!(small["precision"], "int8");
    let from = model::embedded().unwrap().id().to_string();
    assert_eq!(small["rounded_from"], from);
    let text = place.say("model info --model small");
    text.prints("runs in int8; rounded from model ");
}
