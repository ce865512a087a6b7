//! Listening: a recording that is heard while it is being made, in the library and on standard input.

mod program;

use program::{Answer, Place, voice};
use serde_json::Value;
use spkver::{
    Decision, Listener, Recording, SpeakerName, Utterance, Verifier, Voiceprint,
    audio::{self, resample},
    scoring::{MeasuredPoint, MeasuredRates, Rate, SequentialTest},
    storage::model,
};
use std::{
    io::Write,
    path::{Path, PathBuf},
    process::{ChildStdin, Stdio},
    sync::Arc,
};

/// Error rates with which a test accepts from `accept` up and rejects below `reject`, at 1 % each.
fn rates(accept: f64, reject: f64) -> MeasuredRates {
    let rate = |rate: f64| Rate {
        rate,
        low: rate,
        high: rate,
    };
    let point = |threshold, false_accept, false_reject| MeasuredPoint {
        threshold,
        false_accept: rate(false_accept),
        false_reject: rate(false_reject),
    };
    MeasuredRates {
        targets: 1000,
        nontargets: 1000,
        speakers: 20,
        lists: 1,
        blake3: String::new(),
        points: vec![point(reject, 0.5, 0.01), point(accept, 0.01, 0.5)],
        by_kind: [].into(),
    }
}

fn voiceprint(verifier: &Verifier, file: &str) -> Voiceprint {
    let recording = Recording::open(voice(file), &Default::default()).unwrap();
    let heard = verifier.analyze(&recording);
    let utterance = Utterance::new(file, heard.embedding.unwrap(), &heard.quality);
    let name = SpeakerName::new("anna").unwrap();
    verifier.enroll(name, vec![utterance]).unwrap()
}

impl Place {
    /// The embedded model with a sequential test of these thresholds.
    fn model(&self, accept: f64, reject: f64) -> PathBuf {
        let mut model = Verifier::embedded().unwrap().into_model();
        model.sequential = Some(rates(accept, reject));
        let path = self.path("model.safetensors");
        model::save(&path, &model).unwrap();
        path
    }

    /// The answer to `line`, with the bytes of `input` on standard input.
    fn run(&self, line: &str, input: &Path) -> Answer {
        let file = std::fs::File::open(input).unwrap();
        Answer::of(self.command(line.split_whitespace()).stdin(file))
    }

    fn enroll_anna(&self) {
        self.done("enroll anna @anna-1");
    }
}

/// 16-bit samples without a header.
fn raw(samples: impl IntoIterator<Item = f32>) -> Vec<u8> {
    let samples = samples.into_iter();
    let bytes = samples.flat_map(|x| ((x * 32_767.0) as i16).to_le_bytes());
    bytes.collect()
}

#[test]
fn blocks_of_any_size_and_rate_give_the_embedding_of_the_file() {
    let verifier = Arc::new(Verifier::embedded().unwrap());
    for (index, name) in ["anna-2", "boris-1", "felix-3"].into_iter().enumerate() {
        let samples = audio::read_samples(&voice(name)).unwrap();
        for rate_hz in [8_000, 16_000, 44_100, 48_000] {
            let samples = resample(&samples, 16_000, rate_hz);
            let whole = Recording::from_samples(samples.clone(), rate_hz).unwrap();
            let whole = verifier.analyze(&whole);
            for block in [[1, 320], [441, 4096], [997, 100_000]][index] {
                let mut listener = Listener::new(Arc::clone(&verifier), rate_hz).unwrap();
                for block in samples.chunks(block) {
                    listener.push(block).unwrap();
                }
                let heard = listener.finish().unwrap();
                assert_eq!(heard.embedding, whole.embedding, "{name} {rate_hz} {block}");
                assert_eq!(heard.quality, whole.quality, "{name} {rate_hz} {block}");
            }
        }
    }
}

