//! The values that a u8 activation can have.

/// 1.5·2²³. A small number that it is added to and then subtracted from is rounded to the nearest whole
/// number, halves to even. After the addition alone, a number of 0 to 255 stands in the low byte.
pub const ROUND: f32 = 12_582_912.0;

/// Steps of a u8 activation from 0 to the end of its range. `zero` is the u8 of an activation of 0. If
/// it is 0, all steps are above it; if it is 128, half of them.
pub fn levels(zero: u8) -> f32 {
    if zero == 0 { 255.0 } else { 127.0 }
}
