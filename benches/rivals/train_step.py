"""One optimisation step of the shipped recipe against PyTorch on the CPU.

    python benches/rivals/train_step.py [--threads 1]

Forward, AAM-softmax, backward, AdamW; 64 crops, 519 speakers at five speeds; no data loading on
either side. Two batches: the recipe's lengths (1.3 to 2.9 s), which PyTorch gets padded to the
longest, as a tensor must be; and equal lengths of the same mean, where nothing is padded. The two
take turns; medians of CPU time and of wall time.
"""

import argparse
import os
import statistics
import subprocess
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MARGIN, SCALE, CHANNELS, FEATURES = 0.2, 30.0, 96, 54  # one of the six networks


def network(torch, num_features, channels, size):
    """`train/architecture.rs`."""
    nn = torch.nn

    class StatsPool(nn.Module):
        def forward(self, x):
            variance = x.var(dim=2, correction=0).clamp_min(1e-5)
            return torch.cat([x.mean(dim=2), variance.sqrt()], dim=1)

    def layer(c_in, c_out, kernel, dilation=1, stride=1):
        return [nn.Conv1d(c_in, c_out, kernel, stride=stride, dilation=dilation), nn.ReLU()]

    c = channels
    return nn.Sequential(
        *layer(num_features, c, 5, stride=2), nn.BatchNorm1d(c),
        *layer(c, c, 3), nn.BatchNorm1d(c),
        *layer(c, c, 3, 2), nn.BatchNorm1d(c),
        *layer(c, c, 1), nn.BatchNorm1d(c),
        *layer(c, 3 * c, 1),
        StatsPool(), nn.BatchNorm1d(6 * c), nn.Linear(6 * c, size), nn.BatchNorm1d(size),
    )


def step_of(torch, arguments, longest):
    torch.manual_seed(1)
    net = network(torch, FEATURES, CHANNELS, 192)
    speakers = torch.nn.Parameter(torch.randn(arguments.classes, 192) / 192 ** 0.5)
    decayed = [p for p in net.parameters() if p.dim() > 1] + [speakers]
    others = [p for p in net.parameters() if p.dim() == 1]
    optimizer = torch.optim.AdamW([dict(params=decayed, weight_decay=0.05),
                                   dict(params=others, weight_decay=0.0)], lr=1e-4)
    # Padded frames are not masked anywhere: that would cost PyTorch more.
    features = torch.rand(arguments.utterances, FEATURES, longest) * 3.4 - 1.7
    labels = torch.arange(arguments.utterances) % arguments.classes
    functional = torch.nn.functional

    def step():
        optimizer.zero_grad(set_to_none=True)
        cosines = functional.linear(functional.normalize(net(features)),
                                    functional.normalize(speakers))
        own = cosines.gather(1, labels[:, None]).clamp(-1 + 1e-6, 1 - 1e-6)
        with_margin = torch.cos(torch.acos(own) + MARGIN)
        logits = SCALE * cosines.scatter(1, labels[:, None], with_margin)
        functional.cross_entropy(logits, labels).backward()
        optimizer.step()

    return step


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--own", default=ROOT / "target/release/examples/own")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--utterances", type=int, default=64)
    parser.add_argument("--classes", type=int, default=2595)
    parser.add_argument("--rounds", type=int, default=9)
    arguments = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))[-arguments.threads:]
    os.sched_setaffinity(0, set(cores))
    import torch  # after the affinity: its thread pools look at it
    torch.set_num_threads(arguments.threads)
    wav = ROOT / "fixtures/voices/anna-1.wav"
    own = subprocess.Popen([arguments.own, wav, "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                           text=True)
    print(f"one step: {arguments.utterances} crops, C = {CHANNELS}, {arguments.classes} classes, "
          f"{arguments.threads} threads; PyTorch {torch.__version__}")
    for name, shortest, longest in [("1.3 to 2.9 s", 130, 290), ("2.1 s each", 210, 210)]:
        step = step_of(torch, arguments, longest)
        command = (f"step {arguments.utterances} {shortest} {longest} {arguments.classes} "
                   f"{arguments.threads} 2")
        ours, theirs = [], []
        for _ in range(2):
            step()
        for _ in range(arguments.rounds):
            print(command, file=own.stdin, flush=True)
            cpu, wall, _loss = map(float, own.stdout.readline().split())
            ours.append((cpu, wall))
            begun, begun_cpu = time.perf_counter(), time.process_time()
            for _ in range(2):
                step()
            theirs.append(((time.process_time() - begun_cpu) / 2,
                           (time.perf_counter() - begun) / 2))
        for index, clock in enumerate(["CPU", "wall"]):
            a, b = (statistics.median(row[index] for row in rows) for rows in (ours, theirs))
            print(f"{name:>12}, {clock:>4}: ours {a * 1e3:7.1f} ms, PyTorch {b * 1e3:7.1f} ms, "
                  f"ours is {b / a:.2f}×")


if __name__ == "__main__":
    main()
