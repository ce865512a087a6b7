//! Tells the program which commit it is built from, for `spkver --version`.

use std::{env, path::Path, process::Command};

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let commit = commit().unwrap_or_else(|| "unknown".into());
    println!("cargo:rustc-env=SPKVER_COMMIT={commit}");
}

/// Unknown in a package, which may lie within somebody else's repository, and in builds for tests, which
/// would be compiled again after every commit.
fn commit() -> Option<String> {
    // PROFILE is also "release" for every profile that inherits from it; the folder has the profile's name.
    let out = env::var_os("OUT_DIR")?;
    let profile = Path::new(&out).ancestors().nth(3)?.file_name()?;
    let is_release = profile == "release" || profile == "dist";
    if !is_release || !Path::new(".git").exists() {
        return None;
    }
    // Written by every commit and checkout.
    let log = git(&["rev-parse", "--git-path", "logs/HEAD"])?;
    println!("cargo:rerun-if-changed={log}");
    git(&["rev-parse", "--short=12", "HEAD"])
}

fn git(args: &[&str]) -> Option<String> {
    let output = Command::new("git").args(args).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_string())
}
