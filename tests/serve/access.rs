//! Who may ask for what, and what the log keeps to itself.

use crate::{Reply, Server, program::Place, token};
use serde_json::Value;
use std::io::Write;

#[test]
fn a_token_opens_what_it_has_rights_to_and_hides_scores() {
    let place = Place::new();
    let admin = token(
        &place,
        "admin",
        "enroll,verify,list,delete,metrics --scores",
    );
    let desk = token(&place, "desk", "verify,identify,compare,enroll,list");
    let server = Server::start(&place, &["--tokens", "tokens"]);
    for wrong in [
        "",
        "Authorization: Bearer wrong\r\n",
        "Authorization: Bearer \r\n",
        "Authorization: Basic YTpi\r\n",
        &admin.replace("Bearer ", "Bearer x"),
        &admin.replace("Bearer ", ""),
    ] {
        let reply = server.post("/v1/enroll?speaker=anna", wrong, &["anna-1"]);
        assert_eq!(reply.refusal(401), "unauthorized");
        assert!(reply.head.contains("www-authenticate: bearer"), "{reply:?}");
        assert_eq!(server.get("/v1/list", wrong).refusal(401), "unauthorized");
        assert_eq!(server.get("/metrics", wrong).refusal(401), "unauthorized");
        assert_eq!(server.get("/health", wrong).status, 200);
    }
    let both = ["anna-1", "anna-2"];
    let route = "/v1/enroll?speaker=anna";
    server.post(route, &admin, &both).answer("enroll");
    server
        .post("/v1/verify?speaker=anna", &admin, &["anna-3"])
        .answer("verify");

    let delete = server.post("/v1/delete?speaker=anna", &desk, &[]);
    assert_eq!(delete.refusal(403), "no_right");
    let verify = server.post("/v1/verify?speaker=anna", &desk, &["anna-3"]);
    let verified = verify.answer("verify_without_scores");
    assert_eq!(verified["decision"], "accept");
    let hidden = [
        server.post("/v1/verify?speaker=anna", &desk, &["david-1"]),
        server.post("/v1/identify?top=5", &desk, &["anna-3"]),
        server.post("/v1/compare", &desk, &["anna-3", "david-1"]),
        server.post("/v1/enroll?speaker=anna&force=true", &desk, &["david-1"]),
        server.get("/v1/list?speaker=anna", &desk),
    ];
    let definitions = ["verify", "identify", "compare", "enroll", "list"];
    for (reply, definition) in hidden.iter().zip(definitions) {
        reply.answer(&format!("{definition}_without_scores"));
        for word in ["llr", "LLR", "\"p\"", "threshold", "candidates", "expected"] {
            assert!(!reply.body.contains(word), "{reply:?}");
        }
    }
    let other = server.post("/v1/enroll?speaker=anna&strict=true", &desk, &["boris-1"]);
    assert_eq!(other.refusal(422), "audio");
    assert!(other.body.contains("hardly sounds like"), "{other:?}");
    assert!(!other.body.contains("LLR"), "{other:?}");
    let metrics = server.get("/metrics", &admin);
    assert!(
        metrics
            .body
            .contains("spkver_requests_total{verb=\"verify\",status=\"200\"} 3"),
        "{metrics:?}"
    );
    assert!(
        metrics
            .body
            .contains("spkver_decisions_total{verb=\"verify\",decision=\"accept\"} 2")
    );
    assert!(metrics.body.contains("spkver_request_seconds_bucket"));
}

#[test]
fn other_machines_and_web_pages_need_a_token() {
    let place = Place::new();
    place.refused("serve --listen 0.0.0.0:0", 2, "--tokens");
    let server = Server::start(&place, &[]);
    let page = "Origin: https://evil.example\r\n";
    let reply = server.post("/v1/delete?speaker=anna", page, &[]);
    assert_eq!(reply.refusal(403), "no_pages");
    let mut stream = server.connect();
    let request = "GET /v1/list HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).unwrap();
    assert_eq!(Reply::read(stream).refusal(403), "no_pages");
}

#[test]
fn the_log_has_no_names_and_no_audio() {
    let place = Place::new();
    let desk = token(&place, "desk", "enroll,verify,list");
    let server = Server::start(&place, &["--tokens", "tokens"]);
    server
        .post("/v1/enroll?speaker=Annabella", &desk, &["anna-1"])
        .answer("enroll_without_scores");
    server
        .post("/v1/verify?speaker=Annabella", &desk, &["anna-2"])
        .answer("verify_without_scores");
    server.get("/v1/list?speaker=Zacharias", &desk).refusal(404);
    let log = server.log();
    let lines = log.lines().map(|line| serde_json::from_str(line).unwrap());
    let lines: Vec<Value> = lines.collect();
    assert_eq!(lines.len(), 3, "{log}");
    let fact = |line: usize, key: &str| lines[line][key].clone();
    assert_eq!(fact(0, "verb"), "enroll");
    assert_eq!(fact(1, "decision"), "accept");
    assert_eq!(fact(1, "client"), "desk");
    assert_eq!(fact(2, "status"), 404);
    assert_eq!(fact(2, "code"), "unknown_speaker");
    for word in ["Annabella", "Zacharias", "anna-1", "Bearer", "llr"] {
        assert!(!log.contains(word), "{log}");
    }
}