#[test]
fn a_clear_voice_is_accepted_before_the_end_and_the_decision_stays() {
    let verifier = Arc::new(Verifier::embedded().unwrap());
    let anna = Arc::new(voiceprint(&verifier, "anna-1"));
    let test = SequentialTest::new(&rates(1.0, -1.0), 0.01, 0.01).unwrap();
    let samples = audio::read_samples(&voice("anna-2")).unwrap();
    let decide = |block: usize| {
        let listener = Listener::new(Arc::clone(&verifier), 16_000).unwrap();
        let claimed = listener.against(Arc::clone(&anna), Some(test.clone()));
        let mut listener = claimed.unwrap();
        let states = samples.chunks(block);
        let states: Vec<_> = states.map(|b| listener.push(b).unwrap()).collect();
        let last = *states.last().unwrap();
        assert_eq!(last.decision, Some(Decision::Accept));
        // Nothing that comes later changes the answer.
        let mut decided = states.iter().filter(|s| s.decision.is_some());
        assert!(decided.all(|s| s.llr == last.llr));
        (last.llr, listener.heard().unwrap().quality.seconds)
    };
    let (llr, seconds) = decide(320);
    assert!(seconds < 3.0, "{seconds}");
    // The looks lie at the same samples whatever the blocks are.
    assert_eq!(decide(9_999), (llr, seconds));
}

#[test]
fn an_hour_costs_no_more_memory_than_minutes() {
    let verifier = Arc::new(Verifier::embedded().unwrap());
    let mut listener = Listener::new(verifier, 8_000).unwrap();
    let voice = audio::read_samples(&voice("boris-1")).unwrap();
    let voice = resample(&voice, 16_000, 8_000);
    let mut looks = vec![];
    for _ in 0..3600 * 8_000 / voice.len() {
        let state = listener.push(&voice).unwrap();
        looks.extend(state.is_new.then_some(state.speech_seconds));
    }
    // What is kept is an excerpt of three minutes at most.
    assert!(looks.iter().all(|speech_seconds| *speech_seconds <= 180.0));
    assert!((30..80).contains(&looks.len()), "{}", looks.len());
    let heard = listener.finish().unwrap();
    assert!(heard.quality.used_seconds <= 180.0 && heard.quality.seconds > 3590.0);
}

#[test]
fn a_pipe_that_stays_open_is_answered_once_the_voice_is_known() {
    let place = Place::new();
    place.enroll_anna();
    let model = place.model(1.0, -1.0);
    let verify = |file: &str| {
        let mut child = place
            .command(["verify", "anna", "-", "--json", "--model"])
            .arg(&model)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        // Kept open: the program must not wait for its end.
        let mut stdin: ChildStdin = child.stdin.take().unwrap();
        let bytes = std::fs::read(voice(file)).unwrap();
        // It may have its answer, and be gone, before the last byte.
        let _ = stdin.write_all(&bytes);
        let output = child.wait_with_output().unwrap();
        drop(stdin);
        let json: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(json["listened"]["end"], "clear");
        let seconds = json["listened"]["seconds"].as_f64().unwrap();
        assert!(seconds < 3.0, "{json}");
        (json["decision"].clone(), output.status.code())
    };
    assert_eq!(verify("anna-2"), ("accept".into(), Some(0)));
    assert_eq!(verify("boris-1"), ("reject".into(), Some(1)));
}

#[test]
fn what_was_heard_to_the_end_is_answered_as_a_file() {
    let place = Place::new();
    place.enroll_anna();
    let model = place.model(1.0, -1.0);
    for name in ["anna-3", "chloe-1"] {
        let model = model.display();
        let of_file = place.say(&format!("verify anna @{name} --json --model {model}"));
        let line = format!("verify anna - --to-end --json --model {model}");
        let heard = place.run(&line, &voice(name));
        assert_eq!(heard.code, of_file.code);
        let (heard, of_file) = (heard.json(), of_file.json());
        for key in ["llr", "p", "decision", "threshold", "expected"] {
            assert_eq!(heard[key], of_file[key], "{name} {key}");
        }
        assert_eq!(heard["listened"]["end"], "input");
        assert_eq!(of_file.get("listened"), None);
    }
}

