#!/usr/bin/env bash
# Trains and calibrates the model in models/: bit for bit on the same kind of CPU from the same
# teacher's vectors. Three of its five networks learn from these; teacher.npz is made if it is not there
# (about 20 minutes on two cores; PyTorch is large), and its last digits depend on PyTorch's build.
#   recipes/shipped.sh ../shared/speech
set -euo pipefail
speech=$1
cargo build --release
spkver=target/release/spkver
if [ ! -e teacher.npz ]; then
    [ -x dvector/bin/python ] || python3 -m venv dvector
    dvector/bin/pip install --quiet -r recipes/dvector.txt
    dvector/bin/python recipes/dvector.py "$speech/index.csv" teacher.npz
fi
"$spkver" train "$speech/index.csv" -o trained.safetensors --name spkver \
    --options recipes/shipped.json --teacher teacher.npz --noise "$speech/noise" \
    --data "LibriSpeech train-clean-100 (CC BY 4.0), speechocean762, alphanumeric-audio-dataset (MIT), DSPSpeech-20 (MIT), Arabic Speech Commands (CC BY 4.0): 519 speakers, 2.3 h. Teacher: Resemblyzer's d-vector network (Apache 2.0), trained on VoxCeleb 1, 2 and LibriSpeech train-other-500." \
    --license "CC BY 4.0"
lists=()
for list in ocean librimp3 alnum dsp arabic; do
    lists+=("$speech/trials/dev-$list.txt")
done
"$spkver" calibrate "${lists[@]}" --quality --p-target 0.03 --root "$speech" --model trained.safetensors -o models/spkver.safetensors
for list in "${lists[@]}"; do
    "$spkver" evaluate "$list" --root "$speech" --model models/spkver.safetensors
done
