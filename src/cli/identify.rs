//! `spkver identify FILE…`: which of the enrolled speakers is this, if any?

use super::{
    global::Global,
    listening::{self, Input, Look},
    operating_point,
    output::{Output, printable},
    test_recordings::{self, TestRecording},
    trial::probability,
};
use serde_json::Value;
use spkver::{
    Result,
    answer::{identification, listened::Listened, outcome},
    identify::{self, Event, Match, Plan, Search},
    scoring::{Decision, Llr, OperatingPoint, Reason, TrialKind},
    verifier::{Listener, Verifier},
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
struct Told {
    line: String,
    json: Value,
    code: u8,
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
    let (tests, mut search) = match listening::is_asked(&args.tests.files) {
        true => {
            let input = Input::open(&args.listening, &args.tests.recordings, output)?;
            let mut search = Search::open(plan, None, &mut |event| talk_of(event, output))?;
            let listened = listen(args, input, &mut search, &verifier, output)?;
            let test = TestRecording::of(listened.recording, &verifier);
            (vec![test], search)
        }
        false => {
            args.listening.check_unused(false)?;
            let tests = args.tests.read(&verifier, output)?;
            let search = Search::open(plan, None, &mut |event| talk_of(event, output))?;
            (tests, search)
        }
    };
    let fit = tests.iter().filter_map(|test| test.embedding.as_ref().ok());
    let fit: Vec<_> = fit.collect();
    let found = search.identify(&fit, &mut |event| talk_of(event, output))?;

    let num_speakers = found.num_speakers;
    let mut found = found.matches.into_iter();
    let tell = |test: &TestRecording| match &test.embedding {
        Ok(_) => Told::found(
            test,
            &found.next().unwrap_or_default(),
            &point,
            num_speakers,
        ),
        Err(unfit) => Told {
            line: unfit.line(&test.label),
            json: unfit.json(),
            code: unfit.exit_code(),
        }
        .about(test),
    };
    let told: Vec<Told> = tests.iter().map(tell).collect();
    let lines: Vec<&str> = told.iter().map(|t| t.line.as_str()).collect();
    let results: Vec<&Value> = told.iter().map(|t| &t.json).collect();
    let json = identification::answer(&verifier, &path, &point, num_speakers, &results);
    output.result(&lines.join("\n"), &json)?;
    Ok(told.iter().map(|t| t.code).max().unwrap_or(0))
}

/// Listens until one speaker is clearly found, the limit is reached or the input ends.
fn listen(
    args: &Args,
    input: Input,
    search: &mut Search,
    verifier: &Arc<Verifier>,
    output: &Output,
) -> Result<Listened> {
    let criterion = args.point.criterion();
    let test = criterion.sequential_test(verifier, args.listening.to_end)?;
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
        // Each of N candidates is one more chance to be wrong.
        let single = Llr(llr.0 - (found.num_speakers as f32).ln());
        let conditions = verifier.conditions(embedding);
        let kind = TrialKind::of(conditions, conditions);
        let decision = test.as_ref().and_then(|test| test.decide(single, kind));
        Ok(Look {
            note: format!(", nearest {} LLR {:+.2}", printable(speaker), llr.0),
            is_clear: decision == Some(Decision::Accept),
        })
    })
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

impl Told {
    fn found(
        test: &TestRecording,
        matches: &[Match],
        point: &OperatingPoint,
        num_speakers: usize,
    ) -> Self {
        let among = point.among(num_speakers);
        let best = matches.first();
        let decision = identification::decision(matches);
        let code = outcome::exit_code(&decision);
        let file = printable(&test.label);
        let score = |one: &Match| {
            let llr = one.verification.llr.map_or(f32::NAN, |llr| llr.0);
            let p = one.verification.probability.unwrap_or(f64::NAN);
            format!(
                "{}  LLR {llr:+.2} (p {})",
                printable(&one.speaker),
                probability(p)
            )
        };
        let policy = format!(
            "among {num_speakers} at prior {:?}, threshold {:+.2}",
            point.p_target(),
            among.threshold().0
        );
        let mut line = match (decision, best) {
            (Decision::Accept, Some(best)) => {
                format!("IDENTIFIED  {file}  {}  {policy}", score(best))
            }
            (Decision::Reject, Some(best)) => {
                format!("UNKNOWN  {file}  nearest {}  {policy}", score(best))
            }
            _ => format!("INCONCLUSIVE  {file}: {}", Reason::ScoreNotFinite),
        };
        for (i, one) in matches.iter().enumerate() {
            // If there is a single candidate, the line already names it.
            if matches.len() > 1 {
                line += &format!("\n  {}.  {}", i + 1, score(one));
            }
        }
        Told {
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
