//! Answers each line of input with exactly one line of JSON, so that other programs can use this
//! one. Answers come in the order of the lines and are flushed at once. No line ends the stream,
//! whatever it contains.
//!
//! Input, as UTF-8, at most 1 MiB per line; a blank line is answered as well:
//!
//! ```text
//! path                                             the embedding of a recording
//! enroll<TAB>test                                  the score of two
//! {"id": any, "audio": path}                       optional: "channel", "start", "end" (seconds)
//! {"id": any, "enroll": path or [path…], "test": path}
//! ```
//!
//! Output, with all of these keys in each row, null if there is no value:
//!
//! ```text
//! {"id", "audio", "model", "audio_blake3", "speech_seconds", "embedding", "code", "error"}
//! {"id", "enroll", "test", "model", "enroll_blake3", "test_blake3", "score", "code", "error"}
//! ```
//!
//! `id`, `audio`, `enroll` and `test` are returned as given; `enroll_blake3` is a list if `enroll`
//! is one. A row without a result has an `error` for people and a `code` for programs: `request`
//! for a line that is no request, `io`, `audio`, `panic`, or the code of a refusal. A line that is
//! no request gets a row of the first form. An answer depends on its own line only, not on earlier
//! lines, the number of threads or a cache.

use super::{
    escape,
    ledger::{Entry, Ledger},
    naming::Naming,
    outcome::{self, AudioHash, Outcome, Refused, embed, hash},
    recording::{Recording, Segment},
    request::{Names, Request},
};
use crate::{
    Error, Result,
    lists::lines::BYTE_ORDER_MARK,
    scoring::{Llr, Reason},
    verifier::{Embedding, Verifier},
};
use rustc_hash::FxHashMap;
use serde_json::Value;
use std::{
    io::{self, BufRead, BufReader, Read, Write},
    path::Path,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    },
    thread,
    time::Duration,
};

const MAX_LINE_BYTES: usize = 1 << 20;
/// Number of outcomes kept in memory, because an enrolled recording is often used again.
const MAX_RECENT: usize = 1 << 12;
/// Lines read ahead of the answers, per thread.
const AHEAD: usize = 4;
/// How often the stop flag is checked.
const PATIENCE: Duration = Duration::from_millis(100);

/// Answers lines.
pub struct Answerer<'a> {
    verifier: &'a Verifier,
    naming: &'a Naming,
    /// Outcomes of earlier runs, if there is a cache.
    cache: Option<Mutex<Ledger>>,
    recent: Mutex<FxHashMap<blake3::Hash, Outcome>>,
}

/// The answer to a path.
#[derive(serde::Serialize)]
struct EmbeddingRow<'a> {
    id: &'a Value,
    audio: Option<&'a str>,
    model: &'a str,
    audio_blake3: Option<String>,
    speech_seconds: Option<f32>,
    embedding: Option<&'a [f32]>,
    code: Option<&'a str>,
    error: Option<&'a str>,
}

/// The answer to an enrollment and a test.
#[derive(serde::Serialize)]
struct ScoreRow<'a> {
    id: &'a Value,
    enroll: &'a Names,
    test: &'a str,
    model: &'a str,
    enroll_blake3: Value,
    test_blake3: Option<String>,
    score: Option<f32>,
    code: Option<&'a str>,
    error: Option<String>,
}

impl<'a> Answerer<'a> {
    /// An answerer for `verifier`, with a cache of embeddings if there is one.
    pub fn new(verifier: &'a Verifier, naming: &'a Naming, cache: Option<Ledger>) -> Self {
        Answerer {
            verifier,
            naming,
            cache: cache.map(Mutex::new),
            recent: Mutex::default(),
        }
    }

    /// The answer to one line. Neither has a line end.
    pub fn answer(&self, line: &[u8]) -> String {
        let request = std::str::from_utf8(line)
            .map_err(|_| "the line is not UTF-8".to_string())
            .and_then(|line| Request::parse(line.trim_end_matches(['\r', '\n'])));
        match &request {
            Ok(Request {
                id,
                enroll: Some(enroll),
                test: Some(test),
                ..
            }) => self.score(id, enroll, test),
            Ok(request) => self.embedding(request),
            Err(fault) => self.refusal(fault),
        }
    }

    /// The answer to a line that is no request.
    pub fn refusal(&self, fault: &str) -> String {
        json(&EmbeddingRow {
            id: &Value::Null,
            audio: None,
            model: &self.verifier.id().to_string(),
            audio_blake3: None,
            speech_seconds: None,
            embedding: None,
            code: Some("request"),
            error: Some(fault),
        })
    }

