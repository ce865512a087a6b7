//! Reads bytes at any position of a file or of a stream. A regular file is read in place. A stream (a
//! pipe, standard input) has no positions to go to, so it is held in memory, up to a limit. A stream can
//! also be followed while it is still being written: then only the bytes that are read next are held.
//! Directories and devices are refused before anything waits for them.

use super::refusal::{Refusal, Refused};
use crate::remedy::Remedy;
use std::fs::{self, File, Metadata};
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
#[cfg(feature = "formats")]
use symphonia::core::io::ReadOnlySource;

/// Largest file that is read, in bytes, unless the options say otherwise: more than three hours of
/// 48 kHz stereo.
const MAX_FILE_BYTES: u64 = 1 << 31;
/// Largest stream that is read, in bytes. It is smaller, because a stream must be held in memory.
const MAX_PIPE_BYTES: u64 = 256 << 20;
/// Fewest bytes that are fetched from a file at once.
const WINDOW: usize = 4096;

/// Bytes that can be read in any order.
pub(super) struct Input {
    origin: Origin,
    len: u64,
    /// Bytes of the file from `window_at` on.
    window: Vec<u8>,
    window_at: u64,
}

enum Origin {
    File(File),
    Memory(Vec<u8>),
    Stream(Box<dyn Read + Send + Sync>),
}

/// The length of a stream that has not ended yet.
pub(super) const OPEN_END: u64 = u64::MAX >> 1;

impl Input {
    /// Opens a file, or reads a named pipe to its end.
    pub fn open(path: &Path, max_bytes: Option<u64>) -> Refused<Self> {
        check_kind(&fs::metadata(path)?)?;
        let file = open_without_waiting(path)?;
        // Checked again: since the first check, another file may have taken this name.
        let metadata = file.metadata()?;
        check_kind(&metadata)?;
        if !metadata.is_file() {
            wait_for_writer(&file)?;
            return Input::drain(file, max_bytes);
        }
        let (len, most) = (metadata.len(), max_bytes.unwrap_or(MAX_FILE_BYTES));
        if len > most {
            return Err(too_large(most));
        }
        Input::new(Origin::File(file), len)
    }

    /// Reads a stream to its end.
    pub fn drain(stream: impl Read, max_bytes: Option<u64>) -> Refused<Self> {
        let most = max_bytes.unwrap_or(MAX_PIPE_BYTES);
        let mut bytes = vec![];
        let mut stream = stream.take(most.saturating_add(1));
        loop {
            if bytes.len() == bytes.capacity() {
                // Grows by half, not to twice the size as a `Vec` would, because the old and the new
                // memory exist at the same time.
                bytes.reserve_exact(bytes.len() / 2 + (64 << 10));
            }
            let room = (bytes.capacity() - bytes.len()) as u64;
            if (&mut stream).take(room).read_to_end(&mut bytes)? == 0 {
                break;
            }
            if bytes.len() as u64 > most {
                return Err(too_large(most));
            }
        }
        bytes.shrink_to_fit();
        let len = bytes.len() as u64;
        Input::new(Origin::Memory(bytes), len)
    }

    /// A stream that is still being written. [`Self::get`] waits for bytes, and holds them until
    /// [`Self::read_on`] has passed them.
    pub fn follow(stream: impl Read + Send + Sync + 'static) -> Refused<Self> {
        let mut input = Input::new(Origin::Stream(Box::new(stream)), OPEN_END)?;
        match input.get(0, 1)?.is_empty() {
            true => Err(empty()),
            false => Ok(input),
        }
    }

    /// The bytes of a followed stream to its end, in memory.
    pub fn drained(self, max_bytes: Option<u64>) -> Refused<Self> {
        match self.origin {
            Origin::Stream(stream) => {
                let opening = std::io::Cursor::new(self.window);
                Input::drain(opening.chain(stream), max_bytes)
            }
            _ => Ok(self),
        }
    }

    /// Whether this is a stream whose end was not reached yet.
    pub fn is_open(&self) -> bool {
        self.len == OPEN_END
    }

    fn new(origin: Origin, len: u64) -> Refused<Self> {
        if len == 0 {
            return Err(empty());
        }
        Ok(Input {
            origin,
            len,
            window: vec![],
            window_at: 0,
        })
    }

    /// Number of bytes.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// The `wanted` bytes from `at` on; fewer, or none, at the end.
    pub fn get(&mut self, at: u64, wanted: usize) -> Refused<&[u8]> {
        if matches!(self.origin, Origin::Stream(_)) {
            return self.wait_for(at, wanted);
        }
        let there = usize::try_from(self.len.saturating_sub(at)).unwrap_or(usize::MAX);
        let wanted = wanted.min(there);
        let file = match &mut self.origin {
            Origin::Memory(bytes) => {
                let at = (at as usize).min(bytes.len());
                return Ok(&bytes[at..at + wanted]);
            }
            Origin::Stream(_) => return Ok(&[]),
            Origin::File(file) => file,
        };
        let held = self.window_at..=self.window_at + self.window.len() as u64;
        if !(held.contains(&at) && held.contains(&(at + wanted as u64))) {
            self.window.clear();
            self.window_at = at;
            file.seek(SeekFrom::Start(at))?;
            let fetched = wanted.max(WINDOW).min(there) as u64;
            file.take(fetched).read_to_end(&mut self.window)?;
        }
        let from = ((at - self.window_at) as usize).min(self.window.len());
        // A file that shrinks while it is read gives less than its length promised.
        let to = (from + wanted).min(self.window.len());
        Ok(&self.window[from..to])
    }

