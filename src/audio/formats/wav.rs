//! Reads the header of a WAV file: what the samples are and where they lie, as a [`Layout`]. Nothing in
//! the header is believed: sizes are compared with the bytes that are there. A wrong size that leaves
//! the samples readable becomes a warning.
//!
//! RIFF, RIFX (big-endian), RF64 and BW64 (EBU Tech 3306: 64-bit sizes in `ds64`) and Sony Wave64 (GUIDs
//! in place of four-letter names) are four ways to write the same list of chunks, so one reader handles
//! them all. It does not use the crate hound: of the files in our corpus that must be read, hound 3.5
//! refuses eight (padded odd chunks, sizes of a pipe, float64, a wrong byte rate...), and it accepts one
//! whose two format headers contradict each other.

mod behind;
mod chunk;
mod format;

use crate::audio::input::Input;
use crate::audio::layout::Layout;
use crate::audio::pcm::ByteOrder;
use crate::audio::refusal::{Refusal, Refused};
use chunk::{Chunk, Spelling, is_chunk_id};
use format::Format;

/// A count that says "look elsewhere" or "not known when this was written".
const SIZE_UNKNOWN: u64 = 0xFFFF_FFFF;
/// Most chunks that may come before the audio. No program writes as many, and each costs a read.
const MAX_CHUNKS: usize = 1000;
/// Largest format header that is read, in bytes. No program writes a larger one.
const MAX_FORMAT_BYTES: usize = 1 << 16;

/// The layout, if this is a WAV file.
pub fn layout(input: &mut Input) -> Refused<Option<Layout>> {
    match start(input)? {
        Some((start, spelling)) => layout_at(input, start, spelling).map(Some),
        None => Ok(None),
    }
}

/// Where the RIFF header starts and how it is written, if this is a WAV file. It is at the front, or
/// after an ID3v2 tag.
fn start(input: &mut Input) -> Refused<Option<(u64, Spelling)>> {
    let opening = input.get(0, 16)?;
    if let Some(spelling) = Spelling::of(opening) {
        return Ok(Some((0, spelling)));
    }
    let &[b'I', b'D', b'3', _, _, flags, a, b, c, d, ..] = opening else {
        return Ok(None);
    };
    if [a, b, c, d].iter().any(|byte| byte & 0x80 != 0) {
        return Ok(None);
    }
    // Seven bits of each byte, and a footer if the flag says so.
    let size = [a, b, c, d]
        .iter()
        .fold(0, |size, byte| size << 7 | u64::from(*byte));
    let after = 10 + size + if flags & 0x10 != 0 { 10 } else { 0 };
    let spelling = Spelling::of(input.get(after, 16)?);
    Ok(spelling.map(|spelling| (after, spelling)))
}

/// Reads the header of a WAV file, which starts at `start`.
fn layout_at(input: &mut Input, start: u64, spelling: Spelling) -> Refused<Layout> {
    let order = spelling.order();
    let mut format: Option<(Vec<u8>, Format)> = None;
    let mut data: Option<Chunk> = None;
    let mut data_size_64 = None;
    let mut at = start + spelling.first_chunk();
    let mut num_chunks = 0;
    while format.is_none() || data.is_none() {
        let Some(chunk) = spelling.chunk_at(input, at)? else {
            break;
        };
        num_chunks += 1;
        if num_chunks > MAX_CHUNKS {
            return Err(Refusal::damaged(format!(
                "has more than {MAX_CHUNKS} chunks and no audio among them"
            )));
        }
        // Behind the audio of a stream there is nothing to look at yet.
        let is_last = &chunk.id == b"data" && format.is_some() && input.is_open();
        let next = match is_last {
            true => None,
            false => spelling.after(input, &chunk)?,
        };
        if &chunk.id == b"data" {
            if data.is_none() && (chunk.size > 0 || streams_on(spelling, input, chunk.body)?) {
                data = Some(chunk);
            }
        } else if chunk.size > input.len().saturating_sub(chunk.body) {
            let name = String::from_utf8_lossy(&chunk.id).into_owned();
            return Err(Refusal::damaged(format!(
                "the header's chunk {name:?} claims {} bytes, the file ends before that",
                chunk.size
            )));
        } else if &chunk.id == b"fmt " {
            let wanted = chunk.size.min(MAX_FORMAT_BYTES as u64) as usize;
            let body = input.get(chunk.body, wanted)?.to_vec();
            if format.as_ref().is_some_and(|(first, _)| *first != body) {
                return Err(Refusal::damaged("holds two contradictory format headers"));
            }
            let parsed = Format::parse(&body, order)?;
            format = Some((body, parsed));
        } else if &chunk.id == b"ds64" && spelling == Spelling::Rf64 && chunk.size >= 16 {
            let sizes = input.get(chunk.body, 16)?;
            data_size_64 = sizes.get(8..16).map(|b| ByteOrder::Little.u64(b));
        }
        let Some(next) = next else {
            break;
        };
        at = next;
    }
    let Some((_, format)) = format else {
        return Err(Refusal::damaged("has no format header (`fmt ` chunk)"));
    };
    let data = data.ok_or_else(Refusal::no_audio)?;
    let declared = match data_size_64 {
        Some(size) if data.size == SIZE_UNKNOWN => size,
        _ => data.size,
    };
    let mut layout = Layout {
        coding: format.coding,
        order,
        num_channels: format.num_channels,
        rate_hz: format.rate_hz,
        data: data.body..data.body.saturating_add(declared),
        warning: format.warning,
        truncated: false,
    }
    .fit(input.len())?;
    // In a stream, what follows the audio is not waited for.
    if input.is_open() {
        return Ok(layout);
    }
    if let Some(left_out) = behind::left_out(input, spelling, data.body, declared)? {
        layout.warn(left_out);
        layout.truncated = true;
    }
    Ok(layout)
}

/// Whether audio follows a size of 0, as in the file of a recorder that was cut off. In an empty file
/// nothing follows, or another chunk.
fn streams_on(spelling: Spelling, input: &mut Input, body: u64) -> Refused<bool> {
    let left = input.len().saturating_sub(body);
    let another_chunk = spelling
        .chunk_at(input, body)?
        .is_some_and(|c| is_chunk_id(&c.id) && c.size <= input.len().saturating_sub(c.body));
    Ok(left > 0 && !another_chunk)
}
