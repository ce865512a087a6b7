//! What the decoder reports about a packet of a compressed recording: its channels, rate and length.

/// Facts about the samples of one packet.
pub struct Decoded {
    pub num_channels: usize,
    pub rate_hz: u32,
    /// Samples of each channel, including those that are decoded and left out (the start and the
    /// end of Opus).
    pub num_frames: u64,
}
