//! Decodes the 4-bit ADPCM of WAV files, which voice mail and old recorders write. There are two
//! codings, IMA (DVI) and Microsoft, both defined by the Multimedia Data Standards Update (Microsoft,
//! 1994). The samples are the same as libsndfile's, bit for bit.
//!
//! A block begins with the decoder's state for each channel, so it is decoded without the blocks before
//! it. With c for the 4-bit code of the sample x:
//!
//! ```text
//! IMA:        x ← x ± ((2·(c & 7) + 1) · step) / 8,  step index ← index + INDEX_STEP[c]
//! Microsoft:  x ← (x₋₁·A + x₋₂·B)/256 + signed(c)·δ,  δ ← max(16, δ · ADAPTATION[c] / 256)
//! ```

use super::refusal::{Refusal, Refused};

/// Which of the two codings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Variant {
    Ima,
    Microsoft,
}

/// A decoder for blocks of one size.
#[derive(Debug, Clone, Copy)]
pub struct Adpcm {
    variant: Variant,
    num_channels: usize,
    /// Bytes per block.
    pub block_bytes: usize,
    /// Samples of each channel per block.
    pub block_frames: usize,
}

impl Adpcm {
    /// Checks that the values of the header fit together. `claimed` is the number of samples per block
    /// that the header states, if it states one.
    pub fn new(
        variant: Variant,
        num_channels: usize,
        block_bytes: usize,
        bits: u16,
        claimed: Option<usize>,
    ) -> Refused<Self> {
        if bits != 4 || num_channels > 2 {
            return Err(Refusal::not_read(format!(
                "is a WAV file with ADPCM of {bits} bits and {num_channels} channels"
            )));
        }
        let (head, frames_in_head) = match variant {
            Variant::Ima => (4 * num_channels, 1),
            Variant::Microsoft => (7 * num_channels, 2),
        };
        let nibbles = 2 * block_bytes.saturating_sub(head);
        let block_frames = frames_in_head + nibbles / num_channels;
        let words = variant == Variant::Microsoft || nibbles % (8 * num_channels) == 0;
        if block_bytes < head || !words || claimed.is_some_and(|n| n != block_frames) {
            return Err(Refusal::damaged(format!(
                "claims ADPCM blocks of {block_bytes} bytes and {} samples",
                claimed.map_or("unknown".into(), |n| n.to_string())
            )));
        }
        Ok(Adpcm {
            variant,
            num_channels,
            block_bytes,
            block_frames,
        })
    }

    /// Decodes whole blocks to samples, channels interleaved.
    pub fn to_f32(self, blocks: &[u8]) -> Vec<f32> {
        let num_blocks = blocks.len() / self.block_bytes;
        let mut samples = vec![0.0; num_blocks * self.block_frames * self.num_channels];
        for (block, out) in blocks
            .chunks_exact(self.block_bytes)
            .zip(samples.chunks_exact_mut(self.block_frames * self.num_channels))
        {
            match self.variant {
                Variant::Ima => ima_block(block, self.num_channels, out),
                Variant::Microsoft => microsoft_block(block, self.num_channels, out),
            }
        }
        samples
    }
}

fn to_f32(sample: i32) -> f32 {
    sample as f32 / 32_768.0
}

fn i16_at(bytes: &[u8], at: usize) -> i32 {
    i16::from_le_bytes([bytes[at], bytes[at + 1]]).into()
}