    fn embedding(&self, request: &Request) -> String {
        let name = request.audio.as_deref().unwrap_or_default();
        let heard = self.entry(name, request);
        let (embedded, refused) = (heard.outcome.as_ref().ok(), heard.outcome.as_ref().err());
        json(&EmbeddingRow {
            id: &request.id,
            audio: request.audio.as_deref(),
            model: &self.verifier.id().to_string(),
            audio_blake3: heard.audio.map(|hash| hash.to_string()),
            speech_seconds: embedded.map(|e| e.speech_seconds),
            embedding: embedded.map(|e| e.values.as_slice()),
            code: refused.map(|r| r.code.as_str()),
            error: refused.map(|r| r.reason.as_str()),
        })
    }

    fn score(&self, id: &Value, enroll: &Names, test: &str) -> String {
        let whole = Request::default();
        let names = match enroll {
            Names::One(name) => std::slice::from_ref(name),
            Names::Several(names) => names.as_slice(),
        };
        let enrolled: Vec<Entry> = names.iter().map(|name| self.entry(name, &whole)).collect();
        let tested = self.entry(test, &whole);
        let scored = self.llr(names, &enrolled, test, &tested);
        let hash = |heard: &Entry| heard.audio.map(|hash| hash.to_string());
        json(&ScoreRow {
            id,
            enroll,
            test,
            model: &self.verifier.id().to_string(),
            enroll_blake3: match enroll {
                Names::One(_) => hash(&enrolled[0]).into(),
                Names::Several(_) => enrolled.iter().map(hash).collect(),
            },
            test_blake3: hash(&tested),
            score: scored.as_ref().ok().copied(),
            code: scored.as_ref().err().map(|(code, _)| code.as_str()),
            error: scored.as_ref().err().map(|(_, why)| why.clone()),
        })
    }

    /// The score, or the code and reason why there is none.
    fn llr(
        &self,
        names: &[String],
        enrolled: &[Entry],
        test: &str,
        tested: &Entry,
    ) -> std::result::Result<f32, (String, String)> {
        let embedding = |(name, heard): (&str, &Entry)| match &heard.outcome {
            Ok(embedded) => Embedding::new(embedded.values.clone(), self.verifier.id())
                .map_err(|reason| (reason.code().to_string(), reason.to_string())),
            Err(refused) => Err((refused.code.clone(), format!("{name}: {}", refused.reason))),
        };
        let names = names.iter().map(String::as_str);
        let enrolled = names.zip(enrolled).map(embedding);
        let enrolled = enrolled.collect::<std::result::Result<Vec<_>, _>>()?;
        let tested = embedding((test, tested))?;
        let enrolled: Vec<&Embedding> = enrolled.iter().collect();
        let unscored = Reason::ScoreNotFinite;
        let llr = self.verifier.llr(&enrolled, &tested).map(Llr::value);
        llr.ok_or_else(|| (unscored.code().into(), unscored.to_string()))
    }

    /// Embeds a recording given by its name; channel and segment are those of the request.
    fn entry(&self, name: &str, request: &Request) -> Entry {
        let refuse = |code: &str, why: String| Entry {
            audio: None,
            outcome: Err(Refused::new(code, why)),
        };
        let mut recording = match self.naming.recording(name) {
            Ok(recording) => recording,
            Err(why) => return refuse("unknown", why),
        };
        recording.reading.channel = request.channel.or(recording.reading.channel);
        if request.start.is_some() || request.end.is_some() {
            match Segment::new(request.start.unwrap_or(0.0), request.end) {
                Ok(segment) => recording.segment = Some(segment),
                Err(why) => return refuse("request", why),
            }
        }
        let audio = match hash(&recording.path) {
            Ok(audio) => audio,
            Err(refused) => return refuse(&refused.code, refused.reason),
        };
        Entry {
            audio: Some(audio),
            outcome: self.outcome(&recording, &audio),
        }
    }

    fn outcome(&self, recording: &Recording, audio: &AudioHash) -> Outcome {
        let key = outcome::key(self.verifier, audio, recording);
        let recent = || self.recent.lock().unwrap_or_else(|e| e.into_inner());
        if let Some(known) = recent().get(&key) {
            return known.clone();
        }
        // An error of the cache is ignored: the recording itself can still be read.
        let cache = self.cache.as_ref();
        let cache = || cache.map(|ledger| ledger.lock().unwrap_or_else(|e| e.into_inner()));
        let cached = cache().and_then(|ledger| ledger.outcome(&key).ok().flatten());
        let outcome = cached.unwrap_or_else(|| {
            let segments = [recording.segment];
            let mut outcomes = embed(
                self.verifier,
                &recording.path,
                &recording.reading,
                &segments,
            );
            let outcome = outcomes.remove(0);
            if let Some(mut ledger) = cache() {
                let _ = ledger.note(&[(key, outcome.clone())], &[]);
            }
            outcome
        });
        let mut recent = recent();
        if recent.len() >= MAX_RECENT {
            recent.clear();
        }
        recent.insert(key, outcome.clone());
        outcome
    }
}

