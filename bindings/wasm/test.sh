#!/usr/bin/env bash
# Builds the package, compares it in Node with the program, and drives the page in Chromium. What cannot be
# installed is SKIPPED. SPKVER is the program; without it the last quick or release build is taken.
set -euo pipefail
cd "$(dirname "$0")"

skip() {
    echo "SKIPPED: $1"
}
installed() {
    command -v "$1" > /dev/null && return
    [ "$(id -u)" = 0 ] && command -v apt-get > /dev/null || return
    (apt-get install -y -qq "$2" || { apt-get update -qq && apt-get install -y -qq "$2"; }) > /dev/null 2>&1
    command -v "$1" > /dev/null
}

if [ ! -d "$(rustc --print target-libdir --target wasm32-unknown-unknown)" ]; then
    skip "the package for browsers and its page: no standard library (rustup target add wasm32-unknown-unknown)"
    exit 0
fi
./build.sh

if [ -z "${SPKVER:-}" ]; then
    for profile in quick release debug; do
        program=${CARGO_TARGET_DIR:-../../target}/$profile/spkver
        [ -x "$program" ] && SPKVER=$(realpath "$program") && break
    done
fi
export SPKVER=${SPKVER:-}
[ -n "$SPKVER" ] || skip "comparing with the program: build it first, or set SPKVER"

if ! installed node nodejs; then
    skip "the package in Node, and the page: no Node"
    exit 0
fi
node --test tests/package.test.mjs

if ! installed chromium chromium; then
    skip "the page: no Chromium"
    exit 0
fi
tools=${SPKVER_TEST_TOOLS:-$PWD/target/tools}
mkdir -p "$tools"
if ! { installed npm npm && npm install --prefix "$tools" --no-save --no-audit --no-fund --silent \
    playwright-core@1.56.1 axe-core@4.11.0; }; then
    skip "the page: playwright-core and axe-core from npm cannot be installed"
    exit 0
fi
PLAYWRIGHT=$tools/node_modules/playwright-core AXE=$tools/node_modules/axe-core \
    node --test tests/page.test.mjs
