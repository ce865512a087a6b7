#!/usr/bin/env bash
# What each pair head makes of one trunk, and what a trunk without activations loses.
#
#   recipes/heads.sh SPEECH ROOT TRIALS…
#
# SPEECH: folder or manifest as `spkver train` takes it. ROOT: folder that the trials' recordings are
# relative to. Writes heads/*.safetensors and prints two tables, one row a head: cosine, the same with
# scale and bias, LDA, PLDA, PLDA refined by BCE, by two-output softmax, by MSE on grades. A run that is
# there already is continued, or, when finished, only its heads are fitted again; to compare on the
# trunk of an earlier run give its options with OPTIONS=file.json and its state with CHECKPOINT=file.
# `from BCE` is the largest difference of a score from the one-logit head's: softmax agrees with it.
set -euo pipefail

speech=$1 root=$2
shift 2
spkver=${SPKVER:-spkver}
options=(${OPTIONS:+--options "$OPTIONS"})
mkdir -p heads

echo "== ReLU: $speech"
"$spkver" train "$speech" "${options[@]}" ${CHECKPOINT:+--checkpoint "$CHECKPOINT"} \
    -o heads/relu.safetensors --compare-heads "$@" --root "$root"

echo "== identity: every layer is linear, and so is the whole"
"$spkver" train "$speech" "${options[@]}" --activation identity \
    -o heads/identity.safetensors --compare-heads "$@" --root "$root"
