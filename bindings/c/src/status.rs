//! What a call returns: a status, and in words what went wrong. No panic passes.

use spkver_core::{Error, Reason};
use std::{
    cell::RefCell,
    ffi::{CStr, CString, c_char},
    panic::{AssertUnwindSafe, catch_unwind},
};

/// How a call ended. These numbers never change; later versions may have more of them.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpkverStatus {
    /// Done.
    Ok = 0,
    /// A wrong argument, such as a NULL or a speaker's name of two lines.
    Usage = 1,
    /// An audio file or samples that cannot be used.
    Audio = 2,
    /// A model file that cannot be used.
    Model = 3,
    /// A store that is damaged, encrypted with another secret, or of another version.
    Store = 4,
    /// No speaker of this name is in the store.
    UnknownSpeaker = 5,
    /// The voiceprint or the embedding was made by another model.
    ModelMismatch = 6,
    /// A file does not exist.
    NotFound = 7,
    /// The disk is full.
    DiskFull = 8,
    /// Another error of the operating system.
    Io = 9,
    /// A fault of this library. Please report it.
    Panic = 10,
    /// Refused: no sound.
    Silence = 100,
    /// Refused: sound, but no speech.
    NoSpeech = 101,
    /// Refused: less speech than the model needs.
    TooLittleSpeech = 102,
    /// Refused: too many samples at full scale.
    Clipping = 103,
    /// Refused: a narrower band than the model needs.
    BandLimited = 104,
    /// Refused: more noise than the model allows.
    Noisy = 105,
    /// Refused: several people speak, in turn or at once.
    SeveralVoices = 106,
    /// Refused: the score is not a finite number.
    ScoreNotFinite = 107,
    /// Refused: what was heard is not clear enough for a decision yet.
    Undecided = 108,
}

use SpkverStatus::*;

/// Each status with its name, which is that of the program's JSON.
const NAMES: [(SpkverStatus, &CStr); 20] = [
    (Ok, c"ok"),
    (Usage, c"usage"),
    (Audio, c"audio"),
    (Model, c"model"),
    (Store, c"store"),
    (UnknownSpeaker, c"unknown_speaker"),
    (ModelMismatch, c"model_mismatch"),
    (NotFound, c"not_found"),
    (DiskFull, c"disk_full"),
    (Io, c"io"),
    (Panic, c"panic"),
    (Silence, c"silence"),
    (NoSpeech, c"no_speech"),
    (TooLittleSpeech, c"too_little_speech"),
    (Clipping, c"clipping"),
    (BandLimited, c"band_limited"),
    (Noisy, c"noisy"),
    (SeveralVoices, c"several_voices"),
    (ScoreNotFinite, c"score_not_finite"),
    (Undecided, c"undecided"),
];

/// Why a call failed.
pub struct Failure {
    status: SpkverStatus,
    message: String,
}

impl Failure {
    /// A wrong argument.
    pub fn usage(message: impl Into<String>) -> Self {
        Failure {
            status: Usage,
            message: message.into(),
        }
    }

    fn new(code: &str, message: String) -> Self {
        let named = NAMES
            .iter()
            .find(|(_, name)| name.to_bytes() == code.as_bytes());
        // A code without a status would be a fault of this library, not of its user.
        let status = named.map_or(Panic, |(status, _)| *status);
        Failure { status, message }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure::new(error.code(), error.to_string())
    }
}

impl From<Reason> for Failure {
    fn from(reason: Reason) -> Self {
        Failure::new(reason.code(), format!("{reason}; {}", reason.remedy()))
    }
}

thread_local! {
    static LAST_MESSAGE: RefCell<CString> = RefCell::default();
}

/// Does the work of a call: its status. The message of a failure is kept for [`last_message`]; a panic
/// is a failure.
pub fn status_of(work: impl FnOnce() -> Result<(), Failure>) -> SpkverStatus {
    let done = catch_unwind(AssertUnwindSafe(work));
    let failure = match done {
        Result::Ok(Result::Ok(())) => return Ok,
        Result::Ok(Err(failure)) => failure,
        Err(_) => Failure {
            status: Panic,
            message: "a fault of spkver itself; please report it, with what led to it".into(),
        },
    };
    // A message has no NUL, but it may quote what has.
    let message = CString::new(failure.message.replace('\0', "\u{fffd}")).unwrap_or_default();
    LAST_MESSAGE.with(|last| *last.borrow_mut() = message);
    failure.status
}

/// Of the last call that failed in this thread; empty if none has. Until another one fails.
pub fn last_message() -> *const c_char {
    LAST_MESSAGE.with(|last| last.borrow().as_ptr())
}

/// The stable name of a status.
pub fn name(status: i32) -> &'static CStr {
    let named = NAMES.iter().find(|(known, _)| *known as i32 == status);
    named.map_or(c"unknown", |(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message() -> String {
        LAST_MESSAGE.with(|last| last.borrow().to_str().unwrap().to_string())
    }

    #[test]
    fn a_panic_becomes_a_status() {
        assert_eq!(status_of(|| panic!("on purpose")), Panic);
        assert!(message().contains("please report it"));
    }

    #[test]
    fn every_reason_and_error_has_a_status_of_its_own() {
        let too_little = Reason::TooLittleSpeech {
            seconds: 0.1,
            wanted: 0.4,
        };
        let band_limited = Reason::BandLimited {
            bandwidth_hz: 500.0,
            wanted_hz: 1000.0,
        };
        let noisy = Reason::Noisy {
            snr_db: -10.0,
            wanted_db: 0.0,
        };
        let several = Reason::OverlappedSpeech { logit: 4.0 };
        let undecided = Reason::Undecided {
            llr: 0.5,
            reject_below: -2.0,
            accept_from: 2.0,
        };
        let mut codes = vec![];
        for (reason, status) in [
            (Reason::Silence, Silence),
            (Reason::NoSpeech, NoSpeech),
            (too_little, TooLittleSpeech),
            (Reason::Clipping { share: 0.5 }, Clipping),
            (band_limited, BandLimited),
            (noisy, Noisy),
            (several, SeveralVoices),
            (undecided, Undecided),
            (Reason::ScoreNotFinite, ScoreNotFinite),
        ] {
            assert_eq!(status_of(|| Err(reason.into())), status);
            assert!(message().ends_with(&reason.remedy().to_string()));
            assert_eq!(name(status as i32).to_str().unwrap(), reason.code());
            codes.push(reason.code());
        }
        assert_eq!(codes, Reason::CODES);
        let lost = std::io::Error::from(std::io::ErrorKind::NotFound);
        let lost = Error::io("no-such.wav".as_ref(), "read", lost);
        assert_eq!(status_of(|| Err(lost.into())), NotFound);
        assert_eq!(
            message(),
            "no-such.wav: cannot read: entity not found; check the path"
        );
    }

    #[test]
    fn a_nul_in_a_message_is_shown() {
        let status = status_of(|| Err(Failure::usage("two\0lines")));
        assert_eq!((status, &*message()), (Usage, "two\u{fffd}lines"));
    }

    #[test]
    fn an_unknown_number_has_a_name() {
        assert_eq!(name(-1), c"unknown");
        assert_eq!(name(104), c"band_limited");
    }
}
