//! `spkver verify NAME FILE…`: is each of these recordings of the enrolled speaker?

mod live;

use super::{
    global::Global,
    listening, operating_point,
    output::printable,
    recordings::{self, Files},
    remedy,
    trial::Trial,
};
use live::Claim;
use serde_json::json;
use spkver::{
    Result,
    answer::{Outcome, Recording, json_of, outcome::terms_of_all},
    verifier::SpeakerName,
};
use std::{path::PathBuf, sync::Arc};

/// What to verify.
#[derive(clap::Args)]
#[group(skip)]
pub struct Args {
    /// Name of the enrolled speaker
    name: String,
    /// Recordings to test, or folders of them; each recording gets its own answer. - listens to standard
    /// input
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    #[command(flatten)]
    point: operating_point::Args,
    #[command(flatten)]
    recordings: recordings::Args,
    #[command(flatten)]
    listening: listening::Args,
    /// Watch whether the speaker stays the same: listen to the end, and print a line of JSON each second,
    /// with the decision on the last SECONDS
    #[arg(long, value_name = "SECONDS", conflicts_with = "to_end")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=180))]
    #[arg(help_heading = "Listening (with - for standard input)")]
    watch: Option<u32>,
}

/// Runs the command.
pub fn run(args: &Args, global: &Global) -> Result<u8> {
    let verifier = global.verifier()?;
    let criterion = args.point.criterion();
    let of_all = criterion.point(&verifier, None)?;
    let name = SpeakerName::new(&args.name)?;
    let voiceprint = global.store_of(&name)?.get(&name)?;
    verifier.check_model(&voiceprint)?;
    let output = global.output();
    if listening::is_asked(&args.files) {
        let claim = Claim {
            listening: &args.listening,
            recordings: &args.recordings,
            watch: args.watch,
            criterion,
            verifier: Arc::new(verifier),
            voiceprint: Arc::new(voiceprint),
            output,
        };
        return claim.listen();
    }
    args.listening.check_unused(args.watch.is_some())?;
    let files = Files::named(&args.files)?;
    let mut tested = args.recordings.embed_each(&files.paths, &verifier, output);
    let outcome_of = |recording: &Recording| {
        Outcome::of_voiceprint(&voiceprint, &recording.embedding, &criterion, &verifier)
    };
    if files.is_one {
        let recording = tested.remove(0)?;
        let (subject, outcome) = (voiceprint.name.as_str(), outcome_of(&recording)?);
        let trial = Trial::of_claim(&voiceprint, subject, &recording, outcome);
        return trial.report(&verifier, output);
    }
    let (mut lines, mut results, mut code) = (vec![], vec![], 0);
    for (path, tested) in files.paths.iter().zip(tested) {
        let path = path.to_string_lossy();
        let recording = match tested {
            Ok(recording) => recording,
            Err(error) => {
                lines.push(format!("ERROR  {}", printable(&remedy::text(&error))));
                results.push(json!({
                    "decision": "error",
                    "error": remedy::text(&error),
                    "code": error.code(),
                    "path": path,
                }));
                code = code.max(error.exit_code());
                continue;
            }
        };
        // If there is no score, the reason names the file.
        let subject = match recording.embedding {
            Ok(_) => format!("{}  {path}", voiceprint.name.as_str()),
            Err(_) => voiceprint.name.to_string(),
        };
        let outcome = outcome_of(&recording)?;
        let trial = Trial::of_claim(&voiceprint, &subject, &recording, outcome);
        lines.push(trial.line(&verifier));
        let mut result = outcome.json(&verifier);
        result["path"] = json!(path);
        result["quality"] = json_of(&recording.quality);
        results.push(result);
        code = code.max(outcome.exit_code());
    }
    let mut json = terms_of_all(&of_all, &verifier);
    json["command"] = json!("verify");
    json["speaker"] = json!(voiceprint.name.as_str());
    json["results"] = json!(results);
    output.result(&lines.join("\n"), &json)?;
    Ok(code)
}
