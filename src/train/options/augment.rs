//! How often each step of the augmentation happens, and how strong it is.

use serde::{Deserialize, Serialize};

/// Probability of each step, 0 to 1, and how strong it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AugmentOptions {
    /// Share of the crops that stay clean: only their level changes.
    pub clean: f32,
    /// A room, recorded or simulated.
    pub reverberation: f32,
    /// Noise from files, or generated noise of a random colour.
    pub noise: f32,
    /// A steady tone or mains hum, at the SNR of noise.
    pub hum: f32,
    /// Three to six other speakers.
    pub babble: f32,
    /// Random smooth frequency response.
    pub equalizer: f32,
    /// Band limit: telephone, or somewhere below 7 kHz.
    pub band_limit: f32,
    /// Peaks cut off, as an overdriven microphone does.
    pub clip: f32,
    /// Spectral holes and coarse steps, as low-rate codecs leave them.
    pub codec: f32,
    /// 8-bit mu-law samples, as on a telephone line.
    pub mu_law: f32,
    /// A telephone line: its band, samples at 8 kHz, and mu-law of these.
    pub telephone: f32,
    /// Signal-to-noise ratio of noise, from and to, in dB.
    pub noise_snr_db: (f32, f32),
    /// Signal-to-noise ratio of babble, from and to, in dB.
    pub babble_snr_db: (f32, f32),
    /// Number of simulated rooms.
    pub num_rooms: usize,
}

impl Default for AugmentOptions {
    /// Only changes the level and rounds to 16 bits; the recipes turn on the other steps.
    fn default() -> Self {
        AugmentOptions {
            clean: 0.0,
            reverberation: 0.0,
            noise: 0.0,
            hum: 0.0,
            babble: 0.0,
            equalizer: 0.0,
            band_limit: 0.0,
            clip: 0.0,
            codec: 0.0,
            mu_law: 0.0,
            telephone: 0.0,
            noise_snr_db: (3.0, 25.0),
            babble_snr_db: (8.0, 25.0),
            num_rooms: 200,
        }
    }
}
