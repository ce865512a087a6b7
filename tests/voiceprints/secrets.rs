//! Keys and passphrases: only the right one opens a store.

use crate::{MODEL, anna, key, name, opened_with, store_of_two, store_with, utterance};
use rusqlite::Connection;
use spkver::{
    Error,
    storage::{
        secret::Secret,
        voiceprints::{Store, wanted_secret},
    },
    verifier::ModelId,
};

#[test]
fn only_the_right_secret_opens_a_store() {
    let words = |text| Secret::from_passphrase(text).unwrap();
    for (right, wrong, other_kind, wanted) in [
        (key(1), key(2), words("key"), "with a key"),
        (words("horse"), words("Horse"), key(1), "with a passphrase"),
    ] {
        let (_folder, path) = store_with(Some(&right));
        assert_eq!(anna(&path, Some(&right)).unwrap().len(), 2);
        assert!(wanted_secret(&path).unwrap().is_some());
        for (secret, fact) in [
            (Some(&wrong), "does not open it"),
            (None, wanted),
            (Some(&other_kind), "another kind of secret was given"),
        ] {
            for error in [
                Store::open(&path, secret).unwrap_err(),
                Store::open_or_create(&path, secret).unwrap_err(),
            ] {
                assert!(matches!(error, Error::Store { .. }), "{error:?}");
                assert_eq!(error.exit_code(), 4);
                assert!(error.to_string().contains(fact), "{error}");
                for told in ["0101", "0202", "orse"] {
                    assert!(!format!("{error} {error:?}").contains(told));
                }
            }
        }
    }
    // A plain store put in place of the encrypted one is detected.
    let (_folder, path) = store_of_two();
    let error = Store::open(&path, Some(&key(1))).unwrap_err();
    assert_eq!(error.exit_code(), 4);
    assert!(error.to_string().contains("is not encrypted"), "{error}");
    assert_eq!(wanted_secret(&path).unwrap(), None);
    assert_eq!(wanted_secret(&path.with_extension("none")).unwrap(), None);
}

#[test]
fn secrets_are_read_as_people_keep_them_and_never_shown() {
    let folder = tempfile::tempdir().unwrap();
    let file = |bytes: &[u8]| {
        let path = folder.path().join("secret");
        std::fs::write(&path, bytes).unwrap();
        path
    };
    let hex = "0123456789abcdefABCDEF00112233445566778899aabbccddeeff0011223344";
    for bytes in [hex.as_bytes(), format!("{hex}\r\n").as_bytes(), &[0xfe; 32]] {
        let secret = Secret::from_key_file(&file(bytes)).unwrap();
        assert_eq!(format!("{secret:?}"), "Secret::Key(..)");
    }
    let too_long = "ab".repeat(5000);
    for bytes in [
        &b""[..],
        &hex.as_bytes()[1..],
        &[0xfe; 31],
        &[0xfe; 33],
        too_long.as_bytes(),
    ] {
        let error = Secret::from_key_file(&file(bytes)).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        assert!(
            error.to_string().contains("64 hexadecimal digits"),
            "{error}"
        );
    }
    let not_hex = hex.replace('0', "g");
    assert!(Secret::from_hex(not_hex.as_bytes()).is_none());
    for text in [
        "correct horse",
        "correct horse\n",
        "correct horse\r\nsecond line",
    ] {
        let Secret::Passphrase(words) =
            Secret::from_passphrase_file(&file(text.as_bytes())).unwrap()
        else {
            panic!("a passphrase");
        };
        assert_eq!(words.as_str(), "correct horse");
    }
    let longest = "x".repeat(Secret::MAX_PASSPHRASE_BYTES);
    assert!(Secret::from_passphrase_file(&file(longest.as_bytes())).is_ok());
    for bytes in [
        &b""[..],
        b"\nsecond",
        b"\xff\xfe",
        format!("{longest}x").as_bytes(),
    ] {
        let error = Secret::from_passphrase_file(&file(bytes)).unwrap_err();
        assert_eq!(error.exit_code(), 2, "{error}");
    }
    let missing = Secret::from_key_file(&folder.path().join("none")).unwrap_err();
    assert_eq!(missing.exit_code(), 5);
    let (_folder, path) = store_with(Some(&key(0xab)));
    let store = opened_with(&path, Some(&key(0xab)));
    let of = utterance("f", [0.123, 4.5, 6.0]);
    let shown = format!("{of:?} {:?} {store:?}", key(0xab));
    for told in ["0.123", "4.5", "abab", "171, 171"] {
        assert!(!shown.contains(told), "{shown}");
    }
    assert!(shown.contains(&path.display().to_string()), "{shown}");
}

#[test]
fn a_store_that_asks_for_absurd_work_is_refused() {
    let secret = Secret::from_passphrase("horse").unwrap();
    let (_folder, path) = store_with(Some(&secret));
    for derivation in [
        "argon2id 4000000000 3",
        "argon2id 65536 4000000000",
        "argon2id 1 1",
        "md5",
    ] {
        Connection::open(&path)
            .unwrap()
            .execute("UPDATE store SET derivation = ?1", [derivation])
            .unwrap();
        let error = Store::open(&path, Some(&secret)).unwrap_err();
        assert_eq!(error.exit_code(), 4);
        assert!(error.to_string().contains("damaged: the header"), "{error}");
    }
}

#[test]
fn nothing_is_sealed_with_a_key_of_before() {
    let (_folder, path) = store_with(Some(&key(1)));
    let mut slow = opened_with(&path, Some(&key(1)));
    opened_with(&path, Some(&key(1)))
        .reseal(Some(&key(2)))
        .unwrap();
    let of = [utterance("late", [1.0, 2.0, 3.0])];
    for error in [
        slow.add(&name("chloe"), ModelId::of(MODEL), 0, &of)
            .unwrap_err(),
        slow.get(&name("anna")).unwrap_err(),
        slow.remove(&name("anna")).unwrap_err(),
        slow.reseal(None).unwrap_err(),
    ] {
        assert_eq!(error.exit_code(), 5);
        assert!(error.to_string().contains("changed its key"), "{error}");
    }
    let store = opened_with(&path, Some(&key(2)));
    assert_eq!(store.list().unwrap().speakers.len(), 2);
}
