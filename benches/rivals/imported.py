"""The networks that `spkver model import` reads, at their public sizes, against onnxruntime.

    benches/rivals/run.sh --imported        makes the environment and calls this

CAM++, WeSpeaker's ECAPA-TDNN with 512 channels, SpeechBrain's with 1024, and ResNet34, with random weights: PyTorch
exports each to ONNX for onnxruntime, and spkver imports the same weights. Both stay loaded and take turns, on one core, in CPU time; the
last columns say how many times as fast ours is. Embeddings must agree with PyTorch's, or nothing is printed.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnxruntime as ort
import torch
from safetensors.torch import save_file

from compare import ROOT, Own, alternate, bound, session, timed, write_wav

sys.path.insert(0, str(ROOT / "fixtures/golden"))
import make_imports as kinds  # noqa: E402


def campplus():
    network = kinds.campplus_module().CAMPPlus(feat_dim=kinds.BINS, embedding_size=192)
    del network.xvector.dense.nonlinear.relu  # 3D-Speaker's has none
    return network


NETWORKS = {
    "CAM++": campplus,
    "ECAPA-TDNN 512": lambda: kinds.Ecapa(512, 8, 128, 1536, 128, 192),
    "SpeechBrain ECAPA": lambda: kinds.SpeechBrain([1024, 1024, 1024, 1024, 3072], 8, 128, 128, 192),
    "ResNet34": lambda: kinds.ResNet(((3, 32), (4, 64), (6, 128), (3, 256)), 256),
}


def distance(got, wanted):
    return float(np.linalg.norm(got - wanted) / np.linalg.norm(wanted))


def measure(name, program, spkver, wav, seconds, rounds, folder):
    network = kinds.with_random_weights(NETWORKS[name](), 1)
    save_file(kinds.weights_of(network), folder / "net.safetensors")
    model, int8 = folder / "net.spkver", folder / "net.int8.spkver"
    quiet = dict(check=True, stdout=subprocess.DEVNULL)
    subprocess.run([spkver, "model", "import", folder / "net.safetensors", "-o", model, "--force"], **quiet)
    subprocess.run([spkver, "--model", model, "model", "int8", "-o", int8, "--force"], **quiet)
    own, own_int8 = (Own(program, wav, channels=path) for path in (model, int8))
    for length in seconds:
        features = own.floats(folder, "features", length)
        embedding = own.floats(folder, "embedding", length)
        exported = folder / "net.onnx"
        inputs = torch.from_numpy(features)[None]
        # Exported for this length: CAM++'s segments and padding become constants.
        torch.onnx.export(network, (inputs,), str(exported), input_names=["feats"], output_names=["embs"],
                          dynamo=False, opset_version=17)
        with torch.inference_mode():
            wanted = network(inputs).numpy().ravel()
        off = distance(embedding, wanted)
        assert off <= 1e-4, f"{name}, {length} s: embeddings differ by {off:.1e}"
        theirs, _ = bound(session(exported), features, len(wanted))
        jobs = [own.timed("network", length), own_int8.timed("network", length), timed(theirs)]
        ours, ours_int8, onnxruntime = alternate(jobs, rounds)
        print(f"{name:14} {length:3} s  {ours * 1e3:8.1f}  {ours_int8 * 1e3:8.1f}  {onnxruntime * 1e3:11.1f}"
              f"  {onnxruntime / ours:6.2f}×  {ours / ours_int8:6.2f}×   {off:.0e}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--own", default=ROOT / "target/release/examples/own")
    parser.add_argument("--spkver", default=ROOT / "target/release/spkver")
    parser.add_argument("--networks", nargs="*", default=list(NETWORKS))
    parser.add_argument("--seconds", type=int, nargs="*", default=[3, 10])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--core", type=int, default=max(os.sched_getaffinity(0)))
    arguments = parser.parse_args()
    os.sched_setaffinity(0, {arguments.core})  # and what is started from here
    torch.set_num_threads(1)
    print(f"onnxruntime {ort.__version__}, PyTorch {torch.__version__}; core {arguments.core}, medians of "
          f"{arguments.rounds} rounds in turn\n\nms of CPU                  ours  ours int8  onnxruntime  ours is  "
          "int8 is  differs from PyTorch by")
    with tempfile.TemporaryDirectory() as folder:
        wav = Path(folder) / "speech.wav"
        write_wav(wav)
        for name in arguments.networks:
            measure(name, arguments.own, arguments.spkver, wav, arguments.seconds, arguments.rounds, Path(folder))


if __name__ == "__main__":
    main()
