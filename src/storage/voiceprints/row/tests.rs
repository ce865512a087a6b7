//! Rows that are sealed but inconsistent, as a faulty program could write them, are not accepted as
//! voiceprints.

use super::*;
use crate::storage::secret::KEY_BYTES;

fn rows(seal: &Seal) -> Rows {
    let model = ModelId::of(b"a model");
    let name = SpeakerName::new("anna").unwrap();
    let utterance = |value: f32| {
        let embedding = Embedding::new(vec![value, -1.0], model).unwrap();
        Utterance::without_quality("a.wav", embedding, 2.5)
    };
    let mut rows = Rows::new(seal.lookup(&name.key()), new_id().unwrap(), model);
    rows.extend(seal, &name, &[utterance(1.0), utterance(2.0)])
        .unwrap();
    rows
}

fn sealed_again(seal: &Seal, rows: &mut Rows, name: &str) {
    rows.speaker.sealed = seal
        .close(&rows.speaker.associated_data(), name.as_bytes())
        .unwrap();
}

#[test]
fn a_speakers_row_agrees_with_its_utterances() {
    let cipher = Seal::cipher(&Zeroizing::new(vec![7; KEY_BYTES]));
    for seal in [Seal::Checksum, cipher] {
        let spoils: [fn(&mut Rows); 5] = [
            |rows| rows.speaker.num_templates = 3,
            |rows| rows.speaker.digest[0] ^= 1,
            |rows| {
                rows.utterances.pop();
            },
            |rows| {
                rows.utterances.pop();
                rows.speaker.num_templates = 1;
            },
            |rows| {
                rows.utterances.clear();
                rows.speaker.num_templates = 0;
                rows.speaker.digest = digest(&rows.utterances);
            },
        ];
        for (i, spoil) in spoils.iter().enumerate() {
            let mut rows = rows(&seal);
            assert!(rows.open(&seal).is_ok());
            spoil(&mut rows);
            sealed_again(&seal, &mut rows, "anna");
            assert!(rows.open(&seal).is_err(), "{i}");
        }
        // Stored under another name, or under an invalid one.
        for name in ["boris", "", "a\u{202e}b"] {
            let mut rows = rows(&seal);
            sealed_again(&seal, &mut rows, name);
            assert!(rows.open(&seal).is_err(), "{name}");
        }
    }
}
