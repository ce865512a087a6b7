//! What came out of one packet of a compressed recording, besides its samples.

/// What a packet held.
pub struct Decoded {
    pub num_channels: usize,
    pub rate_hz: u32,
    /// Samples of each channel, including those that are decoded and left out (the start and the
    /// end of Opus).
    pub num_frames: u64,
}
