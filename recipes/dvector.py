#!/usr/bin/env python3
"""Vectors of a published d-vector network for `spkver train --teacher`.

    python3 -m venv dvector && dvector/bin/pip install -r recipes/dvector.txt
    dvector/bin/python recipes/dvector.py SPEECH/index.csv teacher.npz

The network is Resemblyzer's (github.com/resemble-ai/Resemblyzer, Apache 2.0; its weights come with the
package), a 3 x 256 LSTM trained on VoxCeleb 1 and 2 and LibriSpeech train-other-500. Each recording of
the manifest's `train` split is embedded as it is, at the recipe's other speeds, and with the formants
moved by warped mel filters, as `spkver train` makes them (src/features/mel.rs).
"""

import csv
import pathlib
import sys
import types

import librosa
import numpy as np
import scipy.ndimage
import soundfile
import soxr
import torch

# Resemblyzer 0.1.4 imports from where SciPy had it.
sys.modules["scipy.ndimage.morphology"] = types.SimpleNamespace(
    binary_dilation=scipy.ndimage.binary_dilation
)
from resemblyzer import VoiceEncoder, preprocess_wav  # noqa: E402

RATE_HZ = 16000
SPEEDS_PERCENT = (100, 90, 110, 85, 115)
WARPS_PERCENT = (100, 90, 110)
# The teacher's front-end: 400-point FFT, 40 mel bins.
FFT, HOP, MELS, FINE = 400, 160, 40, 64


def warped_hz(hz, warp, low_hz=20.0, high_hz=RATE_HZ / 2):
    """Where a shorter vocal tract puts what is at `hz`; both ends stay."""
    low, high = 100 * max(warp, 1.0), (high_hz - 500) * min(warp, 1.0)
    start, end = low / warp, high / warp
    below = low_hz + (low - low_hz) / (start - low_hz) * (hz - low_hz)
    above = high_hz + (high_hz - high) / (high_hz - end) * (hz - high_hz)
    moved = np.where(hz < start, below, np.where(hz < end, hz * warp, above))
    return np.where((hz <= low_hz) | (hz >= high_hz), hz, moved)


def mel_bank(warp):
    """(MELS, FFT / 2 + 1): the filters where the warped frequencies fall."""
    if warp == 1.0:
        return librosa.filters.mel(sr=RATE_HZ, n_fft=FFT, n_mels=MELS)
    fine = librosa.filters.mel(sr=RATE_HZ, n_fft=FFT * FINE, n_mels=MELS)
    hz = np.arange(FFT // 2 + 1) * RATE_HZ / FFT
    places = np.round(warped_hz(hz, warp) * FFT * FINE / RATE_HZ).astype(int)
    return fine[:, np.clip(places, 0, fine.shape[1] - 1)]


def main(manifest, out):
    encoder = VoiceEncoder("cpu", verbose=False)
    banks = {warp: mel_bank(warp / 100) for warp in WARPS_PERCENT}
    root = pathlib.Path(manifest).parent
    with open(manifest, newline="") as rows:
        paths = [row["path"] for row in csv.DictReader(rows) if row.get("split", "train") == "train"]
    ids, vectors = [], []
    for count, path in enumerate(paths, 1):
        samples, rate_hz = soundfile.read(root / path, dtype="float32")
        samples = soxr.resample(samples, rate_hz, RATE_HZ)
        windows, of_window = [], []
        for speed in SPEEDS_PERCENT:
            played = soxr.resample(samples, RATE_HZ * speed // 100, RATE_HZ).astype(np.float32)
            speech = preprocess_wav(played, RATE_HZ)
            if len(speech) < RATE_HZ // 2:
                speech = played
            wav_slices, mel_slices = encoder.compute_partial_slices(len(speech), 1.3, 0.75)
            speech = np.pad(speech, (0, max(0, wav_slices[-1].stop - len(speech))))
            power = np.abs(librosa.stft(speech, n_fft=FFT, hop_length=HOP)) ** 2
            for warp in WARPS_PERCENT:
                mels = (banks[warp] @ power).T.astype(np.float32)  # (T, MELS)
                windows += [mels[s] for s in mel_slices]
                voice = "" if speed == warp == 100 else f"@{speed}@{warp}"
                of_window += [path + voice] * len(mel_slices)
        with torch.no_grad():
            answers = encoder(torch.from_numpy(np.array(windows))).numpy()
        sums = {}
        for name, answer in zip(of_window, answers):
            sums[name] = sums.get(name, 0) + answer
        for name, total in sums.items():
            ids.append(name)
            vectors.append(total / np.linalg.norm(total))
        if count % 100 == 0:
            print(f"{count}/{len(paths)} recordings", file=sys.stderr)
    np.savez(out, embeddings=np.array(vectors, np.float32), ids=np.array(ids))


if __name__ == "__main__":
    main(*sys.argv[1:])
