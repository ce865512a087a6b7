//! The service as its clients and its operator meet it: a real server on a free port.

#![cfg(all(unix, feature = "serve"))]

mod program;
mod schema;

use program::{Answer, Place, voice};
use schema::Schema;
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::Duration,
};
use tungstenite::{Message, client::IntoClientRequest, http::HeaderName};

/// A running server; it is killed when dropped.
struct Server {
    child: Child,
    address: String,
    log: PathBuf,
}

/// What the server answered.
#[derive(Debug)]
struct Reply {
    status: u16,
    head: String,
    body: String,
}

const STORE: &str = "store.sqlite";
/// Between two looks at what does not tell when it is ready.
const PAUSE: Duration = Duration::from_millis(5);
const BOUNDARY: &str = "a-boundary-that-no-recording-has";

impl Server {
    fn start(place: &Place, args: &[&str]) -> Self {
        let fixed = [
            "--store",
            STORE,
            "--json",
            "serve",
            "--listen",
            "127.0.0.1:0",
        ];
        let log = place.path("log");
        let mut child = place
            .command(fixed.iter().chain(args))
            .stdout(Stdio::piped())
            .stderr(File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        stdout.read_line(&mut line).unwrap();
        let log_text = || fs::read_to_string(&log).unwrap();
        let json: Value =
            serde_json::from_str(&line).unwrap_or_else(|e| panic!("{e}: {line:?} {}", log_text()));
        Schema::read("docs/schema.json", &["$defs"]).holds("serve", &json);
        Server {
            child,
            address: json["address"].as_str().unwrap().to_string(),
            log,
        }
    }

    fn connect(&self) -> TcpStream {
        TcpStream::connect(&self.address).unwrap()
    }

    /// The head of a request, with the headers that it gives as they are.
    fn head(&self, method: &str, route: &str, headers: &str) -> String {
        let host = &self.address;
        format!("{method} {route} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{headers}\r\n")
    }

    fn get(&self, route: &str, headers: &str) -> Reply {
        let mut stream = self.connect();
        stream
            .write_all(self.head("GET", route, headers).as_bytes())
            .unwrap();
        Reply::read(stream)
    }

    fn post(&self, route: &str, headers: &str, recordings: &[&str]) -> Reply {
        let mut stream = self.connect();
        // A server that has read enough to refuse it does not read the rest.
        let _ = stream.write_all(&self.request(route, headers, recordings));
        Reply::read(stream)
    }

    /// A whole request with recordings of `fixtures/voices`.
    fn request(&self, route: &str, headers: &str, recordings: &[&str]) -> Vec<u8> {
        let mut body = vec![];
        for name in recordings {
            let part = format!(
                "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"recording\"; \
                 filename=\"{name}.wav\"\r\nContent-Type: audio/wav\r\n\r\n"
            );
            body.extend(part.as_bytes());
            body.extend(fs::read(voice(name)).unwrap());
            body.extend(b"\r\n");
        }
        body.extend(format!("--{BOUNDARY}--\r\n").as_bytes());
        let headers = format!(
            "{headers}Content-Type: multipart/form-data; boundary={BOUNDARY}\r\n\
             Content-Length: {}\r\n",
            body.len()
        );
        let head = self.head("POST", route, &headers);
        [head.as_bytes(), &body].concat()
    }

    fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args([name, &id]).status().unwrap();
        assert!(sent.success());
    }

    /// Waits for the end of the process; its exit code and its log.
    fn ended(mut self) -> (Option<i32>, String) {
        let code = self.child.wait().unwrap().code();
        (code, fs::read_to_string(&self.log).unwrap())
    }

    fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Reply {
    fn read(mut stream: TcpStream) -> Self {
        let mut bytes = vec![];
        // A server that refuses a body does not read it, and the connection is reset in the end.
        let mut chunk = [0; 4096];
        while let Ok(count @ 1..) = stream.read(&mut chunk) {
            bytes.extend(&chunk[..count]);
        }
        let text = String::from_utf8(bytes).unwrap();
        let (head, body) = text
            .split_once("\r\n\r\n")
            .unwrap_or_else(|| panic!("no answer: {text:?}"));
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Reply {
            status,
            head: head.to_lowercase(),
            body: body.to_string(),
        }
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }

    /// The answer, as the description says it is.
    #[track_caller]
    fn answer(&self, definition: &str) -> Value {
        assert_eq!(self.status, 200, "{self:?}");
        let json = self.json();
        openapi().holds(definition, &json);
        json
    }

    /// The code of a refusal.
    #[track_caller]
    fn refusal(&self, status: u16) -> String {
        assert_eq!(self.status, status, "{self:?}");
        let json = self.json();
        openapi().holds("refusal", &json);
        json["code"].as_str().unwrap().to_string()
    }
}

fn openapi() -> Schema {
    Schema::read("docs/openapi.json", &["components", "schemas"])
}

/// The command line on the store of the server.
fn command(place: &Place, line: &str) -> Value {
    let args = ["--store", STORE, "--json"];
    let answer = Answer::of(&mut place.command(args.into_iter().chain(line.split(' '))));
    serde_json::from_str(&answer.stdout).unwrap_or_else(|e| panic!("{e}: {}", answer.stderr))
}

fn names(listing: &Value) -> BTreeSet<String> {
    assert_eq!(listing["damaged"], json!([]), "{listing}");
    let speakers = listing["speakers"].as_array().unwrap().iter();
    speakers
        .map(|s| s["name"].as_str().unwrap().to_string())
        .collect()
}

/// Makes a token; the header that it is sent in.
fn token(place: &Place, name: &str, rights: &str) -> String {
    let line = format!("serve --tokens tokens --new-token {name} --rights {rights}");
    let json = command(place, &line);
    format!(
        "Authorization: Bearer {}\r\n",
        json["token"].as_str().unwrap()
    )
}

#[test]
fn every_verb_answers_as_the_command_line_does() {
    let place = Place::new();
    for name in ["anna-3", "david-1"] {
        fs::copy(voice(name), place.path(format!("{name}.wav"))).unwrap();
    }
    let server = Server::start(&place, &["--max-tries", "0"]);
    let none = server.post("/v1/identify", "", &["anna-3"]);
    assert_eq!(none.refusal(404), "nobody_enrolled");
    let empty = server.get("/v1/list", "").answer("list");
    assert_eq!(empty["speakers"], json!([]));
    assert!(!place.path(STORE).exists(), "reading creates no store");

    let enrolled = server.post("/v1/enroll?speaker=anna", "", &["anna-1", "anna-2"]);
    let enrolled = enrolled.answer("enroll");
    assert_eq!(enrolled["num_utterances"], 2);
    assert_eq!(enrolled["store"], STORE);
    let again = server.post("/v1/enroll?speaker=anna", "", &["anna-1"]);
    assert_eq!(
        again.answer("enroll")["findings"][0]["code"],
        "already-enrolled"
    );
    server
        .post("/v1/enroll?speaker=Zo%C3%AB+B", "", &["boris-1"])
        .answer("enroll");

    let verified = server.post("/v1/verify?speaker=anna", "", &["anna-3"]);
    let verified = verified.answer("verify");
    assert_eq!(verified["decision"], "accept");
    assert_eq!(verified, command(&place, "verify anna anna-3.wav"));
    let rejected = server.post("/v1/verify?speaker=anna", "", &["david-1"]);
    assert_eq!(
        rejected.answer("verify"),
        command(&place, "verify anna david-1.wav")
    );
    let identified = server.post("/v1/identify?top=2", "", &["anna-3"]);
    let identified = identified.answer("identify");
    assert_eq!(identified["results"][0]["speaker"], "anna");
    assert_eq!(identified, command(&place, "identify --top 2 anna-3.wav"));
    let compared = server.post("/v1/compare", "", &["anna-3", "david-1"]);
    assert_eq!(
        compared.answer("compare"),
        command(&place, "compare anna-3.wav david-1.wav")
    );
    let silent = server.post("/v1/verify?speaker=anna", "", &["silence"]);
    assert_eq!(silent.answer("verify")["reason"], "silence");
    let silent = server.post("/v1/identify", "", &["silence"]);
    assert_eq!(silent.answer("identify")["results"][0]["reason"], "silence");

    let listed = server.get("/v1/list", "").answer("list");
    assert_eq!(listed, command(&place, "list"));
    let listed = server.get("/v1/list?speaker=anna", "").answer("list");
    assert_eq!(listed, command(&place, "list anna"));
    let removed = server.post("/v1/delete?speaker=anna&recording=1", "", &[]);
    assert_eq!(removed.answer("remove")["num_utterances"], 1);
    let removed = server.post("/v1/delete?speaker=anna", "", &[]);
    assert_eq!(removed.answer("remove")["num_utterances"], 0);
    let gone = server.post("/v1/verify?speaker=anna", "", &["anna-3"]);
    assert_eq!(gone.refusal(404), "unknown_speaker");
    assert_eq!(
        names(&command(&place, "list")),
        ["Zoë B".to_string()].into()
    );
}

#[test]
fn what_cannot_be_answered_is_refused_with_a_code() {
    let place = Place::new();
    let server = Server::start(&place, &["--max-tries", "0", "--max-seconds", "2"]);
    let post = |route: &str, recordings: &[&str]| server.post(route, "", recordings);
    assert_eq!(post("/v1/enroll", &["anna-1"]).refusal(400), "request");
    assert_eq!(
        post("/v1/enroll?speaker=a%00b", &["anna-1"]).refusal(400),
        "usage"
    );
    assert_eq!(
        post("/v1/enroll?speaker=a&far=1", &["anna-1"]).refusal(400),
        "request"
    );
    assert_eq!(post("/v1/enroll?speaker=anna", &[]).refusal(400), "request");
    assert_eq!(
        post("/v1/enroll?speaker=anna", &["silence"]).refusal(422),
        "audio"
    );
    let long = post("/v1/enroll?speaker=anna", &["anna-1"]);
    assert_eq!(long.refusal(422), "audio");
    assert!(long.body.contains("anna-1.wav"), "{long:?}");
    assert_eq!(
        post("/v1/verify?speaker=x", &["anna-1"]).refusal(404),
        "unknown_speaker"
    );
    assert_eq!(post("/v1/compare", &["anna-1"]).refusal(400), "request");
    assert_eq!(
        post("/v1/compare", &["anna-1", "anna-1", "anna-1"]).refusal(400),
        "request"
    );
    assert_eq!(
        post("/v1/delete?speaker=x&recording=0", &[]).refusal(400),
        "request"
    );
    assert_eq!(
        post("/v1/delete?speaker=x", &[]).refusal(404),
        "unknown_speaker"
    );
    assert_eq!(post("/v1/list", &[]).refusal(405), "method");
    assert_eq!(post("/v2/list", &[]).refusal(404), "no_route");
    // Its own length fits, its content does not.
    let body = "no multipart at all";
    let headers = format!(
        "Content-Type: multipart/form-data; boundary={BOUNDARY}\r\nContent-Length: {}\r\n",
        body.len()
    );
    let mut stream = server.connect();
    let head = server.head("POST", "/v1/compare", &headers);
    stream.write_all((head + body).as_bytes()).unwrap();
    assert_eq!(Reply::read(stream).refusal(400), "request");
    assert!(!place.path(STORE).exists(), "nothing was enrolled");
}

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
    let answer = Answer::of(&mut place.command(["serve", "--listen", "0.0.0.0:0"]));
    assert_eq!(answer.code, 2);
    assert!(answer.stderr.contains("--tokens"), "{}", answer.stderr);
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

#[test]
fn what_was_acknowledged_before_kill_9_is_there() {
    let place = Place::new();
    let server = Server::start(&place, &["--max-tries", "0"]);
    // Clients that enroll as fast as they can, until the server is gone.
    let number = AtomicUsize::new(0);
    let acknowledged = thread::scope(|scope| {
        let clients: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    let mut acknowledged = vec![];
                    loop {
                        let name = format!("s{}", number.fetch_add(1, Ordering::Relaxed));
                        let route = format!("/v1/enroll?speaker={name}");
                        let request = server.request(&route, "", &["anna-1"]);
                        let Ok(mut stream) = TcpStream::connect(&server.address) else {
                            return acknowledged;
                        };
                        let mut reply = vec![];
                        let _ = stream.write_all(&request);
                        let _ = stream.read_to_end(&mut reply);
                        if !reply.starts_with(b"HTTP/1.1 200") {
                            return acknowledged;
                        }
                        acknowledged.push(name);
                    }
                })
            })
            .collect();
        while number.load(Ordering::Relaxed) < 20 {
            thread::sleep(PAUSE);
        }
        server.signal("-KILL");
        let lists = clients.into_iter().map(|client| client.join().unwrap());
        lists.flatten().collect::<BTreeSet<String>>()
    });
    assert!(acknowledged.len() >= 16, "{acknowledged:?}");
    let there = names(&command(&place, "list"));
    assert!(
        there.is_superset(&acknowledged),
        "{there:?} {acknowledged:?}"
    );
    let server = Server::start(&place, &["--max-tries", "0"]);
    assert_eq!(names(&server.get("/v1/list", "").answer("list")), there);
}

