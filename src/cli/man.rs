//! `spkver man`: manual pages, from the same descriptions as the help.

use super::{global::Global, outputs};
use clap_mangen::Man;
use serde_json::json;
use spkver::{Error, Result, storage::output::Form};
use std::path::{Path, PathBuf};

/// Where `spkver man` writes the pages.
#[derive(clap::Args)]
#[group(skip)]
pub struct Args {
    /// Folder for the pages, one for each command; it is made if it does not exist [default: only the
    /// page of `spkver` itself, on stdout]
    #[arg(value_name = "DIR")]
    folder: Option<PathBuf>,
    #[command(flatten)]
    replacing: outputs::Args,
}

/// Runs the command. `program` describes all commands and options.
pub fn run(args: &Args, mut program: clap::Command, global: &Global) -> Result<u8> {
    program.build();
    let Some(folder) = &args.folder else {
        let (_, page) = page(&program)?;
        let page = String::from_utf8_lossy(&page);
        global
            .output()
            .text(&page, &json!({ "command": "man", "page": page }))?;
        return Ok(0);
    };
    std::fs::create_dir_all(folder).map_err(|e| Error::io(folder, "make", e))?;
    let mut pages = vec![];
    add_pages(&program, &mut pages)?;
    let paths: Vec<PathBuf> = pages.iter().map(|(name, _)| folder.join(name)).collect();
    let outputs = args.replacing.open(paths.clone(), global)?;
    let files = paths.iter().map(|path| outputs.take(path, &Form::MANUAL));
    let files = files.collect::<Result<Vec<_>>>()?;
    for (file, (_, page)) in files.iter().zip(&pages) {
        file.write(page)?;
    }
    let line = format!("wrote {} pages to {}", pages.len(), folder.display());
    let files: Vec<_> = paths.iter().map(|path| path.to_string_lossy()).collect();
    let json = json!({ "command": "man", "files": files });
    global.output().result(&line, &json)
}

/// Adds the pages of a command and of its subcommands: (file name, text for `man`).
fn add_pages(command: &clap::Command, pages: &mut Vec<(String, Vec<u8>)>) -> Result<()> {
    pages.push(page(command)?);
    let below = command.get_subcommands();
    let mut below = below.filter(|one| one.get_name() != "help");
    below.try_for_each(|one| add_pages(one, pages))
}

fn page(command: &clap::Command) -> Result<(String, Vec<u8>)> {
    let page = Man::new(command.clone());
    let mut text = vec![];
    let failed = |e| Error::io(Path::new("<manual>"), "write", e);
    page.render(&mut text).map_err(failed)?;
    Ok((page.get_filename(), text))
}
