//! The features that imported networks were trained with: log-mel values, minus their mean over the
//! recording.

use crate::features::{MfccConfig, Toolkit, WindowType};

/// The features of torchaudio's `kaldi.fbank` and kaldi-native-fbank.
pub fn log_mel(num_mel_bins: usize) -> MfccConfig {
    MfccConfig {
        num_mel_bins,
        low_freq_hz: 20.0,
        high_freq_hz: 0.0, // Nyquist
        num_ceps: 0,
        speech_only: false,
        mean_norm: true,
        ..MfccConfig::default()
    }
}

/// [`log_mel`] with the window of WeSpeaker.
pub fn hamming_log_mel(num_mel_bins: usize) -> MfccConfig {
    MfccConfig {
        window_type: WindowType::Hamming,
        ..log_mel(num_mel_bins)
    }
}

/// The features of SpeechBrain's `Fbank(n_mels=num_mel_bins)`.
pub fn speechbrain(num_mel_bins: usize) -> MfccConfig {
    MfccConfig {
        toolkit: Toolkit::SpeechBrain,
        window_type: WindowType::Hamming,
        preemph_coeff: 0.0,
        remove_dc_offset: false,
        round_to_power_of_two: false,
        snip_edges: false,
        low_freq_hz: 0.0,
        ..log_mel(num_mel_bins)
    }
}
