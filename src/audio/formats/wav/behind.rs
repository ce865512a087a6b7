//! Looks at what follows the audio in a WAV file, and warns if it may be audio. Usually it is chunks
//! of comments. It can also be the rest of the recording, if its writer was stopped before it put the
//! final size into the header, or a second file that somebody appended. Without the warning, the user
//! would take a part for the whole.

use super::chunk::{Chunk, Spelling, is_chunk_id};
use crate::audio::input::Input;
use crate::audio::refusal::Refused;

/// Fewer bytes than this behind the audio are taken for padding.
const MIN_BYTES: u64 = 512;
/// Fewer bytes than this that are not a chunk are taken for garbage: a tenth of a second of audio.
const MIN_NAMELESS_BYTES: u64 = 3200;
/// Most chunks that are looked at. No program writes as many.
const MAX_CHUNKS: usize = 1000;

/// What is left out, in words for the user; `None` if nothing is. The audio starts at `body` and claims
/// `declared` bytes.
pub fn left_out(
    input: &mut Input,
    spelling: Spelling,
    body: u64,
    declared: u64,
) -> Refused<Option<String>> {
    if declared == 0 {
        return Ok(None);
    }
    let audio = Chunk {
        id: *b"data",
        size: declared,
        body,
    };
    let mut next = spelling.after(input, &audio)?;
    for _ in 0..MAX_CHUNKS {
        let Some(at) = next else {
            break;
        };
        let left = input.len().saturating_sub(at);
        if left < MIN_BYTES {
            break;
        }
        let name = input.get(at, 16)?;
        if Spelling::of(name).is_some() {
            return Ok(Some(format!(
                "a second WAV file lies behind the first; its {left} bytes were left out"
            )));
        }
        if name.starts_with(b"TAG") || name.starts_with(b"ID3") {
            break;
        }
        if !name.get(..4).is_some_and(is_chunk_id) {
            let is_padding = input.get(at, 4096)?.iter().all(|b| *b == 0);
            return Ok((!is_padding && left >= MIN_NAMELESS_BYTES).then(|| {
                format!(
                    "the header promises {declared} bytes of audio; {left} more lie behind them \
                     and were left out"
                )
            }));
        }
        let Some(chunk) = spelling.chunk_at(input, at)? else {
            break;
        };
        if &chunk.id == b"data" && chunk.size >= MIN_BYTES {
            return Ok(Some(format!(
                "a second stretch of audio ({} bytes) lies behind the first and was left out",
                chunk.size
            )));
        }
        next = spelling.after(input, &chunk)?;
    }
    Ok(None)
}
