#!/usr/bin/env bash
# Trains and calibrates the model in models/, bit for bit on the same kind of CPU.
#   recipes/shipped.sh ../shared/speech
set -euo pipefail
speech=$1
cargo build --release
spkver=target/release/spkver
"$spkver" train "$speech/index.csv" -o trained.safetensors --name spkver \
    --data "LibriSpeech train-clean-100 (CC BY 4.0), speechocean762, alphanumeric-audio-dataset (MIT), DSPSpeech-20 (MIT), Arabic Speech Commands (CC BY 4.0): 519 speakers, 2.3 h" \
    --license "CC BY 4.0"
lists=()
for list in ocean librimp3 alnum dsp arabic; do
    lists+=("$speech/trials/dev-$list.txt")
done
"$spkver" calibrate "${lists[@]}" --quality --p-target 0.03 --root "$speech" --model trained.safetensors -o models/spkver.safetensors
for list in "${lists[@]}"; do
    "$spkver" evaluate "$list" --root "$speech" --model models/spkver.safetensors
done
