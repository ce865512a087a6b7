//! `spkver enroll NAME FILE…`: stores recordings of one speaker, all or none.

use super::{
    global::Global,
    listening::{self, Input, Look},
    output::{Output, printable},
    recordings::{self, Files},
};
use spkver::{
    Result,
    answer::{
        Recording, Rules,
        enrollment::{self, GOOD_SECONDS},
    },
    verifier::{Listener, SpeakerName, Verifier, Voiceprint},
};
use std::{path::PathBuf, sync::Arc};

/// Whom to enroll, from what.
#[derive(clap::Args)]
#[group(skip)]
pub struct Args {
    /// Name of the speaker: any text of one line
    name: String,
    /// Recordings of the speaker, or folders of them; - listens to standard input until there is enough
    /// speech
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Enroll recordings even if they do not sound like one speaker
    #[arg(long, help_heading = "Enrollment")]
    force: bool,
    /// Refuse recordings that hardly sound like the others, instead of only warning
    #[arg(long, conflicts_with = "force", help_heading = "Enrollment")]
    strict: bool,
    /// Replace the voiceprint instead of adding to it
    #[arg(long, help_heading = "Enrollment")]
    replace: bool,
    /// Accept files that were cut off before the recording's end
    #[arg(long, help_heading = "Enrollment")]
    allow_truncated: bool,
    #[command(flatten)]
    recordings: recordings::Args,
    #[command(flatten)]
    listening: listening::Args,
}

/// Runs the command.
pub fn run(args: &Args, global: &Global) -> Result<u8> {
    let name = SpeakerName::new(&args.name)?;
    let verifier = Arc::new(global.verifier()?);
    let output = global.output();
    let store_path = global.store_path()?;
    let mut store = global.open_store()?;
    let rules = Rules {
        force: args.force,
        strict: args.strict,
        replace: args.replace,
        allow_truncated: args.allow_truncated,
    };
    // Checked before the recordings are read, so that no work is lost.
    let enrolled = enrollment::enrolled(&name, &rules, &verifier, store.as_ref())?;

    let files = Files::named(&args.files)?.paths;
    let recordings = match listening::is_asked(&args.files) {
        true => vec![listen(args, enrolled.as_ref(), &verifier, output)?],
        false => {
            args.listening.check_unused(false)?;
            args.recordings.embed(&files, &verifier, output)?
        }
    };
    let create = || global.open_or_create_store();
    let enrollment = enrollment::enroll(
        name, enrolled, recordings, &rules, &verifier, &mut store, create,
    )?;
    enrollment
        .warnings()
        .for_each(|warning| output.warning(&warning));
    let mut line = format!(
        "ENROLLED  {}  {} added, {} in all, {:.1} s of speech",
        printable(&args.name),
        enrollment.num_added(),
        enrollment.num_utterances(),
        enrollment.speech_seconds(),
    );
    let missing_seconds = enrollment.missing_seconds();
    if missing_seconds > 0.0 {
        line += &format!("; enroll {missing_seconds:.1} s more for a good voiceprint");
    }
    Ok(output.done(&line, &enrollment.answer(&verifier, &store_path)))
}

/// Least speech of a recording that is added to others, in seconds, if listening ends by itself.
const MIN_ADDED_SECONDS: f32 = 2.0;

/// Listens until there is enough speech for a good voiceprint, the limit is reached or the input
/// ends.
fn listen(
    args: &Args,
    enrolled: Option<&Voiceprint>,
    verifier: &Arc<Verifier>,
    output: &Output,
) -> Result<Recording> {
    let input = Input::open(&args.listening, &args.recordings, output)?;
    let utterances = enrolled.map_or(&[][..], |v| &v.utterances);
    let before: f32 = utterances.iter().map(|u| u.speech_seconds).sum();
    let wanted = (GOOD_SECONDS - before).max(MIN_ADDED_SECONDS);
    let listener = Listener::new(Arc::clone(verifier), input.rate_hz())?;
    let listened = input.listen(listener, &mut |listener, state| {
        let missing = wanted - state.speech_seconds;
        let embedding = listener.heard().map(|heard| &heard.embedding);
        let is_fit = matches!(embedding, Some(Ok(_)));
        Ok(Look {
            note: match embedding {
                Some(Err(reason)) => format!(": {reason}"),
                _ if missing > 0.0 => format!(", {missing:.1} s more needed"),
                _ => String::new(),
            },
            is_clear: !args.listening.to_end && missing <= 0.0 && is_fit,
        })
    })?;
    Ok(listened.recording)
}
