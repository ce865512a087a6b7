"""Scores a list on a Spark cluster: every executor runs spkver on its share of the lines.

    spark-submit --py-files cluster/spkver_lines.py cluster/spark_score.py \\
        LIST -o FOLDER [--spkver PATH] [-- OPTION…]

A line of LIST is what `spkver score --jsonl --stdin` takes: a path, or a pair. `cat FOLDER/part-*`
has one row a line, in order. Paths, the binary and the store must be the same on every machine (a
shared folder). An executor that dies loses nothing: Spark gives its tasks to another."""

import argparse
import os
import sys

import pandas
import pyarrow
from pyspark.sql import SparkSession

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import spkver_lines  # noqa: E402


def scorer(command):
    def score(batches):
        for batch in batches:
            rows = spkver_lines.score(command, batch.column("line").to_pylist())
            rows = pyarrow.array(rows, pyarrow.string())
            yield pyarrow.RecordBatch.from_arrays([rows], names=["row"])

    return score


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("list")
    parser.add_argument("-o", "--output", required=True, help="a folder, made anew")
    parser.add_argument("--master", help="[default: as spark-submit says, or this machine]")
    parser.add_argument("--spkver", default="spkver")
    parser.add_argument("--chunk", type=int, default=1024, help="lines in a task")
    parser.add_argument("options", nargs="*", help="for spkver, after --")
    args = parser.parse_args()

    builder = SparkSession.builder.appName("spkver score")
    builder = builder.config("spark.sql.execution.arrow.pyspark.enabled", "true")
    builder = builder.config("spark.sql.execution.arrow.maxRecordsPerBatch", str(args.chunk))
    # A slow machine's task is not begun twice: both copies would cost the same CPU time.
    builder = builder.config("spark.speculation", "false")
    spark = (builder.master(args.master) if args.master else builder).getOrCreate()
    spark.sparkContext.addPyFile(spkver_lines.__file__)

    lines = spkver_lines.read_list(args.list)
    frame = spark.createDataFrame(pandas.DataFrame({"n": range(len(lines)), "line": lines}))
    parts = max(1, -(-len(lines) // args.chunk))
    # Ranges of lines, so that the parts of the output follow one another as the lines did.
    frame = frame.repartitionByRange(parts, "n").sortWithinPartitions("n")
    command = spkver_lines.command(args.spkver, args.options)
    frame.mapInArrow(scorer(command), "row string").write.mode("overwrite").text(args.output)
    spark.stop()


if __name__ == "__main__":
    main()
