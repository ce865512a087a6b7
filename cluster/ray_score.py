"""Scores a list on a Ray cluster: every machine runs spkver on its share of the lines.

    ray_score.py LIST -o ROWS.jsonl [--address HOST:PORT] [--spkver PATH] [-- OPTION…]

A line of LIST is what `spkver score --jsonl --stdin` takes: a path, or a pair. ROWS has one row a
line, in order. Paths, the binary and the store must be the same on every machine (a shared folder).
A machine that dies loses nothing: its chunks are scored elsewhere. Options go to spkver."""

import argparse
import collections
import os

import ray

import spkver_lines

# The machines need no copy of the module: it travels with the task.
ray.cloudpickle.register_pickle_by_value(spkver_lines)


# Retried without end when its machine dies; an exception (a wrong flag) ends the run.
@ray.remote(num_cpus=1, max_retries=-1)
def score_chunk(command, lines):
    return list(spkver_lines.score(command, lines))


def score(command, lines, chunk, waiting):
    """Yields the rows in order; `waiting` chunks at most are in work, or done and not written."""
    pending = collections.deque()
    for start in range(0, len(lines), chunk):
        if len(pending) >= waiting:
            yield from ray.get(pending.popleft())
        pending.append(score_chunk.remote(command, lines[start : start + chunk]))
    while pending:
        yield from ray.get(pending.popleft())


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("list")
    parser.add_argument("-o", "--output", required=True)
    parser.add_argument("--address", help="of the cluster [default: this machine alone]")
    parser.add_argument("--spkver", default="spkver")
    parser.add_argument("--chunk", type=int, default=256, help="lines in a task")
    parser.add_argument("options", nargs="*", help="for spkver, after --")
    args = parser.parse_args()

    # Without the dashboard: it takes more CPU time than a thousand recordings.
    ray.init(address=args.address, log_to_driver=True, include_dashboard=False)
    command = spkver_lines.command(args.spkver, args.options)
    waiting = 4 * int(ray.cluster_resources().get("CPU", 1))
    unfinished = args.output + ".unfinished"
    with open(unfinished, "w", encoding="utf-8") as out:
        for row in score(command, spkver_lines.read_list(args.list), args.chunk, waiting):
            out.write(row + "\n")
            out.flush()
    os.replace(unfinished, args.output)


if __name__ == "__main__":
    main()
