//! Turns the bytes of uncompressed (or G.711) samples into floats from −1 to 1. Integers are
//! divided by their full scale, 2^(bits−1), as libsndfile does, so both give the same floats.

/// How a sample is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Encoding {
    U8,
    I8,
    I16,
    I24,
    I32,
    F32,
    F64,
    Alaw,
    Mulaw,
}

/// The order of the bytes of a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ByteOrder {
    Little,
    Big,
}

impl ByteOrder {
    /// Number in the first 2 bytes.
    pub fn u16(self, b: &[u8]) -> u16 {
        match self {
            ByteOrder::Little => u16::from_le_bytes([b[0], b[1]]),
            ByteOrder::Big => u16::from_be_bytes([b[0], b[1]]),
        }
    }
    /// Number in the first 4 bytes.
    pub fn u32(self, b: &[u8]) -> u32 {
        match self {
            ByteOrder::Little => u32::from_le_bytes([b[0], b[1], b[2], b[3]]),
            ByteOrder::Big => u32::from_be_bytes([b[0], b[1], b[2], b[3]]),
        }
    }
    /// Number in the first 8 bytes.
    pub fn u64(self, b: &[u8]) -> u64 {
        let bytes = [b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7]];
        match self {
            ByteOrder::Little => u64::from_le_bytes(bytes),
            ByteOrder::Big => u64::from_be_bytes(bytes),
        }
    }
}

impl Encoding {
    /// Bytes per sample.
    pub fn bytes(self) -> usize {
        match self {
            Encoding::U8 | Encoding::I8 | Encoding::Alaw | Encoding::Mulaw => 1,
            Encoding::I16 => 2,
            Encoding::I24 => 3,
            Encoding::I32 | Encoding::F32 => 4,
            Encoding::F64 => 8,
        }
    }

    /// All samples of `bytes`, channels interleaved as in the file.
    pub fn to_f32(self, bytes: &[u8], order: ByteOrder) -> Vec<f32> {
        if order == ByteOrder::Big && self.bytes() > 1 {
            let mut swapped = bytes.to_vec();
            swapped
                .chunks_exact_mut(self.bytes())
                .for_each(<[u8]>::reverse);
            return self.to_f32(&swapped, ByteOrder::Little);
        }
        match self {
            Encoding::U8 => each(bytes, |[b]| (f32::from(b) - 128.0) / 128.0),
            Encoding::I8 => each(bytes, |[b]| f32::from(b as i8) / 128.0),
            Encoding::I16 => each(bytes, |b| f32::from(i16::from_le_bytes(b)) / 32_768.0),
            Encoding::I24 => each(bytes, |[a, b, c]| {
                i32::from_le_bytes([0, a, b, c]) as f32 / 2_147_483_648.0
            }),
            Encoding::I32 => each(bytes, |b| i32::from_le_bytes(b) as f32 / 2_147_483_648.0),
            Encoding::F32 => each(bytes, f32::from_le_bytes),
            Encoding::F64 => each(bytes, |b| f64::from_le_bytes(b) as f32),
            Encoding::Alaw => each(bytes, |[b]| alaw(b)),
            Encoding::Mulaw => each(bytes, |[b]| mulaw(b)),
        }
    }
}

fn each<const N: usize>(bytes: &[u8], sample: impl Fn([u8; N]) -> f32) -> Vec<f32> {
    bytes.as_chunks().0.iter().map(|b| sample(*b)).collect()
}

/// ITU-T G.711 A-law: sign, 3-bit exponent, 4-bit mantissa, even bits inverted.
fn alaw(byte: u8) -> f32 {
    let code = byte ^ 0x55;
    let mantissa = i32::from(code & 0x0F);
    let magnitude = match (code >> 4) & 7 {
        0 => (mantissa << 4) + 8,
        exponent => ((mantissa << 4) + 0x108) << (exponent - 1),
    };
    let signed = if code & 0x80 != 0 {
        magnitude
    } else {
        -magnitude
    };
    signed as f32 / 32_768.0
}

/// ITU-T G.711 mu-law: all bits inverted, bias 132.
fn mulaw(byte: u8) -> f32 {
    let code = !byte;
    let mantissa = i32::from(code & 0x0F);
    let magnitude = (((mantissa << 3) + 0x84) << ((code >> 4) & 7)) - 0x84;
    let signed = if code & 0x80 != 0 {
        -magnitude
    } else {
        magnitude
    };
    signed as f32 / 32_768.0
}
