#!/usr/bin/env bash
# Makes the npm package in pkg/, and lays what the page needs of it into web/pkg/.
set -euo pipefail
cd "$(dirname "$0")"

target=${CARGO_TARGET_DIR:-$PWD/target}
# For WebAssembly alone: every browser since 2023 has SIMD.
CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS="-C target-feature=+simd128" \
    cargo build --locked --release --target wasm32-unknown-unknown -p spkver-wasm
cargo build --locked -p spkver-wasm-bind

rm -rf pkg
"$target/debug/spkver-wasm-bind" "$target/wasm32-unknown-unknown/release/spkver_wasm.wasm" pkg
rm pkg/spkver_bg.wasm.d.ts
cp package.json README.md ../../LICENSE-APACHE ../../LICENSE-MIT ../../NOTICE pkg/

mkdir -p ../../web/pkg
cp pkg/spkver.js pkg/spkver_bg.wasm ../../web/pkg/
for file in pkg/spkver_bg.wasm pkg/spkver.js; do
    echo "$file: $(wc -c < $file) bytes, $(gzip -9 -c $file | wc -c) with gzip"
done
