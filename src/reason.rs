//! Why a recording allows no decision: its code for programs, and the fact and the remedy for people.

use crate::remedy::Remedy;
use std::fmt;

/// Why a recording allows no decision. Such a recording is refused at enrollment, too.
///
/// ```
/// use spkver::{Reason, Recording, Verifier};
///
/// let silence = Recording::from_samples(vec![0.0; 48_000], 16_000)?;
/// let reason = Verifier::embedded()?.embed(&silence).unwrap_err();
/// assert_eq!(reason, Reason::Silence);
/// assert_eq!(reason.to_string(), "the recording is silent");
/// # Ok::<(), spkver::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Reason {
    /// No sound.
    Silence,
    /// Sound, but no speech: noise, tones.
    NoSpeech,
    /// Less net speech than the model requires.
    TooLittleSpeech {
        /// Net speech in the recording, in seconds.
        seconds: f32,
        /// Net speech required, in seconds.
        wanted: f32,
    },
    /// Too many samples at full scale.
    Clipping {
        /// Share of samples at full scale, 0 to 1.
        share: f32,
    },
    /// A narrower band than the model requires.
    BandLimited {
        /// Highest frequency with speech energy, in Hz.
        bandwidth_hz: f32,
        /// Bandwidth required, in Hz.
        wanted_hz: f32,
    },
    /// More noise than the model allows.
    Noisy {
        /// Estimated signal-to-noise ratio, in dB.
        snr_db: f32,
        /// Signal-to-noise ratio required, in dB.
        wanted_db: f32,
    },
    /// Part of the recording sounds like a different speaker.
    SeveralSpeakers {
        /// LLR of this part against the rest, scaled to two seconds of speech on each side.
        llr: f32,
    },
    /// Two people speak at the same time.
    OverlappedSpeech {
        /// Logit of the model's detector of overlapped speech.
        logit: f32,
    },
    /// Close to the limits of both `SeveralSpeakers` and `OverlappedSpeech`.
    NearlySeveralSpeakers {
        /// LLR of one part against the rest, scaled to two seconds of speech on each side.
        llr: f32,
        /// Logit of the model's detector of overlapped speech.
        logit: f32,
    },
    /// Listening ended before the score was clear enough for a sequential test.
    Undecided {
        /// The score.
        llr: f32,
        /// Scores below this would have been rejected.
        reject_below: f32,
        /// Scores from this up would have been accepted.
        accept_from: f32,
    },
    /// The score is not a finite number.
    ScoreNotFinite,
}

impl Reason {
    /// All that [`Self::code`] returns.
    #[doc(hidden)]
    pub const CODES: [&'static str; 9] = [
        "silence",
        "no_speech",
        "too_little_speech",
        "clipping",
        "band_limited",
        "noisy",
        "several_voices",
        "undecided",
        "score_not_finite",
    ];

