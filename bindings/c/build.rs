//! Lets the shared library run with a glibc older than 2.36, which packed relocations need.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // .cargo/config.toml asks for them, unless RUSTFLAGS takes its place.
    let flags = std::env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
    if flags.contains("pack-relative-relocs") {
        println!("cargo::rustc-cdylib-link-arg=-Wl,-z,nopack-relative-relocs");
    }
}
