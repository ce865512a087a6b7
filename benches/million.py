"""`spkver identify` over a million enrolled speakers: the times and memory, and whether it finds whom a search in f64 finds.

    million.py SPKVER MODEL.safetensors WORK [--num SPEAKERS] [--tests TESTS]

Needs numpy; WORK takes 7 GB for a million. Half of the tests are near somebody enrolled, half are strangers. The embeddings
are random numbers as long as the model makes them: this measures the store and the search, not the model. `--num 2000` takes
seconds, and shows that all of this still runs.
"""

import argparse
import json
import struct
import subprocess
import sys
import time
from pathlib import Path

import numpy

BLOCK = 20_000
# Of the program: f32 sums of some hundred terms.
MAX_LLR_DIFFERENCE = 2e-3
LOWER_SLOPE = 0.25

options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
options.add_argument("spkver")
options.add_argument("model")
options.add_argument("work", type=Path)
options.add_argument("--num", type=int, default=1_000_000)
options.add_argument("--tests", type=int, default=200)
options = options.parse_args()
work = options.work
work.mkdir(parents=True, exist_ok=True)
store = work / "store.sqlite"


# Runs a command and says what it took. A small process of its own, because the peak of a child begins at its parent's.
MEASURED = """
import resource, subprocess, sys, time
begun = time.time()
code = subprocess.run(sys.argv[1:]).returncode
took = resource.getrusage(resource.RUSAGE_CHILDREN)
print(code, time.time() - begun, took.ru_utime + took.ru_stime, took.ru_maxrss / 1024, file=sys.stderr)
"""


def run(what, *words):
    command = [options.spkver, "--model", options.model, "--store", str(store), *map(str, words)]
    answer = subprocess.run([sys.executable, "-c", MEASURED, *command], capture_output=True, text=True)
    code, wall, cpu, peak = answer.stderr.splitlines()[-1].split()
    assert code in ("0", "1"), answer.stderr
    if what:
        print(f"{what}: {float(wall):.2f} s, {float(cpu):.2f} s of CPU, peak {float(peak):.0f} MiB", flush=True)
    return answer.stdout


def tensors(path):
    """The head's tensors of a safetensors file, in f64."""
    with open(path, "rb") as file:
        header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
        start = file.tell()
        for name, about in header.items():
            if name.startswith("head."):
                begin, end = about["data_offsets"]
                file.seek(start + begin)
                dtype = {"F16": "<f2", "F32": "<f4"}[about["dtype"]]
                values = numpy.frombuffer(file.read(end - begin), dtype).astype(numpy.float64)
                yield name.removeprefix("head."), values.reshape(about["shape"])


info = json.loads(run(None, "model", "info", "--json"))
about, head = info["head"], dict(tensors(options.model))
groups, quality = about["groups"], about["quality"]
assert about["cohort_top"] is None, "a cohort is not computed here"
mean, (product, squares) = head["mean"], numpy.split(head["weight"], 2)
whiten = head.get("whiten", numpy.eye(len(mean)))
size = len(whiten)  # without the conditions, which are not scaled
unwhiten = numpy.linalg.pinv(whiten).T
# The store refuses embeddings of a length that the model never makes.
low, high = info["limits"].get("ln_length") or (0.5 * numpy.log(size / groups),) * 2


def per_group(u):
    return u.reshape(len(u), groups, size // groups)


def lengths(u):
    return numpy.sqrt((per_group(u) ** 2).sum(axis=2, keepdims=True))


def embeddings(u, random):
    """Embeddings whose whitened values have the directions `u`."""
    u = (per_group(u) / lengths(u) * numpy.exp((low + high) / 2)).reshape(u.shape)
    columns = [u @ unwhiten + mean]
    if quality:
        # ln t of 2 to 20 s, and the conditions: noise and what the band lacks.
        columns += [random.uniform(numpy.log([[2]]), numpy.log([[20]]), (len(u), 1)), random.uniform(0, 1, (len(u), 3))]
    return numpy.hstack(columns).astype(numpy.float32)


def points(given):
    """The scaled directions, and what each adds to all of its scores."""
    given = given.astype(numpy.float64)
    u = (given[:, : len(mean)] - mean) @ whiten.T
    scaled = (per_group(u) / lengths(u) * numpy.sqrt(size / groups)).reshape(u.shape)
    if len(product) > size:
        scaled = numpy.hstack([scaled, given[:, -3:]])
    own = (scaled**2) @ squares
    if quality:
        ln_length = numpy.log(lengths(u)).mean(axis=(1, 2))
        facts = dict(zip(["seconds", "noise", "high", "low"], given[:, -4:].T), length=ln_length)
        own += sum(quality.get(name, 0) * values for name, values in facts.items())
    return scaled, own


random = numpy.random.default_rng(1)
width = info["embedding_size"]
array, names = work / "enrolled.npy", work / "names.txt"
if not store.exists():
    rows = numpy.lib.format.open_memmap(array, "w+", "<f4", (options.num, width))
    for start in range(0, options.num, BLOCK):
        block = rows[start : start + BLOCK]
        block[:] = embeddings(random.standard_normal((len(block), size)), random)
    del rows
    names.write_text("".join(f"s{i}\n" for i in range(options.num)))
    run("import", "store", "import-vectors", array, names)
    print(f"store: {store.stat().st_size / 1e9:.3f} GB for {array.stat().st_size / 1e9:.3f} GB of vectors")
enrolled = numpy.load(array, mmap_mode="r")

chosen = numpy.linspace(0, len(enrolled) - 1, options.tests // 2).astype(int)
near = points(enrolled[chosen])[0][:, :size]
near += 0.8 * random.standard_normal(near.shape)
strangers = random.standard_normal((options.tests - len(near), size))
tests = embeddings(numpy.concatenate([near, strangers]), random)
for what, count in [("first identify", 1), ("next identify", 1), ("identify 2", 2), (f"identify {len(tests)}", len(tests))]:
    path = work / f"tests-{count}.npy"
    numpy.save(path, tests[:count])
    answer = run(what, "identify", "--json", "--embeddings", path)
found = [result["candidates"][0] for result in json.loads(answer)["results"]]

probes, of_probes = points(tests)
weighted = (probes * product).T
best, llrs = numpy.zeros(len(tests), dtype=int), numpy.full(len(tests), -numpy.inf)
for start in range(0, len(enrolled), BLOCK):
    scaled, own = points(enrolled[start : start + BLOCK])
    scores = scaled @ weighted + own[:, None] + of_probes
    better = scores.max(axis=0) > llrs
    best[better] = scores.argmax(axis=0)[better] + start
    llrs = numpy.maximum(llrs, scores.max(axis=0))
llrs += about["bias"] - numpy.log(about["prior"] / (1 - about["prior"]))
below = about["lower_slope_below"]
if below is not None:
    llrs = numpy.maximum(llrs, LOWER_SLOPE * llrs + (1 - LOWER_SLOPE) * below)
same = sum(candidate["speaker"] == f"s{i}" for candidate, i in zip(found, best))
difference = max(abs(candidate["llr"] - llr) for candidate, llr in zip(found, llrs))
print(f"the best is that of f64 brute force for {same} of {len(tests)}; LLRs differ by {difference:.1e} at most")
sys.exit(1 if same != len(tests) or difference > MAX_LLR_DIFFERENCE else 0)
