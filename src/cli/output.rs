//! What the program prints: results on stdout (lines for people or one JSON object), everything else
//! on stderr.

use super::remedy;
use spkver::{Error, Result, batch::escape, verifier::is_unseen};
use std::{
    io::{self, IsTerminal, Write},
    path::Path,
};

/// What to print, and how.
#[derive(clap::Args)]
#[command(next_help_heading = "Output")]
pub struct Output {
    /// Print the result as JSON
    #[arg(long, global = true)]
    json: bool,
    /// Print no warnings and no progress
    #[arg(short, long, global = true)]
    quiet: bool,
    /// Print more about what is done, on stderr
    #[arg(short, long, global = true, conflicts_with = "quiet")]
    verbose: bool,
}

impl Output {
    /// Prints the result: `line` for people (which may have several lines, or none), or the JSON
    /// object. Returns the exit code of a command that did its work, 0.
    pub fn result(&self, line: &str, json: &serde_json::Value) -> Result<u8> {
        let text = match (self.json, line.is_empty()) {
            (true, _) => format!("{}\n", harmless(json)),
            (false, true) => return Ok(0),
            (false, false) => line.split('\n').map(|l| printable(l) + "\n").collect(),
        };
        self.print(&text)
    }

    /// As [`Self::result`], for text that other programs read: it is printed unchanged, byte for
    /// byte.
    pub fn text(&self, text: &str, json: &serde_json::Value) -> Result<u8> {
        match self.json {
            true => self.result("", json),
            false => self.print(text),
        }
    }

    /// Prints one of many lines of JSON, whether the user asked for JSON or not.
    pub fn line_of_json(&self, json: &serde_json::Value) -> Result<()> {
        self.print(&format!("{}\n", harmless(json))).map(|_| ())
    }

    fn print(&self, text: &str) -> Result<u8> {
        let mut stdout = io::stdout().lock();
        match stdout
            .write_all(text.as_bytes())
            .and_then(|()| stdout.flush())
        {
            // The reader has closed the pipe; the exit code still gives the decision.
            Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Ok(0),
            other => (other.map(|()| 0)).map_err(|e| Error::io(Path::new("<stdout>"), "write", e)),
        }
    }

    /// As [`Self::result`], for a change that is already made. If the result cannot be printed, the
    /// change is still done, and the exit code says so.
    pub fn done(&self, line: &str, json: &serde_json::Value) -> u8 {
        if let Err(error) = self.result(line, json) {
            talk(
                "warning",
                &format!("it is done, but {}", remedy::text(&error)),
            );
        }
        0
    }

    /// Prints an error that comes besides a result.
    pub fn talk_of(&self, error: &Error) {
        talk("error", &remedy::text(error));
    }

    /// Prints an error that takes the place of the result.
    pub fn error(&self, error: &Error) {
        self.talk_of(error);
        if self.json {
            let json = serde_json::json!({
                "error": remedy::text(error),
                "code": error.code(),
                "exit_code": error.exit_code(),
            });
            // If this fails there is nowhere left to report it.
            let _ = self.result("", &json);
        }
    }

    /// Whether the user wants no messages.
    pub fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// Whether progress is a bar: on a terminal, unless the user wants no messages.
    pub fn has_bar(&self) -> bool {
        !self.quiet && io::stderr().is_terminal()
    }

    /// Prints a warning: what the user should know, but need not act on.
    pub fn warning(&self, text: &str) {
        if !self.quiet {
            talk("warning", text);
        }
    }

    /// Prints how far a long run is.
    pub fn progress(&self, text: &str) {
        if !self.quiet {
            talk("progress", text);
        }
    }

    /// Whether the user wants the result as JSON.
    pub fn is_json(&self) -> bool {
        self.json
    }

    /// Whether the user wants more messages.
    pub fn is_verbose(&self) -> bool {
        self.verbose
    }

    /// Prints a message for users of `-v`.
    pub fn detail(&self, text: &str) {
        if self.verbose {
            talk("info", text);
        }
    }
}

/// A wrong command line, or help. Prints clap's text, which repeats what was typed, and exits.
pub fn usage(error: &clap::Error) -> ! {
    let text = error.to_string();
    if !text.chars().any(|c| c != '\n' && is_unseen(c)) {
        error.exit();
    }
    let mut stderr = io::stderr().lock();
    for line in text.split('\n') {
        let _ = writeln!(stderr, "{}", printable(line));
    }
    std::process::exit(error.exit_code());
}

/// Prints an error in the command line as JSON, for machines.
pub fn usage_as_json(error: &clap::Error) {
    let text = error.to_string();
    let text = text.strip_prefix("error: ").unwrap_or(&text);
    // The first paragraph has the fact, the others have the usage.
    let fact: Vec<&str> = text
        .lines()
        .map(str::trim)
        .take_while(|line| !line.is_empty())
        .collect();
    let json = serde_json::json!({
        "error": fact.join(" "),
        "code": "usage",
        "exit_code": error.exit_code(),
    });
    // If stdout is closed, the exit code still says that the command line is wrong.
    let _ = writeln!(io::stdout(), "{}", harmless(&json));
}

fn talk(kind: &str, text: &str) {
    let mut stderr = io::stderr().lock();
    for line in text.split('\n') {
        // The program does not fail if stderr is closed.
        let _ = writeln!(stderr, "{kind}: {}", printable(line));
    }
}

/// `text` on one line; characters that act on the terminal or cannot be seen are escaped.
pub fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if is_unseen(c) {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    shown
}

/// Rows as aligned lines: the first `num_left` columns are aligned left, the others right.
pub fn columns(rows: &[Vec<String>], num_left: usize) -> String {
    let width = |column: usize| rows.iter().map(|r| r[column].chars().count()).max();
    let widths: Vec<usize> = (0..rows[0].len()).filter_map(width).collect();
    let line = |row: &Vec<String>| -> String {
        let cells = row.iter().zip(&widths).enumerate();
        let cells: Vec<String> = cells
            .map(|(column, (cell, &width))| match column < num_left {
                true => format!("{cell:<width$}"),
                false => format!("{cell:>width$}"),
            })
            .collect();
        cells.join("  ")
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// JSON text that is harmless on a terminal and in a web page. Characters with a meaning there are
/// written as \uXXXX, which every JSON reader understands.
fn harmless(json: &serde_json::Value) -> String {
    let text = json.to_string();
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        // In JSON these characters occur only in strings.
        if is_unseen(c) || matches!(c, '<' | '>' | '&') {
            escape::push_utf16(c, &mut shown);
        } else {
            shown.push(c);
        }
    }
    shown
}