#[test]
fn a_pipe_of_samples_is_not_said_to_be_cut_off() {
    let place = Place::new();
    place.enroll_anna();
    let wav = std::fs::read(voice("anna-3")).unwrap();
    let samples = place.write("samples", &wav[44..]);
    let heard = place.run("verify anna - --to-end --raw s16le:16000:1", &samples);
    assert_eq!((heard.code, &heard.stderr[..]), (0, ""));
}

#[test]
fn at_the_limit_an_unclear_voice_is_inconclusive() {
    let place = Place::new();
    place.enroll_anna();
    let model = place.model(90.0, -90.0);
    let line = format!("verify anna - --max-seconds 2 --model {}", model.display());
    let answer = place.run(&line, &voice("anna-2"));
    assert_eq!(answer.code, 3, "{}", answer.stderr);
    answer.prints("not clear yet");
    let answer = place.run(&format!("{line} --json"), &voice("anna-2"));
    let json = answer.json();
    assert_eq!(json["reason"], "undecided");
    assert_eq!(json["listened"]["end"], "limit");
    assert_eq!(json["listened"]["seconds"], 2.0);
    // A threshold of one's own leaves nothing undecided.
    let answer = place.run(&format!("{line} --threshold 0"), &voice("anna-2"));
    assert_eq!(answer.code, 0, "{}", answer.stdout);
}

#[test]
fn watching_prints_a_line_of_json_each_second() {
    let place = Place::new();
    place.enroll_anna();
    // Anna, then somebody else.
    let mut samples = audio::read_samples(&voice("anna-2")).unwrap();
    samples.extend(audio::read_samples(&voice("boris-1")).unwrap());
    let num_seconds = samples.len() / 16_000;
    let both = place.write("both.raw", raw(samples));
    let answer = place.run("verify anna - --raw s16le:16000:1 --watch 2", &both);
    let lines = answer.stdout.lines();
    let lines: Vec<Value> = lines.map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(lines.len(), num_seconds);
    for (index, line) in lines.iter().enumerate() {
        assert_eq!(line["seconds"], index + 1);
    }
    assert_eq!(lines[1]["decision"], "accept");
    assert_eq!(lines[lines.len() - 1]["decision"], "reject");
    assert_eq!(answer.code, 1);
}

#[test]
fn what_was_heard_is_kept_in_a_new_file_only() {
    let place = Place::new();
    place.enroll_anna();
    let file = voice("anna-2");
    let answer = place.run("verify anna - --to-end --save heard.wav", &file);
    assert_eq!(answer.code, 0, "{}", answer.stderr);
    let [saved, given] = [place.path("heard.wav"), file.clone()].map(|path| {
        let waveform = audio::read(&path, &Default::default()).unwrap();
        waveform.samples().to_vec()
    });
    assert_eq!(saved, given);
    let again = place.run("verify anna - --save heard.wav", &file);
    again.refused(2, "exists already");
    // Without a folder to write to, nothing is heard in vain.
    let nowhere = place.run("verify anna - --save no/heard.wav", &file);
    assert_eq!(nowhere.code, 2);
}

#[test]
fn enrolling_listens_until_there_is_enough_speech() {
    let place = Place::new();
    let mut samples = vec![];
    for name in ["boris-1", "boris-2", "boris-3", "boris-4"] {
        samples.extend(audio::read_samples(&voice(name)).unwrap());
    }
    let boris = place.write("boris.raw", raw(samples));
    let answer = place.run("enroll boris - --raw s16le:16000:1 --json", &boris);
    assert_eq!(answer.code, 0, "{}", answer.stderr);
    let json = answer.json();
    let seconds = json["speech_seconds"].as_f64().unwrap();
    assert!((5.0..7.0).contains(&seconds), "{seconds}");
    assert_eq!(json["missing_seconds"], 0.0);
    // The input ends too soon.
    let short = place.run("enroll short -", &voice("anna-1"));
    short.prints("s more for a good voiceprint");
}

