//! A run that was killed goes on with `--resume` and writes the same bytes.

use crate::{
    all_pairs, many_recordings, place,
    program::{has, words},
};
use std::{
    fs,
    io::Write,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

#[test]
fn an_earlier_run_is_not_thrown_away_by_mistake() {
    let place = place();
    all_pairs(&place);
    // What a killed run leaves.
    place.write("out.txt.state", "");
    place.refused("score trials -o out.txt", 2, "go on with --resume");
    place.done("score trials -o out.txt --resume");
    assert!(place.is_tidy());
}

/// Waits until something is noted, then kills without warning.
fn kill_in_the_middle(mut run: Child, state: &Path) -> bool {
    loop {
        if run.try_wait().unwrap().is_some() {
            return false;
        }
        let mut log = state.as_os_str().to_os_string();
        log.push("-wal");
        let noted = fs::metadata(&log).map_or(0, |facts| facts.len());
        if noted > 200_000 {
            run.kill().unwrap();
            run.wait().unwrap();
            return true;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_killed_run_goes_on_and_ends_with_the_same_bytes() {
    let place = place();
    many_recordings(&place, 6000);
    for (command, out) in [
        ("score trials", "s.txt"),
        ("score trials", "s.parquet"),
        ("embed many", "e.npz"),
        ("embed many", "e.jsonl"),
    ] {
        let whole = format!("whole-{out}");
        place.done(&format!("{command} -o {whole}"));
        let expected = fs::read(place.path(&whole)).unwrap();
        let run = place
            .command(words(&format!("{command} -o {out}")))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let killed = kill_in_the_middle(run, &place.path(format!("{out}.state")));
        if killed {
            assert!(
                !place.path(out).exists(),
                "a part under the name of the whole"
            );
            let answer = place.done(&format!("{command} -o {out} --resume"));
            answer.warns("continuing after ");
        } else {
            println!("SKIPPED: {out} was complete before it could be killed");
        }
        assert_eq!(fs::read(place.path(out)).unwrap(), expected, "{out}");
    }
    assert!(place.is_tidy());
    let rows = place.read("s.txt");
    assert_eq!(rows.lines().count(), 6000);
    for (i, row) in rows.lines().enumerate() {
        assert!(row.starts_with(&format!("many/{i:05}.wav ")), "{row}");
    }
}

#[test]
fn a_run_that_is_killed_among_the_rows_loses_and_doubles_none() {
    let place = place();
    all_pairs(&place);
    let list = place.read("trials").repeat(20_000);
    place.write("trials", list);
    for format in ["txt", "parquet"] {
        place.say(&format!("score trials -o whole.{format}"));
        let out = format!("out.{format}");
        let partial = place.path(format!("{out}.partial"));
        let mut run = place
            .command(words(&format!("score trials -o {out}")))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let length = || fs::metadata(&partial).map_or(0, |facts| facts.len());
        while length() < 50_000 && run.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_millis(1));
        }
        run.kill().unwrap();
        run.wait().unwrap();
        if partial.exists() {
            // A torn row behind what was noted.
            let mut file = fs::OpenOptions::new().append(true).open(&partial).unwrap();
            file.write_all(b"anna-1.wav anna-").unwrap();
            place.done(&format!("score trials -o {out} --resume"));
        } else {
            println!("SKIPPED: complete before it could be killed");
        }
        let [whole, out] = [format!("whole.{format}"), out].map(|n| fs::read(place.path(&n)));
        assert!(whole.unwrap() == out.unwrap(), "{format}");
    }
    assert!(place.is_tidy());
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_a_run_that_can_go_on() {
    let place = place();
    many_recordings(&place, 6000);
    place.say("score trials -o whole.txt");
    let mut run = place
        .command(words("score trials -o out.txt"))
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let state = place.path("out.txt.state");
    while !state.exists() && run.try_wait().unwrap().is_none() {
        std::thread::sleep(Duration::from_millis(2));
    }
    Command::new("kill")
        .args(["-INT", &run.id().to_string()])
        .status()
        .unwrap();
    let output = run.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(130), "{text}");
    has(&text, "with --resume goes on");
    place.done("score trials -o out.txt --resume");
    assert_eq!(place.read("out.txt"), place.read("whole.txt"));
}

#[test]
fn another_job_does_not_go_on() {
    let place = place();
    many_recordings(&place, 6000);
    let run = place
        .command(words("score trials -o out.txt"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    if !kill_in_the_middle(run, &place.path("out.txt.state")) {
        println!("SKIPPED: complete before it could be killed");
        return;
    }
    place.write("trials", "anna-1.wav anna-2.wav\n");
    place.refused(
        "score trials -o out.txt --resume",
        2,
        "another list, model or flags",
    );
}
