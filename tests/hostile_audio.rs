//! Recordings that are truncated, come through pipes, or never end.
#![cfg(unix)]

mod program;

use program::{Answer, Place, voice};
use std::{
    fs::{self, File},
    io::Write,
    path::PathBuf,
    process::{Command, Stdio},
};

impl Place {
    fn hear(&self, line: &str, stdin: impl Into<Stdio>) -> Answer {
        Answer::of(self.command(line.split(' ')).stdin(stdin))
    }

    fn fifo(&self) -> PathBuf {
        let fifo = self.path("fifo");
        let made = Command::new("mkfifo").arg(&fifo).status();
        assert!(made.unwrap().success());
        fifo
    }
}

#[test]
fn a_recording_that_is_cut_off_is_not_enrolled_unless_told() {
    let place = Place::new();
    let whole = fs::read(voice("anna-1")).unwrap();
    place.write("cut.wav", &whole[..whole.len() * 3 / 4]);
    let refused = place.say("enroll anna cut.wav");
    refused.refused(3, "cut.wav: is cut off: the header promises");
    refused.warns("--allow-truncated");
    let listed = place.say("list");
    assert!(!listed.stdout.contains("anna"));

    let told = place.done("enroll anna --allow-truncated cut.wav");
    told.warns("cut.wav: the header promises");
    let verified = place.done("verify anna --threshold -1e9 cut.wav");
    verified.warns("cut.wav: the header promises");
}

#[test]
fn a_recording_with_more_audio_than_its_header_says_is_not_enrolled_unless_told() {
    let place = Place::new();
    let mut stale = fs::read(voice("anna-1")).unwrap();
    let half = (stale.len() as u32 - 44) / 4 * 2;
    stale[40..44].copy_from_slice(&half.to_le_bytes());
    place.write("stale.wav", stale);
    place.refused("enroll anna stale.wav", 3, "more lie behind them");
    place.done("enroll anna --allow-truncated stale.wav");
}

#[test]
fn samples_without_a_header_score_as_the_wav_they_come_from() {
    let place = Place::new();
    place.done("enroll anna @anna-1");
    let wav = place.say("verify anna --threshold -1e9 @anna-2");
    let samples = &fs::read(voice("anna-2")).unwrap()[44..];
    place.write("anna-2.raw", samples);
    let refused = place.say("verify anna anna-2.raw");
    assert_eq!(refused.code, 3, "{}", refused.stderr);
    let told = place.done("verify anna --threshold -1e9 --raw s16le:16000:1 anna-2.raw");
    assert_eq!(told.stdout, wav.stdout);
    let wrong = "verify anna --raw s17le:16000:1 anna-2.raw";
    place.refused(wrong, 2, "\"s17le\" is not an encoding");
}

#[test]
fn a_recording_may_come_through_a_pipe() {
    let place = Place::new();
    place.done("enroll anna @anna-1");
    let line = "verify anna --threshold -1e9 -";
    let file = place.say("verify anna --threshold -1e9 @anna-2");
    let piped = place.hear(line, File::open(voice("anna-2")).unwrap());
    assert_eq!(piped.code, 0, "{}", piped.stderr);
    assert_eq!(piped.stdout, file.stdout);

    let (reader, mut writer) = std::io::pipe().unwrap();
    let bytes = fs::read(voice("anna-2")).unwrap();
    let writing = std::thread::spawn(move || writer.write_all(&bytes));
    let piped = place.hear(line, reader);
    writing.join().unwrap().unwrap();
    assert_eq!(piped.stdout, file.stdout);

    let fifo = place.fifo();
    let from = voice("anna-2");
    let to = fifo.clone();
    let writing = std::thread::spawn(move || fs::copy(from, to));
    let named = place.say("verify anna --threshold -1e9 fifo");
    drop(writing);
    assert_eq!(named.stdout, file.stdout, "{}", named.stderr);
}

#[test]
fn what_does_not_end_is_not_waited_for() {
    let place = Place::new();
    place.refused("embed -", 3, "standard input: is empty");

    let zeros = File::open("/dev/zero").unwrap();
    let endless = place.hear("embed - --max-bytes 1000000", zeros);
    endless.refused(3, "larger than 1000000 bytes");

    for device in ["/dev/zero", "/dev/null", "/dev/tty"] {
        let refused = place.say(&format!("embed {device}"));
        assert_eq!(refused.code, 3, "{}", refused.stderr);
    }
    let socket = place.path("socket");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let refused = place.say("embed socket");
    refused.warns("socket: is a device or a socket");
}

#[test]
#[ignore = "waits 10 s"]
fn a_pipe_that_nobody_writes_to_is_given_up() {
    let place = Place::new();
    place.fifo();
    place.refused("embed fifo", 3, "delivered nothing within 10 s");
}
