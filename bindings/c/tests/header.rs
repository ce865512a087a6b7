//! `include/spkver.h` is what cbindgen makes of the source.

use std::{env, fs, path::Path};

#[test]
fn the_header_is_that_of_the_source() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let path = folder.join("include/spkver.h");
    let config = cbindgen::Config::from_file(folder.join("cbindgen.toml")).unwrap();
    let mut builder = cbindgen::Builder::new().with_config(config);
    for file in ["status", "outcome", "handles", "exports"] {
        builder = builder.with_src(folder.join(format!("src/{file}.rs")));
    }
    let mut header = vec![];
    builder.generate().unwrap().write(&mut header);
    if env::var_os("SPKVER_WRITE_HEADER").is_some() {
        fs::write(&path, &header).unwrap();
    }
    let written = fs::read(&path).unwrap_or_default();
    assert!(
        written == header,
        "write it again: SPKVER_WRITE_HEADER=1 cargo test -p spkver-c --test header"
    );
}
