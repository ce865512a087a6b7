#!/usr/bin/env python3
"""Makes the recordings of a cohort: speakers that every recording is compared with.

    cohort.py PREPARED OUT

PREPARED is what prepare_speech.py writes. Of every third speaker who says more than single words, the
first recording is copied to OUT, at most eight seconds of it, and degraded: with white to pink noise at 5
to 22 dB, over a telephone of its own, with mains hum, or through a low-pass. OUT/manifest.csv lists the
copies for `spkver calibrate --cohort`. In a cohort of clean recordings, a noisy recording would find
nobody who sounds like it. Everything random is seeded by the path. Needs the packages of degrade.py.
"""

import csv
import pathlib
import sys
import zlib

import numpy as np
import soundfile

import degrade

EVERY = 3
MOST_SECONDS = 8


def degraded(x, rng):
    kind = rng.choice(["noise", "line", "hum", "lowpass"], p=[0.3, 0.3, 0.3, 0.1])
    if kind == "noise":
        noise = degrade.colored(rng, len(x), rng.uniform(-0.5, 0))
        return degrade.with_noise(x, noise, rng.uniform(5, 22))
    if kind == "line":
        return degrade.line(x, rng)
    if kind == "hum":
        return degrade.with_noise(x, degrade.mains(len(x)), rng.uniform(10, 22))
    return degrade.band(x, 0, 3400)


def main(prepared, out):
    prepared, out = pathlib.Path(prepared), pathlib.Path(out)
    first = {}
    with open(prepared / "manifest.csv", newline="") as rows:
        for row in csv.DictReader(rows):
            if row["label"] != "none" and row["corpus"] != "gsc":
                first.setdefault(row["speaker"], row["path"])
    chosen = list(first.items())[::EVERY]
    for _, path in chosen:
        rng = np.random.default_rng(zlib.crc32(path.encode()))
        y = degraded(degrade.read(prepared / path)[: MOST_SECONDS * degrade.RATE_HZ], rng)
        target = out / path
        target.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(target, y * min(1, 0.99 / np.abs(y).max()), degrade.RATE_HZ, subtype="PCM_16")
    with open(out / "manifest.csv", "w", newline="") as file:
        manifest = csv.writer(file, lineterminator="\n")
        manifest.writerow(["path", "split", "speaker"])
        manifest.writerows([path, "train", speaker] for speaker, path in chosen)
    print(f"{len(chosen)} speakers in {out}")


if __name__ == "__main__":
    main(*sys.argv[1:])
