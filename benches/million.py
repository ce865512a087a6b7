"""`spkver identify` over a million enrolled speakers against f64 brute force in NumPy, with the times.

    million.py SPKVER MODEL.safetensors WORK [NUM_SPEAKERS [NUM_TESTS]]

Needs numpy and safetensors; WORK takes some 5 GB for a million. Half of the tests are near somebody
enrolled, half are strangers. The numbers are random: this measures the search, not the model."""

import json
import os
import resource
import subprocess
import sys
import time

import numpy
from safetensors import safe_open

spkver, model, work = sys.argv[1:4]
num_speakers = int(sys.argv[4]) if len(sys.argv) > 4 else 1_000_000
num_tests = int(sys.argv[5]) if len(sys.argv) > 5 else 1000
os.makedirs(work, exist_ok=True)
store = os.path.join(work, "store.sqlite")

with safe_open(model, "np") as file:
    head = {name: file.get_tensor(name).astype(numpy.float64)
            for name in file.keys() if name.startswith("head.")}
mean, weight = head["head.mean"], head["head.weight"]
whiten = head.get("head.whiten", numpy.eye(len(mean)))
product, squares = numpy.split(weight, 2)


def run(what, *words):
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.time()
    command = [spkver, "--model", model, "--store", store, *words]
    answer = subprocess.run(command, stdout=subprocess.PIPE)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert answer.returncode in (0, 1), answer.returncode
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(f"{what}: {time.time() - begun:.2f} s, {cpu:.2f} s of CPU", flush=True)
    return answer.stdout


def project(embeddings):
    points = (embeddings.astype(numpy.float64) - mean) @ whiten.T
    return points * numpy.sqrt(points.shape[1] / (points**2).sum(axis=1, keepdims=True))


random = numpy.random.default_rng(1)
# White after the head's whitening, as real embeddings are.
colour = numpy.linalg.pinv(whiten).T
enrolled = (random.standard_normal((num_speakers, len(mean))) @ colour + mean).astype(numpy.float32)
near = enrolled[:: max(1, num_speakers // (num_tests // 2))][: num_tests // 2]
near = near + 0.8 * (random.standard_normal(near.shape) @ colour)
strangers = random.standard_normal((num_tests - len(near), len(mean))) @ colour + mean
tests = numpy.concatenate([near, strangers]).astype(numpy.float32)

if not os.path.exists(store):
    numpy.save(os.path.join(work, "enrolled.npy"), enrolled)
    with open(os.path.join(work, "names.txt"), "w") as file:
        file.writelines(f"s{i}\n" for i in range(num_speakers))
    files = (os.path.join(work, name) for name in ("enrolled.npy", "names.txt"))
    run("import", "store", "import-vectors", *files)
for count in (1, 1, 2, num_tests):
    path = os.path.join(work, f"tests-{count}.npy")
    numpy.save(path, tests[:count])
    answer = run(f"identify {count}", "identify", "--json", "--embeddings", path)
found = [r["candidates"][0] for r in json.loads(answer)["results"]]

points, probes = project(enrolled), project(tests)
own = (points**2) @ squares
best = numpy.empty(num_tests, dtype=int)
llrs = numpy.empty(num_tests)
for start in range(0, num_tests, 100):
    some = probes[start : start + 100]
    scores = points @ (some * product).T + own[:, None] + (some**2) @ squares
    best[start : start + 100] = scores.argmax(axis=0)
    llrs[start : start + 100] = scores.max(axis=0)
same = sum(candidate["speaker"] == f"s{i}" for candidate, i in zip(found, best))
offset = numpy.array([c["llr"] for c in found]) - llrs
print(f"the best is that of f64 brute force for {same} of {num_tests}")
print(f"LLR less brute force (bias and prior apart): spread {numpy.ptp(offset):.1e}")
sys.exit(same != num_tests)
