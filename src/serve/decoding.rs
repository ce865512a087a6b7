//! Decodes the audio of a stream while its bytes arrive. The decoder has a thread of its own, which
//! mostly waits for bytes.

use super::refusal::Refusal;
use crate::{
    Error,
    audio::{Live, ReadOptions},
};
use bytes::{Buf, Bytes};
use std::{
    io::{self, Read},
    path::Path,
    thread,
};
use tokio::sync::mpsc::{Receiver, Sender, channel};

/// What the decoder sends.
pub enum Decoded {
    /// `(num_samples,)` at `rate_hz`, mono, nominally −1 to 1.
    Block { rate_hz: u32, samples: Vec<f32> },
    /// The stream has ended.
    End,
}

/// A block, the end, or what is wrong with the stream.
type Next = Result<Decoded, Error>;

/// Starts to decode a stream. Returns the sender for its bytes and the receiver of its blocks. To end the
/// stream, drop the sender. The thread also ends when the receiver is dropped.
///
/// # Errors
/// A [`Refusal`] where no thread can be started.
pub fn decode(options: ReadOptions) -> Result<(Sender<Bytes>, Receiver<Next>), Refusal> {
    let (sender, bytes) = channel(1);
    let (blocks, receiver) = channel(1);
    let pipe = Pipe {
        bytes,
        rest: Bytes::new(),
    };
    let work = move || {
        let end = decode_to_end(pipe, &options, &blocks);
        let _ = blocks.blocking_send(end.map(|()| Decoded::End));
    };
    let started = thread::Builder::new().name("decoding".into()).spawn(work);
    started.map_err(|_| Refusal::busy("no thread could be started; try again"))?;
    Ok((sender, receiver))
}

fn decode_to_end(pipe: Pipe, options: &ReadOptions, blocks: &Sender<Next>) -> Result<(), Error> {
    let mut live = Live::open(pipe, Path::new("stream"), options)?;
    let rate_hz = live.rate_hz();
    while let Some(samples) = live.next_block()? {
        let samples = samples.to_vec();
        let block = Decoded::Block { rate_hz, samples };
        if blocks.blocking_send(Ok(block)).is_err() {
            return Ok(());
        }
    }
    live.end().map(|_| ())
}

/// Reads the bytes of all messages as one stream.
struct Pipe {
    bytes: Receiver<Bytes>,
    rest: Bytes,
}

impl Read for Pipe {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.rest.is_empty() {
            match self.bytes.blocking_recv() {
                Some(bytes) => self.rest = bytes,
                None => return Ok(0),
            }
        }
        let num = self.rest.len().min(buffer.len());
        self.rest.copy_to_slice(&mut buffer[..num]);
        Ok(num)
    }
}
