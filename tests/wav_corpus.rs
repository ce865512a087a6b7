//! Collections of unusual and malformed WAV files, in `fixtures/wav` and in `../shared/wav-corpus`
//! (or `$SPKVER_SHARED`). Each file must have the outcome stated in its manifest, and the samples
//! that libsndfile decodes.

use sha2::{Digest, Sha256};
use spkver::Error;
use spkver::audio::{self, Content, Decoded, ReadOptions};
use std::path::{Path, PathBuf};

/// One line of `MANIFEST.tsv`.
#[derive(serde::Deserialize)]
struct Case {
    file: String,
    expected: String,
    quality: String,
    /// libsndfile's rate, channels, frames and SHA-256 prefix of its float32 decode.
    lsf_rate: Option<u32>,
    lsf_ch: Option<usize>,
    lsf_frames: Option<usize>,
    lsf_sha16_f32le: Option<String>,
}

fn sha16(decoded: &Decoded) -> String {
    let mut hash = Sha256::new();
    for sample in &decoded.samples {
        hash.update(sample.to_le_bytes());
    }
    hash.finalize()[..8]
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect()
}

/// What went wrong with `case`, if anything.
fn judge(case: &Case, path: &Path) -> Result<(), String> {
    let outcome = audio::decode(path);
    if let Err(e) = &outcome {
        let text = e.to_string();
        let named = text.contains(&*path.to_string_lossy()) && text.contains("; ");
        if !matches!(e, Error::Audio { .. }) || !named {
            return Err(format!("refused without file, fact and remedy: {text}"));
        }
    }
    let decoded = match (case.expected.as_str(), outcome) {
        ("REFUSE" | "UNSUPPORTED", Ok(_)) => return Err("must be refused".into()),
        ("DECODE" | "DECODE_WARN" | "QUALITY", Err(e)) => return Err(format!("refused: {e}")),
        (_, Err(e)) => {
            let text = e.to_string();
            return match case.quality.as_str() {
                "nonfinite" if !text.contains("not finite") => Err(text),
                "range" if !text.contains("range") => Err(text),
                _ => Ok(()),
            };
        }
        (_, Ok(decoded)) => decoded,
    };
    // What may be refused as well may come with a warning.
    let may_warn = case.expected.starts_with("DECODE_OR_");
    if !may_warn && case.expected.starts_with("DECODE_WARN") != decoded.warning.is_some() {
        return Err(format!("warning: {:?}", decoded.warning));
    }
    // libsndfile reads no sample of a stream whose size was left at 0; there is nothing to compare.
    let comparable = case.lsf_frames.is_some_and(|frames| frames > 0);
    if comparable {
        let frames = decoded.samples.len() / decoded.num_channels;
        let ours = (
            decoded.rate_hz,
            decoded.num_channels,
            frames,
            sha16(&decoded),
        );
        let theirs = (
            case.lsf_rate.unwrap(),
            case.lsf_ch.unwrap(),
            case.lsf_frames.unwrap(),
            case.lsf_sha16_f32le.clone().unwrap(),
        );
        if ours != theirs {
            return Err(format!("{ours:?} is not libsndfile's {theirs:?}"));
        }
    }
    let waveform = audio::read(path, &ReadOptions::default()).map_err(|e| e.to_string())?;
    let quality = waveform.quality();
    let flagged = match case.quality.as_str() {
        "silence" => quality.content == Content::Silence,
        "nospeech" => quality.content == Content::NoSpeech,
        "clipping" => quality.clipped > 0.02,
        "short" => quality.seconds < 0.2,
        // The others hold a voice too, but some headers make noise or another voice of it.
        "ok" if case.expected == "DECODE" => {
            quality.clipped < 0.01 && quality.content == Content::Speech
        }
        _ => true,
    };
    if flagged {
        Ok(())
    } else {
        Err(format!("{quality:?}"))
    }
}

fn check(corpus: &Path, num_files: usize) {
    let mut manifest = csv::ReaderBuilder::new()
        .delimiter(b'\t')
        .from_path(corpus.join("MANIFEST.tsv"))
        .unwrap();
    let cases: Vec<Case> = manifest.deserialize().collect::<Result<_, _>>().unwrap();
    assert_eq!(cases.len(), num_files);
    let failures: Vec<String> = cases
        .iter()
        .filter_map(|case| {
            let verdict = judge(case, &corpus.join(&case.file));
            verdict
                .err()
                .map(|why| format!("{} ({}): {why}", case.file, case.expected))
        })
        .collect();
    assert!(
        failures.is_empty(),
        "{} of {num_files}:\n{}",
        failures.len(),
        failures.join("\n")
    );
}

#[test]
fn our_own_odd_files_have_the_outcomes_stated() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    check(&fixtures.join("wav"), 74);
}

#[test]
fn every_file_has_the_outcome_that_the_manifest_states() {
    let shared = std::env::var_os("SPKVER_SHARED").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared"),
        PathBuf::from,
    );
    let corpus = shared.join("wav-corpus");
    if !corpus.join("MANIFEST.tsv").is_file() {
        eprintln!("SKIPPED: no ../shared/wav-corpus and no $SPKVER_SHARED");
        return;
    }
    check(&corpus, 104);
}
