//! Embeddings are written to files of every form, and scored from them.

use crate::{many_recordings, place, program::has};

#[test]
fn every_file_of_vectors_comes_back() {
    let place = place();
    many_recordings(&place, 120);
    let trials = "many/00000.wav many/00001.wav\nmany/00000.wav many/00050.wav\n";
    place.write("trials", trials);
    let expected = place.rows("score trials");
    for name in ["e.npz", "e.ark", "e.parquet", "e.jsonl", "e.txt"] {
        let answer = place.done(&format!("embed many -o {name}"));
        answer.prints("120 recordings, 1 refused");
        let rows = place.rows(&format!("score trials --embeddings {name} --head"));
        assert_eq!(rows[0], expected[0], "{name}");
        has(&rows[1], "nan # many/00050.wav: ");
        let cosine = place.rows(&format!("score trials --embeddings {name}"));
        let cosine: f32 = cosine[0].split(' ').next_back().unwrap().parse().unwrap();
        assert!((-1.0..=1.0).contains(&cosine));
    }
    let rows = place.rows("score trials --embeddings e.scp --head");
    assert_eq!(rows[0], expected[0]);
    place.say("embed many -o e.npy --ids e.ids");
    let rows = place.rows("score trials --embeddings e.npy --ids e.ids --head");
    assert_eq!(rows[0], expected[0]);
    has(&rows[1], "the vector is not finite");
    place.say("embed many -o e.txt-ark --format ark-text");
    let rows = place.rows("score trials --embeddings e.txt-ark --head");
    assert_eq!(rows[0], expected[0]);
    // Shards, one after the other, are the whole.
    let mut joined = vec![];
    for i in 1..=2 {
        place.say(&format!("embed many -o part.jsonl --shard {i}/2"));
        joined.extend(place.bytes("part.jsonl"));
    }
    assert_eq!(joined, place.bytes("e.jsonl"));
}

#[test]
fn vectors_that_do_not_fit_are_refused() {
    let place = place();
    place.write("trials", "a b\n");
    for (text, fact) in [
        ("a 1 2\nb 1 2 3\n", "the vector of b has 3 values"),
        ("a 1 x\n", "line 1: a value that is not a number"),
        ("a 1 2\na 1 3\nb 1 2\n", "two different vectors of a"),
        ("\x7fELF\0\0", "line 1: no vector"),
    ] {
        place.write("v", text);
        place.refused("score trials --embeddings v", 2, fact);
    }
    place.write("v", "a [ 3 4 ]\nb [ 4 3 ]\n");
    let rows = place.rows("score trials --embeddings v");
    let cosine: f64 = rows[0].strip_prefix("a b ").unwrap().parse().unwrap();
    assert!((cosine - 0.96).abs() < 1e-6, "{cosine}");
    place.write("v", "a 3 4\n");
    let answer = place.say("score trials --embeddings v --head");
    answer.warns("the vectors have 2 values");
    let rows = place.rows("score trials --embeddings v");
    has(&rows[0], "nan # b: there is no vector");
}
