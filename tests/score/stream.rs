//! `spkver score --jsonl --stdin`: each line is answered with a row.

use crate::{
    place,
    program::{Place, words},
};
use serde_json::{Value, json};
use std::{
    fs,
    io::{BufRead, BufReader, Write},
    process::Stdio,
};

/// Lines in, rows out.
fn stream(place: &Place, lines: &[u8]) -> Vec<Value> {
    let mut run = place
        .command(words("score --jsonl --stdin"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = run.stdin.take().unwrap();
    let lines = lines.to_vec();
    let writer = std::thread::spawn(move || stdin.write_all(&lines).unwrap());
    let output = run.wait_with_output().unwrap();
    writer.join().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn a_line_in_is_a_line_out_whatever_is_in_it() {
    let place = place();
    let mut lines: Vec<u8> = vec![];
    for line in [
        "anna-1.wav",
        "anna-1.wav\tanna-2.wav",
        r#"{"id": {"row": 3}, "enroll": ["anna-1.wav", "anna-2.wav"], "test": "boris-1.wav"}"#,
        "",
        "missing.wav",
        "{broken",
        r#"{"id": "s", "audio": "silence.wav"}"#,
        r#"{"id": 7, "audio": "anna-1.wav", "start": 0.5, "end": 1.5}"#,
        r#"{"id": 8, "audio": "anna-1.wav", "channel": 2}"#,
    ] {
        lines.extend(line.as_bytes());
        lines.push(b'\n');
    }
    lines.extend(b"\xff\xfe\n");
    lines.extend(vec![b'x'; 3 << 20]);
    lines.extend(b"\r\nanna-1.wav\tmissing.wav\r\n");
    lines.extend(b"anna-2.wav");
    let rows = stream(&place, &lines);
    assert_eq!(rows.len(), 13);
    let model = rows[0]["model"].as_str().unwrap();
    assert_eq!(model.len(), 64);
    assert!(rows.iter().all(|row| row["model"] == model));
    let hash = blake3::hash(&fs::read(place.path("anna-1.wav")).unwrap());
    assert_eq!(rows[0]["audio_blake3"], hash.to_string());
    assert!(rows[0]["embedding"].as_array().unwrap().len() > 1);
    assert_eq!(
        (&rows[0]["id"], &rows[0]["error"]),
        (&Value::Null, &Value::Null)
    );
    assert_eq!(
        rows[1]["score"].to_string(),
        place.compare("anna-1.wav", "anna-2.wav")
    );
    assert_eq!(rows[1]["enroll_blake3"], hash.to_string());
    assert_eq!(rows[2]["id"], json!({"row": 3}));
    assert_eq!(rows[2]["enroll_blake3"].as_array().unwrap().len(), 2);
    assert!(rows[2]["score"].is_number());
    for (row, code) in [
        (3, "request"),
        (4, "io"),
        (5, "request"),
        (6, "silence"),
        (8, "audio"),
        (9, "request"),
        (10, "request"),
        (11, "io"),
    ] {
        assert_eq!(rows[row]["code"], code, "{}", rows[row]);
        assert!(rows[row]["error"].is_string());
    }
    assert_eq!(rows[6]["audio_blake3"].as_str().map(str::len), Some(64));
    assert_ne!(rows[7]["embedding"], rows[0]["embedding"]);
    assert_eq!(rows[12]["audio"], "anna-2.wav");
    let keys = |row: &Value| row.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&rows[0]), keys(&rows[5]));
    assert_eq!(keys(&rows[1]), keys(&rows[11]));
}

#[test]
fn a_row_comes_before_the_next_line_is_sent() {
    let place = place();
    let mut run = place
        .command(words("score --jsonl --stdin"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = run.stdin.take().unwrap();
    let mut stdout = BufReader::new(run.stdout.take().unwrap());
    for name in ["anna-1.wav", "missing.wav", "boris-1.wav"] {
        writeln!(stdin, "{name}").unwrap();
        let mut row = String::new();
        stdout.read_line(&mut row).unwrap();
        let row: Value = serde_json::from_str(&row).unwrap();
        assert_eq!(row["audio"], name);
    }
    drop(stdin);
    assert_eq!(run.wait().unwrap().code(), Some(0));
}
