//! The kind of a trial: clean, noisy, or over a telephone line. Error rates differ between kinds,
//! so they are measured and shown for each.

use super::CONDITIONS;
use std::fmt;

/// The kind of a trial.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum TrialKind {
    /// Both recordings are clean and of full band.
    Clean,
    /// One recording or both are noisy: a signal-to-noise ratio of less than 20 dB.
    Noise,
    /// One recording or both have a narrow band, as over a telephone line: a bandwidth of less than
    /// 4.5 kHz, or little sound below 250 Hz.
    Line,
}

impl TrialKind {
    /// All kinds.
    pub const ALL: [TrialKind; 3] = [TrialKind::Clean, TrialKind::Noise, TrialKind::Line];

    /// The kind of a trial of two recordings with these conditions, `[n, h, l]` each (see
    /// [`conditions`](super::conditions)). A trial with both noise and a narrow band is
    /// [`Self::Noise`].
    pub fn of(a: [f32; CONDITIONS], b: [f32; CONDITIONS]) -> Self {
        let worse: [f32; CONDITIONS] = std::array::from_fn(|k| a[k].max(b[k]));
        let [noise, ..] = worse;
        if noise > 0.0 {
            TrialKind::Noise
        } else if is_narrow(worse) {
            TrialKind::Line
        } else {
            TrialKind::Clean
        }
    }
}

/// Whether a recording with these conditions has a narrow band, however noisy it is.
pub fn is_narrow(conditions: [f32; CONDITIONS]) -> bool {
    let [_, high, low, ..] = conditions;
    high.max(low) > 0.5
}

impl fmt::Display for TrialKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TrialKind::Clean => "clean recordings",
            TrialKind::Noise => "noise",
            TrialKind::Line => "a narrow band",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scoring::conditions::tests::conditions_of;

    #[test]
    fn the_worse_recording_decides() {
        let clean = conditions_of(35.0, 8000.0, 5.0);
        let noisy = conditions_of(14.0, 8000.0, 5.0);
        let telephone = conditions_of(35.0, 4000.0, -25.0);
        assert_eq!(TrialKind::of(clean, clean), TrialKind::Clean);
        for (a, b, kind) in [
            (clean, noisy, TrialKind::Noise),
            (clean, telephone, TrialKind::Line),
            (noisy, telephone, TrialKind::Noise),
            (telephone, telephone, TrialKind::Line),
        ] {
            assert_eq!([TrialKind::of(a, b), TrialKind::of(b, a)], [kind; 2]);
        }
    }
}
