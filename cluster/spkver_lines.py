"""Lines in, one row of `spkver score --jsonl --stdin` for each out, in order: for ray_score.py and
spark_score.py. A line whose recording ends the process is tried once more, alone, and then becomes
a row with an error; the rest go on in a new process."""

import json
import subprocess
import tempfile

# Exit codes of a wrong flag and of a wrong model: no line's fault, and no use in going on.
MISUSE = (2, 4)


def score(command, lines):
    """Yields a JSON text for each line (bytes). `command` is the list of words that starts spkver."""
    done = 0
    while done < len(lines):
        process = Process(command, lines[done:])
        for row in process.rows():
            yield row
            done += 1
        if done < len(lines):
            # It died. Alone, because it reads ahead: not every death is this line's doing.
            again = Process(command, [lines[done]])
            yield next(again.rows(), None) or death(lines[done], again.code)
            done += 1


class Process:
    def __init__(self, command, lines):
        self.command, self.lines, self.code = command, lines, None

    def rows(self):
        with tempfile.TemporaryFile() as stdin:
            stdin.writelines(line + b"\n" for line in self.lines)
            stdin.seek(0)
            with subprocess.Popen(self.command, stdin=stdin, stdout=subprocess.PIPE) as process:
                for row in process.stdout:
                    if row.endswith(b"\n"):  # else it died while it wrote
                        yield row[:-1].decode()
            self.code = process.returncode
        if self.code in MISUSE:
            raise RuntimeError(f"{self.command} ended with code {self.code}")


def death(line, code):
    """The row of a line that spkver does not survive, with spkver's keys."""
    how = f"signal {-code}" if code < 0 else f"code {code}"
    error = f"spkver ended with {how}, twice; look at this recording by itself"
    text = line.decode(errors="replace").rstrip("\r")
    enroll, tab, test = text.partition("\t")
    asked = {"enroll": enroll, "test": test} if tab else {"audio": text}
    if text.lstrip().startswith("{"):
        try:
            asked = json.loads(text)
        except ValueError:
            pass
    if "test" in asked:
        keys = ("id", "enroll", "test", "model", "enroll_blake3", "test_blake3", "score")
    else:
        keys = ("id", "audio", "model", "audio_blake3", "speech_seconds", "embedding")
    row = {key: asked.get(key) for key in keys} | {"code": "process", "error": error}
    return json.dumps(row, ensure_ascii=False, separators=(",", ":"))


def command(spkver, options):
    """The words that start one process on one core."""
    return [spkver, "score", "--jsonl", "--stdin", "--threads", "1", *options]


def read_list(path):
    """The lines, as spkver counts them: an empty one is one."""
    with open(path, "rb") as file:
        return file.read().removesuffix(b"\n").split(b"\n")
