"""Run with nothing but spkver installed: what needs no other package, and how long an import takes."""

import subprocess
import sys
import time
from pathlib import Path

import spkver

VOICES = Path(__file__).resolve().parents[3] / "fixtures" / "voices"
verifier = spkver.Verifier()
anna = verifier.enroll("anna", [VOICES / "anna-1.wav", str(VOICES / "anna-2.wav")])
assert verifier.verify(anna, VOICES / "anna-3.wav").accepted
assert verifier.compare(VOICES / "anna-1.wav", VOICES / "boris-1.wav").decision == "reject"
assert spkver.evaluate([1.0, -1.0], [1, 0]).eer == 0
try:
    verifier.embed([0.0] * 16000, rate_hz=16000)
except ImportError as error:
    assert "pip install numpy" in str(error)
else:
    raise AssertionError("an array without NumPy")


def seconds(code):
    """The fastest of ten runs of the interpreter."""
    times = []
    for _ in range(10):
        began = time.perf_counter()
        subprocess.run([sys.executable, "-I", "-c", code], check=True)
        times.append(time.perf_counter() - began)
    return min(times)


print(f"import spkver: {1000 * (seconds('import spkver') - seconds('pass')):.0f} ms")