    /// Reads 1 to `most` units of `unit` bytes each, from `at` on; at the end, fewer bytes than a unit.
    /// A stream gives only what has arrived, and drops the bytes before `at`.
    pub fn read_on(&mut self, at: u64, unit: usize, most: usize) -> Refused<&[u8]> {
        if !matches!(self.origin, Origin::Stream(_)) {
            return self.get(at, unit * most);
        }
        let passed = (at - self.window_at).min(self.window.len() as u64) as usize;
        self.window.drain(..passed);
        self.window_at += passed as u64;
        let there = self.wait_for(at, unit)?.len();
        if there < unit {
            return Ok(&self.window[..there]);
        }
        let units = (self.window.len() / unit).min(most);
        Ok(&self.window[..units * unit])
    }

    /// [`Self::get`] of a stream.
    fn wait_for(&mut self, at: u64, wanted: usize) -> Refused<&[u8]> {
        let Origin::Stream(stream) = &mut self.origin else {
            return Ok(&[]);
        };
        let from = at.saturating_sub(self.window_at) as usize;
        let mut block = [0; WINDOW];
        while self.window.len() < from + wanted && self.len == OPEN_END {
            match stream.read(&mut block) {
                Ok(0) => self.len = self.window_at + self.window.len() as u64,
                Ok(num_read) => self.window.extend_from_slice(&block[..num_read]),
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e.into()),
            }
        }
        let from = from.min(self.window.len());
        let to = (from + wanted).min(self.window.len());
        Ok(&self.window[from..to])
    }

    /// The same bytes as a source that symphonia reads.
    #[cfg(feature = "formats")]
    pub fn into_media(self) -> Refused<Box<dyn symphonia::core::io::MediaSource>> {
        Ok(match self.origin {
            Origin::File(mut file) => {
                file.rewind()?;
                Box::new(file)
            }
            Origin::Memory(bytes) => Box::new(std::io::Cursor::new(bytes)),
            Origin::Stream(stream) => {
                let opening = std::io::Cursor::new(self.window);
                Box::new(ReadOnlySource::new(opening.chain(stream)))
            }
        })
    }
}

fn empty() -> Refusal {
    Refusal::new("is empty", "record it again")
}

fn too_large(most: u64) -> Refusal {
    Refusal::new(
        format!("is larger than {most} bytes"),
        Remedy::Shorten("max_bytes"),
    )
}

fn check_kind(metadata: &Metadata) -> Refused<()> {
    if metadata.is_dir() {
        return Err(Refusal::new("is a directory", "name an audio file in it"));
    }
    if metadata.is_file() || is_pipe(metadata) {
        return Ok(());
    }
    Err(Refusal::new(
        "is a device or a socket",
        "save the recording to a file first",
    ))
}

#[cfg(unix)]
fn is_pipe(metadata: &Metadata) -> bool {
    std::os::unix::fs::FileTypeExt::is_fifo(&metadata.file_type())
}

/// Opens a file without waiting: for a pipe that nobody writes to, an ordinary `open` would wait for
/// ever.
#[cfg(unix)]
fn open_without_waiting(path: &Path) -> Refused<File> {
    use rustix::fs::OFlags;
    use std::os::unix::fs::OpenOptionsExt;
    let flags = (OFlags::NONBLOCK | OFlags::NOCTTY).bits() as i32;
    let file = File::options().read(true).custom_flags(flags).open(path)?;
    Ok(file)
}

/// Waits until the pipe has something to read, then lets reads wait as usual.
#[cfg(unix)]
fn wait_for_writer(pipe: &File) -> Refused<()> {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    const PATIENCE: Timespec = Timespec {
        tv_sec: 10,
        tv_nsec: 0,
    };
    let mut ready = [PollFd::new(pipe, PollFlags::IN)];
    if poll(&mut ready, Some(&PATIENCE)).map_err(std::io::Error::from)? == 0 {
        return Err(Refusal::new(
            format!(
                "is a pipe that delivered nothing within {} s",
                PATIENCE.tv_sec
            ),
            "first start the program that writes to it",
        ));
    }
    let flags = rustix::fs::fcntl_getfl(pipe).map_err(std::io::Error::from)?;
    rustix::fs::fcntl_setfl(pipe, flags - rustix::fs::OFlags::NONBLOCK)
        .map_err(std::io::Error::from)?;
    Ok(())
}

#[cfg(not(unix))]
fn is_pipe(_: &Metadata) -> bool {
    false
}

#[cfg(not(unix))]
fn open_without_waiting(path: &Path) -> Refused<File> {
    Ok(File::open(path)?)
}

#[cfg(not(unix))]
fn wait_for_writer(_: &File) -> Refused<()> {
    Ok(())
}
