//! Reads the recordings of a request into memory, within the limits. They are the parts named
//! `recording` of a multipart/form-data body. A body that is too large is refused before it is
//! read.

use super::{refusal::Refusal, workers::Place};
use axum::{
    body::Body,
    http::{HeaderMap, header},
};
use bytes::Bytes;
use futures_util::StreamExt;
use multer::Multipart;
use std::path::PathBuf;

/// Name of the parts that hold recordings.
const PART: &str = "recording";
/// Longest name of a file that is kept, in bytes.
const MAX_NAME_BYTES: usize = 255;

/// A recording as it was sent.
pub struct Part {
    /// The file's name without its folder; a label only.
    pub name: PathBuf,
    /// The file's contents.
    pub bytes: Bytes,
}

/// Reads 1 to `max_recordings` recordings from the body. `place` accounts for their bytes.
///
/// # Errors
/// A [`Refusal`] for a body that is too large, incomplete, or not a list of recordings.
pub async fn read(
    headers: &HeaderMap,
    body: Body,
    max_bytes: u64,
    max_recordings: usize,
    place: &mut Place,
) -> Result<Vec<Part>, Refusal> {
    let length = headers.get(header::CONTENT_LENGTH);
    let length = length.and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if length.is_some_and(|length| length > max_bytes) {
        return Err(Refusal::too_large(max_bytes));
    }
    let boundary = headers.get(header::CONTENT_TYPE);
    let boundary = boundary.and_then(|value| multer::parse_boundary(value.to_str().ok()?).ok());
    let boundary = boundary.ok_or_else(|| {
        Refusal::request(format!(
            "send the recordings as multipart/form-data, in parts named {PART}"
        ))
    })?;
    let mut num_bytes = 0;
    let mut chunks = body.into_data_stream().map(|chunk| {
        let chunk = chunk.map_err(|_| Refusal::request("the body broke off; send it again"))?;
        num_bytes += chunk.len() as u64;
        if num_bytes > max_bytes {
            return Err(Refusal::too_large(max_bytes));
        }
        place.hold(chunk.len())?;
        Ok(chunk)
    });
    let mut parts = vec![];
    let mut multipart = Multipart::new(&mut chunks, boundary);
    while let Some(field) = multipart.next_field().await.map_err(refusal)? {
        if field.name() != Some(PART) {
            return Err(Refusal::request(format!(
                "the body has a part that is not named {PART}"
            )));
        }
        if parts.len() == max_recordings {
            return Err(Refusal::request(format!(
                "the body has too many parts; send at most {max_recordings} recordings"
            )));
        }
        let name = label(field.file_name(), parts.len() + 1);
        let bytes = field.bytes().await.map_err(refusal)?;
        parts.push(Part { name, bytes });
    }
    drop(multipart);
    // What follows the last part is ignored, but must arrive: without it the request is incomplete.
    while let Some(chunk) = chunks.next().await {
        chunk?;
    }
    if parts.is_empty() {
        return Err(Refusal::request(format!(
            "the body has no part named {PART}"
        )));
    }
    Ok(parts)
}

fn refusal(error: multer::Error) -> Refusal {
    let text = error.to_string();
    match error {
        multer::Error::StreamReadFailed(cause) => match cause.downcast::<Refusal>() {
            Ok(ours) => *ours,
            Err(_) => Refusal::request(text),
        },
        _ => Refusal::request(format!("the body is not valid multipart/form-data: {text}")),
    }
}

/// The name of a file without its folder, of whatever system; `recording N` if the name is missing
/// or too long.
fn label(name: Option<&str>, number: usize) -> PathBuf {
    let name = name.and_then(|name| name.rsplit(['/', '\\']).next());
    match name {
        Some(name) if (1..=MAX_NAME_BYTES).contains(&name.len()) => name.into(),
        _ => format!("recording {number}").into(),
    }
}

#[cfg(test)]
mod tests {
    use super::label;
    use std::path::Path;

    #[test]
    fn a_label_has_no_folder() {
        for (name, wanted) in [
            (Some("a.wav"), "a.wav"),
            (Some("/etc/passwd"), "passwd"),
            (Some("..\\..\\a.wav"), "a.wav"),
            (Some("folder/"), "recording 3"),
            (Some(""), "recording 3"),
            (None, "recording 3"),
            (Some(&*"x".repeat(256)), "recording 3"),
        ] {
            assert_eq!(label(name, 3), Path::new(wanted), "{name:?}");
        }
    }
}
