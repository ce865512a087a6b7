//! The service as its clients and its operator meet it: a real server on a free port.

#![cfg(all(unix, feature = "serve"))]

mod access;
mod answers;
mod limits;
#[path = "../program/mod.rs"]
mod program;
#[path = "../schema/mod.rs"]
mod schema;
mod shutdown;
mod stream;

use program::{Place, voice};
use schema::Schema;
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

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
    place.json(&format!("--store {STORE} {line}"))
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
