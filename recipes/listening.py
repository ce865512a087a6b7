#!/usr/bin/env python3
"""Measures how soon `spkver verify NAME -` decides.

    listening.py SPKVER ROOT TRIALS [TRIALS ...]

From each list (`1|0 enrol test`, paths below ROOT), 120 target and 120 nontarget trials are drawn at
random, always the same ones. The enrollment of each is one recording; the test is piped in, at --far 1%.
Prints how many were accepted, rejected, undecided at their end and refused, and the median share of the
recording that was heard before the answer (1 where it was undecided). Needs soundfile.
"""

import collections
import concurrent.futures
import json
import os
import pathlib
import random
import statistics
import subprocess
import sys
import tempfile

import soundfile

NUM_TRIALS = 120


def heard(spkver, store, root, name, test):
    """The answer in a word, and the share of the recording that was heard."""
    command = [spkver, "--store", store, "verify", name, "-", "--far", "1%", "--json"]
    with open(root / test, "rb") as recording:
        told = json.loads(subprocess.run(command, stdin=recording, capture_output=True).stdout)
    listened = told.get("listened")
    if told.get("reason") or not listened:
        return "refused", None
    if listened["end"] != "clear":
        return "undecided", 1.0
    info = soundfile.info(root / test)
    return told["decision"], min(1.0, listened["seconds"] * info.samplerate / info.frames)


def main(spkver, root, lists):
    for path in lists:
        with open(path) as lines:
            trials = [line.split() for line in lines]
        draw = random.Random(1)
        drawn = [
            draw.sample([trial for trial in trials if trial[0] == label], NUM_TRIALS) for label in "10"
        ]
        with tempfile.TemporaryDirectory() as folder:
            store = os.path.join(folder, "voiceprints.sqlite")
            enrolled = dict.fromkeys(enrol for trials in drawn for _, enrol, _ in trials)
            names = {enrol: f"s{n}" for n, enrol in enumerate(enrolled)}
            for enrol, name in names.items():
                subprocess.run([spkver, "--store", store, "enroll", name, root / enrol], capture_output=True)
            for kind, trials in zip(("targets", "nontargets"), drawn):
                with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
                    answer = lambda trial: heard(spkver, store, root, names[trial[1]], trial[2])
                    answers = list(pool.map(answer, trials))
                counts = dict(collections.Counter(word for word, _ in answers))
                share = statistics.median(share for _, share in answers if share is not None)
                print(f"{path}  {kind}  {counts}  share {share:.2f}", flush=True)


if __name__ == "__main__":
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    main(sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3:])
