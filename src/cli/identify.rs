//! `spkver identify FILE…`: which of the enrolled speakers is this, if any?

use super::{
    global::Global,
    listening::{self, Input, Look},
    operating_point,
    output::{Output, printable},
    remedy,
    test_recordings::{self, TestRecording},
    trial::probability,
};
use serde_json::Value;
use spkver::{
    Result,
    answer::{
        identification,
        listened::{End, Listened},
        outcome,
    },
    identify::{self, Event, Match, Plan, Search},
    scoring::{Decision, Llr, Reason, SequentialTest},
    verifier::{Embedding, Listener, Verifier},
};
use std::sync::Arc;

/// Whom to look for, and how sure to be.
#[derive(clap::Args)]
#[group(skip)]
pub struct Args {
    #[command(flatten)]
    point: operating_point::Args,
    #[command(flatten)]
    tests: test_recordings::Args,
    /// Show the N best candidates
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=10_000), help_heading = "Decision")]
    top: u16,
    #[command(flatten)]
    listening: listening::Args,
}

/// The outcome for one recording, for people and for machines.
struct Answer {
    line: String,
    json: Value,
    code: u8,
}

/// What listening adds to the answer.
struct Listening {
    json: Value,
    /// As [`listening::after`].
    after: String,
    /// The sequential test that decides; none if the whole recording decides.
    test: Option<SequentialTest>,
}

/// Runs the command.
pub fn run(args: &Args, global: &Global) -> Result<u8> {
    let verifier = global.verifier()?;
    let point = args.point.criterion().point(&verifier, None)?;
    let path = global.store_path()?;
    let Some(store) = global.open_store()? else {
        return Err(identify::nobody(&path));
    };
    let output = global.output();
    let verifier = Arc::new(verifier);
    let plan = Plan {
        store: &store,
        verifier: &verifier,
        top: args.top.into(),
        point,
    };
    let (tests, heard, mut search) = match listening::is_asked(&args.tests.files) {
        true => {
            let input = Input::open(&args.listening, &args.tests.recordings, output)?;
            let mut search = Search::open(plan, None, &mut |event| talk_of(event, output))?;
            let criterion = args.point.criterion();
            let test = criterion.sequential_test(&verifier, args.listening.to_end)?;
            let listened = listen(input, &mut search, test.as_ref(), &verifier, output)?;
            let heard = Listening {
                json: listened.json(),
                after: listening::after(&listened),
                test: test.filter(|_| listened.end != End::Input),
            };
            let test = TestRecording::of(listened.recording, &verifier);
            (vec![test], Some(heard), search)
        }
        false => {
            args.listening.check_unused(false)?;
            let tests = args.tests.read(&verifier, output)?;
            let search = Search::open(plan, None, &mut |event| talk_of(event, output))?;
            (tests, None, search)
        }
    };
    let fit = tests.iter().filter_map(|test| test.embedding.as_ref().ok());
    let fit: Vec<_> = fit.collect();
    let found = search.identify(&fit, &mut |event| talk_of(event, output))?;

    let num_speakers = found.num_speakers;
    let mut among = point.among(num_speakers);
    let mut matches = found.matches;
    if let (Some(heard), [(embedding, _)]) = (&heard, &fit[..])
        && let Some(threshold) = heard.decide(&mut matches[0], num_speakers, embedding, &verifier)
    {
        among = among.with_threshold(threshold)?;
    }
    let policy = format!(
        "among {num_speakers} at prior {:?}, threshold {:+.2}{}",
        point.p_target(),
        among.threshold().value(),
        heard.as_ref().map_or("", |heard| &heard.after)
    );
    let mut found = matches.into_iter();
    let tell = |test: &TestRecording| match &test.embedding {
        Ok(_) => Answer::found(test, &found.next().unwrap_or_default(), &policy),
        Err(unfit) => Answer {
            line: unfit.line(&test.label),
            json: unfit.json(),
            code: unfit.exit_code(),
        }
        .about(test),
    };
    let mut told: Vec<Answer> = tests.iter().map(tell).collect();
    if let (Some(heard), [told]) = (heard, &mut told[..]) {
        told.json["listened"] = heard.json;
    }
    let lines: Vec<&str> = told.iter().map(|t| t.line.as_str()).collect();
    let results: Vec<&Value> = told.iter().map(|t| &t.json).collect();
    let (prior, threshold) = (point.p_target(), among.threshold());
    let json = identification::answer(&verifier, &path, prior, threshold, num_speakers, &results);
    output.result(&lines.join("\n"), &json)?;
    Ok(told.iter().map(|t| t.code).max().unwrap_or(0))
}

