#!/usr/bin/env python3
"""Turns several collections of recordings into one that `spkver train` reads quickly.

    prepare_speech.py OUT INDEX.csv [INDEX.csv ...]

Each INDEX.csv has the columns path (relative to the file), split, speaker, corpus, and maybe session
and label; `label` is `none` where the speaker is not known. Only the `train` split is read. Writes
16 kHz mono WAV files below OUT and OUT/manifest.csv with the columns path, split, speaker, session,
corpus and label. Recordings of single words say too little alone: 4 to 8 of one speaker are joined.
Needs the packages of campplus.txt.
"""

import collections
import concurrent.futures
import csv
import os
import pathlib
import sys

import numpy as np
import soundfile
import soxr

RATE_HZ = 16000
# Corpora of single words, each a prefix.
WORDS = ("gsc_", "cvesnum", "pico_wake", "precise")
MOST_WORDS = 8


def samples(path):
    """Mono samples at 16 kHz; none for a file that cannot be read."""
    try:
        audio, rate_hz = soundfile.read(path, dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, RuntimeError) as error:
        print(f"LEFT OUT: {path}: {error}", file=sys.stderr)
        return np.zeros(0, np.float32)
    return soxr.resample(audio.mean(axis=1), rate_hz, RATE_HZ)


def write(job):
    target, sources = job
    target.parent.mkdir(parents=True, exist_ok=True)
    audio = np.concatenate([samples(source) for source in sources])
    if len(audio) < RATE_HZ // 2:
        return False
    if not target.exists():
        aside = target.with_suffix(".part")
        soundfile.write(aside, audio, RATE_HZ, subtype="PCM_16", format="WAV")
        aside.rename(target)
    return True


def jobs(out, index):
    """Rows of the manifest, and what each is made of."""
    root = pathlib.Path(index).parent
    words = collections.defaultdict(list)
    with open(index, newline="") as rows:
        for row in csv.DictReader(rows):
            if row["split"] != "train":
                continue
            row.setdefault("label", "speaker")
            row.setdefault("session", "")
            if row["corpus"].startswith(WORDS):
                # The codes of gsc_yes, gsc_no and so on are of the same people.
                row["corpus"] = row["corpus"].split("_")[0]
                words[row["corpus"], row["speaker"], row["label"]].append(row)
            else:
                yield row, pathlib.Path(row["path"]).with_suffix(".wav"), [root / row["path"]]
    for (corpus, speaker, _), rows in sorted(words.items()):
        groups = max(1, round(len(rows) / 6), -(-len(rows) // MOST_WORDS))
        for group in range(groups):
            some = rows[group::groups]
            path = pathlib.Path(corpus) / speaker / f"words-{group}.wav"
            # Words of one speaker come from different days: no session is known.
            yield some[0] | {"session": ""}, path, [root / row["path"] for row in some]


def main(out, indices):
    out = pathlib.Path(out)
    found = [job for index in indices for job in jobs(out, index)]
    with concurrent.futures.ProcessPoolExecutor(os.cpu_count()) as pool:
        written = pool.map(write, [(out / path, sources) for _, path, sources in found], chunksize=64)
        kept = [job for job, is_written in zip(found, written) if is_written]
    with open(out / "manifest.csv", "w", newline="") as file:
        manifest = csv.writer(file, lineterminator="\n")
        manifest.writerow(["path", "split", "speaker", "session", "corpus", "label"])
        for row, path, _ in kept:
            manifest.writerow([path, "train", row["speaker"], row["session"], row["corpus"], row["label"]])
    print(f"{len(kept)} recordings in {out}")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
