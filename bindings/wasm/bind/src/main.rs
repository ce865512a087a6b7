//! Writes the JavaScript, the types and the final module beside a compiled WebAssembly module: what
//! `wasm-bindgen --target web` does, in the version that the lock file names.
//!
//! ```text
//! spkver-wasm-bind MODULE.wasm FOLDER
//! ```

use std::{env, process::ExitCode};
use wasm_bindgen_cli_support::Bindgen;

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    let [module, folder] = &args[..] else {
        eprintln!("usage: spkver-wasm-bind MODULE.wasm FOLDER");
        return ExitCode::from(2);
    };
    let mut bindgen = Bindgen::new();
    let written = bindgen
        .input_path(module)
        .out_name("spkver")
        .web(true)
        .and_then(|bindgen| {
            bindgen
                .typescript(true)
                // `init()` finds the module beside the JavaScript.
                .omit_default_module_path(false)
                .remove_name_section(true)
                .remove_producers_section(true)
                .generate(folder)
        });
    match written {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{module}: {error:#}");
            ExitCode::FAILURE
        }
    }
}
