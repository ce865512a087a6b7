//! `spkver identify FILE…`: which of the enrolled speakers is this, if any?
//!
//! Open set: the threshold of `verify` rises by ln N with the number N of enrolled speakers (see
//! [`OperatingPoint::among`](spkver::scoring::OperatingPoint::among)). The index finds the
//! candidates; the store's own voiceprints give their scores, which are `verify`'s to the bit.

use super::{
    Global, operating_point,
    output::{json_of, printable},
    test_recordings::{self, TestRecording},
    verify::probability,
};
use serde_json::{Value, json};
use spkver::{
    Error, Result,
    scoring::{Decision, OperatingPoint, Reason},
    storage::{
        index::{Candidate, Index},
        voiceprints::Store,
    },
    verifier::{Embedding, Verification, Verifier},
};
use std::path::Path;

/// Whom to look for, and how sure to be.
#[derive(clap::Args)]
#[command(after_help = "\
The decision flags say what they say for one speaker; with N speakers enrolled ln N is added to the
threshold, and --p-target is the prior that the speaker is any one of them.

Exit code: 0 identified, 1 unknown, 3 inconclusive; of several recordings the highest.")]
pub struct Args {
    #[command(flatten)]
    tests: test_recordings::Args,
    /// Best candidates to tell
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    top: u16,
    #[command(flatten)]
    point: operating_point::Args,
}

/// A candidate, scored against the store's own voiceprint.
struct Match {
    speaker: String,
    verification: Verification,
}

/// One recording's outcome, ready to be told.
struct Told {
    line: String,
    json: Value,
    code: u8,
}

/// Runs the command.
pub fn run(args: &Args, global: &Global) -> Result<u8> {
    let verifier = global.verifier()?;
    let point = args.point.point(&verifier)?;
    let path = global.store_path()?;
    let Some(store) = global.open_store()? else {
        return Err(nobody(&path));
    };
    let output = global.output();
    let tests = args.tests.read(&verifier, output)?;

    let mut index = match Index::find(&store, &verifier) {
        Some(index) => index,
        None => build(&store, &verifier, global)?,
    };
    if index.num_others() > 0 {
        output.warning(&format!(
            "{} voiceprints of other models are not searched; see `spkver list`",
            index.num_others()
        ));
    }
    if index.num_speakers() == 0 {
        return Err(nobody(&path));
    }
    let search = |index: &Index| search(index, &store, &verifier, &tests, args.top, &point);
    let found = match search(&index)? {
        Some(found) => found,
        None => {
            index = build(&store, &verifier, global)?;
            search(&index)?.ok_or_else(|| Error::Io {
                path: path.clone(),
                doing: "search the store",
                source: std::io::Error::other("another command changed it meanwhile"),
                remedy: "run the command again",
            })?
        }
    };

    let num_speakers = index.num_speakers();
    let mut found = found.into_iter();
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
    let json = json!({
        "command": "identify",
        "model": verifier.file_id().to_string(),
        "store": path.to_string_lossy(),
        "num_speakers": num_speakers,
        "p_target": point.p_target(),
        "threshold": json_of(&point.among(num_speakers).threshold()),
        "results": told.iter().map(|t| &t.json).collect::<Vec<_>>(),
    });
    output.result(&lines.join("\n"), &json)?;
    Ok(told.iter().map(|t| t.code).max().unwrap_or(0))
}

fn nobody(path: &Path) -> Error {
    Error::Store {
        path: path.to_path_buf(),
        fact: "nobody is enrolled with this model".into(),
        remedy: "enrol with `spkver enroll`, or give another file with --store".into(),
    }
}

fn build(store: &Store, verifier: &Verifier, global: &Global) -> Result<Index> {
    let output = global.output();
    output.detail("indexing the store");
    let index = Index::build(store, verifier)?;
    output.detail(&match index.is_kept() {
        true => format!(
            "{} voiceprints indexed, beside the store",
            index.num_speakers()
        ),
        false => format!("{} voiceprints indexed, in memory", index.num_speakers()),
    });
    Ok(index)
}

/// The candidates for every test that has an embedding, best first; none if the store is not what
/// the index says, because it was changed meanwhile or the index is damaged.
fn search(
    index: &Index,
    store: &Store,
    verifier: &Verifier,
    tests: &[TestRecording],
    top: u16,
    point: &OperatingPoint,
) -> Result<Option<Vec<Vec<Match>>>> {
    let fit = tests.iter().filter_map(|test| test.embedding.as_ref().ok());
    let (embeddings, probes): (Vec<_>, Vec<_>) = fit.map(|(e, p)| (e, p.clone())).unzip();
    let found = index.search(&verifier.model().head, &probes, top.into());
    let point = point.among(index.num_speakers());
    let confirm = |embedding: &Embedding, candidate: &Candidate| -> Result<Option<Match>> {
        let Some(voiceprint) = store.by_id(candidate.id)? else {
            return Ok(None);
        };
        // What was searched; bits may differ between versions of this program.
        let same = verifier.project(&voiceprint).into_iter().zip(candidate.row);
        if !same.map(|(a, b)| (a - b).abs()).all(|apart| apart <= 1e-3) {
            return Ok(None);
        }
        Ok(Some(Match {
            verification: verifier.verify(&voiceprint, embedding, &point)?,
            speaker: voiceprint.name.to_string(),
        }))
    };
    let confirmed = embeddings
        .iter()
        .zip(&found)
        .map(|(embedding, candidates)| {
            let matches = candidates
                .iter()
                .map(|candidate| confirm(embedding, candidate));
            matches.collect::<Result<Option<Vec<Match>>>>()
        });
    confirmed.collect()
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
        let decision = best.map_or(Decision::Inconclusive(Reason::ScoreNotFinite), |best| {
            best.verification.decision
        });
        let (outcome, code) = match decision {
            Decision::Accept => ("identified", 0),
            Decision::Reject => ("unknown", 1),
            Decision::Inconclusive(_) => ("inconclusive", 3),
        };
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
            // The first is told already if it is the only one.
            if matches.len() > 1 {
                line += &format!("\n  {}.  {}", i + 1, score(one));
            }
        }
        let candidates = matches.iter().map(|one| {
            json!({
                "speaker": one.speaker,
                "llr": json_of(&one.verification.llr),
                "p": one.verification.probability,
            })
        });
        let identified = best.filter(|_| decision == Decision::Accept);
        Told {
            line,
            json: json!({
                "outcome": outcome,
                "speaker": identified.map(|best| &best.speaker),
                "llr": best.map(|best| json_of(&best.verification.llr)),
                "p": best.map(|best| best.verification.probability),
                "candidates": candidates.collect::<Vec<_>>(),
            }),
            code,
        }
        .about(test)
    }

    /// With what is known of the recording.
    fn about(mut self, test: &TestRecording) -> Self {
        self.json["path"] = test.label.as_str().into();
        self.json["quality"] = test.quality.clone();
        self
    }
}
