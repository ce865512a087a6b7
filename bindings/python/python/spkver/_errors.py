"""Exceptions. Their text names the file, the fact and the remedy; their code never changes."""


class Error(Exception):
    """What cannot be done.

    ``code`` is one of the program's: "usage", "audio", "model", "store", "unknown_speaker",
    "model_mismatch", "not_found", "disk_full", "io".
    """

    code: str = "io"


class UsageError(Error, ValueError):
    """A wrong argument; code "usage"."""


class NotFoundError(Error, FileNotFoundError):
    """A file does not exist; code "not_found"."""


class UnknownSpeakerError(Error, LookupError):
    """No speaker of this name is in the store; code "unknown_speaker"."""


_CLASSES = {
    "usage": UsageError,
    "not_found": NotFoundError,
    "unknown_speaker": UnknownSpeakerError,
}


def of(code, message):
    """The exception for a code."""
    error = _CLASSES.get(code, Error)(message)
    error.code = code
    return error
