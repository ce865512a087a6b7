"""cluster/ray_score.py on two raylets, one of which is killed in mid-run.

    ray_check.py SPKVER WORK"""

import os
import subprocess
import sys

from ray.cluster_utils import Cluster

from recordings import CLUSTER, Recordings

CHUNK = 6

spkver, work = sys.argv[1:]
recordings = Recordings(spkver, work)
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
second = cluster.add_node(num_cpus=1)
cluster.wait_for_nodes()
out = os.path.join(work, "rows.jsonl")
script = os.path.join(CLUSTER, "ray_score.py")
words = [sys.executable, script, recordings.list, "-o", out, "--spkver", recordings.slow]
scoring = subprocess.Popen(words + ["--address", cluster.address, "--chunk", str(CHUNK)])
try:
    recordings.wait_for_the_middle(scoring, CHUNK)
    cluster.remove_node(second, allow_graceful=False)
    assert scoring.wait(timeout=600) == 0
finally:
    scoring.kill()
    cluster.shutdown()
with open(out) as file:
    recordings.check(file.read().splitlines())
