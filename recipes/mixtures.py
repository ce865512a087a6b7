#!/usr/bin/env python3
"""Mixtures of two voices and recordings of one, to measure what is refused as several speakers.

    mixtures.py OUT INDEX.csv [INDEX.csv ...]
    spkver embed --list OUT/mixtures.txt -o OUT/mixtures.jsonl
    mixtures.py OUT --count OUT/mixtures.jsonl

Each INDEX.csv has the columns path (relative to the file), split, speaker and corpus; the `dev` split is
read. Both voices of a mixture are of one corpus. Every kind is written as it is and as over a telephone
(8 kHz, 300 to 3400 Hz, mu-law). Everything random is seeded by corpus and number. Needs numpy, scipy,
soundfile and soxr.
"""

import collections
import csv
import json
import pathlib
import random
import sys

import numpy as np
import soundfile
import soxr

from degrade import RATE_HZ, band, is_speech, mu_law, read, speech_level

PER_CORPUS = 60
REFUSED = "several_voices"


def voice(path):
    """Samples at 16 kHz from the first to the last speech, at an even level."""
    x = read(path)
    heard = np.flatnonzero(is_speech(x))
    x = x[heard[0] : heard[-1] + 1] if len(heard) else x
    return 0.05 * x / np.sqrt(speech_level(x))


def joined(draw, speaker, seconds):
    """Recordings of one speaker in a row, `seconds` long if there is so much."""
    paths, x = draw.sample(speaker, len(speaker)), np.zeros(0)
    while paths and len(x) < seconds * RATE_HZ:
        x = np.concatenate([x, voice(paths.pop())])
    return x[: int(seconds * RATE_HZ)]


def in_turn(a, b, seconds):
    """Pieces of a and b in turn, each of them `seconds()` long."""
    pieces, at = [], 0
    for turn in range(8):
        size = int(seconds() * RATE_HZ)
        piece = (a, b)[turn % 2][at : at + size]
        if len(piece) < RATE_HZ:
            break
        pieces.append(piece)
        at += size * (turn % 2)
    return np.concatenate(pieces) if len(pieces) > 1 else None


def at_once(a, b, softer_db):
    size = min(len(a), len(b))
    return a[:size] + b[:size] * 10 ** (-softer_db / 20)


def mixtures(draw, own, other):
    """One mixture of each kind; None where the recordings are too short for it."""
    a, b = voice(draw.choice(own)), voice(draw.choice(other))
    long_a, long_b = joined(draw, own, 8), joined(draw, other, 8)
    return {
        "at once, equally loud": at_once(a, b, 0),
        "at once, the second 0 to 6 dB softer": at_once(a, b, draw.uniform(0, 6)),
        "whole recordings in turn": np.concatenate([a, b]),
        "in turn, pieces of 1.5 to 4 s": in_turn(long_a, long_b, lambda: draw.uniform(1.5, 4)),
        "alternating every 2 s": in_turn(long_a, long_b, lambda: 2),
        "one voice": a,
        "one voice, recordings joined": joined(draw, own, 12),
    }


def telephone(x):
    return mu_law(soxr.resample(band(x, 300, 3400), RATE_HZ, 8000))


def speakers(indices):
    """Recordings by corpus and speaker."""
    found = collections.defaultdict(lambda: collections.defaultdict(list))
    for index in map(pathlib.Path, indices):
        with open(index, newline="") as rows:
            for row in csv.DictReader(rows):
                if row["split"] == "dev":
                    found[row["corpus"]][row["speaker"]].append(index.parent / row["path"])
    return found


def write(out, indices):
    rows = []
    for corpus, by_speaker in sorted(speakers(indices).items()):
        if len(by_speaker) < 2:
            continue
        for number in range(PER_CORPUS):
            draw = random.Random(f"{corpus} {number}")
            own, other = (by_speaker[name] for name in draw.sample(sorted(by_speaker), 2))
            for kind, x in mixtures(draw, own, other).items():
                if x is None or len(x) < RATE_HZ:
                    continue
                lines = (("as it is", x, RATE_HZ), ("telephone", telephone(x), 8000))
                for line, samples, rate_hz in lines:
                    path = out / line / kind / f"{corpus}-{number}.wav"
                    path.parent.mkdir(parents=True, exist_ok=True)
                    soundfile.write(path, samples.clip(-1, 1), rate_hz, subtype="PCM_16")
                    rows.append(f"{kind}|{line}|{corpus}|{number}\t{path}\n")
    (out / "mixtures.txt").write_text("".join(rows))


def count(embeddings):
    """Prints, for each kind and line, how many were refused as several speakers, and of how many."""
    table = collections.defaultdict(lambda: [0, 0])
    with open(embeddings) as rows:
        for row in map(json.loads, rows):
            kind, line, corpus, _ = row["id"].split("|")
            for key in ((line, kind, "all"), (line, kind, corpus)):
                table[key][0] += row.get("code") == REFUSED
                table[key][1] += 1
    for (line, kind, corpus), (refused, total) in sorted(table.items()):
        print(f"{line:10} {kind:38} {corpus:20} {refused:4} / {total:4}  {100 * refused / total:5.1f} %")


if __name__ == "__main__":
    if sys.argv[2] == "--count":
        count(sys.argv[3])
    else:
        write(pathlib.Path(sys.argv[1]), sys.argv[2:])
