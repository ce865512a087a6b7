"""How fast NumPy arrays are embedded, beside the program with the same recordings.

    throughput.py SPKVER [NUMBER]

The recordings are those of fixtures/voices, repeated and each with a little noise of its own, so that the
program cannot take one for another. Both run three times, by turns; the fastest counts.
"""

import subprocess
import sys
import tempfile
import time
import wave
from pathlib import Path

import numpy

import spkver

VOICES = Path(__file__).resolve().parents[3] / "fixtures" / "voices"
program, number = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 2000

voices = []
for path in sorted(VOICES.glob("*-*.wav")):
    with wave.open(str(path)) as file:
        voices.append(numpy.frombuffer(file.readframes(file.getnframes()), dtype="<i2"))
random = numpy.random.default_rng(1)
arrays = [voice + random.integers(-2, 3, len(voice), dtype="<i2") for voice in (voices * number)[:number]]

with tempfile.TemporaryDirectory() as folder:
    for index, array in enumerate(arrays):
        with wave.open(f"{folder}/{index:05}.wav", "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(16000)
            file.writeframes(array.tobytes())
    verifier = spkver.Verifier()
    own, theirs = [], []
    for run in range(3):
        began = time.perf_counter()
        heard = verifier.embed_batch(arrays, 16000)
        own.append(time.perf_counter() - began)
        began = time.perf_counter()
        out = f"{folder}/{run}.npy"
        words = [program, "-q", "embed", folder, "-o", out, "--ids", f"{folder}/{run}.txt"]
        subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
        theirs.append(time.perf_counter() - began)
    program_values = numpy.load(out)

values = numpy.array([one.values for one in heard if one])
assert numpy.array_equal(values, program_values), "other embeddings than the program's"
print(f"{number / min(own):.0f} recordings/s from NumPy, {number / min(theirs):.0f} by the program: "
      f"{min(theirs) / min(own):.2f}")
