//! `spkver store …`: works on the store as a whole: its key, its backups, its vectors.

mod vectors;

use super::{global::Global, help, key, outputs};
use clap::{Subcommand, builder::Resettable};
use serde_json::json;
use spkver::{
    Error, Result,
    storage::{
        backup,
        output::Form,
        secret::{Secret, new_key_text},
        voiceprints::{Store, wanted_secret},
    },
};
use std::path::{Path, PathBuf};

/// What to do with the store.
#[derive(Subcommand)]
pub enum Command {
    /// Make a random key for an encrypted store
    #[command(after_help = help::STORE_NEW_KEY)]
    NewKey {
        /// File to write the key to, as 64 hexadecimal digits; only you can read it
        file: PathBuf,
    },
    /// Encrypt the store with a key or a passphrase
    #[command(after_help = help::STORE_ENCRYPT)]
    Encrypt,
    /// Encrypt the store with another key or passphrase
    #[command(after_help = help::STORE_REKEY)]
    Rekey(RekeyArgs),
    /// Remove the store's encryption
    #[command(after_help = help::STORE_DECRYPT)]
    Decrypt,
    /// Write all voiceprints to an age-encrypted file
    #[command(after_help = help::STORE_BACKUP)]
    Backup(BackupArgs),
    /// Read the voiceprints of a backup into the store
    #[command(after_help = help::STORE_RESTORE)]
    Restore(RestoreArgs),
    #[command(flatten)]
    Vectors(vectors::Command),
}

/// The secret that takes the place of the old one.
#[derive(clap::Args)]
#[command(next_help_heading = "Store")]
pub struct RekeyArgs {
    /// File with the new key [env: SPKVER_NEW_KEY holds the key itself]
    #[arg(long, value_name = "FILE", conflicts_with = "new_passphrase_file")]
    new_key_file: Option<PathBuf>,
    /// File whose first line is the new passphrase [env: SPKVER_NEW_PASSPHRASE holds the passphrase itself]
    /// [default: you are asked for it]
    #[arg(long, value_name = "FILE")]
    new_passphrase_file: Option<PathBuf>,
}

/// The backup to write, and who can open it.
#[derive(clap::Args)]
#[command(next_help_heading = "Backup")]
pub struct BackupArgs {
    /// The backup to write
    #[arg(help_heading = Resettable::Reset)]
    file: PathBuf,
    /// Who can open it: a public key from age-keygen; may be given several times
    #[arg(long, value_name = "AGE1…", conflicts_with = "backup_passphrase_file")]
    recipient: Vec<String>,
    /// Passphrase of the backup, in the file's first line [default: asked for]
    #[arg(long, value_name = "FILE")]
    backup_passphrase_file: Option<PathBuf>,
    #[command(flatten)]
    replacing: outputs::Args,
}

/// The backup to read, and what opens it.
#[derive(clap::Args)]
#[command(next_help_heading = "Backup")]
pub struct RestoreArgs {
    /// The backup to read
    #[arg(help_heading = Resettable::Reset)]
    file: PathBuf,
    /// File with the identity from age-keygen that opens the backup; may be given several times
    #[arg(long, value_name = "FILE", conflicts_with = "backup_passphrase_file")]
    identity: Vec<PathBuf>,
    /// Passphrase of the backup, in the file's first line [default: asked for]
    #[arg(long, value_name = "FILE")]
    backup_passphrase_file: Option<PathBuf>,
    /// Let the backup's voiceprints replace those of the same names in the store
    #[arg(long)]
    replace: bool,
}

/// Runs the command.
pub fn run(command: &Command, global: &Global) -> Result<u8> {
    match command {
        Command::Vectors(command) => vectors::run(command, global),
        Command::NewKey { file } => new_key(file, global),
        Command::Encrypt => encrypt(global),
        Command::Rekey(args) => rekey(args, global),
        Command::Decrypt => decrypt(global),
        Command::Backup(args) => backup(args, global),
        Command::Restore(args) => restore(args, global),
    }
}

fn new_key(file: &Path, global: &Global) -> Result<u8> {
    let outputs = outputs::Args::default().open(vec![file.to_path_buf()], global)?;
    // A key is never overwritten, with no flag: what the old key opens would be lost.
    if file.exists() {
        return Err(Error::Usage(format!(
            "{}: exists already; name another file for the key",
            file.display()
        )));
    }
    let out = outputs.take(file, &Form::KEY)?;
    out.write_new(new_key_text()?.as_bytes())?;
    let json = json!({ "command": "store new-key", "file": file.to_string_lossy() });
    let line = format!(
        "NEW KEY  {}  keep a copy elsewhere: without it nobody can open the store",
        file.display()
    );
    Ok(global.output().done(&line, &json))
}

