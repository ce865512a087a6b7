//! The shipped model with flipped bits, and models with harmful numbers: each is refused with exit
//! code 4 and an error that names the file.

use spkver::storage::model;
use std::path::Path;

fn refusal(bytes: &[u8]) -> String {
    let error = match model::from_bytes(bytes, Path::new("some.safetensors")) {
        Ok(_) => panic!("a damaged model was taken"),
        Err(error) => error,
    };
    assert_eq!(error.exit_code(), 4, "{error}");
    let text = error.to_string();
    assert!(
        text.starts_with("model some.safetensors: ") && text.contains("; "),
        "{text}"
    );
    text
}

fn shipped() -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("models/spkver.safetensors")).unwrap()
}

/// `SPKVER_FLIPS=10000` gives the full number; each costs a BLAKE3 hash of the whole file.
#[test]
fn flipped_bits_of_the_shipped_model_are_noticed() {
    let mut bytes = shipped();
    let num_flips = std::env::var("SPKVER_FLIPS").map_or(200, |n| n.parse().unwrap());
    let mut state = 1u64;
    for flip in 0..num_flips {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        // Half of the bits are in the header.
        let reach = if flip % 2 == 0 { bytes.len() } else { 4096 };
        let bit = (state >> 20) as usize % (8 * reach);
        bytes[bit / 8] ^= 1 << (bit % 8);
        refusal(&bytes);
        bytes[bit / 8] ^= 1 << (bit % 8);
    }
    assert!(model::from_bytes(&bytes, Path::new("m")).is_ok());
}

#[test]
fn headers_without_measure_are_refused_before_they_are_read() {
    let mut bytes = shipped();
    for claimed in [u64::MAX, 1 << 40, (16 << 20) + 1] {
        bytes[..8].copy_from_slice(&claimed.to_le_bytes());
        let text = refusal(&bytes);
        assert!(
            text.contains(&format!("a header of {claimed} bytes")),
            "{text}"
        );
    }
    bytes[..8].copy_from_slice(&(16u64 << 20).to_le_bytes());
    assert!(refusal(&bytes).contains("not a safetensors file, or a damaged one"));
    // A header of this size would be allowed, but the file is shorter.
    bytes[..8].copy_from_slice(&(4u64 << 20).to_le_bytes());
    assert!(refusal(&bytes).contains("not a safetensors file, or a damaged one"));
}

/// A sparse file takes no disk space. Only an allowed amount of it is ever read.
#[test]
fn a_file_without_measure_is_refused_by_its_size() {
    const LARGEST: u64 = 256 << 20;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("some.safetensors");
    let file = std::fs::File::create(&path).unwrap();
    for (bytes, fact) in [
        (LARGEST, "not a safetensors file"),
        (LARGEST + 1, "larger than 256 MiB"),
        (1 << 40, "larger than 256 MiB"),
    ] {
        file.set_len(bytes).unwrap();
        let error = model::load(&path).unwrap_err();
        assert_eq!(error.exit_code(), 4);
        assert!(error.to_string().contains(fact), "{error}");
    }
}
