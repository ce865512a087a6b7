"""Checked by mypy: how a program with types uses the package. It is not run."""

from typing import Optional

import numpy

import spkver


def verify(samples: "numpy.typing.NDArray[numpy.float32]") -> Optional[float]:
    verifier = spkver.Verifier()
    heard = verifier.embed(samples, rate_hz=16000)
    if isinstance(heard, spkver.Refusal):
        print(heard.code, heard.remedy)
        return None
    anna = verifier.enroll("anna", [heard, "anna-1.wav"])
    with spkver.Store("voiceprints.sqlite") as store:
        store.add(anna, verifier)
    answer = verifier.verify(anna, "anna-2.wav", p_target=0.9)
    scores = verifier.score([("anna-1.wav", heard)])
    low, high = spkver.evaluate(scores, [1, 0], bootstrap=0).p_target
    return answer.llr if answer.accepted else low + high
