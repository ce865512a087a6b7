//! Writes the voiceprints of a store as vectors for other search engines. Their inner product with the
//! vector of a test recording is the LLR, if the head has no lower slope.

use super::vectors::npy_header;
use crate::{
    Error, Result, parallel,
    scoring::{LowerSlope, gallery::vector},
    storage::{Readers, output::OutputFile, voiceprints::Sweep},
    verifier::{SpeakerName, Verifier},
};
use std::{io::Write, path::Path};

/// Number of values in a vector: L + 2.
pub fn vector_size(verifier: &Verifier) -> usize {
    verifier.model().head.size() + 2
}

/// Calls a function with names and vectors, block by block.
fn for_each_block(
    mut sweep: Sweep,
    verifier: &Verifier,
    mut each: impl FnMut(&[(i64, SpeakerName, Vec<f32>)]) -> Result<()>,
) -> Result<usize> {
    let head = &verifier.model().head;
    let mut num_speakers = 0;
    loop {
        let block = sweep.next_block()?;
        if block.is_empty() {
            return Ok(num_speakers);
        }
        num_speakers += block.len();
        let vectors = parallel::map(block, |(id, voiceprint)| {
            let point = verifier.project(&voiceprint);
            (id, voiceprint.name, vector(head, &point).collect())
        });
        each(&vectors)?;
    }
}

/// Writes rows for PostgreSQL's COPY. Returns their number.
///
/// # Errors
/// [`Error::Io`], and the errors of the store.
pub fn write_pgvector(to: &OutputFile, sweep: Sweep, verifier: &Verifier) -> Result<usize> {
    let mut num_speakers = 0;
    to.write_buffered(Readers::Owner, |out| {
        let failed = |e| Error::io(to.path(), "write", e);
        num_speakers = for_each_block(sweep, verifier, |block| {
            let lines = parallel::map(block, |(id, name, vector)| {
                // The text format of COPY. Names contain no control characters.
                let name = name.as_str().replace('\\', "\\\\");
                format!("{id}\t{name}\t{}\n", pgvector_literal(vector))
            });
            out.write_all(lines.concat().as_bytes()).map_err(failed)
        })?;
        Ok(())
    })?;
    Ok(num_speakers)
}

/// A vector as pgvector writes it: `[1,2.5,-3]`.
pub fn pgvector_literal(vector: &[f32]) -> String {
    let values: Vec<String> = vector.iter().map(f32::to_string).collect();
    format!("[{}]", values.join(","))
}

/// The SQL that makes the table of the file `rows` and searches it.
pub fn pgvector_sql(rows: &Path, verifier: &Verifier) -> String {
    let size = vector_size(verifier);
    let rows = rows.to_string_lossy().replace('\'', "''");
    let model = verifier.id();
    // With a lower slope, a very low inner product still has to be turned into the LLR.
    let llr = match verifier.model().head.lower_slope {
        Some(LowerSlope { below }) => {
            let slope = LowerSlope::SLOPE;
            let rest = (1.0 - slope) * f64::from(below);
            format!("greatest(-(point <#> '[…]'), -{slope} * (point <#> '[…]') + ({rest:.4}))")
        }
        None => "-(point <#> '[…]')".into(),
    };
    format!(
        "CREATE EXTENSION IF NOT EXISTS vector;
CREATE TABLE voiceprint (id bigint PRIMARY KEY, name text NOT NULL UNIQUE, point vector({size}) NOT NULL);
COMMENT ON TABLE voiceprint IS 'spkver model {model}';
\\copy voiceprint FROM '{rows}'
-- Best five for a query that `store query FILE` of spkver printed; <#> is minus the inner product:
-- SELECT name, {llr} AS llr FROM voiceprint ORDER BY point <#> '[…]' LIMIT 5;
-- Exact without an index. For an approximate search of many:
-- CREATE INDEX ON voiceprint USING hnsw (point vector_ip_ops);"
    )
}

/// Writes the vectors as rows of a NumPy array of float32, and the names of the speakers, row by row, to the
/// file `beside`. Returns the number of rows.
///
/// # Errors
/// As [`write_pgvector`].
pub fn write_npy(
    to: &OutputFile,
    beside: &OutputFile,
    sweep: Sweep,
    verifier: &Verifier,
) -> Result<usize> {
    let mut names = String::new();
    let header = npy_header("<f4", &[sweep.num_speakers(), vector_size(verifier)]);
    let mut num_speakers = 0;
    to.write_buffered(Readers::Owner, |out| {
        let failed = |e| Error::io(to.path(), "write", e);
        out.write_all(&header).map_err(failed)?;
        num_speakers = for_each_block(sweep, verifier, |block| {
            for (_, name, vector) in block {
                names += name.as_str();
                names.push('\n');
                let bytes: Vec<u8> = vector.iter().flat_map(|v| v.to_le_bytes()).collect();
                out.write_all(&bytes).map_err(failed)?;
            }
            Ok(())
        })?;
        Ok(())
    })?;
    beside.write_with(Readers::Owner, |file| {
        let written = file.write_all(names.as_bytes());
        written.map_err(|e| Error::io(beside.path(), "write", e))
    })?;
    Ok(num_speakers)
}
