//! Recognizes a Parquet file by its first bytes.

/// The first bytes of every Parquet file.
pub const MAGIC: &[u8] = b"PAR1";

/// Number of bytes that [`is_parquet`] looks at.
pub const OPENING_BYTES: u64 = 5;

/// Whether a file that begins with `opening` is Parquet. After these first bytes Parquet has a
/// binary structure, while a text may begin with a recording called `PAR1001`.
pub fn is_parquet(opening: &[u8]) -> bool {
    let next = opening.strip_prefix(MAGIC).and_then(|rest| rest.first());
    next.is_some_and(|byte| byte.is_ascii_control() && !byte.is_ascii_whitespace())
}