fn encrypt(global: &Global) -> Result<u8> {
    let path = global.store_path()?;
    if wanted_secret(&path)?.is_some() {
        return Err(Error::store(
            path,
            "is encrypted already",
            "`spkver store rekey` changes its key",
        ));
    }
    let flags = "--key-file FILE or --passphrase-file FILE";
    let secret = new_secret(global.key.secret()?, flags)?;
    match Store::open(&path, None)? {
        Some(mut store) => store.reseal(Some(&secret))?,
        None => drop(Store::open_or_create(&path, Some(&secret))?),
    }
    report(global, "encrypt", "ENCRYPTED", &path)
}

fn rekey(args: &RekeyArgs, global: &Global) -> Result<u8> {
    let mut store = global.existing_store()?;
    if !store.is_encrypted() {
        return Err(Error::store(
            store.path(),
            "is not encrypted",
            "`spkver store encrypt` does that",
        ));
    }
    let given = key::given(
        args.new_key_file.as_deref(),
        args.new_passphrase_file.as_deref(),
        ["SPKVER_NEW_KEY", "SPKVER_NEW_PASSPHRASE"],
    )?;
    let flags = "--new-key-file FILE or --new-passphrase-file FILE";
    let secret = new_secret(given, flags)?;
    store.reseal(Some(&secret))?;
    report(global, "rekey", "REKEYED", store.path())
}

fn decrypt(global: &Global) -> Result<u8> {
    let mut store = global.existing_store()?;
    store.reseal(None)?;
    report(global, "decrypt", "DECRYPTED", store.path())
}

fn backup(args: &BackupArgs, global: &Global) -> Result<u8> {
    let outputs = args.replacing.open(vec![args.file.clone()], global)?;
    let mut words = args.backup_passphrase_file.iter();
    words.try_for_each(|path| outputs.spare(path))?;
    let out = outputs.take(&args.file, &Form::BACKUP)?;
    let store = global.existing_store()?;
    let lock = if args.recipient.is_empty() {
        let asked = || key::asked_twice("New passphrase of the backup: ");
        let secret = backup_passphrase(args.backup_passphrase_file.as_deref(), asked)?;
        let flags = "--recipient AGE1… or --backup-passphrase-file FILE";
        backup::Lock::passphrase(&secret.ok_or_else(|| no_secret(flags))?)?
    } else {
        backup::Lock::recipients(&args.recipient)?
    };
    let num_saved = backup::save(&store, out.path(), &lock)?;
    let json = json!({
        "command": "store backup",
        "store": store.path().to_string_lossy(),
        "file": args.file.to_string_lossy(),
        "num_voiceprints": num_saved,
    });
    let line = format!(
        "BACKED UP  {num_saved} voiceprints  {}",
        args.file.display()
    );
    Ok(global.output().done(&line, &json))
}

fn restore(args: &RestoreArgs, global: &Global) -> Result<u8> {
    let key = if args.identity.is_empty() {
        let asked = || key::asked("Passphrase of the backup: ");
        let secret = backup_passphrase(args.backup_passphrase_file.as_deref(), asked)?;
        let flags = "--identity FILE or --backup-passphrase-file FILE";
        backup::Key::passphrase(&secret.ok_or_else(|| no_secret(flags))?)?
    } else {
        backup::Key::identities(&args.identity)?
    };
    let voiceprints = backup::load(&args.file, &key)?;
    let num_restored = voiceprints.len();
    let mut store = global.open_or_create_store()?;
    store.restore(voiceprints, args.replace)?;
    let json = json!({
        "command": "store restore",
        "store": store.path().to_string_lossy(),
        "file": args.file.to_string_lossy(),
        "num_voiceprints": num_restored,
    });
    let line = format!(
        "RESTORED  {num_restored} voiceprints  {}",
        store.path().display()
    );
    Ok(global.output().done(&line, &json))
}

/// The secret that the store gets: the given one, or a passphrase that is asked for.
fn new_secret(given: Option<Secret>, flags: &str) -> Result<Secret> {
    let secret = match given {
        None => key::asked_twice("New passphrase of the store: ")?,
        given => given,
    };
    secret.ok_or_else(|| no_secret(flags))
}

fn backup_passphrase(
    file: Option<&Path>,
    asked: impl FnOnce() -> Result<Option<Secret>>,
) -> Result<Option<Secret>> {
    match file {
        Some(path) => Secret::from_passphrase_file(path).map(Some),
        None => asked(),
    }
}

fn no_secret(flags: &str) -> Error {
    Error::Usage(format!(
        "no key or passphrase is given, and there is no terminal to ask for one; give {flags}"
    ))
}

fn report(global: &Global, command: &str, word: &str, store: &Path) -> Result<u8> {
    let json = json!({
        "command": format!("store {command}"),
        "store": store.to_string_lossy(),
    });
    let line = format!("{word}  {}", store.display());
    Ok(global.output().done(&line, &json))
}
