"""Arrays in and out. NumPy is imported only where there is an array."""

from ._errors import UsageError


def mono(samples):
    """Samples as the bytes of float32. (num_samples,) or one channel of (1, n), (n, 1) -> bytes

    Integers are divided by their full scale, as in files.
    """
    numpy = _numpy()
    array = numpy.asarray(samples)
    if array.ndim == 2 and 1 in array.shape:
        array = array.reshape(-1)
    if array.ndim != 1:
        raise UsageError(
            f"samples of shape {array.shape}; expected (num_samples,): take one channel, or their mean"
        )
    kind, size = array.dtype.kind, array.dtype.itemsize
    if kind == "f":
        # A float64 beyond float32 becomes infinite, which is refused.
        with numpy.errstate(over="ignore"):
            array = array.astype(numpy.float32, copy=False)
    elif kind == "i" and size in (2, 4):
        array = array.astype(numpy.float32) / numpy.float32(1 << (8 * size - 1))
    elif kind == "u" and size == 1:
        array = (array.astype(numpy.float32) - numpy.float32(128)) / numpy.float32(128)
    else:
        raise UsageError(
            f"samples of type {array.dtype}; expected floats from -1 to 1, int16, int32 or uint8"
        )
    return array.tobytes()


def vector(values):
    """The bytes of an embedding's float32. (E,) -> bytes"""
    numpy = _numpy()
    array = numpy.asarray(values)
    if array.ndim != 1 or array.dtype.kind != "f":
        raise UsageError(f"values of shape {array.shape} and type {array.dtype}; expected floats of shape (E,)")
    return array.astype(numpy.float32).tobytes()


def array(data):
    """bytes of float32 -> numpy.ndarray (N,)"""
    numpy = _numpy()
    return numpy.frombuffer(data, dtype=numpy.float32).copy()


def _numpy():
    try:
        import numpy
    except ImportError as error:
        raise ImportError("arrays need NumPy: pip install numpy") from error
    return numpy