/// Decodes an IMA block: each channel's state, then groups of 8 codes (4 bytes) of each channel in
/// turn, the lower half of a byte first.
fn ima_block(block: &[u8], num_channels: usize, out: &mut [f32]) {
    let (heads, codes) = block.split_at(4 * num_channels);
    for (channel, head) in heads.chunks_exact(4).enumerate() {
        let mut sample = i16_at(head, 0);
        let mut index = usize::from(head[2]).min(IMA_STEPS.len() - 1);
        let mut out = out[channel..].iter_mut().step_by(num_channels);
        out.next().into_iter().for_each(|o| *o = to_f32(sample));
        let words = codes.chunks_exact(4).skip(channel).step_by(num_channels);
        let nibbles = words.flatten().flat_map(|byte| [byte & 15, byte >> 4]);
        for (code, out) in nibbles.zip(out) {
            let step = i32::from(IMA_STEPS[index]);
            // The definition adds shifted steps, each rounded down, instead of dividing once.
            let mut difference = step >> 3;
            for (bit, shift) in [(1, 2), (2, 1), (4, 0)] {
                if code & bit != 0 {
                    difference += step >> shift;
                }
            }
            sample += if code & 8 != 0 {
                -difference
            } else {
                difference
            };
            sample = sample.clamp(-32_768, 32_767);
            index = index
                .saturating_add_signed(IMA_INDEX_STEPS[usize::from(code & 7)])
                .min(IMA_STEPS.len() - 1);
            *out = to_f32(sample);
        }
    }
}

/// Decodes a Microsoft block: predictors, deltas, second and first samples of all channels, then
/// the codes of the channels in turn, the upper half of a byte first.
fn microsoft_block(block: &[u8], num_channels: usize, out: &mut [f32]) {
    let n = num_channels;
    let (head, codes) = block.split_at(7 * n);
    let mut state: Vec<(usize, i32, i32, i32)> = (0..n)
        .map(|c| {
            let predictor = usize::from(head[c]).min(MICROSOFT_WEIGHTS.len() - 1);
            let at = |field: usize| i16_at(head, n + 2 * (field * n + c));
            (predictor, at(0), at(1), at(2))
        })
        .collect();
    for (c, (_, _, last, before)) in state.iter().enumerate() {
        out[c] = to_f32(*before);
        out[n + c] = to_f32(*last);
    }
    let nibbles = codes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    for (i, (code, out)) in nibbles.zip(&mut out[2 * n..]).enumerate() {
        let (predictor, delta, last, before) = &mut state[i % n];
        let (a, b) = MICROSOFT_WEIGHTS[*predictor];
        let signed = i32::from(code) - if code & 8 != 0 { 16 } else { 0 };
        let predicted = (*last * a + *before * b) >> 8;
        let sample = (predicted + signed * *delta).clamp(-32_768, 32_767);
        // The upper bound is for damaged blocks, which can ask for steps that no 16-bit signal has.
        *delta = ((MICROSOFT_ADAPTATION[usize::from(code)] * *delta) >> 8).clamp(16, 1 << 20);
        (*before, *last) = (*last, sample);
        *out = to_f32(sample);
    }
}

const IMA_INDEX_STEPS: [isize; 8] = [-1, -1, -1, -1, 2, 4, 6, 8];
#[rustfmt::skip]
const IMA_STEPS: [i16; 89] = [
    7, 8, 9, 10, 11, 12, 13, 14, 16, 17, 19, 21, 23, 25, 28, 31, 34, 37, 41, 45, 50, 55, 60, 66,
    73, 80, 88, 97, 107, 118, 130, 143, 157, 173, 190, 209, 230, 253, 279, 307, 337, 371, 408, 449,
    494, 544, 598, 658, 724, 796, 876, 963, 1060, 1166, 1282, 1411, 1552, 1707, 1878, 2066, 2272,
    2499, 2749, 3024, 3327, 3660, 4026, 4428, 4871, 5358, 5894, 6484, 7132, 7845, 8630, 9493, 10442,
    11487, 12635, 13899, 15289, 16818, 18500, 20350, 22385, 24623, 27086, 29794, 32767,
];
const MICROSOFT_ADAPTATION: [i32; 16] = [
    230, 230, 230, 230, 307, 409, 512, 614, 768, 614, 512, 409, 307, 230, 230, 230,
];
const MICROSOFT_WEIGHTS: [(i32, i32); 7] = [
    (256, 0),
    (512, -256),
    (0, 0),
    (192, 64),
    (240, 0),
    (460, -208),
    (392, -232),
];
