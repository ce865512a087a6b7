//! Reads audio while it is still being recorded: from a pipe, as it comes.

use super::{
    decode::Blocks,
    end::End,
    formats,
    input::Input,
    mixdown::Mixdown,
    options::ReadOptions,
    refusal::Refused,
    sample_rate::{RATES_HZ, check_rate},
};
use crate::Result;
use std::{
    io::Read,
    path::{Path, PathBuf},
};

/// An audio stream of any format that is known, as blocks of mono samples at its own rate.
///
/// Raw samples, and the formats of `formats::can_stream`, are decoded as they come. Other formats
/// keep their index at the end, so they are read to their end first.
pub struct Live {
    name: PathBuf,
    blocks: Blocks,
    mixdown: Mixdown,
}

impl Live {
    /// Waits for the header. Errors call the stream `name`.
    ///
    /// # Errors
    /// As [`super::read`].
    pub fn open(
        stream: impl Read + Send + Sync + 'static,
        name: &Path,
        options: &ReadOptions,
    ) -> Result<Self> {
        let open = || -> Refused<(Blocks, Mixdown)> {
            let mut input = Input::follow(stream)?;
            let opening = input.get(0, 16)?;
            let is_raw = options.raw.is_some() && !formats::has_header(opening);
            if !is_raw && !formats::can_stream(opening) {
                input = input.drained(options.max_bytes)?;
            }
            let blocks = Blocks::of(input, options.raw)?;
            check_rate(blocks.rate_hz, RATES_HZ)?;
            let mixdown = Mixdown::new(blocks.num_channels, options.channel)?;
            Ok((blocks, mixdown))
        };
        let (blocks, mixdown) = open().map_err(|refusal| refusal.of(name))?;
        Ok(Live {
            name: name.to_path_buf(),
            blocks,
            mixdown,
        })
    }

    /// Sample rate, in Hz.
    pub fn rate_hz(&self) -> u32 {
        self.blocks.rate_hz
    }

    /// Waits for the next samples, finite and nominally −1 to 1; none at the end.
    ///
    /// # Errors
    /// As [`super::read`].
    pub fn next_block(&mut self) -> Result<Option<&[f32]>> {
        let block = match self.blocks.next() {
            Ok(block) => block,
            Err(refusal) => return Err(refusal.of(&self.name)),
        };
        Ok(block.map(|block| self.mixdown.mix(block)))
    }

    /// A warning, if there is one, and whether the recording was cut off; call this when all is read.
    ///
    /// # Errors
    /// [`crate::Error::Audio`] if the stream turns out not to be audio.
    pub fn end(self) -> Result<(Option<String>, bool)> {
        let end = self.blocks.end().map_err(|refusal| refusal.of(&self.name));
        end.map(|End { warning, truncated }| (warning, truncated))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    /// Gives a few bytes at a time, as a pipe does, and fails if it is read beyond its end.
    struct Pipe {
        bytes: Vec<u8>,
        at: usize,
        most: usize,
        has_ended: bool,
    }

    impl Read for Pipe {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            assert!(!self.has_ended, "read after its end");
            let rest = &self.bytes[self.at..];
            let num = rest.len().min(self.most).min(buffer.len());
            buffer[..num].copy_from_slice(&rest[..num]);
            self.at += num;
            self.has_ended = num == 0;
            Ok(num)
        }
    }

    fn pipe(bytes: Vec<u8>, most: usize) -> Pipe {
        Pipe {
            bytes,
            at: 0,
            most,
            has_ended: false,
        }
    }

    /// A WAV header for 16-bit mono at 16 kHz whose size is `size`, and the samples. By hand, because
    /// hound writes only the size that fits.
    fn wav(size: u32, samples: &[i16]) -> Vec<u8> {
        let mut bytes = b"RIFF\xff\xff\xff\xffWAVEfmt \x10\0\0\0\x01\0\x01\0".to_vec();
        bytes.extend(16_000u32.to_le_bytes());
        bytes.extend(32_000u32.to_le_bytes());
        bytes.extend([2, 0, 16, 0]);
        bytes.extend(b"data");
        bytes.extend(size.to_le_bytes());
        samples.iter().for_each(|s| bytes.extend(s.to_le_bytes()));
        bytes
    }

    fn samples() -> Vec<i16> {
        (0..5000).map(|n| (n * 37 % 2001) as i16 - 1000).collect()
    }

    fn read(mut live: Live) -> (Vec<f32>, Option<String>, bool) {
        let mut all = vec![];
        while let Some(block) = live.next_block().unwrap() {
            all.extend_from_slice(block);
        }
        let (warning, truncated) = live.end().unwrap();
        (all, warning, truncated)
    }

    #[test]
    fn a_pipe_gives_each_sample_once_whatever_comes_at_a_time() {
        let wanted: Vec<f32> = samples().iter().map(|s| f32::from(*s) / 32768.0).collect();
        // The size of a pipe, of an unfinished file, and the true one.
        for size in [0xFFFF_FFFF, 0, 10_000] {
            for most in [1, 3, 700, 100_000] {
                let stream = pipe(wav(size, &samples()), most);
                let name = Path::new("-");
                let live = Live::open(stream, name, &ReadOptions::default()).unwrap();
                let (all, _, truncated) = read(live);
                assert_eq!(all, wanted, "{size} {most}");
                assert!(!truncated);
            }
        }
    }

    #[test]
    fn what_is_there_is_heard_before_the_rest_comes() {
        let bytes = wav(0xFFFF_FFFF, &samples());
        let mut live =
            Live::open(pipe(bytes, 1044), Path::new("-"), &ReadOptions::default()).unwrap();
        assert_eq!(live.rate_hz(), 16_000);
        // The first thousand bytes behind the header, not all ten.
        assert_eq!(live.next_block().unwrap().unwrap().len(), 500);
        assert_eq!(live.next_block().unwrap().unwrap().len(), 522);
    }

    #[test]
    fn a_stream_that_ends_early_says_so() {
        let stream = pipe(wav(20_000, &samples()), 512);
        let live = Live::open(stream, Path::new("-"), &ReadOptions::default()).unwrap();
        let (all, warning, truncated) = read(live);
        assert_eq!(all.len(), 5000);
        assert!(truncated && warning.unwrap().contains("promises 20000 bytes"));
    }

    #[test]
    fn samples_without_a_header_and_nothing_at_all() {
        let bytes: Vec<u8> = samples().iter().flat_map(|s| s.to_le_bytes()).collect();
        let options = ReadOptions {
            raw: Some("s16le:8000:1".parse().unwrap()),
            ..ReadOptions::default()
        };
        let live = Live::open(pipe(bytes, 999), Path::new("-"), &options).unwrap();
        assert_eq!(live.rate_hz(), 8_000);
        assert_eq!(read(live).0.len(), 5000);
        for nothing in [vec![], wav(0, &[])] {
            let live = Live::open(pipe(nothing, 99), Path::new("-"), &ReadOptions::default());
            assert!(live.is_err() || live.unwrap().next_block().is_err());
        }
    }
}
