//! Recognizes a Parquet file by its first bytes.

/// What every such file begins with.
pub const MAGIC: &[u8] = b"PAR1";

/// As many bytes as [`is_parquet`] looks at.
pub const OPENING_BYTES: u64 = 5;

/// Does a file that begins so hold Parquet? After the magic stands a binary structure, while a text
/// may begin with a recording called `PAR1001`.
pub fn is_parquet(opening: &[u8]) -> bool {
    let next = opening.strip_prefix(MAGIC).and_then(|rest| rest.first());
    next.is_some_and(|byte| byte.is_ascii_control() && !byte.is_ascii_whitespace())
}
