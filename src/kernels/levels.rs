//! The values that a u8 activation can have.

/// 1.5·2²³: added to a number of 0 to 255, it leaves the number in the low byte, rounded to the
/// nearest, halves to even.
pub(super) const ROUND: f32 = 12_582_912.0;

/// Steps of a u8 activation from 0 to the end of its range. `zero` is the u8 of 0: at 0, all are
/// above it, at 128 half of them.
pub fn levels(zero: u8) -> f32 {
    if zero == 0 { 255.0 } else { 127.0 }
}
