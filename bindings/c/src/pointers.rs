//! Checks the pointers that C passes, and turns them into references, texts and slices. `unsafe` code
//! is only here and in the functions that call this.
#![allow(unsafe_code)]

use crate::{
    handles::SpkverEmbedding,
    outcome::SpkverOperatingPoint,
    status::{Failure, status_of},
};
use spkver_core::{OperatingPoint, Utterance};
use std::{
    ffi::{CStr, c_char},
    slice,
};

/// Gives C a handle of its own, which it frees with [`free`].
pub(crate) fn give<T>(to: &mut *mut T, value: T) -> Result<(), Failure> {
    *to = Box::into_raw(Box::new(value));
    Ok(())
}

/// # Safety
/// `handle` is NULL or from [`give`], and is not used again.
pub(crate) unsafe fn free<T>(handle: *mut T) {
    if !handle.is_null() {
        // SAFETY: the pointer came from `Box::into_raw`, and the caller gives it up.
        let handle = unsafe { Box::from_raw(handle) };
        // Nothing to tell C if the drop panics.
        status_of(|| {
            drop(handle);
            Ok(())
        });
    }
}

/// # Safety
/// `pointer` is NULL or points to a `T`. Nothing changes it while the result is in use.
pub(crate) unsafe fn handle<'a, T>(pointer: *const T, name: &str) -> Result<&'a T, Failure> {
    // SAFETY: the caller keeps to the section above.
    unsafe { pointer.as_ref() }.ok_or_else(|| Failure::usage(format!("{name} is NULL")))
}

/// # Safety
/// `pointer` is NULL or points to a `T`. Nothing else uses it while the result is in use.
pub(crate) unsafe fn handle_mut<'a, T>(pointer: *mut T, name: &str) -> Result<&'a mut T, Failure> {
    // SAFETY: the caller keeps to the section above.
    unsafe { pointer.as_mut() }.ok_or_else(|| Failure::usage(format!("{name} is NULL")))
}

/// Where a result goes; until there is one, it is `nothing`. What was there is overwritten, not dropped.
///
/// # Safety
/// `pointer` is NULL or can be written.
pub(crate) unsafe fn output<'a, T>(pointer: *mut T, nothing: T) -> Result<&'a mut T, Failure> {
    if pointer.is_null() {
        return Err(Failure::usage(
            "the pointer that the result is written to is NULL",
        ));
    }
    // SAFETY: the caller keeps to the section above; written before it is read.
    unsafe {
        pointer.write(nothing);
        Ok(&mut *pointer)
    }
}

/// # Safety
/// `pointer` is NULL or a text that ends in NUL. Nothing changes it while the result is in use.
pub(crate) unsafe fn text<'a>(pointer: *const c_char, name: &str) -> Result<&'a str, Failure> {
    if pointer.is_null() {
        return Err(Failure::usage(format!("{name} is NULL")));
    }
    // SAFETY: the caller keeps to the section above.
    let text = unsafe { CStr::from_ptr(pointer) };
    let not_utf8 = |_| Failure::usage(format!("{name} is not in UTF-8"));
    text.to_str().map_err(not_utf8)
}

/// # Safety
/// `pointer` is NULL or points to the first of `length` values. Nothing changes them while the result is
/// in use.
pub(crate) unsafe fn array<'a, T>(
    pointer: *const T,
    length: usize,
    name: &str,
) -> Result<&'a [T], Failure> {
    match (pointer.is_null(), length) {
        (_, 0) => Ok(&[]),
        (true, _) => Err(Failure::usage(format!("{name} is NULL"))),
        // More bytes than memory can have.
        _ if length > isize::MAX as usize / size_of::<T>() => {
            Err(Failure::usage(format!("{name}: {length} is too many")))
        }
        // SAFETY: the caller keeps to the section above.
        _ => Ok(unsafe { slice::from_raw_parts(pointer, length) }),
    }
}

/// Copies of the embeddings.
///
/// # Safety
/// `embeddings` is NULL or points to the first of `length` pointers that are NULL or embeddings.
pub(crate) unsafe fn all(
    embeddings: *const *const SpkverEmbedding,
    length: usize,
) -> Result<Vec<Utterance>, Failure> {
    // SAFETY: the caller keeps to the section above.
    let pointers = unsafe { array(embeddings, length, "embeddings") }?;
    if pointers.is_empty() {
        return Err(Failure::usage("no embeddings; enroll one or more"));
    }
    let copy = |&pointer: &*const SpkverEmbedding| {
        // SAFETY: as above.
        let embedding = unsafe { handle(pointer, "an embedding") };
        embedding.map(|embedding| embedding.0.clone())
    };
    pointers.iter().map(copy).collect()
}

/// The operating point that `point` points to; the default one if it is NULL.
///
/// # Safety
/// `point` is NULL or points to an operating point.
pub(crate) unsafe fn chosen(point: *const SpkverOperatingPoint) -> Result<OperatingPoint, Failure> {
    // SAFETY: the caller keeps to the section above.
    match unsafe { point.as_ref() } {
        None => Ok(OperatingPoint::default()),
        Some(point) => point.checked(),
    }
}
