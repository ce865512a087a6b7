"""Recordings, a verifier, and the program to compare with."""

import json
import os
import subprocess
import wave
from pathlib import Path

import pytest

import spkver

VOICES = Path(__file__).resolve().parents[3] / "fixtures" / "voices"


@pytest.fixture(scope="session")
def verifier():
    return spkver.Verifier()


@pytest.fixture
def voice():
    """voice("anna-1") is the path of a recording."""
    return lambda name: VOICES / f"{name}.wav"


@pytest.fixture
def pcm(voice):
    """pcm("anna-1") is its samples, int16 of shape (num_samples,), at 16 kHz."""
    numpy = pytest.importorskip("numpy")

    def read(name):
        with wave.open(str(voice(name))) as file:
            assert (file.getnchannels(), file.getframerate()) == (1, 16000)
            return numpy.frombuffer(file.readframes(file.getnframes()), dtype="<i2")

    return read


@pytest.fixture
def contrary(verifier, voice):
    """Of a speaker as unlike anna as can be."""
    pytest.importorskip("numpy")
    anna = verifier.embed(voice("anna-1"))
    values = anna.values
    values[:-4] *= -1  # the last four are the seconds of speech and the conditions
    return spkver.Embedding(values, anna.model, "contrary.wav", anna.quality)


@pytest.fixture(scope="session")
def program():
    """program("compare", a, b) is what the program's JSON says. SPKVER names the program."""
    path = os.environ.get("SPKVER")
    if not path:
        pytest.skip("SKIPPED: no program to compare with; name it with SPKVER=target/release/spkver")

    def run(*words):
        words = [path, "--json", *map(str, words)]
        answer = subprocess.run(words, capture_output=True, text=True)
        assert answer.stdout, answer.stderr
        return json.loads(answer.stdout)

    return run