    /// Stable name for machine-readable output.
    pub fn code(&self) -> &'static str {
        match self {
            Reason::Silence => "silence",
            Reason::NoSpeech => "no_speech",
            Reason::TooLittleSpeech { .. } => "too_little_speech",
            Reason::Clipping { .. } => "clipping",
            Reason::BandLimited { .. } => "band_limited",
            Reason::Noisy { .. } => "noisy",
            // One code for all: programs need not know whether speakers take turns or speak at
            // once.
            Reason::SeveralSpeakers { .. }
            | Reason::OverlappedSpeech { .. }
            | Reason::NearlySeveralSpeakers { .. } => "several_voices",
            Reason::Undecided { .. } => "undecided",
            Reason::ScoreNotFinite => "score_not_finite",
        }
    }

    /// What the user can do about it.
    pub fn remedy(&self) -> Remedy {
        let text = match self {
            Reason::Silence => return Remedy::Microphone,
            Reason::NoSpeech => "record somebody speaking",
            Reason::TooLittleSpeech { .. } => "record a longer utterance",
            Reason::Clipping { .. } => "record again at a lower level",
            Reason::BandLimited { .. } => {
                "record at 8 kHz or more, and avoid connections with a narrower band"
            }
            Reason::SeveralSpeakers { .. } => {
                "cut out the part of one speaker, or record one alone"
            }
            Reason::OverlappedSpeech { .. } | Reason::NearlySeveralSpeakers { .. } => {
                "record one speaker alone, with no other voice in the background"
            }
            Reason::Noisy { .. } => "record closer to the mouth, or in a quieter place",
            Reason::Undecided { .. } => {
                "let the speaker talk longer, or allow for higher error rates"
            }
            Reason::ScoreNotFinite => {
                "try another recording; if that does not help, enroll again with another model"
            }
        };
        text.into()
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::Silence => write!(f, "the recording is silent"),
            Reason::NoSpeech => write!(f, "no speech found"),
            Reason::TooLittleSpeech { seconds, wanted } => {
                // Rounded away from each other, so that too little speech is never shown as enough.
                let floor = (100.0 * seconds + 1e-3).floor() / 100.0;
                let ceiling = (100.0 * wanted - 1e-3).ceil() / 100.0;
                write!(f, "{floor:.2} s of speech, {ceiling:.2} s needed")
            }
            Reason::Clipping { share } => {
                write!(f, "{:.0} % of the samples are clipped", share * 100.0)
            }
            Reason::BandLimited {
                bandwidth_hz,
                wanted_hz,
            } => write!(
                f,
                "no speech above {bandwidth_hz:.0} Hz, {wanted_hz:.0} Hz needed"
            ),
            Reason::SeveralSpeakers { llr } => write!(
                f,
                "several speakers: one part does not sound like the rest (LLR {llr:+.1})"
            ),
            Reason::OverlappedSpeech { logit } => write!(
                f,
                "several speakers: two people speak at the same time (logit {logit:+.1})"
            ),
            Reason::NearlySeveralSpeakers { llr, logit } => write!(
                f,
                "several speakers: one part hardly sounds like the rest (LLR {llr:+.1}), and two \
                 people may speak at the same time (logit {logit:+.1})"
            ),
            Reason::Noisy { snr_db, wanted_db } => write!(
                f,
                "a signal-to-noise ratio of {snr_db:.0} dB, {wanted_db:.0} dB needed"
            ),
            Reason::Undecided {
                llr,
                reject_below,
                accept_from,
            } => write!(
                f,
                "not clear yet: LLR {llr:+.2} lies between {reject_below:+.2} and {accept_from:+.2}"
            ),
            Reason::ScoreNotFinite => write!(f, "the score is not a finite number"),
        }
    }
}

impl std::error::Error for Reason {}

#[cfg(test)]
mod tests {
    use super::*;

    /// The reason after this one. The compiler asks for a line about each new reason.
    fn after(reason: Reason) -> Option<Reason> {
        let [seconds, wanted, share, llr, logit] = [0.1, 0.4, 0.5, 0.25, 0.75];
        Some(match reason {
            Reason::Silence => Reason::NoSpeech,
            Reason::NoSpeech => Reason::TooLittleSpeech { seconds, wanted },
            Reason::TooLittleSpeech { .. } => Reason::Clipping { share },
            Reason::Clipping { .. } => Reason::BandLimited {
                bandwidth_hz: 500.0,
                wanted_hz: 1000.0,
            },
            Reason::BandLimited { .. } => Reason::Noisy {
                snr_db: -10.0,
                wanted_db: 0.0,
            },
            Reason::Noisy { .. } => Reason::SeveralSpeakers { llr },
            Reason::SeveralSpeakers { .. } => Reason::OverlappedSpeech { logit },
            Reason::OverlappedSpeech { .. } => Reason::NearlySeveralSpeakers { llr, logit },
            Reason::NearlySeveralSpeakers { .. } => Reason::Undecided {
                llr,
                reject_below: -2.0,
                accept_from: 2.0,
            },
            Reason::Undecided { .. } => Reason::ScoreNotFinite,
            Reason::ScoreNotFinite => return None,
        })
    }

    #[test]
    fn every_code_is_in_the_list_of_codes() {
        let all = std::iter::successors(Some(Reason::Silence), |reason| after(*reason));
        let mut codes: Vec<&str> = all.map(|reason| reason.code()).collect();
        codes.dedup();
        assert_eq!(codes, Reason::CODES);
    }
}