#[test]
fn a_server_that_is_asked_to_stop_finishes_what_runs() {
    for signal in ["-TERM", "-INT"] {
        let place = Place::new();
        let server = Server::start(&place, &["--timeout", "600"]);
        let request = server.request("/v1/enroll?speaker=anna", "", &["anna-1", "anna-2"]);
        let (first, rest) = request.split_at(request.len() / 2);
        let mut stream = server.connect();
        stream.write_all(first).unwrap();
        // Once a later request is answered, the first one is in progress.
        assert_eq!(server.get("/health", "").status, 200);
        server.signal(signal);
        while TcpStream::connect(&server.address).is_ok() {
            thread::sleep(PAUSE);
        }
        stream.write_all(rest).unwrap();
        let enrolled = Reply::read(stream).answer("enroll");
        assert_eq!(enrolled["num_utterances"], 2);
        let (code, log) = server.ended();
        assert_eq!(code, Some(0), "{log}");
        assert!(log.contains("\"all_answered\":true"), "{log}");
        assert_eq!(names(&command(&place, "list")), ["anna".to_string()].into());
    }
}

#[test]
fn the_command_line_uses_the_store_at_the_same_time() {
    let place = Place::new();
    fs::copy(voice("boris-1"), place.path("boris-1.wav")).unwrap();
    let server = Server::start(&place, &[]);
    assert_eq!(names(&server.get("/v1/list", "").answer("list")), [].into());
    let enrolled = command(&place, "enroll boris boris-1.wav");
    assert_eq!(enrolled["num_added"], 1);
    server
        .post("/v1/verify?speaker=boris", "", &["boris-2"])
        .answer("verify");
    server
        .post("/v1/enroll?speaker=anna", "", &["anna-1"])
        .answer("enroll");
    let both = ["anna".to_string(), "boris".to_string()];
    assert_eq!(names(&command(&place, "list")), both.into());
    command(&place, "remove boris");
    let gone = server.post("/v1/verify?speaker=boris", "", &["boris-2"]);
    assert_eq!(gone.refusal(404), "unknown_speaker");
    // A key that changes under way.
    fs::write(place.path("key"), "11".repeat(32)).unwrap();
    command(&place, "store encrypt --key-file key");
    let locked = server.post("/v1/verify?speaker=anna", "", &["anna-2"]);
    assert_eq!(locked.status, 500, "{locked:?}");
    assert!(!locked.body.contains(STORE), "{locked:?}");
    let server = Server::start(&place, &["--key-file", "key"]);
    let verified = server.post("/v1/verify?speaker=anna", "", &["anna-2"]);
    assert_eq!(verified.answer("verify")["decision"], "accept");
    // Another store in its place: nobody of the old one is let in.
    fs::remove_file(place.path(STORE)).unwrap();
    let gone = server.post("/v1/verify?speaker=anna", "", &["anna-2"]);
    assert_eq!(gone.refusal(404), "unknown_speaker");
}

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

