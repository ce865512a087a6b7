#!/usr/bin/env python3
"""A PyTorch checkpoint as safetensors, for `spkver model import`: safetensors_of.py FILE.pt OUT.safetensors

Reads the tensors without PyTorch, and runs no code from the file. Needs numpy and safetensors.
"""

import collections
import pickle
import sys
import zipfile

import numpy as np
from safetensors.numpy import save_file

# A BFloat16 is the upper half of an f32.
STORAGES = {
    "DoubleStorage": "<f8",
    "FloatStorage": "<f4",
    "HalfStorage": "<f2",
    "BFloat16Storage": "<u2",
    "LongStorage": "<i8",
    "IntStorage": "<i4",
    "ShortStorage": "<i2",
    "CharStorage": "i1",
    "ByteStorage": "u1",
    "BoolStorage": "?",
}


class Other(dict):
    """Takes the place of objects that are no tensors: checkpoints of training runs hold some."""

    def __init__(self, *_):
        super().__init__()


def tensor(storage, offset, size, stride, *_):
    """The values of a storage that belong to one tensor, as f32."""
    if 0 in size:
        return np.zeros(size, np.float32)
    last = offset + sum((n - 1) * step for n, step in zip(size, stride))
    if min(offset, *stride, 0) < 0 or last >= len(storage):
        sys.exit(f"{sys.argv[1]}: a tensor lies outside of its storage: the file is damaged")
    strides = [step * storage.itemsize for step in stride]
    return np.lib.stride_tricks.as_strided(storage[offset:], size, strides).astype(np.float32, order="C")


class Checkpoint(pickle.Unpickler):
    """Turns PyTorch's tensors into arrays, and everything else that is no plain data into `Other`."""

    def __init__(self, archive):
        names = [name for name in archive.namelist() if name.endswith("/data.pkl")]
        if len(names) != 1:
            sys.exit(f"{sys.argv[1]}: holds no tensors, or was made by TorchScript; save its state_dict() with torch.save")
        super().__init__(archive.open(names[0]))
        self.read = lambda key: archive.read(names[0].removesuffix(".pkl") + f"/{key}")

    def find_class(self, module, name):
        if module == "torch" and name in STORAGES:
            return name
        known = {
            "collections.OrderedDict": collections.OrderedDict,
            "torch._utils._rebuild_tensor_v2": tensor,
            "torch._utils._rebuild_parameter": lambda values, *_: values,
        }
        return known.get(f"{module}.{name}", Other)

    def persistent_load(self, identity):
        _, kind, key, *_ = identity
        if kind not in STORAGES:
            sys.exit(f"{sys.argv[1]}: has tensors of another type than {', '.join(STORAGES)}")
        values = np.frombuffer(self.read(key), STORAGES[kind])
        if kind == "BFloat16Storage":
            values = (values.astype("<u4") << 16).view("<f4")
        return values


def main(source, target):
    if not zipfile.is_zipfile(source):
        sys.exit(f"{source}: is no checkpoint of PyTorch 1.6 or later; save it again with a later one")
    with zipfile.ZipFile(source) as archive:
        state = Checkpoint(archive).load()
    for key in ("state_dict", "model"):  # checkpoints of training runs hold more than the network
        state = state[key] if isinstance(state.get(key), dict) else state
    save_file({name: value for name, value in state.items() if isinstance(value, np.ndarray)}, target)


main(*sys.argv[1:])
