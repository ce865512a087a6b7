//! Reads the header of an AU file (Sun, NeXT; Java's `javax.sound` writes it too): six big-endian
//! numbers, a comment, then the samples.

use crate::audio::input::Input;
use crate::audio::layout::{Coding, Layout, MAX_CHANNELS};
use crate::audio::pcm::{ByteOrder, Encoding};
use crate::audio::refusal::{Refusal, Refused};

/// The size that means "not known".
const SIZE_UNKNOWN: u32 = 0xFFFF_FFFF;

/// The layout, if this is an AU file.
pub fn layout(input: &mut Input) -> Refused<Option<Layout>> {
    let header = input.get(0, 24)?;
    if !header.starts_with(b".snd") {
        return Ok(None);
    }
    if header.len() < 24 {
        return Err(Refusal::no_audio());
    }
    let field = |k: usize| ByteOrder::Big.u32(&header[4 * k..]);
    let start = u64::from(field(1));
    let size = match field(2) {
        SIZE_UNKNOWN => 0,
        size => u64::from(size),
    };
    let (code, rate_hz, num_channels) = (field(3), field(4), field(5) as usize);
    let encoding = match code {
        1 => Encoding::Mulaw,
        2 => Encoding::I8,
        3 => Encoding::I16,
        4 => Encoding::I24,
        5 => Encoding::I32,
        6 => Encoding::F32,
        7 => Encoding::F64,
        27 => Encoding::Alaw,
        23..=26 => return Err(unfit("G.721, G.722 or G.723 inside, which is not read")),
        _ => return Err(unfit(&format!("the unknown coding {code}"))),
    };
    if !(1..=MAX_CHANNELS).contains(&num_channels) {
        return Err(unfit(&format!("{num_channels} channels")));
    }
    if start < 24 {
        return Err(unfit(&format!("a header of {start} bytes")));
    }
    let layout = Layout {
        coding: Coding::Samples(encoding),
        order: ByteOrder::Big,
        num_channels,
        rate_hz,
        data: start..start + size,
        warning: None,
        truncated: false,
    };
    layout.fit(input.len()).map(Some)
}

fn unfit(what: &str) -> Refusal {
    Refusal::not_read(format!("is an AU file with {what}"))
}