/// Reads lines from `input` and answers them on `output`, `threads` at a time, until the input ends,
/// nobody reads the output any more, or `stop` is set.
///
/// # Errors
/// [`Error::Io`] of the output.
pub fn serve(
    answerer: &Answerer,
    input: impl Read + Send + 'static,
    mut output: impl Write,
    threads: usize,
    stop: &AtomicBool,
) -> Result<()> {
    let (ask, asked) = sync_channel::<(Line, SyncSender<String>)>(threads);
    let (queue, answers) = sync_channel::<Receiver<String>>(AHEAD * threads);
    // Not rayon: the reader may wait for input for ever, so nothing waits for this thread to end, and it
    // cannot start tasks that borrow the answerer. Answers are written while it waits.
    thread::spawn(move || read_lines(input, &ask, &queue));
    let asked = Mutex::new(asked);
    let over = AtomicBool::new(false);
    let work = || {
        loop {
            let waiting = asked.lock().unwrap_or_else(|e| e.into_inner());
            let next = waiting.recv_timeout(PATIENCE);
            // Released before the work, so that the other threads can take lines.
            drop(waiting);
            let (line, reply) = match next {
                Ok(next) => next,
                // No line yet: the reader may wait for ever for input.
                Err(RecvTimeoutError::Timeout) if !over.load(Ordering::Relaxed) => continue,
                Err(_) => return,
            };
            let answer = match line {
                Ok(line) => answerer.answer(&line),
                Err(fault) => answerer.refusal(&fault),
            };
            // The output may have been closed.
            let _ = reply.send(answer);
        }
    };
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(work);
        }
        let mut write = |answer: Receiver<String>| -> io::Result<()> {
            let answer = answer.recv();
            let mut row =
                answer.unwrap_or_else(|_| answerer.refusal("the program failed on this line"));
            row.push('\n');
            output.write_all(row.as_bytes())?;
            output.flush()
        };
        let mut serve = || {
            loop {
                let done = match answers.recv_timeout(PATIENCE) {
                    Ok(answer) => write(answer),
                    Err(RecvTimeoutError::Disconnected) => return Ok(()),
                    Err(RecvTimeoutError::Timeout) => Ok(()),
                };
                match done {
                    Err(e) if e.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
                    Err(e) => return Err(Error::io(Path::new("<stdout>"), "write", e)),
                    Ok(()) if stop.load(Ordering::Relaxed) => return Ok(()),
                    Ok(()) => {}
                }
            }
        };
        let served = serve();
        over.store(true, Ordering::Relaxed);
        drop(answers);
        served
    })
}

/// A line, or what is wrong with it.
type Line = std::result::Result<Vec<u8>, String>;

fn read_lines(
    input: impl Read,
    ask: &SyncSender<(Line, SyncSender<String>)>,
    queue: &SyncSender<Receiver<String>>,
) {
    let mut input = BufReader::new(input);
    let mut is_first = true;
    loop {
        let mut line = vec![];
        let read = (&mut input)
            .take(MAX_LINE_BYTES as u64)
            .read_until(b'\n', &mut line);
        let line = match read {
            Ok(0) => return,
            Ok(MAX_LINE_BYTES) if line.last() != Some(&b'\n') => {
                if skip_line(&mut input).is_err() {
                    return;
                }
                Err("the line is longer than 1 MiB".to_string())
            }
            Ok(_) => Ok(line),
            Err(_) => return,
        };
        let is_first = std::mem::replace(&mut is_first, false);
        let line = line.map(|mut line| {
            if is_first && line.starts_with(BYTE_ORDER_MARK.as_bytes()) {
                line.drain(..BYTE_ORDER_MARK.len());
            }
            line
        });
        let (reply, answer) = sync_channel(1);
        if queue.send(answer).is_err() || ask.send((line, reply)).is_err() {
            return;
        }
    }
}

fn skip_line(input: &mut impl BufRead) -> io::Result<()> {
    loop {
        let block = input.fill_buf()?;
        let end = memchr::memchr(b'\n', block);
        let length = end.map_or(block.len(), |at| at + 1);
        input.consume(length);
        if end.is_some() || length == 0 {
            return Ok(());
        }
    }
}

fn json(row: &impl serde::Serialize) -> String {
    let line = serde_json::to_string(row).expect("plain data");
    escape::json(&line).into_owned()
}
