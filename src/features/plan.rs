//! Translates the options into the numbers that the MFCC kernel takes.

use super::{cepstrum::Cepstrum, config::MfccConfig, frame};
use crate::kernels::{Channel, FrontEnd, MfccPlan};

/// `filters` has the first FFT bin and the weights of each mel filter. No cepstrum: log-mel.
pub(super) fn plan(
    config: &MfccConfig,
    filters: Vec<(usize, Vec<f32>)>,
    cepstrum: Option<&Cepstrum>,
) -> MfccPlan {
    MfccPlan::new(&FrontEnd {
        fft_size: config.fft_size(),
        remove_mean: config.remove_dc_offset,
        preemph_coeff: config.preemph_coeff,
        window: &frame::window(config),
        magnitude: !config.use_power,
        filters,
        dct: cepstrum.map_or(&[], Cepstrum::columns),
        energy: frame::energy(config),
        bounds: (frame::mel_floor(config), frame::LN_BOUNDS.1),
        channels: channels(config),
    })
}

/// Order of the columns. The energy comes first, in place of cepstrum 0 or before the log-mel
/// values. `htk_compat` moves the first column to the end, except for log-mel values without
/// energy.
fn channels(config: &MfccConfig) -> Vec<Channel> {
    let outputs = match config.num_ceps {
        0 => 0..config.num_mel_bins,
        num_ceps => usize::from(config.use_energy)..num_ceps,
    };
    let mut channels: Vec<Channel> = outputs.map(Channel::Output).collect();
    if config.use_energy {
        channels.insert(0, Channel::Energy);
    }
    if config.htk_compat && (config.num_ceps > 0 || config.use_energy) {
        channels.rotate_left(1);
    }
    channels
}
