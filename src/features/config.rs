//! [`MfccConfig`]: the options of the feature extraction. They are Kaldi's MFCC and fbank options
//! under Kaldi's names. One more option chooses the features of another toolkit.
//!
//! Of Kaldi's options, these are not supported: VTLN (but training warps features, with
//! [`super::Mfcc::warped`]), resampling (done when a file is read) and dither other than 0.

use crate::{Error, Result, audio::SAMPLE_RATE_HZ};
use std::ops::RangeInclusive;

/// Window that a frame is multiplied by; `a` is 2π/(N−1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WindowType {
    /// Hanning to the power 0.85.
    Povey,
    /// 0.54 − 0.46·cos(a·i).
    Hamming,
    /// 0.5 − 0.5·cos(a·i).
    Hanning,
    /// 1.
    Rectangular,
    /// b − 0.5·cos(a·i) + (0.5 − b)·cos(2a·i), with b = `blackman_coeff`.
    Blackman,
}

/// The toolkit whose features are computed. It decides what the other options leave open.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Toolkit {
    /// Mel filters are triangles that are straight in mel.
    #[default]
    Kaldi,
    /// SpeechBrain's `Fbank`, but with natural logarithms:
    ///
    /// - One frame per hop, the first centred on sample 0, with zeros beyond the recording.
    /// - The a of [`WindowType`] is 2π/N.
    /// - Mel filters are triangles that are straight in Hz, as wide above the centre as below it. A
    ///   filter may lie between two bins of the FFT.
    /// - The energy of a mel bin is at least 1e-10, for samples of −1 to 1, and no more than 80 dB below
    ///   that of the loudest bin of the recording.
    SpeechBrain,
}

/// Options of the feature extraction, under Kaldi's names. The model file stores all of them.
///
/// [`Default`] is this crate's front-end, not Kaldi's.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MfccConfig {
    /// Kaldi, except for some imported networks.
    #[serde(default, skip_serializing_if = "is_kaldi")]
    pub toolkit: Toolkit,
    /// Must be 16000: other rates are resampled when a file is read.
    pub sample_frequency_hz: u32,
    /// Length of a frame.
    pub frame_length_ms: f32,
    /// Hop from one frame to the next.
    pub frame_shift_ms: f32,
    /// Noise added to the samples. Must be 0, so that the same file always gives the same bits.
    pub dither: f32,
    /// c of the pre-emphasis `x[i] − c·x[i−1]` within the frame; 0 turns it off.
    pub preemph_coeff: f32,
    /// Subtract the frame's mean before anything else.
    pub remove_dc_offset: bool,
    /// Window that the frame is multiplied by.
    pub window_type: WindowType,
    /// Kaldi's constant b in the Blackman window.
    pub blackman_coeff: f32,
    /// Pad frames with zeros to a power of two for the FFT.
    pub round_to_power_of_two: bool,
    /// Use only frames that fit entirely. If false, one frame per hop, with the edges mirrored.
    pub snip_edges: bool,
    /// Number of mel bins.
    pub num_mel_bins: usize,
    /// Lower edge of the lowest mel bin.
    pub low_freq_hz: f32,
    /// Upper edge of the highest mel bin. 0 and negative values count from half the sample rate,
    /// 8000 Hz: -400 means 7600.
    pub high_freq_hz: f32,
    /// Sum the power spectrum in the mel bins; if false, the magnitudes (in Kaldi, an option of
    /// fbank only).
    pub use_power: bool,
    /// Number of cepstra, or 0 for log-mel values without a DCT.
    pub num_ceps: usize,
    /// Lifter Q: multiplies cepstrum i by 1 + Q/2·sin(π·i/Q); 0 turns it off.
    pub cepstral_lifter: f32,
    /// Put the frame's log energy in place of cepstrum 0, or before the log-mel values.
    pub use_energy: bool,
    /// Compute the energy before pre-emphasis and window; if false, after.
    pub raw_energy: bool,
    /// Smallest energy (not its logarithm), for samples at 16-bit scale; 0 turns it off.
    pub energy_floor: f32,
    /// HTK's order: the energy, or √2 times cepstrum 0, comes last.
    pub htk_compat: bool,
    /// Leave out the frames that are not marked as speech. Not in Kaldi, and off in the default
    /// front-end. The shipped model runs on speech only (docs/experiments.md).
    pub speech_only: bool,
    /// Subtract each channel's mean over the frames that are kept. Not in Kaldi.
    pub mean_norm: bool,
    /// Append the means that `mean_norm` subtracts to every frame, as C more channels. They are the
    /// long-term spectrum, which depends on the voice as well as on the channel. Not in Kaldi.
    #[serde(default)]
    pub mean_channels: bool,
}

impl Default for MfccConfig {
    fn default() -> Self {
        MfccConfig {
            toolkit: Toolkit::Kaldi,
            sample_frequency_hz: SAMPLE_RATE_HZ,
            frame_length_ms: 25.0,
            frame_shift_ms: 10.0,
            dither: 0.0,
            preemph_coeff: 0.97,
            remove_dc_offset: true,
            window_type: WindowType::Povey,
            blackman_coeff: 0.42,
            round_to_power_of_two: true,
            snip_edges: true,
            num_mel_bins: 40,
            low_freq_hz: 20.0,
            high_freq_hz: 7600.0,
            use_power: true,
            num_ceps: 40,
            cepstral_lifter: 0.0,
            use_energy: false,
            raw_energy: true,
            energy_floor: 0.0,
            htk_compat: false,
            speech_only: false,
            mean_norm: true,
            mean_channels: false,
        }
    }
}

