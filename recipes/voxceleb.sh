#!/usr/bin/env bash
# Trains on VoxCeleb 1 + 2 (development parts). Noise and rooms, if you have them, in NOISE and RIR.
#   NOISE=musan/noise RIR=RIRS_NOISES recipes/voxceleb.sh vox1_dev/wav vox2_dev/aac voxceleb.safetensors
set -euo pipefail
vox1=$1 vox2=$2 out=$3
here=$(dirname "$0")
cargo build --release
"$here/voxceleb_manifest.py" "$vox1" "$vox2" > voxceleb.csv
target/release/spkver train voxceleb.csv -o "$out" --options "$here/voxceleb.json" \
    --cache-mb 8192 ${NOISE:+--noise "$NOISE"} ${RIR:+--rir "$RIR"} --name spkver-voxceleb
echo "calibrate it on trials of your own: spkver calibrate TRIALS --model $out -o calibrated.safetensors"
