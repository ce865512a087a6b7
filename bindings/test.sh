#!/usr/bin/env bash
# Builds and tests the bindings for C and Python. Needs cargo, a C compiler and python3 (or PYTHON);
# pip fetches maturin, pytest and NumPy. What cannot be installed is SKIPPED, and says so.
# SPKVER names the program to compare with; without it that comparison is skipped, too.
# NEW_VENV=1 makes the Python environment anew.
set -euo pipefail
# A path relative to where this was called.
if [ -n "${SPKVER:-}" ]; then
    SPKVER=$(realpath "$SPKVER")
    export SPKVER
fi
cd "$(dirname "$0")/.."
target=${CARGO_TARGET_DIR:-$PWD/target}
profile=${PROFILE:-quick}
python=${PYTHON:-python3}

skip() { echo "SKIPPED: $*" >&2; }

# Both together: their features, and so what is compiled, are the same for all commands here.
cargo clippy --profile "$profile" -p spkver-c -p spkver-python --all-targets -- -D warnings
# A test does not build the libraries that it loads.
cargo build --profile "$profile" -p spkver-c -p spkver-python
cargo test --profile "$profile" -p spkver-c -p spkver-python

if ! command -v "$python" >/dev/null; then
    skip "the Python package: no $python"
    exit 0
fi
venv=$target/bindings-venv
if [ -n "${NEW_VENV:-}" ] || ! "$venv/bin/python" -c '' 2>/dev/null; then
    rm -rf "$venv"
    if ! "$python" -m venv "$venv"; then
        skip "the Python package: no venv (apt-get install python3-venv)"
        exit 0
    fi
fi
install() { "$venv/bin/python" -m pip install --quiet --disable-pip-version-check "$@"; }
if ! install maturin pytest; then
    skip "the Python package: maturin and pytest could not be installed"
    exit 0
fi
for package in numpy pandas polars mypy; do
    install --prefer-binary --only-binary :all: "$package" || skip "tests of the Python package with $package"
done

wheels=$target/bindings-wheels
rm -rf "$wheels"
"$venv/bin/maturin" build --profile "$profile" --manifest-path bindings/python/Cargo.toml --out "$wheels" \
    --interpreter "$venv/bin/python"
install --force-reinstall --no-deps --no-index "$wheels"/spkver-*.whl
"$venv/bin/python" -m pytest bindings/python
if "$venv/bin/python" -c 'import mypy, numpy' 2>/dev/null; then
    (cd bindings/python/tests && "$venv/bin/python" -m mypy types_of_use.py)
fi
# A benchmark that nobody runs rots: with few recordings here.
if [ -n "${SPKVER:-}" ] && "$venv/bin/python" -c 'import numpy' 2>/dev/null; then
    "$venv/bin/python" bindings/python/tests/throughput.py "$SPKVER" 60
fi

# The oldest and the newest other CPython of this machine, from the path or from pyenv.
others() {
    local minor candidate
    for minor in $(seq 9 30); do
        for candidate in "python3.$minor" ~/.pyenv/versions/3."$minor".*/bin/python; do
            # A name on the path may lead to a version that pyenv does not let run.
            "$candidate" -c '' 2>/dev/null && echo "$candidate" && break
        done
    done
}
for other in $(others | sed -n '1p;$p' | uniq); do
    venv=$target/bindings-venv-other
    rm -rf "$venv"
    "$other" -m venv "$venv" && install pytest || { skip "$other: no venv or pytest"; continue; }
    # Those that have a wheel for this CPython.
    for package in numpy pandas polars; do
        install --only-binary :all: "$package" || skip "$other: tests with $package"
    done
    install --no-index "$wheels"/spkver-*.whl
    "$venv/bin/python" -m pytest -q bindings/python
done

# Into an empty environment, with no other package and no network.
bare=$target/bindings-bare
rm -rf "$bare"
"$python" -m venv "$bare"
"$bare/bin/python" -m pip install --quiet --disable-pip-version-check --no-index "$wheels"/spkver-*.whl
"$bare/bin/python" bindings/python/tests/alone.py