#[test]
fn identifying_listens_until_one_speaker_is_clear() {
    let place = Place::new();
    place.enroll_anna();
    let model = place.model(0.5, -90.0);
    assert_eq!(place.run("enroll boris -", &voice("boris-1")).code, 0);
    let line = format!("identify - --json --model {}", model.display());
    let answer = place.run(&line, &voice("boris-2"));
    assert_eq!(answer.code, 0, "{}", answer.stdout);
    assert_eq!(answer.json()["results"][0]["speaker"], "boris");
    let heard = &answer.json()["results"][0]["quality"]["seconds"];
    let whole = Recording::open(voice("boris-2"), &Default::default()).unwrap();
    let is_shorter = heard.as_f64().unwrap() < f64::from(whole.seconds());
    assert!(is_shorter, "{heard}");
    // The threshold of the test, for two speakers, and not that of a whole recording.
    assert_eq!(answer.json()["results"][0]["listened"]["end"], "clear");
    let threshold = answer.json()["threshold"].as_f64().unwrap();
    assert!((threshold - 0.5 - 2f64.ln()).abs() < 1e-5, "{threshold}");
    let told = place.run(&line.replace(" --json", ""), &voice("boris-2"));
    told.prints("threshold +1.19 after ");
}

#[test]
fn identifying_up_to_a_limit_does_not_guess() {
    let place = Place::new();
    place.enroll_anna();
    let model = place.model(80.0, -90.0);
    let line = format!("identify - --max-seconds 2 --model {}", model.display());
    let told = place.run(&line, &voice("anna-2"));
    assert_eq!(told.code, 3, "{}", told.stdout);
    let is_open = told.stdout.starts_with("INCONCLUSIVE  -: ");
    assert!(is_open, "{}", told.stdout);
    let answer = place.run(&format!("{line} --json"), &voice("anna-2"));
    let json = answer.json();
    let result = &json["results"][0];
    assert_eq!(result["outcome"], "inconclusive");
    assert_eq!(result["listened"]["end"], "limit");
    assert_eq!(result["speaker"], Value::Null);
    assert_eq!(result["reason"], "undecided");
}

#[test]
fn flags_for_listening_want_a_dash() {
    let place = Place::new();
    place.enroll_anna();
    for flag in ["--to-end", "--watch 2", "--save x.wav"] {
        let line = format!("verify anna @anna-2 {flag}");
        place.refused(&line, 2, "give - instead of files");
    }
}

/// Anna on channel 1 and boris on channel 2, without a header.
fn call(place: &Place) {
    let [anna, boris] =
        ["anna-1", "boris-1"].map(|name| audio::read_samples(&voice(name)).unwrap());
    let both = anna.iter().zip(&boris).flat_map(|(a, b)| [*a, *b]);
    place.write("call.raw", raw(both));
}

#[test]
fn two_channels_of_one_call_are_compared_with_each_other() {
    let place = Place::new();
    call(&place);
    let compare = |flags: &str| {
        let line = format!("compare call.raw call.raw --raw s16le:16000:2 --channel 1 {flags}");
        place.say(&line).code
    };
    assert_eq!(compare(""), 0);
    assert_eq!(compare("--other-channel 2"), 1);
}

#[test]
fn a_missing_channel_is_refused_with_the_flag_of_its_recording() {
    let place = Place::new();
    call(&place);
    for (files, flags, refusal) in [
        (
            "call.raw call.raw",
            "--channel 1 --other-channel 3",
            "call.raw: has 2 channels, so there is no channel 3; choose `--other-channel` 1 to 2",
        ),
        (
            "@anna-1 call.raw",
            "--channel 2",
            "leave `--channel` off, and choose the channel of the other recording with `--other-channel`",
        ),
        (
            "call.raw @anna-1",
            "--channel 2",
            "has 1 channel, so there is no channel 2; choose its own channel with `--other-channel`",
        ),
    ] {
        let line = format!("compare {files} --raw s16le:16000:2 {flags}");
        place.refused(&line, 3, refusal);
    }
}
