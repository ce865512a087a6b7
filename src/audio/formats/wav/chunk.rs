//! The chunks of a WAV file, in each of the four ways to write them: where one starts, what it is
//! called and where the next one is.

use crate::audio::input::Input;
use crate::audio::pcm::ByteOrder;
use crate::audio::refusal::Refused;

/// What follows `riff` in the GUID that opens a Wave64 file.
const W64_RIFF_TAIL: [u8; 12] = [
    0x2E, 0x91, 0xCF, 0x11, 0xA5, 0xD6, 0x28, 0xDB, 0x04, 0xC1, 0, 0,
];

/// One chunk: its name, the size it claims, and where its content starts.
pub(super) struct Chunk {
    pub id: [u8; 4],
    pub size: u64,
    pub body: u64,
}

/// How the list of chunks is written.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Spelling {
    Riff,
    Rifx,
    Rf64,
    Wave64,
}

impl Spelling {
    pub fn of(bytes: &[u8]) -> Option<Self> {
        let form = bytes.get(8..12);
        match bytes.get(..4)? {
            b"RIFF" if form == Some(b"WAVE") => Some(Spelling::Riff),
            b"RIFX" if form == Some(b"WAVE") => Some(Spelling::Rifx),
            b"RF64" | b"BW64" if form == Some(b"WAVE") => Some(Spelling::Rf64),
            b"riff" if bytes.get(4..16) == Some(&W64_RIFF_TAIL) => Some(Spelling::Wave64),
            _ => None,
        }
    }

    pub fn order(self) -> ByteOrder {
        match self {
            Spelling::Rifx => ByteOrder::Big,
            _ => ByteOrder::Little,
        }
    }

    pub fn first_chunk(self) -> u64 {
        match self {
            Spelling::Wave64 => 40,
            _ => 12,
        }
    }

    pub fn chunk_at(self, input: &mut Input, at: u64) -> Refused<Option<Chunk>> {
        let head_bytes = match self {
            Spelling::Wave64 => 24,
            _ => 8,
        };
        let head = input.get(at, head_bytes)?;
        if head.len() < head_bytes {
            return Ok(None);
        }
        Ok(Some(Chunk {
            id: [head[0], head[1], head[2], head[3]],
            size: match self {
                // Wave64 counts the chunk's own head.
                Spelling::Wave64 => ByteOrder::Little.u64(&head[16..]).saturating_sub(24),
                _ => self.order().u32(&head[4..]).into(),
            },
            body: at + head_bytes as u64,
        }))
    }

    /// Where the next chunk starts: RIFF pads to 2 bytes, Wave64 to 8.
    pub fn after(self, input: &mut Input, chunk: &Chunk) -> Refused<Option<u64>> {
        let Some(end) = chunk.body.checked_add(chunk.size) else {
            return Ok(None);
        };
        if self == Spelling::Wave64 {
            return Ok(end.checked_next_multiple_of(8));
        }
        if end % 2 == 0 {
            return Ok(Some(end));
        }
        // Some writers forget the pad byte; a name that starts here gives them away.
        let next = input.get(end, 4)?;
        let unpadded = next.len() == 4 && is_chunk_id(next);
        Ok(Some(if unpadded { end } else { end + 1 }))
    }
}

pub(super) fn is_chunk_id(id: &[u8]) -> bool {
    id.iter().all(|b| b.is_ascii_alphanumeric() || *b == b' ')
}
