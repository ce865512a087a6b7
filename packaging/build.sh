#!/usr/bin/env bash
# Makes what is handed out, and tries each program where it can run: packaging/build.sh [OUT [WHAT...]]
#   OUT   folder to write to [default: target/packages]
#   WHAT  x86_64-unknown-linux-musl, aarch64-unknown-linux-musl, x86_64-pc-windows-gnu (programs), c, wheel, wasm
#         [default: all]
# Needs rustup and python3 with venv. Fetches the targets of Rust, and Zig (from PyPI) as the C compiler for all of
# them. What cannot be tried is SKIPPED. Sizes and times: docs/install.md.
set -euo pipefail
cd "$(dirname "$0")/.."
target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
export CARGO_TARGET_DIR=$target
out=$(realpath -m "${1:-$target/packages}")
shift || true
all=(x86_64-unknown-linux-musl aarch64-unknown-linux-musl x86_64-pc-windows-gnu c wheel wasm)
if [ $# = 0 ]; then set -- "${all[@]}"; fi
for what in "$@"; do
    if [[ " ${all[*]} " != *" $what "* ]]; then
        echo "$what: not one of ${all[*]}" >&2
        exit 2
    fi
done
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -1)
# The same sources give the same archives.
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 0)}
export SOURCE_DATE_EPOCH

skip() { echo "SKIPPED: $*" >&2; }

tools=$target/packaging-tools
[ -x "$tools/bin/python" ] || python3 -m venv "$tools"
"$tools/bin/python" -m pip install --quiet --disable-pip-version-check ziglang==0.17.1 cargo-zigbuild==0.24.1 'maturin>=1.9,<2'
if [ ! -x "$tools/bin/cargo-about" ] && ! command -v cargo-about >/dev/null; then
    CARGO_TARGET_DIR=$tools/target cargo install --quiet cargo-about --locked --features cli --root "$tools"
    rm -rf "$tools/target"
fi
PATH=$tools/bin:$PATH

add_target() {
    [ -d "$(rustc --print target-libdir --target "$1")" ] || rustup target add "$1"
}

# The licences of the package $1 and of all that it is made of, in the folder $2.
licences() {
    local made=$work/licences/$1
    if [ ! -f "$made" ]; then
        mkdir -p "$(dirname "$made")"
        cargo about generate --fail --config packaging/about.toml --manifest-path "$1" packaging/licences.hbs \
            --output-file "$made"
    fi
    cp LICENSE-APACHE LICENSE-MIT NOTICE "$2"
    cp "$made" "$2/LICENCES.txt"
}

# Packs the folder $1 of $work, as .zip for Windows.
pack() {
    case $1 in
    *windows*)
        rm -f "$out/$1.zip"
        (cd "$work" && "$tools/bin/python" -m zipfile -c "$out/$1.zip" "$1")
        ;;
    *)
        tar -C "$work" --sort=name --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner -cf - "$1" |
            gzip -9n > "$out/$1.tar.gz"
        ;;
    esac
}

# Compares two recordings by the program $1, called by the rest of the words: a foreign program runs in an emulator.
try() {
    local program=$1
    shift
    local answer
    answer=$("$@" "$program" compare fixtures/voices/anna-1.wav fixtures/voices/anna-2.wav)
    echo "$answer"
    [[ $answer == ACCEPT* ]]
}

# The program for the target $1 in an archive, with completions and manual pages; $2 ends its name.
program() {
    local triple=$1 ending=${2:-} name=spkver-$version-$1
    add_target "$triple"
    cargo zigbuild --locked --profile dist --target "$triple" --bin spkver
    local built=$target/$triple/dist/spkver$ending
    mkdir -p "$work/$name"
    install -m 755 "$built" "$work/$name/"
    cp README.md CHANGELOG.md "$work/$name/"
    licences Cargo.toml "$work/$name"
    local host=$target/x86_64-unknown-linux-musl/dist/spkver
    if [ -x "$host" ]; then
        mkdir -p "$work/$name/completions" "$work/$name/man"
        for shell in bash elvish fish powershell zsh; do
            "$host" completions "$shell" > "$work/$name/completions/spkver.$shell"
        done
        "$host" man "$work/$name/man"
    else
        skip "completions and manual pages of $name: the program of x86_64-unknown-linux-musl writes them"
    fi
    case $triple in
    x86_64-unknown-linux-musl)
        try "$built"
        in_an_empty_folder "$built"
        ;;
    aarch64-*)
        if command -v qemu-aarch64-static >/dev/null; then
            try "$built" qemu-aarch64-static
        else
            skip "trying $name: no qemu-aarch64-static (apt-get install qemu-user-static)"
        fi
        ;;
    *-windows-*)
        if command -v wine >/dev/null && command -v x86_64-w64-mingw32-gcc >/dev/null; then
            cp "$built" "$work/"
            # Debian's wine lacks this library, which every Windows since 8 has.
            printf '%s\n' '#include <windows.h>' '#include <ntsecapi.h>' '__declspec(dllexport) BOOL WINAPI' \
                'ProcessPrng(PBYTE data, SIZE_T size) { return RtlGenRandom(data, (ULONG)size); }' |
                x86_64-w64-mingw32-gcc -shared -o "$work/bcryptprimitives.dll" -x c - -ladvapi32
            try "$work/spkver$ending" env WINEDEBUG=-all wine
        else
            skip "trying $name: no wine or mingw (apt-get install wine64 gcc-mingw-w64-x86-64)"
        fi
        ;;
    esac
    pack "$name"
    # For the Dockerfile, which takes the program alone.
    install -D -m 755 "$built" "$out/bin/$triple/spkver$ending"
}

