//! The values that a u8 activation can have.

/// 1.5·2²³. Adding this to a small number and subtracting it again rounds the number to the nearest
/// whole one, halves to even. After the addition alone, the low byte holds the rounded number, if that
/// is from 0 to 255.
pub const ROUND: f32 = 12_582_912.0;

/// Number of steps of a u8 activation between 0 and the end of its range. `zero` is the u8 of an
/// activation of 0. If `zero` is 0, all 255 steps are above it; if it is 128, 127 of them are.
pub fn levels(zero: u8) -> f32 {
    if zero == 0 { 255.0 } else { 127.0 }
}