#[test]
fn the_description_has_every_route_and_says_what_the_command_line_says() {
    let place = Place::new();
    let server = Server::start(&place, &[]);
    let described = openapi();
    let paths: BTreeSet<String> = described.whole["paths"]
        .as_object()
        .unwrap()
        .keys()
        .cloned()
        .collect();
    let verbs = spkver::serve::Verb::ALL.map(|verb| verb.path());
    let open = spkver::serve::OPEN_PATHS.map(str::to_string);
    assert_eq!(paths, verbs.into_iter().chain(open).collect());
    assert_eq!(server.get("/openapi.json", "").json(), described.whole);
    server.get("/health", "").answer("health");
    // Each with the method that the description gives.
    for path in &paths {
        let operations = described.whole["paths"][path].as_object().unwrap();
        for method in operations.keys() {
            let reply = match method.as_str() {
                "get" => server.get(path, ""),
                _ => server.post(path, "", &[]),
            };
            assert!(
                ![404, 405].contains(&reply.status),
                "{method} {path}: {reply:?}"
            );
        }
    }
    let schema = Schema::read("docs/schema.json", &["$defs"]);
    let schemas = described.whole["components"]["schemas"]
        .as_object()
        .unwrap();
    let moved = |value: &Value| -> Value {
        let text = value.to_string();
        serde_json::from_str(&text.replace("#/$defs/", "#/components/schemas/")).unwrap()
    };
    for (name, described) in schemas {
        let own = ["refusal", "health", "stream_state"];
        if own.contains(&name.as_str()) || name.ends_with("_without_scores") {
            continue;
        }
        let said = match name.as_str() {
            // Of one recording.
            "verify" => &schema.definition(name)["anyOf"][0],
            name => schema.definition(name),
        };
        assert_eq!(
            *described,
            moved(said),
            "{name}: not as in docs/schema.json"
        );
    }
}
