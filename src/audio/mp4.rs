//! Looks into an MP4, M4A, MOV or 3GP file before it is decoded, so that a refusal names what is in
//! it: the box that tells where the audio lies may be missing, or the codec may be AMR.

use super::input::Input;
use super::refusal::{Refusal, Refused};

/// More boxes than any program writes, except for files in fragments.
const MAX_BOXES: usize = 4096;
/// Boxes that hold others, down to the one that names the codec.
const ON_THE_WAY: [&[u8; 4]; 5] = [b"moov", b"trak", b"mdia", b"minf", b"stbl"];

/// The codecs of telephones and of video that are not read, as they are named in a file.
const FOREIGN_CODECS: [(&[u8; 4], &str); 10] = [
    (b"samr", "AMR"),
    (b"sawb", "AMR-WB"),
    (b"sawp", "AMR-WB+"),
    (b"sevc", "EVRC"),
    (b"sqcp", "QCELP"),
    (b"ac-3", "AC-3"),
    (b"ec-3", "E-AC-3"),
    (b"ac-4", "AC-4"),
    (b"dtsc", "DTS"),
    (b"agsm", "GSM 6.10"),
];

struct Mp4Box {
    name: [u8; 4],
    body: u64,
    end: u64,
}

/// Refuses a file that cannot be decoded, and says what is in it. The decoder would refuse it as well,
/// but without saying that.
pub fn check(input: &mut Input) -> Refused<()> {
    if input.get(0, 8)?.get(4..) != Some(&b"ftyp"[..]) {
        return Ok(());
    }
    let whole = 0..input.len();
    let mut codecs = vec![];
    let mut has_index = false;
    let mut levels = vec![whole];
    let mut num_boxes = 0;
    while let Some(level) = levels.pop() {
        let mut at = level.start;
        while let Some(found) = box_at(input, at, level.end)? {
            num_boxes += 1;
            if num_boxes > MAX_BOXES {
                return Ok(());
            }
            has_index |= &found.name == b"moov";
            if ON_THE_WAY.contains(&&found.name) {
                levels.push(found.body..found.end);
            } else if &found.name == b"stsd" {
                // Version and flags, the number of entries, the first entry's length: its name.
                let name = input.get(found.body + 12, 4)?;
                codecs.extend(<[u8; 4]>::try_from(name));
            }
            at = found.end;
        }
    }
    if !has_index {
        return Err(Refusal::new(
            "is MP4 (M4A) without its index (`moov`): it is cut off, or its recorder was stopped \
             before it was done",
            "copy the whole file again, or record it again",
        ));
    }
    let foreign = codecs.iter().find_map(|codec| {
        let named = FOREIGN_CODECS.iter().find(|(name, _)| *name == codec)?;
        Some(named.1)
    });
    match foreign {
        Some(codec) => Err(Refusal::new(
            format!("has {codec} inside, which is not read"),
            super::refusal::CONVERT,
        )),
        None => Ok(()),
    }
}

/// The box that starts at `at`; none at the end of the level, or where the bytes are no box.
fn box_at(input: &mut Input, at: u64, end: u64) -> Refused<Option<Mp4Box>> {
    let head = input.get(at, 16)?;
    let Some((short, rest)) = head.split_first_chunk::<4>() else {
        return Ok(None);
    };
    let Some((name, rest)) = rest.split_first_chunk::<4>() else {
        return Ok(None);
    };
    let (size, body) = match u32::from_be_bytes(*short) {
        // The last box may leave its size open.
        0 => (end.saturating_sub(at), at + 8),
        1 => match rest.first_chunk() {
            Some(long) => (u64::from_be_bytes(*long), at + 16),
            None => return Ok(None),
        },
        size => (size.into(), at + 8),
    };
    if at >= end || size < body - at {
        return Ok(None);
    }
    Ok(Some(Mp4Box {
        name: *name,
        body,
        end: at.saturating_add(size).min(end),
    }))
}
