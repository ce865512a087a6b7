"""cluster/ray_score.py on two raylets, one of which is killed in mid-run.

    ray_check.py SPKVER WORK"""

import os
import subprocess
import sys
import time

from ray.cluster_utils import Cluster

from recordings import CLUSTER, Recordings

spkver, work = sys.argv[1:]
recordings = Recordings(spkver, work)
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
second = cluster.add_node(num_cpus=1)
cluster.wait_for_nodes()
out = os.path.join(work, "rows.jsonl")
script = os.path.join(CLUSTER, "ray_score.py")
words = [sys.executable, script, recordings.list, "-o", out, "--spkver", recordings.slow]
scoring = subprocess.Popen(words + ["--address", cluster.address, "--chunk", "6"])
try:
    while recordings.num_begun() < 12:
        assert scoring.poll() is None, "ended before it was half done"
        time.sleep(0.05)
    cluster.remove_node(second, allow_graceful=False)
    print(f"raylet killed after {recordings.num_begun()} lines")
    assert scoring.wait(timeout=600) == 0
finally:
    scoring.kill()
    cluster.shutdown()
with open(out) as file:
    recordings.check(file.read().splitlines())
