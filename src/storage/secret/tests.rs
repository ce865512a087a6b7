//! Reading secrets and deriving keys from them.

use super::*;

#[test]
fn only_what_is_payable_is_derived() {
    let read = |memory_kib: u32, passes: u32, salt: &[u8]| {
        Derivation::from_text(&format!("argon2id {memory_kib} {passes}"), salt)
    };
    let new = Secret::from_passphrase("open sesame").unwrap();
    let new = new.new_derivation().unwrap();
    assert_eq!(new.to_text(), "argon2id 65536 3");
    let salt = new.salt();
    for (memory_kib, passes) in [(8, 1), (1 << 20, 64)] {
        let back = read(memory_kib, passes, salt).unwrap();
        assert_eq!(back.to_text(), format!("argon2id {memory_kib} {passes}"));
        assert_eq!(back.salt(), salt);
    }
    for (memory_kib, passes) in [(7, 1), ((1 << 20) + 1, 1), (8, 0), (8, 65)] {
        assert!(read(memory_kib, passes, salt).is_none());
    }
    assert!(read(8, 1, &salt[1..]).is_none() && read(8, 1, &[]).is_none());
    assert!(Derivation::from_text("key", &[]).is_some());
    assert!(Derivation::from_text("key", salt).is_none());
    assert!(Derivation::from_text("argon2i 8 1", salt).is_none());
}

#[test]
fn secrets_have_their_lengths() {
    let digits = "0123456789abcdefABCDEF0123456789".repeat(2);
    let Some(Secret::Key(key)) = Secret::from_hex(format!(" {digits}\n").as_bytes()) else {
        panic!("a key");
    };
    assert_eq!(
        key[..12],
        [
            0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 0xab, 0xcd, 0xef, 1
        ]
    );
    for wrong in [
        &digits[1..],
        &format!("{digits}0"),
        &digits.replace('a', "g"),
    ] {
        assert!(Secret::from_hex(wrong.as_bytes()).is_none(), "{wrong}");
    }
    let longest = "x".repeat(Secret::MAX_PASSPHRASE_BYTES);
    assert!(Secret::from_passphrase(&longest).is_some());
    assert!(Secret::from_passphrase("x").is_some());
    assert!(Secret::from_passphrase("").is_none());
    assert!(Secret::from_passphrase(&(longest + "x")).is_none());
}

#[test]
fn key_and_passphrase_files_hold_just_that() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secret");
    let key_of = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        match Secret::from_key_file(&path) {
            Ok(Secret::Key(key)) => Some(key.to_vec()),
            Ok(Secret::Passphrase(_)) => panic!("a passphrase"),
            Err(_) => None,
        }
    };
    let text = new_key_text().unwrap();
    assert_eq!(text.len(), 65);
    assert_eq!(
        text.capacity(),
        65,
        "a text that grows leaves copies behind"
    );
    let key = key_of(text.as_bytes()).unwrap();
    assert_ne!(new_key_text().unwrap(), text);
    let hex: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, text.trim_end());
    assert_eq!(key_of(&key), Some(key.clone()), "32 bytes as they are");
    // Blanks around the digits are allowed, nothing else.
    assert_eq!(
        key_of(format!("  {hex}  \r\n").as_bytes()),
        Some(key.clone())
    );
    let saved_on_windows = format!("\u{feff}{hex}\r\n");
    assert_eq!(key_of(saved_on_windows.as_bytes()), Some(key));
    for wrong in [&text.as_bytes()[..63], &[7; 31], &[7; 33], b""] {
        assert_eq!(key_of(wrong), None, "{} bytes", wrong.len());
    }

    let passphrase_of = |text: &str| {
        std::fs::write(&path, text).unwrap();
        match Secret::from_passphrase_file(&path) {
            Ok(Secret::Passphrase(words)) => Some(words.to_string()),
            Ok(Secret::Key(_)) => panic!("a key"),
            Err(_) => None,
        }
    };
    let longest = "x".repeat(Secret::MAX_PASSPHRASE_BYTES);
    for ending in ["", "\n", "\r\n", "\nsecond line"] {
        let words = passphrase_of(&format!("open sesame{ending}"));
        assert_eq!(words.as_deref(), Some("open sesame"));
        assert_eq!(
            passphrase_of(&format!("{longest}{ending}")).as_ref(),
            Some(&longest)
        );
        assert_eq!(passphrase_of(&format!("{longest}x{ending}")), None);
    }
    assert_eq!(passphrase_of("\nopen sesame"), None);
}

#[test]
fn keys_stay_and_passphrases_are_derived() {
    let key = Secret::from_hex(&[b'7'; 64]).unwrap();
    let words = Secret::from_passphrase("open sesame").unwrap();
    let argon2 = |memory_kib, passes, salt: u8| Derivation::Argon2id {
        memory_kib,
        passes,
        salt: [salt; 16],
    };
    assert_eq!(*key.derive(&Derivation::Key).unwrap(), [0x77; 32]);
    let derived = words.derive(&argon2(64, 2, 1)).unwrap();
    assert_eq!(words.derive(&argon2(64, 2, 1)).unwrap(), derived);
    for other in [argon2(72, 2, 1), argon2(64, 3, 1), argon2(64, 2, 2)] {
        assert_ne!(words.derive(&other).unwrap(), derived);
    }
    // The same passphrase gives two stores different keys, so that each guess works on one store
    // only.
    let [one, two] = [(); 2].map(|()| words.new_derivation().unwrap());
    assert_ne!(one.salt(), two.salt());
    // A secret of the other kind does not fit.
    assert!(key.derive(&argon2(64, 2, 1)).is_none());
    assert!(words.derive(&Derivation::Key).is_none());
    for secret in [key, words] {
        let shown = format!("{secret:?}");
        assert!(shown.ends_with("(..)") && !shown.contains("sesame"));
    }
}

#[cfg(target_os = "linux")]
#[test]
fn what_calls_leave_on_the_stack_is_wiped() {
    use std::io::{Seek, SeekFrom};
    const LEFT: [u8; 8] = *b"a secret";
    /// Leaves the text on the stack, in memory that no longer is in use.
    #[inline(never)]
    fn leave() -> u64 {
        let left = black_box([LEFT; 512]);
        black_box(&left).as_ptr() as u64
    }
    let left_at = |at: u64| -> io::Result<usize> {
        let mut memory = File::open("/proc/self/mem")?;
        memory.seek(SeekFrom::Start(at))?;
        let mut bytes = vec![0; size_of_val(&LEFT) * 512];
        memory.read_exact(&mut bytes)?;
        let pieces = bytes.as_chunks().0.iter();
        Ok(pieces.filter(|piece| **piece == LEFT).count())
    };
    // The search does find the text where it is.
    match left_at(leave()) {
        Ok(num) => assert!(num > 100, "{num}"),
        Err(e) => return eprintln!("SKIPPED: this memory cannot be read here: {e}"),
    }
    let at = leave();
    wipe_traces();
    assert_eq!(left_at(at).unwrap(), 0);
}

#[test]
fn a_short_file_is_read_and_one_byte_more_than_allowed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secret");
    for length in [0, 1, 9, 10, 11, 100] {
        std::fs::write(&path, vec![7; length]).unwrap();
        let read = read_short(&path, 10).unwrap();
        assert_eq!(*read, vec![7; length.min(11)]);
        assert_eq!(
            read.capacity(),
            11,
            "a buffer that grows leaves copies behind"
        );
    }
    // A path that cannot be read is an error, not an endless loop.
    #[cfg(unix)]
    assert!(read_short(folder.path(), 10).is_err());
}