/// Refuses the value of an option unless a condition holds: `need!(self.option; holds; "what it must be")`.
/// The conditions do not hold for a NaN.
macro_rules! need {
    ($self:ident.$option:ident; $holds:expr; $wanted:expr) => {
        if !$holds {
            return refuse(stringify!($option), $self.$option, $wanted);
        }
    };
}

impl MfccConfig {
    /// Samples in a frame.
    pub(super) fn frame_length(&self) -> usize {
        samples(self.frame_length_ms)
    }

    /// Samples from one frame to the next.
    pub(super) fn frame_shift(&self) -> usize {
        samples(self.frame_shift_ms)
    }

    /// Number of points of the FFT.
    pub(super) fn fft_size(&self) -> usize {
        if self.round_to_power_of_two {
            self.frame_length().next_power_of_two()
        } else {
            self.frame_length()
        }
    }

    /// Upper edge of the highest mel bin, with values of 0 or less resolved.
    pub(super) fn high_hz(&self) -> f32 {
        if self.high_freq_hz > 0.0 {
            self.high_freq_hz
        } else {
            NYQUIST_HZ + self.high_freq_hz
        }
    }

    /// C, the number of feature channels.
    pub fn num_channels(&self) -> usize {
        self.num_frame_channels() * (1 + usize::from(self.mean_channels))
    }

    /// Number of channels of a frame without the appended means.
    pub fn num_frame_channels(&self) -> usize {
        match self.num_ceps {
            0 => self.num_mel_bins + usize::from(self.use_energy),
            num_ceps => num_ceps,
        }
    }

    /// Checks all options that can be checked without building the mel filters.
    ///
    /// # Errors
    /// [`crate::Error::Usage`] naming the option.
    pub fn check(&self) -> Result<()> {
        need!(self.sample_frequency_hz; self.sample_frequency_hz == SAMPLE_RATE_HZ;
              "16000 (files are resampled when read)");
        need!(self.dither; self.dither == 0.0; "0 (the same file gives the same bits)");
        within("frame_length_ms", self.frame_length_ms, 0.125..=1000.0)?;
        within("frame_shift_ms", self.frame_shift_ms, 0.0625..=1000.0)?;
        within("preemph_coeff", self.preemph_coeff, 0.0..=1.0)?;
        within("blackman_coeff", self.blackman_coeff, 0.0..=1.0)?;
        within("cepstral_lifter", self.cepstral_lifter, 0.0..=1000.0)?;
        within("energy_floor", self.energy_floor, 0.0..=f32::MAX)?;
        need!(self.frame_length_ms; self.fft_size().is_multiple_of(2);
              "an even number of samples when round_to_power_of_two is false");
        within("low_freq_hz", self.low_freq_hz, 0.0..=NYQUIST_HZ)?;
        let (most_bins, num_bins) = (self.fft_size() / 2, self.num_mel_bins);
        need!(self.high_freq_hz; self.high_hz() > self.low_freq_hz && self.high_hz() <= NYQUIST_HZ;
              "more than low_freq_hz and at most 8000 (0 or less counts down from 8000)");
        need!(self.num_mel_bins; (3..=most_bins).contains(&num_bins); &format!("3 to {most_bins}"));
        need!(self.num_ceps; self.num_ceps <= num_bins;
              &format!("at most num_mel_bins ({num_bins}), or 0 for log-mel"));
        need!(self.cepstral_lifter; self.num_ceps > 0 || self.cepstral_lifter == 0.0;
              "0 if num_ceps is 0 (log-mel has no cepstra)");
        need!(self.mean_channels; self.mean_norm || !self.mean_channels; "false if mean_norm is false");
        if self.toolkit == Toolkit::SpeechBrain
            && (self.snip_edges || self.use_energy || self.num_ceps > 0)
        {
            return refuse(
                "toolkit",
                "speechbrain",
                "kaldi if snip_edges, use_energy or num_ceps is set",
            );
        }
        Ok(())
    }
}

fn is_kaldi(toolkit: &Toolkit) -> bool {
    *toolkit == Toolkit::Kaldi
}

const NYQUIST_HZ: f32 = SAMPLE_RATE_HZ as f32 / 2.0;

// Truncates like Kaldi's WindowSize and WindowShift.
fn samples(ms: f32) -> usize {
    (f64::from(SAMPLE_RATE_HZ) * 0.001 * f64::from(ms)) as usize
}

fn within(option: &str, value: f32, range: RangeInclusive<f32>) -> Result<()> {
    // A NaN is in no range.
    if range.contains(&value) {
        return Ok(());
    }
    refuse(
        option,
        value,
        &format!("{} to {}", range.start(), range.end()),
    )
}

pub(super) fn refuse<T>(option: &str, value: impl std::fmt::Display, wanted: &str) -> Result<T> {
    Err(Error::Usage(format!(
        "front-end option {option} is {value}; it must be {wanted}"
    )))
}
