//! A server that is killed or asked to stop loses nothing that it acknowledged.

use crate::{PAUSE, Reply, Server, command, names, program::Place};
use std::{
    collections::BTreeSet,
    io::{Read, Write},
    net::TcpStream,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

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
