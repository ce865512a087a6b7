//! Lets the shared library run with a glibc older than 2.36, which packed relocations need.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("linux") {
        println!("cargo::rustc-cdylib-link-arg=-Wl,-z,nopack-relative-relocs");
    }
}
