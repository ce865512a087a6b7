"""Speaker verification: is this the enrolled speaker? Offline, on CPUs.

>>> import spkver
>>> verifier = spkver.Verifier()
>>> anna = verifier.enroll("anna", ["anna-1.wav", "anna-2.wav"])
>>> answer = verifier.verify(anna, "anna-3.wav")
>>> answer.decision, answer.llr
('accept', 7.3...)

Samples are embedded first: ``verifier.embed(samples, rate_hz=48000)`` gives an Embedding, or a Refusal
that says why the recording allows no answer.
"""

from ._errors import Error, NotFoundError, UnknownSpeakerError, UsageError
from ._evaluate import Evaluation, evaluate
from ._spkver import (
    Embedding,
    Listener,
    Refusal,
    State,
    Store,
    Verification,
    Verifier,
    Voiceprint,
    __version__,
)

__all__ = [
    "Embedding",
    "Error",
    "Evaluation",
    "Listener",
    "NotFoundError",
    "Refusal",
    "State",
    "Store",
    "UnknownSpeakerError",
    "UsageError",
    "Verification",
    "Verifier",
    "Voiceprint",
    "evaluate",
    "__version__",
]
