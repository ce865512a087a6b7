#!/usr/bin/env python3
"""A PyTorch checkpoint as safetensors, for `spkver model import`: safetensors_of.py FILE.pt OUT.safetensors

    pip install torch numpy safetensors
"""

import sys

import torch
from safetensors.torch import save_file

state = torch.load(sys.argv[1], map_location="cpu", weights_only=True)
for key in ("state_dict", "model"):  # checkpoints of training runs hold more than the network
    state = state[key] if isinstance(state.get(key), dict) else state
save_file({name: tensor.float().contiguous() for name, tensor in state.items()}, sys.argv[2])
