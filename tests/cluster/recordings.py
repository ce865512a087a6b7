"""What both cluster tests score: recordings good and bad, one that ends its process, and a spkver
that is slow enough to be killed in the middle."""

import collections
import os
import shutil
import stat
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../../cluster"))
import spkver_lines  # noqa: E402

KILLS = "ends-its-process"
CLUSTER = os.path.dirname(os.path.abspath(spkver_lines.__file__))
VOICES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../fixtures/voices")

# Feeds spkver line by line, notes what was begun, and dies at a certain file, as a process does
# that a recording crashes. The shipped program has no such file.
SLOW = """#!/bin/bash
trap '' PIPE
while IFS= read -r line; do
    echo "$PPID $line" >> {begun}
    case "$line" in *{kills}*) sleep 0.2; kill -ABRT $$; exit;; esac
    printf '%s\\n' "$line"
    sleep 0.1
done | {spkver} "$@"
"""


class Recordings:
    def __init__(self, spkver, work):
        self.spkver, self.work = spkver, work
        voices = sorted(f for f in os.listdir(VOICES) if f.endswith(".wav"))
        self.lines = []
        for copy in range(6):
            for voice in voices:
                path = os.path.join(work, f"{copy} {voice}")  # a blank in each path
                shutil.copy(os.path.join(VOICES, voice), path)
                self.lines.append(path)
        broken = os.path.join(work, "broken.wav")
        with open(broken, "w") as file:
            file.write("no audio")
        pair = f"{self.lines[0]}\t{self.lines[1]}"
        self.lines[7:7] = [broken, os.path.join(work, "missing.wav"), pair, ""]
        self.killer = os.path.join(work, f"{KILLS}.wav")
        shutil.copy(self.lines[0], self.killer)
        self.lines.insert(20, self.killer)
        self.list = os.path.join(work, "list.txt")
        with open(self.list, "w") as file:
            file.writelines(line + "\n" for line in self.lines)
        self.begun = os.path.join(work, "begun.txt")
        self.slow = os.path.join(work, "slow.sh")
        with open(self.slow, "w") as file:
            file.write(SLOW.format(begun=self.begun, kills=KILLS, spkver=spkver))
        os.chmod(self.slow, os.stat(self.slow).st_mode | stat.S_IXUSR)

    def begun_by(self):
        """Lines begun, for each process that gave them out."""
        if not os.path.exists(self.begun):
            return {}
        with open(self.begun) as file:
            return collections.Counter(line.split(" ", 1)[0] for line in file)

    def wait_for_the_middle(self, scoring, chunk):
        """Until two workers both are within a chunk, and not in their first."""
        while True:
            assert scoring.poll() is None, "ended before it was half done"
            begun = sorted(self.begun_by().values(), reverse=True)[:2]
            if len(begun) == 2 and all(n > chunk and n % chunk in (1, 2, 3) for n in begun):
                return
            time.sleep(0.02)

    def by_one_process(self):
        lines = [line for line in self.lines if line != self.killer]
        command = spkver_lines.command(self.spkver, [])
        given = "".join(line + "\n" for line in lines)
        answer = subprocess.run(command, input=given, stdout=subprocess.PIPE, encoding="utf-8")
        rows = answer.stdout.splitlines()
        assert len(rows) == len(lines), (len(rows), len(lines))
        return rows

    def check(self, rows):
        """In order, none missing, none twice, and the same bits."""
        assert len(rows) == len(self.lines), (len(rows), len(self.lines))
        error = rows.pop(self.lines.index(self.killer))
        assert "twice" in error and KILLS in error, error
        wanted = self.by_one_process()
        assert sorted(rows) == sorted(wanted)
        assert rows == wanted, "the order"
        begun = sum(self.begun_by().values()) - len(self.lines)
        print(f"{len(rows) + 1} rows as of one process; {begun} lines begun more than once")
