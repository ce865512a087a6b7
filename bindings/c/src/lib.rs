//! spkver for C: opaque handles and functions over the library core and its store. `exports.rs` has
//! the functions, `include/spkver.h` is what C sees of them.
//!
//! ```text
//! C ──► exports (pointers checked) ──► spkver ──► status + last message ──► C
//! ```

mod exports;
mod handles;
mod outcome;
mod pointers;
mod status;
