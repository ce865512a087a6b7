//! Speech that is sent while the speaker talks, over WebSocket.

use crate::{
    Reply, Server, command, openapi,
    program::{Place, voice},
    token,
};
use serde_json::Value;
use std::{fs, io::Write, path::PathBuf};
use tungstenite::{Message, client::IntoClientRequest, http::HeaderName};

/// Sends the samples of a recording of `fixtures/voices` in messages of 20 ms. Returns what the service
/// answers.
fn talk(server: &Server, query: &str, token: &str, name: &str) -> Vec<Value> {
    let mut wav = hound::WavReader::open(voice(name)).unwrap();
    let rate_hz = wav.spec().sample_rate;
    let samples = wav.samples::<i16>().map(Result::unwrap);
    let bytes: Vec<u8> = samples.flat_map(i16::to_le_bytes).collect();
    let query = format!("rate={rate_hz}&{query}");
    // A message may end in the middle of a sample.
    stream(server, &query, token, &bytes, rate_hz as usize / 25 + 1)
}

/// Sends `bytes` in messages of `message_bytes`. Returns what the service answers.
fn stream(
    server: &Server,
    query: &str,
    token: &str,
    bytes: &[u8],
    message_bytes: usize,
) -> Vec<Value> {
    let url = format!("ws://{}/v1/stream?{query}", server.address);
    let mut request = url.into_client_request().unwrap();
    if let Some((name, value)) = token.trim().split_once(": ") {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        request.headers_mut().insert(name, value.parse().unwrap());
    }
    let (mut socket, _) = tungstenite::connect(request).unwrap();
    for block in bytes.chunks(message_bytes) {
        // The service hangs up when it knows enough.
        if socket.send(Message::binary(block.to_vec())).is_err() {
            break;
        }
    }
    let _ = socket.send(Message::text("end"));
    let mut said = vec![];
    while let Ok(message) = socket.read() {
        if let Message::Text(text) = message {
            said.push(serde_json::from_str(&text).unwrap());
        }
    }
    said
}

#[test]
fn a_stream_of_opus_as_browsers_send_it_gets_the_answer_of_its_file() {
    let place = Place::new();
    let server = Server::start(&place, &[]);
    server
        .post("/v1/enroll?speaker=anna", "", &["anna-2", "anna-3"])
        .answer("enroll");
    let formats = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/formats");
    for (name, message_bytes) in [("opus-24k-stereo.opus", 7), ("opus-16k.opus", 400)] {
        let file = formats.join(name);
        let of_file = command(&place, &format!("verify anna {}", file.display()));
        let bytes = fs::read(&file).unwrap();
        let said = stream(
            &server,
            "speaker=anna&to_end=true",
            "",
            &bytes,
            message_bytes,
        );
        let last = said.last().unwrap();
        openapi().holds("verify", last);
        assert_eq!(last["listened"]["end"], "input", "{last}");
        for key in ["decision", "llr", "reason"] {
            assert_eq!(last[key], of_file[key], "{name}: {key}");
        }
    }
    let said = stream(
        &server,
        "speaker=anna",
        "",
        b"this is no recording at all",
        5,
    );
    openapi().holds("refusal", said.last().unwrap());
    assert_eq!(said.last().unwrap()["code"], "audio", "{said:?}");
    // Nothing but the end.
    let said = stream(&server, "speaker=anna", "", b"", 1);
    assert_eq!(said.last().unwrap()["code"], "audio", "{said:?}");
}

#[test]
fn a_stream_is_answered_while_the_speaker_talks() {
    let place = Place::new();
    let admin = token(&place, "admin", "enroll,verify,stream --scores");
    let desk = token(&place, "desk", "stream");
    let none = token(&place, "none", "list");
    let server = Server::start(&place, &["--tokens", "tokens", "--max-tries", "2"]);
    let both = ["anna-1", "anna-2"];
    server
        .post("/v1/enroll?speaker=anna", &admin, &both)
        .answer("enroll");
    let of_file = server.post("/v1/verify?speaker=anna", &admin, &["anna-3"]);
    let of_file = of_file.answer("verify");

    let said = talk(&server, "speaker=anna&to_end=true", &admin, "anna-3");
    let (last, states) = said.split_last().unwrap();
    assert!(!states.is_empty());
    states
        .iter()
        .for_each(|state| openapi().holds("stream_state", state));
    openapi().holds("verify", last);
    assert_eq!(last["listened"]["end"], "input");
    for key in ["decision", "llr", "p", "threshold", "kind", "expected"] {
        assert_eq!(last[key], of_file[key], "{key}");
    }
    let said = talk(&server, "speaker=anna", &desk, "anna-3");
    let (last, states) = said.split_last().unwrap();
    states
        .iter()
        .for_each(|state| openapi().holds("stream_state", state));
    openapi().holds("verify_without_scores", last);
    assert_eq!(last["decision"], "accept");
    assert!(said.iter().all(|one| one.get("llr").is_none()), "{said:?}");

    // As a web page gives its token. It is not sent back.
    let own = desk.trim().strip_prefix("Authorization: Bearer ").unwrap();
    for (token, is_known) in [(own, true), ("0123", false)] {
        let url = format!("ws://{}/v1/stream?speaker=anna&rate=16000", server.address);
        let mut request = url.into_client_request().unwrap();
        let offered = format!("spkver, bearer.{token}");
        for (name, value) in [
            ("sec-websocket-protocol", &offered[..]),
            ("origin", "https://a.example"),
        ] {
            let name = HeaderName::from_static(name);
            request.headers_mut().insert(name, value.parse().unwrap());
        }
        match tungstenite::connect(request) {
            Ok((_, answer)) => assert_eq!(answer.headers()["sec-websocket-protocol"], "spkver"),
            Err(tungstenite::Error::Http(answer)) => assert!(!is_known && answer.status() == 401),
            Err(other) => panic!("{other}"),
        }
    }

    for (query, token, status) in [
        ("rate=16000&speaker=anna", &none, 403),
        ("rate=16000&speaker=nobody", &desk, 404),
        ("rate=100&speaker=anna", &desk, 422),
    ] {
        let headers = format!(
            "{token}Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        );
        let mut stream = server.connect();
        let head = server.head("GET", &format!("/v1/stream?{query}"), &headers);
        let head = head.replace("Connection: close", "Connection: upgrade, close");
        stream.write_all(head.as_bytes()).unwrap();
        Reply::read(stream).refusal(status);
    }
    for _ in 0..2 {
        let said = talk(&server, "speaker=anna", &desk, "david-1");
        let last = said.last().unwrap();
        assert_ne!(last["decision"], "accept", "{last}");
    }
    let reply = server.post("/v1/verify?speaker=anna", &admin, &["anna-3"]);
    assert_eq!(reply.refusal(429), "too_many_tries");
    assert!(server.log().contains("\"event\":\"stream\""));
}
