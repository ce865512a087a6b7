//! Says with flags and commands of the program what the user can do about an error. The library knows
//! neither: it calls an option by the name of its field, such as `max_seconds` for `--max-seconds`.

use spkver::{Error, Remedy};

/// The text of an error, as the program prints it.
pub fn text(error: &Error) -> String {
    let fact = match error {
        Error::Several(errors) => {
            return errors.iter().map(text).collect::<Vec<_>>().join("\n");
        }
        Error::Option { option, .. } => error.fact().replacen(option, &flag(option), 1),
        other => other.fact(),
    };
    match error.remedy() {
        Some(remedy) => format!("{fact}; {}", words(&remedy)),
        None => fact,
    }
}

/// What the user of the program can do.
pub fn words(remedy: &Remedy) -> String {
    match remedy {
        Remedy::Option([before, option, after]) => format!("{before}{}{after}", flag(option)),
        Remedy::Command([what, command, after]) => format!("{what} with `spkver {command}`{after}"),
        Remedy::Channel(count) => channel("--channel", *count),
        Remedy::Microphone => "check the microphone, and the channel with --channel".into(),
        Remedy::SampleFormat(convert) => format!(
            "{convert}; if it has samples and no header, give their format, for example `--raw \
             s16le:16000:1`"
        ),
        Remedy::Shorten(limit) => {
            format!(
                "cut out the part with the speaker, or raise `{}`",
                flag(limit)
            )
        }
        Remedy::CutOff => {
            "copy the file again, or enroll what is there with `--allow-truncated`".into()
        }
        Remedy::StartOver => {
            "start over with --replace or `spkver remove`, or insist with --force".into()
        }
        Remedy::Enroll => "enroll with `spkver enroll`, or give another file with --store".into(),
        Remedy::FindSpeaker => "enroll with `spkver enroll` or see `spkver list`".into(),
        Remedy::OtherModel(name) => {
            format!("use `--model` with the old model, or enroll {name:?} again")
        }
        Remedy::OtherStore(text) => format!("{text} with --store"),
        Remedy::Secret("passphrase") => {
            "give it with --passphrase-file or SPKVER_PASSPHRASE".into()
        }
        Remedy::Secret(_) => "give it with --key-file or SPKVER_KEY".into(),
        Remedy::Backup => "give a file that `spkver store backup` wrote".into(),
        Remedy::NameOutput(endings) => format!("name it {endings}, or see --help for other forms"),
        Remedy::Calibrate => "calibrate it with `spkver calibrate`, or use --threshold".into(),
        Remedy::SameFiles => {
            "repeat the command that began it, with its --teacher, --noise, --rir, --overlap-of and \
             --start-from, or delete it, or give another --checkpoint"
                .into()
        }
        Remedy::TokenLine => format!("{remedy}, as `spkver serve --new-token` writes it"),
        Remedy::NewToken => {
            "make one with `spkver serve --tokens FILE --new-token NAME --rights …`".into()
        }
        // The others name no option.
        other => other.to_string(),
    }
}

/// The remedy for a channel that a recording does not have; `flag` chooses its channel.
pub fn channel(flag: &str, count: usize) -> String {
    match count {
        1 => format!("leave `{flag}` off"),
        _ => format!("choose `{flag}` 1 to {count}"),
    }
}

/// The flag for an option of the library.
fn flag(option: &str) -> String {
    format!("--{}", option.replace('_', "-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_named_as_their_flags() {
        let error = Error::option("overlap_of", "a.spkver", "has no detector");
        assert_eq!(error.to_string(), "overlap_of a.spkver: has no detector");
        assert_eq!(text(&error), "--overlap-of a.spkver: has no detector");
        let long = Error::audio("a.wav", "is long", Remedy::Shorten("max_seconds"));
        assert!(long.to_string().ends_with("or raise `max_seconds`"));
        let both = text(&Error::Several(vec![long, error]));
        let lines: Vec<&str> = both.lines().collect();
        assert!(lines[0].ends_with("or raise `--max-seconds`"));
        assert!(lines[1].starts_with("--overlap-of"));
    }
}
