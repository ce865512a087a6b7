//! `spkver store export|query|import-vectors`: writes voiceprints as vectors for other search
//! engines, and enrolls embeddings into the store.

use crate::cli::{
    global::Global,
    help, outputs,
    test_recordings::{self, open_array},
};
use serde_json::{Value, json};
use spkver::{
    Error, Result,
    answer::json_of,
    batch::store_vectors::{
        pgvector_literal, pgvector_sql, vector_size, write_npy, write_pgvector,
    },
    lists::names,
    storage::{
        file_name,
        output::{Form, OutputFile},
        with_ending,
    },
    verifier::{Embedding, SpeakerName, Utterance},
};
use std::path::{Path, PathBuf};

/// What to do with the store.
#[derive(clap::Subcommand)]
pub enum Command {
    /// Write voiceprints as vectors whose inner product with a query gives the LLR
    #[command(after_help = help::STORE_EXPORT)]
    Export(ExportArgs),
    /// Print recordings as queries against vectors that `export` wrote
    #[command(after_help = help::STORE_QUERY)]
    Query(test_recordings::Args),
    /// Enroll embeddings from a NumPy file
    #[command(after_help = help::STORE_IMPORT_VECTORS)]
    ImportVectors(Import),
}

/// Where to write the vectors, and whether those of an encrypted store may be written unencrypted.
#[derive(clap::Args)]
pub struct ExportArgs {
    #[command(flatten)]
    to: Export,
    /// Write vectors even if the store is encrypted. Whoever can read the file then has the voiceprints
    #[arg(long, help_heading = "Output")]
    plaintext: bool,
    #[command(flatten)]
    replacing: outputs::Args,
}

/// Where to write the vectors.
#[derive(clap::Args)]
#[group(required = true, multiple = false)]
#[command(next_help_heading = "Output")]
pub struct Export {
    /// Rows for PostgreSQL's COPY, with pgvector; prints the SQL that searches them
    #[arg(long, value_name = "FILE")]
    pgvector: Option<PathBuf>,
    /// A float32 array, and FILE.names with one name per line
    #[arg(long, value_name = "FILE")]
    npy: Option<PathBuf>,
}

/// What to enroll.
#[derive(clap::Args)]
pub struct Import {
    /// A float32 array `(N, D)` of this model's embeddings
    vectors: PathBuf,
    /// A text file with the speaker's name for each row of the array, one per line
    names: PathBuf,
}

/// Runs the command.
pub fn run(command: &Command, global: &Global) -> Result<u8> {
    match command {
        Command::Export(args) => export(args, global),
        Command::Query(args) => query(args, global),
        Command::ImportVectors(args) => import(args, global),
    }
}

fn export(args: &ExportArgs, global: &Global) -> Result<u8> {
    let named = args.to.pgvector.iter().chain(&args.to.npy).cloned();
    let names = args.to.npy.as_deref().map(names_beside);
    let outputs = args.replacing.open(named.chain(names).collect(), global)?;
    let written = match &args.to {
        Export {
            pgvector: Some(to), ..
        } => Written::Rows(outputs.take(to, &Form::TABLE_ROWS)?),
        Export { npy: Some(to), .. } => Written::Array {
            names: outputs.take_row_names(&names_beside(to), to)?,
            array: outputs.take(to, &Form::NPY)?,
        },
        Export { .. } => unreachable!("one of them is required"),
    };
    let store = global.existing_store()?;
    if store.is_encrypted() && !args.plaintext {
        return Err(Error::Usage(
            "the store is encrypted, but the vectors would not be; give --plaintext if you accept that".into(),
        ));
    }
    let verifier = global.verifier()?;
    let sweep = store.sweep(verifier.id())?;
    let num_others = sweep.num_others();
    let (written, num_speakers, sql) = match &written {
        Written::Rows(to) => {
            let sql = pgvector_sql(to.path(), &verifier);
            (to.path(), write_pgvector(to, sweep, &verifier)?, Some(sql))
        }
        Written::Array { array, names } => {
            let count = write_npy(array, names, sweep, &verifier)?;
            (array.path(), count, None)
        }
    };
    if num_others > 0 {
        global.output().warning(&format!(
            "{num_others} voiceprints of other models are left out; see `spkver list`"
        ));
    }
    let json = json!({
        "command": "store export",
        "store": store.path().to_string_lossy(),
        "output": written.to_string_lossy(),
        "model": verifier.id().to_string(),
        "num_speakers": num_speakers,
        "size": vector_size(&verifier),
        "lower_slope_below": json_of(&verifier.model().head.lower_slope.map(|slope| slope.below)),
        "sql": sql,
    });
    let line = sql.unwrap_or_else(|| {
        let (written, size) = (written.display(), vector_size(&verifier));
        format!("wrote {written}: {num_speakers} vectors of {size} numbers")
    });
    global.output().result(&line, &json)
}

