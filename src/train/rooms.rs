//! Simulates impulse responses of rooms and halls: shoeboxes of random size, with a source and a
//! microphone at random places.
//!
//! Image method (Allen and Berkley 1979): every mirror image of the source adds an impulse at its
//! distance, weakened by each wall that reflected it. Walls are frequency-independent, and impulses
//! are at the nearest sample.

use super::{distortion::energy, random::Random};
use crate::audio::SAMPLE_RATE_HZ;

const SPEED_OF_SOUND_M_S: f32 = 343.0;

/// Longest response, in seconds, of a room and of a hall.
const MAX_SECONDS: [f32; 2] = [0.4, 1.0];

/// A random room's or hall's impulse response at 16 kHz, the direct sound first, energy 1.
pub fn impulse_response(random: &mut Random, hall: bool) -> Vec<f32> {
    let (lowest_m, highest_m) = match hall {
        false => ([2.5, 2.5, 2.2], [9.0, 8.0, 4.0]),
        true => ([8.0, 6.0, 3.0], [30.0, 20.0, 12.0]),
    };
    let size_m: [f32; 3] =
        std::array::from_fn(|axis| random.uniform(lowest_m[axis], highest_m[axis]));
    let max_seconds = MAX_SECONDS[usize::from(hall)];
    let within = |random: &mut Random| size_m.map(|s| random.uniform(0.3, s - 0.3));
    let source_m = within(random);
    let microphone_m = within(random);
    let reflection = random.uniform(0.35, if hall { 0.93 } else { 0.88 });
    let max_m = max_seconds * SPEED_OF_SOUND_M_S;
    let direct_m = distance(source_m, microphone_m).max(0.2);
    let len = (max_seconds * SAMPLE_RATE_HZ as f32) as usize;
    let mut response = vec![0.0f32; len];
    // Images weaker than -60 dB are left out.
    let max_order = ((1e-3f32).ln() / reflection.ln()).ceil() as i32;
    let reach = size_m.map(|s| ((max_m / (2.0 * s)).ceil() as i32).min(max_order / 2 + 1));
    for nx in -reach[0]..=reach[0] {
        for ny in -reach[1]..=reach[1] {
            for nz in -reach[2]..=reach[2] {
                for mirrored in 0..8 {
                    let n = [nx, ny, nz];
                    let mut image_m = [0.0; 3];
                    let mut order = 0;
                    for axis in 0..3 {
                        let mirror = (mirrored >> axis) & 1;
                        let sign = if mirror == 1 { -1.0 } else { 1.0 };
                        image_m[axis] = 2.0 * n[axis] as f32 * size_m[axis] + sign * source_m[axis];
                        order += n[axis].abs() + (n[axis] - mirror).abs();
                    }
                    let far_m = distance(image_m, microphone_m).max(0.2);
                    let delay_s = (far_m - direct_m).max(0.0) / SPEED_OF_SOUND_M_S;
                    let at = (delay_s * SAMPLE_RATE_HZ as f32).round() as usize;
                    if at < len && order <= max_order {
                        response[at] += reflection.powi(order) / far_m;
                    }
                }
            }
        }
    }
    let norm = energy(&response).sqrt();
    response.iter_mut().for_each(|v| *v /= norm);
    response
}

fn distance(a: [f32; 3], b: [f32; 3]) -> f32 {
    a.iter()
        .zip(b)
        .map(|(x, y)| (x - y) * (x - y))
        .sum::<f32>()
        .sqrt()
}
