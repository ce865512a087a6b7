//! Each route answers as the command line does, and as its description says.

use crate::{
    BOUNDARY, Reply, STORE, Server, command, names, openapi, program::Place, schema::Schema,
};
use serde_json::{Value, json};
use std::{collections::BTreeSet, fs, io::Write};

#[test]
fn every_verb_answers_as_the_command_line_does() {
    let place = Place::new();
    for name in ["anna-3", "david-1"] {
        place.copy(name, format!("{name}.wav"));
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
    let finding = &again.answer("enroll")["findings"][0];
    assert_eq!(finding["code"], "already-enrolled");
    let enrolled = server.post("/v1/enroll?speaker=Zo%C3%AB+B", "", &["boris-1"]);
    enrolled.answer("enroll");

    let verified = server.post("/v1/verify?speaker=anna", "", &["anna-3"]);
    let verified = verified.answer("verify");
    assert_eq!(verified["decision"], "accept");
    assert_eq!(verified, command(&place, "verify anna anna-3.wav"));
    let rejected = server.post("/v1/verify?speaker=anna", "", &["david-1"]);
    let of_command = command(&place, "verify anna david-1.wav");
    assert_eq!(rejected.answer("verify"), of_command);
    let identified = server.post("/v1/identify?top=2", "", &["anna-3"]);
    let identified = identified.answer("identify");
    assert_eq!(identified["results"][0]["speaker"], "anna");
    assert_eq!(identified, command(&place, "identify --top 2 anna-3.wav"));
    let compared = server.post("/v1/compare", "", &["anna-3", "david-1"]);
    let of_command = command(&place, "compare anna-3.wav david-1.wav");
    assert_eq!(compared.answer("compare"), of_command);
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
    let left = names(&command(&place, "list"));
    assert_eq!(left, ["Zoë B".to_string()].into());
}

/// Requests that are refused. Each line has the status and the code of the answer, the route, and the
/// recordings that are sent.
const REFUSED: &str = "
400 request /v1/enroll anna-1
400 usage /v1/enroll?speaker=a%00b anna-1
400 request /v1/enroll?speaker=a&far=1 anna-1
400 request /v1/enroll?speaker=anna
422 audio /v1/enroll?speaker=anna silence
404 unknown_speaker /v1/verify?speaker=x anna-1
400 request /v1/compare anna-1
400 request /v1/compare anna-1 anna-1 anna-1
400 request /v1/delete?speaker=x&recording=0
404 unknown_speaker /v1/delete?speaker=x
405 method /v1/list
404 no_route /v2/list
";

#[test]
fn what_cannot_be_answered_is_refused_with_a_code() {
    let place = Place::new();
    let server = Server::start(&place, &["--max-tries", "0", "--max-seconds", "2"]);
    let long = server.post("/v1/enroll?speaker=anna", "", &["anna-1"]);
    assert_eq!(long.refusal(422), "audio");
    assert!(long.body.contains("anna-1.wav"), "{long:?}");
    for line in REFUSED.trim().lines() {
        println!("{line}"); // shown if it is not refused
        let words: Vec<&str> = line.split(' ').collect();
        let [status, code, route, ref recordings @ ..] = words[..] else {
            panic!("{line}");
        };
        let reply = server.post(route, "", recordings);
        assert_eq!(reply.refusal(status.parse().unwrap()), code);
    }
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
fn the_command_line_uses_the_store_at_the_same_time() {
    let place = Place::new();
    place.copy("boris-1", "boris-1.wav");
    let server = Server::start(&place, &[]);
    assert_eq!(names(&server.get("/v1/list", "").answer("list")), [].into());
    let enrolled = command(&place, "enroll boris boris-1.wav");
    assert_eq!(enrolled["num_added"], 1);
    let verified = server.post("/v1/verify?speaker=boris", "", &["boris-2"]);
    verified.answer("verify");
    let enrolled = server.post("/v1/enroll?speaker=anna", "", &["anna-1"]);
    enrolled.answer("enroll");
    let both = ["anna".to_string(), "boris".to_string()];
    assert_eq!(names(&command(&place, "list")), both.into());
    command(&place, "remove boris");
    let gone = server.post("/v1/verify?speaker=boris", "", &["boris-2"]);
    assert_eq!(gone.refusal(404), "unknown_speaker");
    // A key that changes under way.
    place.write("key", "11".repeat(32));
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

#[test]
fn the_description_has_every_route_and_says_what_the_command_line_says() {
    let place = Place::new();
    let server = Server::start(&place, &[]);
    let described = openapi();
    let routes = described.whole["paths"].as_object().unwrap();
    let paths: BTreeSet<String> = routes.keys().cloned().collect();
    let verbs = spkver::serve::Verb::ALL.map(|verb| verb.path());
    let open = spkver::serve::OPEN_PATHS.map(str::to_string);
    assert_eq!(paths, verbs.into_iter().chain(open).collect());
    assert_eq!(server.get("/openapi.json", "").json(), described.whole);
    server.get("/health", "").answer("health");
    // Each with the method that the description gives.
    for (path, operations) in routes {
        for method in operations.as_object().unwrap().keys() {
            let reply = match method.as_str() {
                "get" => server.get(path, ""),
                _ => server.post(path, "", &[]),
            };
            let is_there = ![404, 405].contains(&reply.status);
            assert!(is_there, "{method} {path}: {reply:?}");
        }
    }
    let schema = Schema::read("docs/schema.json", &["$defs"]);
    let schemas = &described.whole["components"]["schemas"];
    let moved = |value: &Value| -> Value {
        let text = value.to_string();
        serde_json::from_str(&text.replace("#/$defs/", "#/components/schemas/")).unwrap()
    };
    for (name, described) in schemas.as_object().unwrap() {
        let own = ["refusal", "health", "stream_state"];
        if own.contains(&name.as_str()) || name.ends_with("_without_scores") {
            continue;
        }
        let said = match name.as_str() {
            // Of one recording.
            "verify" => &schema.definition(name)["anyOf"][0],
            name => schema.definition(name),
        };
        let said = moved(said);
        assert_eq!(*described, said, "{name}: not as in docs/schema.json");
    }
}