/// The files that an export writes.
enum Written {
    Rows(OutputFile),
    Array {
        array: OutputFile,
        names: OutputFile,
    },
}

fn names_beside(array: &Path) -> PathBuf {
    with_ending(array, ".names")
}

fn query(args: &test_recordings::Args, global: &Global) -> Result<u8> {
    let verifier = global.verifier()?;
    let tests = args.read(&verifier, global.output())?;
    let mut code = 0;
    let mut lines = vec![];
    let mut results: Vec<Value> = vec![];
    for test in &tests {
        let mut json = match &test.embedding {
            Ok((_, probe)) => {
                let vector: Vec<f32> = probe.vector().collect();
                lines.push(pgvector_literal(&vector));
                json!({ "vector": json_of(&vector) })
            }
            Err(unfit) => {
                code = code.max(unfit.exit_code());
                global.output().warning(&unfit.line(&test.label));
                // There is a line for every recording, in order.
                lines.push("\\N".into());
                unfit.json()
            }
        };
        json["path"] = test.label.as_str().into();
        results.push(json);
    }
    let json = json!({
        "command": "store query",
        "model": verifier.id().to_string(),
        "results": results,
    });
    global.output().result(&lines.join("\n"), &json)?;
    Ok(code)
}

fn import(args: &Import, global: &Global) -> Result<u8> {
    let verifier = global.verifier()?;
    let mut rows = open_array(&args.vectors, &verifier)?;
    let names = names::read(&args.names)?;
    let bad = |line: usize, fact: String, remedy: &'static str| {
        Error::list(args.names.clone(), line + 1, fact, remedy)
    };
    let names = names.into_iter().enumerate().map(|(line, name)| {
        SpeakerName::new(name).map_err(|e| bad(line, e.to_string(), "a line is one speaker's name"))
    });
    let names: Vec<SpeakerName> = names.collect::<Result<_>>()?;
    let num_rows = rows.num_rows();
    if names.len() != num_rows {
        let fact = format!("{} names for {num_rows} rows", names.len());
        let remedy = "give a name for each row of the array";
        return Err(bad(names.len().min(num_rows), fact, remedy));
    }
    let file = file_name(&args.vectors);
    let utterance = |row: usize| -> Result<Utterance> {
        let refuse = |fact: &str| {
            let path = args.vectors.display();
            Error::Usage(format!("{path}: row {row} {fact}"))
        };
        let embedding = Embedding::new(rows.row(row)?, verifier.id());
        let embedding = embedding.map_err(|_| refuse("is not finite; leave it out"))?;
        if !verifier.could_have_made(&embedding) {
            return Err(refuse(
                "has a length that this model never makes; import embeddings as `spkver embed` \
                 writes them, not normalised",
            ));
        }
        let seconds = verifier.speech_seconds(&embedding).unwrap_or(0.0);
        let file = format!("{file}[{row}]");
        Ok(Utterance::without_quality(file, embedding, seconds))
    };
    let path = global.store_path()?;
    let mut store = global.open_or_create_store()?;
    store.import(verifier.id(), &names, utterance)?;
    let num_utterances = names.len();
    let line = format!("IMPORTED  {num_utterances} embeddings");
    let json = json!({
        "command": "store import-vectors",
        "store": path.to_string_lossy(),
        "model": verifier.id().to_string(),
        "num_utterances": num_utterances,
    });
    global.output().result(&line, &json)
}
