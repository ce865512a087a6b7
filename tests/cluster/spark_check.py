"""cluster/spark_score.py on two executors, one of which is killed in mid-run.

    spark_check.py SPKVER WORK"""

import glob
import os
import signal
import subprocess
import sys

from recordings import CLUSTER, Recordings

# Two executors of one core and 512 MB, each a process of its own.
MASTER = "local-cluster[2,1,512]"
CHUNK = 6

spkver, work = sys.argv[1:]
recordings = Recordings(spkver, work)
out = os.path.join(work, "rows")
script = os.path.join(CLUSTER, "spark_score.py")
words = [sys.executable, script, recordings.list, "-o", out, "--spkver", recordings.slow]
environment = dict(os.environ, PYSPARK_PYTHON=sys.executable, SPARK_LOCAL_IP="127.0.0.1")
environment["PYSPARK_SUBMIT_ARGS"] = "--conf spark.executor.memory=512m pyspark-shell"
words += ["--master", MASTER, "--chunk", str(CHUNK)]
scoring = subprocess.Popen(words, env=environment, cwd=work, start_new_session=True)


def executors():
    """Ids of the executors' processes below `scoring`."""
    found = []
    for folder in glob.glob("/proc/[0-9]*"):
        try:
            with open(f"{folder}/cmdline", "rb") as file:
                words = file.read().split(b"\0")
            with open(f"{folder}/stat") as file:
                session = int(file.read().rsplit(")", 1)[1].split()[3])
        except (FileNotFoundError, ProcessLookupError):
            continue
        if b"CoarseGrainedExecutorBackend" in b" ".join(words) and session == scoring.pid:
            if words[0].endswith(b"java"):
                found.append(int(os.path.basename(folder)))
    return sorted(found)


try:
    recordings.wait_for_the_middle(scoring, CHUNK)
    there = executors()
    assert len(there) == 2, there
    os.kill(there[0], signal.SIGKILL)
    assert scoring.wait(timeout=600) == 0
finally:
    if scoring.poll() is None:
        os.killpg(scoring.pid, signal.SIGKILL)
rows = []
for part in sorted(glob.glob(os.path.join(out, "part-*"))):
    with open(part, encoding="utf-8") as file:
        rows += file.read().splitlines()
recordings.check(rows)
