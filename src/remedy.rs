//! What the user can do about an error, as data. The library says it in words that hold everywhere; the
//! program words it with its flags and commands, in `cli/remedy.rs`.

use std::{borrow::Cow, fmt};

/// What the user can do about an [`Error`](crate::Error) or a [`Reason`](crate::Reason). Its text names
/// options as the library does.
///
/// ```
/// use spkver::{ReadOptions, Recording};
/// let options = ReadOptions { channel: Some(2), ..Default::default() };
/// let error = Recording::open("fixtures/voices/anna-1.wav", &options).unwrap_err();
/// assert_eq!(error.remedy().unwrap().to_string(), "choose no channel");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Remedy {
    /// Words that hold everywhere.
    Text(Cow<'static, str>),
    /// The text before an option's name, the name, and the text after it: "insist with `force`".
    Option(&'static [&'static str; 3]),
    /// Something that a command of the program does: what it is, the command, and what else helps.
    Command(&'static [&'static str; 3]),
    /// Choose another of this many channels. If there is one, choose none.
    Channel(usize),
    /// Check the microphone and the channel.
    Microphone,
    /// Convert the file, or give the format of its samples; the text says how to convert it.
    SampleFormat(&'static str),
    /// Shorten the recording, or raise this limit: `max_seconds` or `max_bytes`.
    Shorten(&'static str),
    /// Get the whole file, or accept that it is cut off.
    CutOff,
    /// Remove the voiceprint and enroll again, or insist.
    StartOver,
    /// Enroll somebody: nobody is enrolled.
    Enroll,
    /// Enroll this speaker, or look who is enrolled.
    FindSpeaker,
    /// Use the model that made the voiceprint of this speaker, or enroll the speaker again.
    OtherModel(String),
    /// Give a store in the place of this one; the text says which.
    OtherStore(&'static str),
    /// Give the secret of this kind, which opens the store: `key` or `passphrase`.
    Secret(&'static str),
    /// Give a backup of voiceprints.
    Backup,
    /// Name the output with one of these endings, or choose another form of it.
    NameOutput(String),
    /// Calibrate the model, or set the threshold.
    Calibrate,
    /// Train with the files that the run began with, or begin another run.
    SameFiles,
    /// Write each line of the file of tokens as the service reads it.
    TokenLine,
    /// Make the first token of the service.
    NewToken,
}

impl fmt::Display for Remedy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Remedy::Text(text) => f.write_str(text),
            Remedy::Option([before, option, after]) => write!(f, "{before}`{option}`{after}"),
            Remedy::Command([what, _, after]) => write!(f, "{what}{after}"),
            Remedy::Channel(1) => f.write_str("choose no channel"),
            Remedy::Channel(n) => write!(f, "choose a channel from 1 to {n}"),
            Remedy::Microphone => f.write_str("check the microphone, and the channel"),
            Remedy::SampleFormat(convert) => write!(
                f,
                "{convert}; if it has samples and no header, give their format, for example \
                 `s16le:16000:1`"
            ),
            Remedy::Shorten(limit) => {
                write!(f, "cut out the part with the speaker, or raise `{limit}`")
            }
            Remedy::CutOff => f.write_str("copy the file again, or accept that it is cut off"),
            Remedy::StartOver => f.write_str("enroll the speaker anew, or insist with `force`"),
            Remedy::Enroll => f.write_str("enroll a speaker, or open another store"),
            Remedy::FindSpeaker => f.write_str("enroll the speaker, or list who is enrolled"),
            Remedy::OtherModel(name) => write!(f, "use the old model, or enroll {name:?} again"),
            Remedy::OtherStore(text) => f.write_str(text),
            Remedy::Secret(kind) => write!(f, "give the {kind}"),
            Remedy::Backup => f.write_str("give a file that is a backup of voiceprints"),
            Remedy::NameOutput(endings) => write!(f, "name it {endings}, or choose another form"),
            Remedy::Calibrate => f.write_str("calibrate it, or give a threshold"),
            Remedy::SameFiles => f.write_str(
                "give the same teacher, noise, rir, overlap_of and start_from, or begin another run",
            ),
            Remedy::TokenLine => {
                f.write_str("give one JSON object with name, blake3, rights and scores per line")
            }
            Remedy::NewToken => f.write_str("add a token to it"),
        }
    }
}

impl From<&'static str> for Remedy {
    fn from(text: &'static str) -> Self {
        Remedy::Text(text.into())
    }
}

impl From<String> for Remedy {
    fn from(text: String) -> Self {
        Remedy::Text(text.into())
    }
}
