"""`spkver serve` under load: capacity against the batch command, and answer times at 80 % of it.

    service.py SPKVER RECORDINGS [--clients N] [--seconds S]

RECORDINGS has two or more WAV files of one speaker, such as fixtures/voices/anna-*.wav of the sources. The first is
enrolled; the others are verified over and over, each cut or repeated to 3 s. The clients share this machine with the service,
and take some of its time. Needs Python alone.
"""

import argparse
import asyncio
import io
import json
import subprocess
import sys
import tempfile
import time
import wave
from pathlib import Path

NUM_RECORDINGS = 1000

options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
options.add_argument("spkver")
options.add_argument("recordings", type=Path, nargs="+")
options.add_argument("--clients", type=int, default=64)
options.add_argument("--seconds", type=float, default=600, help="at 80 %% of capacity")
options = options.parse_args()


def three_seconds(path, shift):
    """3 s of a recording as WAV, from the sample `shift` on."""
    with wave.open(str(path)) as file:
        rate_hz, frames = file.getframerate(), file.readframes(file.getnframes())
        wanted = 3 * rate_hz * file.getsampwidth() * file.getnchannels()
        out = io.BytesIO()
        with wave.open(out, "wb") as cut:
            cut.setparams(file.getparams())
            from_shift = frames[shift * file.getsampwidth() * file.getnchannels() :] + frames
            cut.writeframes((from_shift * (wanted // len(frames) + 1))[:wanted])
    return out.getvalue()


def request(recording):
    boundary = b"spkver-boundary"
    part = b'Content-Disposition: form-data; name="recording"; filename="r.wav"\r\n\r\n'
    body = b"--" + boundary + b"\r\n" + part + recording + b"\r\n--" + boundary + b"--\r\n"
    head = (
        f"POST /v1/verify?speaker=anna HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(body)}\r\n"
        f"Content-Type: multipart/form-data; boundary={boundary.decode()}\r\n\r\n"
    )
    return head.encode() + body


class Client:
    """One connection, kept open."""

    async def connect(self, port):
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", port)
        return self

    async def ask(self, what):
        """Seconds until the answer, and whether it was an accept."""
        begun = time.perf_counter()
        self.writer.write(what)
        await self.writer.drain()
        status = await self.reader.readline()
        length = 0
        while (line := await self.reader.readline()) != b"\r\n":
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        answer = await self.reader.readexactly(length)
        return time.perf_counter() - begun, b" 200 " in status and b'"decision":"accept"' in answer


async def capacity(clients, requests, seconds):
    """Requests a second when every client asks again at once."""
    end = time.perf_counter() + seconds

    async def go_on(client, number):
        count = 0
        while time.perf_counter() < end:
            _, accepted = await client.ask(requests[(number + count) % len(requests)])
            assert accepted
            count += 1
        return count

    begun = time.perf_counter()
    counts = await asyncio.gather(*(go_on(client, number) for number, client in enumerate(clients)))
    return sum(counts) / (time.perf_counter() - begun)


async def at_rate(clients, requests, per_second, seconds):
    """Times of the answers when each client asks at its own even pace, counted from when it meant to ask."""
    times, errors = [], 0
    begun = time.perf_counter()
    pause = len(clients) / per_second

    async def go_on(client, number):
        nonlocal errors
        due = begun + pause * number / len(clients)
        while due < begun + seconds:
            await asyncio.sleep(max(0, due - time.perf_counter()))
            late = max(0, time.perf_counter() - due)
            taken, accepted = await client.ask(requests[len(times) % len(requests)])
            times.append(late + taken)
            errors += not accepted
            due += pause

    await asyncio.gather(*(go_on(client, number) for number, client in enumerate(clients)))
    return sorted(times), errors


def resident_mib(process):
    with open(f"/proc/{process.pid}/statm") as file:
        return int(file.read().split()[1]) * 4 / 1024


def batch_per_second(recordings, work):
    """Recordings that the batch command embeds in a second."""
    folder = work / "recordings"
    folder.mkdir()
    for at, recording in enumerate(recordings):
        (folder / f"{at}.wav").write_bytes(recording)
    begun = time.perf_counter()
    command = [options.spkver, "embed", str(folder), "-o", str(work / "out.npz"), "--quiet"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return len(recordings) / (time.perf_counter() - begun)


async def main(work):
    # No two are the same: of equal recordings, the batch command would embed only one.
    paths = options.recordings[1:]
    recordings = [three_seconds(paths[at % len(paths)], at) for at in range(NUM_RECORDINGS)]
    store = work / "store.sqlite"
    enroll = [options.spkver, "enroll", "anna", str(options.recordings[0]), "--store", str(store), "--quiet"]
    subprocess.run(enroll, check=True, stdout=subprocess.DEVNULL)
    serve = [options.spkver, "serve", "--listen", "127.0.0.1:0", "--store", str(store), "--quiet"]
    # All clients try the same speaker at once.
    serve += ["--max-tries", "0", "--max-client-tries", "0"]
    with open(work / "log", "w") as log:
        service = subprocess.Popen(serve, stdout=subprocess.PIPE, stderr=log, text=True)
    try:
        port = int(service.stdout.readline().rsplit(":", 1)[1])
        requests = [request(recording) for recording in recordings]
        clients = await asyncio.gather(*(Client().connect(port) for _ in range(options.clients)))
        await capacity(clients, requests, 1)
        quick = min(20, options.seconds)
        most = await capacity(clients, requests, quick)
        batch = batch_per_second(recordings, work)
        print(f"capacity {most:.0f} requests/s with {options.clients} clients, {most / batch:.2f} of the batch command", flush=True)
        before = resident_mib(service)
        times, errors = await at_rate(clients, requests, 0.8 * most, options.seconds)
        after = resident_mib(service)
        p50, p99 = (1000 * times[int(share * len(times))] for share in (0.5, 0.99))
        print(f"at 80 % for {options.seconds:.0f} s: {len(times)} requests, {errors} errors, p50 {p50:.1f} ms, p99 {p99:.1f} ms")
        print(f"memory {before:.0f} MiB before, {after:.0f} MiB after")
        assert errors == 0
    finally:
        service.terminate()
        service.wait(timeout=60)
    print(json.dumps({"per_second": most, "of_batch": most / batch, "p50_ms": p50, "p99_ms": p99, "errors": errors}))


with tempfile.TemporaryDirectory() as folder:
    sys.exit(asyncio.run(main(Path(folder))))
