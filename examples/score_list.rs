//! Scores a list of trials. Each line of standard input names two recordings; it is printed with their LLR, or
//! with `nan` and the reason if one of them is refused.
//!
//! ```text
//! echo "fixtures/voices/anna-1.wav fixtures/voices/anna-2.wav" > trials.txt
//! cargo run --no-default-features --example score_list < trials.txt
//! ```

use spkver::{Llr, OperatingPoint, ReadOptions, Recording, Verifier};
use std::{collections::HashMap, error::Error, io};

fn main() -> Result<(), Box<dyn Error>> {
    let verifier = Verifier::embedded()?;
    // Each recording is embedded once, however many trials name it.
    let mut embeddings = HashMap::new();
    for line in io::stdin().lines() {
        let line = line?;
        let names: Vec<&str> = line.split_whitespace().collect();
        let [enroll, test] = names[..] else {
            return Err(format!("{line:?}: write two recordings in each line").into());
        };
        for path in [enroll, test] {
            if !embeddings.contains_key(path) {
                let recording = Recording::open(path, &ReadOptions::default())?;
                embeddings.insert(path.to_string(), verifier.embed(&recording));
            }
        }
        match (&embeddings[enroll], &embeddings[test]) {
            (Ok(a), Ok(b)) => {
                let answer = verifier.compare(a, b, &OperatingPoint::default())?;
                let llr = answer.llr.map_or(f32::NAN, Llr::value);
                println!("{enroll} {test} {llr:.4}");
            }
            (Err(reason), _) | (_, Err(reason)) => println!("{enroll} {test} nan # {reason}"),
        }
    }
    Ok(())
}