# Nothing but the program and a recording: what a container made FROM scratch has.
in_an_empty_folder() {
    if [ "$(id -u)" != 0 ]; then
        skip "trying the program in an empty folder: only root may chroot"
        return
    fi
    mkdir -p "$work/empty"
    cp "$1" fixtures/voices/anna-{1,2,3}.wav "$work/empty/"
    chroot "$work/empty" /spkver enroll anna anna-1.wav anna-3.wav --store /voiceprints.sqlite
    chroot "$work/empty" /spkver verify anna anna-2.wav --store /voiceprints.sqlite
    rm -r "$work/empty"
}

# Zig's linker does not know the options in .cargo/config.toml. RUSTFLAGS replaces all flags there, so the other
# one stands here again.
rust_flags=-Cllvm-args=-inline-threshold=100

c_library() {
    local triple=x86_64-unknown-linux-gnu
    local name=spkver-c-$version-$triple
    # 2.17: as old a C library as the wheel asks for.
    RUSTFLAGS=$rust_flags cargo zigbuild --locked --profile dist --target $triple.2.17 -p spkver-c
    mkdir -p "$work/$name/lib" "$work/$name/include"
    cp "$target/$triple/dist/libspkver.so" "$target/$triple/dist/libspkver.a" "$work/$name/lib/"
    cp bindings/c/include/spkver.h "$work/$name/include/"
    cp -r bindings/c/README.md bindings/c/examples "$work/$name/"
    licences bindings/c/Cargo.toml "$work/$name"
    cc -o "$work/verify" bindings/c/examples/verify.c -I "$work/$name/include" -L "$work/$name/lib" -lspkver
    LD_LIBRARY_PATH=$work/$name/lib "$work/verify" fixtures/voices "$work/verify.sqlite"
    pack "$name"
}

wheel() {
    RUSTFLAGS=$rust_flags maturin build --locked --profile dist --zig --compatibility manylinux2014 --auditwheel check \
        --manifest-path bindings/python/Cargo.toml --out "$out" --interpreter python3
    python3 -m venv "$work/bare"
    "$work/bare/bin/python" -m pip install --quiet --disable-pip-version-check --no-index "$out"/spkver-"$version"-*.whl
    "$work/bare/bin/python" bindings/python/tests/alone.py
}

wasm() {
    local name=spkver-wasm-$version
    add_target wasm32-unknown-unknown
    CARGO_TARGET_DIR=$target/wasm bindings/wasm/build.sh
    cp -r bindings/wasm/pkg "$work/$name"
    licences bindings/wasm/Cargo.toml "$work/$name"
    pack "$name"
    # The page for microphones, which a web server hands out as it is.
    cp -r web "$work/spkver-web-$version"
    pack "spkver-web-$version"
}

mkdir -p "$out"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for what in "$@"; do
    case $what in
    *-linux-*) program "$what" ;;
    *-windows-*) program "$what" .exe ;;
    c) c_library ;;
    wheel) wheel ;;
    wasm) wasm ;;
    esac
done
cp packaging/Dockerfile "$out/"
# Homebrew builds from the sources.
git archive --format=tar --prefix="spkver-$version/" HEAD | gzip -9n > "$out/spkver-$version-source.tar.gz"
sed -e "s|@ADDRESS@|${RELEASE_ADDRESS:-https://example.org/spkver}|" -e "s|@VERSION@|$version|" \
    -e "s|@SHA256@|$(sha256sum "$out/spkver-$version-source.tar.gz" | cut -d' ' -f1)|" \
    packaging/spkver.rb.in > "$out/spkver.rb"
(cd "$out" && sha256sum spkver-* > SHA256SUMS)
cat "$out/SHA256SUMS"
