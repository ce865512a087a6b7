//! Turns the bytes of NumPy and Kaldi files into floats.

/// Floating-point numbers of 4 or 8 bytes each, little-endian.
pub(super) fn from_le_bytes(bytes: &[u8], width: usize) -> Vec<f32> {
    match width {
        4 => {
            let (numbers, _) = bytes.as_chunks::<4>();
            numbers.iter().map(|&b| f32::from_le_bytes(b)).collect()
        }
        _ => {
            let (numbers, _) = bytes.as_chunks::<8>();
            let numbers = numbers.iter().map(|&b| f64::from_le_bytes(b) as f32);
            numbers.collect()
        }
    }
}