/// Listens until one speaker is clearly found, the limit is reached or the input ends.
fn listen(
    input: Input,
    search: &mut Search,
    test: Option<&SequentialTest>,
    verifier: &Arc<Verifier>,
    output: &Output,
) -> Result<Listened> {
    let listener = Listener::new(Arc::clone(verifier), input.rate_hz())?;
    input.listen(listener, &mut |listener, _| {
        let heard = listener
            .heard()
            .and_then(|heard| heard.embedding.as_ref().ok());
        let Some(embedding) = heard else {
            return Ok(Look::default());
        };
        let Some(probe) = verifier.probe(embedding) else {
            return Ok(Look::default());
        };
        let test_recording = (embedding.clone(), probe);
        let found = search.identify(&[&test_recording], &mut |event| talk_of(event, output))?;
        let best = found.matches.first().and_then(|matches| matches.first());
        let Some((speaker, llr)) = best.and_then(|one| Some((&one.speaker, one.verification.llr?)))
        else {
            return Ok(Look::default());
        };
        let kind = verifier.kind_alone(embedding);
        let judged = test.map(|test| test.judge_best(llr, kind, found.num_speakers));
        Ok(Look {
            note: format!(", nearest {} LLR {:+.2}", printable(speaker), llr.value()),
            is_clear: judged.is_some_and(|(decision, _)| decision == Decision::Accept),
        })
    })
}

impl Listening {
    /// Where listening ended before the input did, the sequential test decides: sets the decision on the
    /// best match and returns the threshold.
    fn decide(
        &self,
        matches: &mut [Match],
        num_speakers: usize,
        embedding: &Embedding,
        verifier: &Verifier,
    ) -> Option<f32> {
        let test = self.test.as_ref()?;
        let best = &mut matches.first_mut()?.verification;
        let kind = verifier.kind_alone(embedding);
        let (decision, point) = test.judge_best(best.llr?, kind, num_speakers);
        best.decision = decision;
        Some(point.threshold as f32)
    }
}

fn talk_of(event: Event, output: &Output) {
    match event {
        Event::Indexing => output.detail("indexing the store"),
        Event::Indexed {
            num_speakers,
            is_kept,
        } => output.detail(&match is_kept {
            true => format!("{num_speakers} voiceprints indexed, beside the store"),
            false => format!("{num_speakers} voiceprints indexed, in memory"),
        }),
        Event::OtherModels(count) => output.warning(&format!(
            "{count} voiceprints of other models are not searched; see `spkver list`"
        )),
    }
}

impl Answer {
    fn found(test: &TestRecording, matches: &[Match], policy: &str) -> Self {
        let best = matches.first();
        let decision = identification::decision(matches);
        let code = outcome::exit_code(&decision);
        let file = printable(&test.label);
        let score = |one: &Match| {
            let llr = one.verification.llr.map_or(f32::NAN, Llr::value);
            let p = one.verification.probability.unwrap_or(f64::NAN);
            format!(
                "{}  LLR {llr:+.2} (p {})",
                printable(&one.speaker),
                probability(p)
            )
        };
        let mut line = match (decision, best) {
            (Decision::Accept, Some(best)) => {
                format!("IDENTIFIED  {file}  {}  {policy}", score(best))
            }
            (Decision::Reject, Some(best)) => {
                format!("UNKNOWN  {file}  nearest {}  {policy}", score(best))
            }
            (Decision::Inconclusive(reason), _) => {
                format!(
                    "INCONCLUSIVE  {file}: {reason}; {}",
                    remedy::words(&reason.remedy())
                )
            }
            _ => format!("INCONCLUSIVE  {file}: {}", Reason::ScoreNotFinite),
        };
        for (i, one) in matches.iter().enumerate() {
            // If there is a single candidate, the line already names it.
            if matches.len() > 1 {
                line += &format!("\n  {}.  {}", i + 1, score(one));
            }
        }
        Answer {
            line,
            json: identification::found(matches),
            code,
        }
        .about(test)
    }

    /// Adds the facts about the recording.
    fn about(mut self, test: &TestRecording) -> Self {
        self.json["path"] = test.label.as_str().into();
        self.json["quality"] = test.quality.clone();
        self
    }
}
