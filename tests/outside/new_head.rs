//! `calibrate --speakers`: a pair head fitted on speakers who are in no trial, which replaces the model's
//! own where it separates the trials better, and only there.

use crate::program::Place;
use spkver::{
    Verifier,
    scoring::{PairHead, QualityTerms},
    storage::model,
};
use std::{fs, path::Path};

const SPEAKERS: [&str; 2] = ["anna", "boris"];
const OTHERS: [&str; 4] = ["chloe", "david", "edith", "felix"];

/// Trials of all pairs of the speakers' recordings.
fn trials(path: &Path) {
    let names = SPEAKERS
        .iter()
        .flat_map(|s| (1..=3).map(move |n| (s, format!("{s}/{n}.wav"))));
    let names: Vec<_> = names.collect();
    let mut text = String::new();
    for (i, (of_a, a)) in names.iter().enumerate() {
        for (of_b, b) in &names[i + 1..] {
            text += &format!("{} {a} {b}\n", i32::from(of_a == of_b));
        }
    }
    fs::write(path, text).unwrap();
}

/// The built-in model as one of a single network, with its head changed. Like the built-in model it has
/// quality terms, which are a part of embeddings.
fn one_network(path: &Path, change: fn(&mut PairHead)) {
    let mut model = model::embedded().unwrap().into_model();
    model.head = model.head.uncalibrated();
    model.head.projection.groups = 1;
    model.head.quality = Some(QualityTerms::default());
    change(&mut model.head);
    model::save(path, &model).unwrap();
}

#[test]
fn a_head_of_other_speakers_replaces_a_worse_one_and_only_that() {
    let place = Place::new();
    trials(&place.path("trials"));
    place.folder(".", &SPEAKERS);
    place.folder("others", &OTHERS);
    place.copy("noise", "others/felix/noise.wav");
    one_network(&place.path("good"), |_| {});
    // Two recordings score the higher, the less alike their voices are.
    one_network(&place.path("bad"), |head| {
        head.weight.iter_mut().for_each(|w| *w = -*w);
    });
    for (own, is_kept, terms) in [
        ("good", false, ""),
        ("bad", true, ""),
        ("good", false, " --quality"),
        ("bad", true, " --quality"),
    ] {
        let calibrate = format!("calibrate --model {own} --force trials --speakers others{terms}");
        let told = place.json(&format!("{calibrate} -o {own}-out"));
        let head = &told["head"];
        assert_eq!(head["kept"], is_kept, "{told}");
        assert_eq!(
            (&head["speakers"], &head["refused"]),
            (&4.into(), &1.into())
        );
        let figures = ["min_cllr_with", "min_cllr_without"].map(|key| head[key].as_f64().unwrap());
        assert_eq!(figures[0] < figures[1], is_kept, "{told}");
        let info = place.json(&format!("model info --model {own}-out"));
        let card = info["card"]["calibration"].as_str().unwrap();
        let word = if is_kept { "kept" } else { "not kept" };
        assert!(
            card.contains(&format!("PLDA head {word} by minCllr")),
            "{card}"
        );

        // Voiceprints stay valid, and the model has the head that is told.
        let [before, after] = [own.to_string(), format!("{own}-out")]
            .map(|name| Verifier::load(place.path(name)).unwrap());
        assert_eq!(before.id(), after.id());
        let [old, new] = [&before, &after].map(|verifier| &verifier.model().head.projection);
        assert_eq!(old != new, is_kept);
        // The same bits at any number of threads.
        place.done(&format!("--threads 1 {calibrate} -o {own}-again"));
        let files =
            ["out", "again"].map(|end| fs::read(place.path(format!("{own}-{end}"))).unwrap());
        assert!(files[0] == files[1]);
    }
}

#[test]
fn recordings_without_a_label_are_left_out_of_the_outside_speakers() {
    let place = Place::new();
    trials(&place.path("trials"));
    fs::copy(place.path("trials"), place.path("again")).unwrap();
    place.folder(".", &SPEAKERS);
    place.folder("others", &OTHERS);
    one_network(&place.path("m"), |_| {});
    let mut rows = String::from("path,speaker,label\n");
    for name in OTHERS {
        rows +=
            &format!("others/{name}/1.wav,{name},speaker\nothers/{name}/2.wav,{name},speaker\n");
    }
    rows += "others/felix/3.wav,nobody,none\n";
    place.write("rows.csv", rows);
    let options = "--quality --speakers rows.csv --cohort rows.csv -o out";
    let told = place.json(&format!("calibrate --model m trials again {options}"));
    assert_eq!(told["head"]["speakers"], 4, "{told}");
    assert_eq!(told["cohort"]["speakers"], 4, "{told}");
}

#[test]
fn speakers_who_cannot_serve_are_refused() {
    let place = Place::new();
    trials(&place.path("trials"));
    place.folder(".", &SPEAKERS);
    place.folder("others", &OTHERS);
    place.folder("again", &["david", "boris"]);
    one_network(&place.path("m"), |_| {});
    let refused = |line: &str, fact: &str| {
        place.no_model(&format!("calibrate trials -o out.safetensors {line}"), fact);
    };
    refused(
        "--model m --quality --speakers again",
        "--speakers again: speaker \"boris\" is in the trials",
    );
    refused(
        "--quality --speakers others",
        "--speakers others: this model has several embeddings",
    );
    place.write("s.txt", "david/1.wav david/2.wav 2.5\n");
    refused("--scores s.txt --speakers others", "cannot be used with");
    for name in OTHERS {
        place.copy("noise", format!("others/{name}/1.wav"));
        for n in 2..=3 {
            fs::remove_file(place.path(format!("others/{name}/{n}.wav"))).unwrap();
        }
    }
    refused(
        "--model m --quality --speakers others",
        "--speakers others: none of its 4 recordings can be used",
    );
}
