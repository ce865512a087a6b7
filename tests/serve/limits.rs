//! Requests that are too large, too slow or too many are refused.

use crate::{BOUNDARY, Reply, Server, command, names, program::Place};
use std::io::{Read, Write};

#[test]
fn a_body_that_is_too_large_is_refused_before_it_is_read() {
    let place = Place::new();
    let server = Server::start(&place, &["--max-bytes", "100000", "--timeout", "600"]);
    let kind = format!("Content-Type: multipart/form-data; boundary={BOUNDARY}\r\n");
    // It says so in the head, and nothing of it is ever sent.
    let mut stream = server.connect();
    let headers = format!("{kind}Content-Length: 1000000000\r\n");
    let head = server.head("POST", "/v1/verify?speaker=anna", &headers);
    stream.write_all(head.as_bytes()).unwrap();
    assert_eq!(Reply::read(stream).refusal(413), "too_large");
    // It does not say so, and never ends.
    let mut stream = server.connect();
    let headers = format!("{kind}Transfer-Encoding: chunked\r\n");
    let head = server.head("POST", "/v1/verify?speaker=anna", &headers);
    let part = format!(
        "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"recording\"\r\n\r\n{}",
        "x".repeat(60_000)
    );
    let chunk = format!("{:x}\r\n{part}\r\n", part.len());
    let _ = stream.write_all((head + &chunk + &chunk).as_bytes());
    assert_eq!(Reply::read(stream).refusal(413), "too_large");
    assert_eq!(server.get("/health", "").status, 200);
}

#[test]
fn half_a_request_ends_with_408_or_without_a_trace() {
    let place = Place::new();
    let server = Server::start(&place, &["--timeout", "1"]);
    let request = server.request("/v1/enroll?speaker=anna", "", &["anna-1"]);
    // The client goes on waiting.
    let mut stream = server.connect();
    stream.write_all(&request[..request.len() / 2]).unwrap();
    assert_eq!(Reply::read(stream).refusal(408), "timeout");
    // The client hangs up.
    for length in [10, 100, request.len() / 2, request.len() - 1] {
        server.connect().write_all(&request[..length]).unwrap();
    }
    // The client does not even send a head: the connection is closed.
    let mut stream = server.connect();
    stream.write_all(&request[..20]).unwrap();
    let mut rest = vec![];
    let _ = stream.read_to_end(&mut rest);
    assert!(!rest.starts_with(b"HTTP/1.1 200"));
    assert_eq!(server.get("/health", "").status, 200);
    assert_eq!(names(&command(&place, "list")), [].into());
}

#[test]
fn too_many_requests_at_once_are_told_to_come_back() {
    let place = Place::new();
    let server = Server::start(&place, &["--max-requests", "1", "--timeout", "600"]);
    let request = server.request("/v1/enroll?speaker=anna", "", &["anna-1"]);
    let (first, rest) = request.split_at(request.len() / 2);
    let mut stream = server.connect();
    stream.write_all(first).unwrap();
    // The first one has a place as soon as its head is read.
    let busy = loop {
        let reply = server.get("/v1/list", "");
        if reply.status != 200 {
            break reply;
        }
    };
    assert_eq!(busy.refusal(503), "busy");
    assert!(busy.head.contains("retry-after: 1"), "{busy:?}");
    assert_eq!(server.get("/health", "").status, 200);
    stream.write_all(rest).unwrap();
    Reply::read(stream).answer("enroll");
    server.get("/v1/list", "").answer("list");

    let server = Server::start(&place, &["--max-held-bytes", "10000"]);
    let full = server.post("/v1/verify?speaker=anna", "", &["anna-1"]);
    assert_eq!(full.refusal(503), "busy");
}

#[test]
fn after_too_many_tries_in_vain_nobody_may_try_for_a_while() {
    let place = Place::new();
    let server = Server::start(&place, &["--max-tries", "2"]);
    for name in ["anna", "boris"] {
        let route = format!("/v1/enroll?speaker={name}");
        let recordings = [format!("{name}-1"), format!("{name}-2")];
        let recordings = recordings.each_ref().map(|name| name.as_str());
        server.post(&route, "", &recordings).answer("enroll");
    }
    let verify = |name: &str, recording: &str| {
        let route = format!("/v1/verify?speaker={name}");
        server.post(&route, "", &[recording])
    };
    for _ in 0..5 {
        assert_eq!(
            verify("anna", "anna-3").answer("verify")["decision"],
            "accept"
        );
    }
    for _ in 0..2 {
        assert_eq!(
            verify("anna", "david-1").answer("verify")["decision"],
            "reject"
        );
    }
    for recording in ["david-1", "anna-3"] {
        let reply = verify("anna", recording);
        assert_eq!(reply.refusal(429), "too_many_tries");
        let wait = reply
            .head
            .lines()
            .find_map(|l| l.strip_prefix("retry-after: "));
        let wait: u32 = wait.unwrap().parse().unwrap();
        assert!((1..=1800).contains(&wait), "{wait}");
    }
    // To add a recording would be another way to try.
    let enroll = server.post("/v1/enroll?speaker=anna", "", &["david-1"]);
    assert_eq!(enroll.refusal(429), "too_many_tries");
    assert_eq!(
        verify("boris", "boris-3").answer("verify")["decision"],
        "accept"
    );

    let server = Server::start(&place, &["--max-client-tries", "3"]);
    for name in ["x", "y", "z"] {
        let route = format!("/v1/verify?speaker={name}");
        let reply = server.post(&route, "", &["anna-3"]);
        assert_eq!(reply.refusal(404), "unknown_speaker");
    }
    let reply = server.post("/v1/identify", "", &["anna-3"]);
    assert_eq!(reply.refusal(429), "too_many_tries");
}
