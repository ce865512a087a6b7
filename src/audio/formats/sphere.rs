//! Reads the header of a NIST SPHERE file, the format of TIMIT, Switchboard and most corpora of the
//! Linguistic Data Consortium: 1024 bytes (or a multiple) of text, then the samples.

use crate::audio::input::Input;
use crate::audio::layout::{Coding, Layout, MAX_CHANNELS};
use crate::audio::pcm::{ByteOrder, Encoding};
use crate::audio::refusal::{Refusal, Refused};
use std::collections::HashMap;

/// Largest header that is read, in bytes. No real header has as much text.
const MAX_HEADER_BYTES: u64 = 1 << 16;
const REMEDY: &str = "convert it to WAV with `sph2pipe -f wav` or `sox`";

/// The layout, if this is a SPHERE file.
pub fn layout(input: &mut Input) -> Refused<Option<Layout>> {
    let opening = input.get(0, 16)?;
    if !opening.starts_with(b"NIST_1A\n") {
        return Ok(None);
    }
    let header_len = String::from_utf8_lossy(&opening[8..]).trim().parse();
    let header_len: u64 = header_len.unwrap_or(0);
    if !(16..=MAX_HEADER_BYTES.min(input.len())).contains(&header_len) {
        return Err(unfit("a header without a length"));
    }
    let header = String::from_utf8_lossy(input.get(0, header_len as usize)?).into_owned();
    let fields = fields(&header);
    let number = |name: &str| fields.get(name).and_then(|value| value.parse::<u64>().ok());

    let num_channels = number("channel_count").unwrap_or(1) as usize;
    if !(1..=MAX_CHANNELS).contains(&num_channels) {
        return Err(unfit(&format!("{num_channels} channels")));
    }
    let rate_hz = number("sample_rate").and_then(|rate| u32::try_from(rate).ok());
    let rate_hz = rate_hz.ok_or_else(|| unfit("no sample rate"))?;
    let order = match fields.get("sample_byte_format") {
        Some(&"10") => ByteOrder::Big,
        _ => ByteOrder::Little,
    };
    let coding = *fields.get("sample_coding").unwrap_or(&"pcm");
    let encoding = match (coding, number("sample_n_bytes")) {
        ("pcm", Some(1)) => Encoding::I8,
        ("pcm", Some(2) | None) => Encoding::I16,
        ("pcm", Some(3)) => Encoding::I24,
        ("pcm", Some(4)) => Encoding::I32,
        ("ulaw" | "mu-law", _) => Encoding::Mulaw,
        ("alaw", _) => Encoding::Alaw,
        ("pcm", Some(bytes)) => return Err(unfit(&format!("samples of {bytes} bytes"))),
        _ => return Err(unfit(&format!("the coding {coding:?}"))),
    };
    let frame_bytes = (num_channels * encoding.bytes()) as u64;
    let num_frames = number("sample_count").unwrap_or(0);
    let size = num_frames.saturating_mul(frame_bytes);
    let layout = Layout {
        coding: Coding::Samples(encoding),
        order,
        num_channels,
        rate_hz,
        data: header_len..header_len.saturating_add(size),
        warning: None,
        truncated: false,
    };
    layout.fit(input.len()).map(Some)
}

/// Lines such as `sample_rate -i 16000`, up to `end_head`.
fn fields(header: &str) -> HashMap<&str, &str> {
    header
        .lines()
        .skip(2)
        .take_while(|line| line.trim() != "end_head")
        .filter_map(|line| {
            let (name, rest) = line.trim().split_once(' ')?;
            let (_type, value) = rest.trim().split_once(' ')?;
            Some((name, value.trim()))
        })
        .collect()
}

fn unfit(what: &str) -> Refusal {
    Refusal::new(
        format!("is NIST SPHERE with {what}, which is not read"),
        REMEDY,
    )
}
