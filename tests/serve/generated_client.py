"""Drives `spkver serve` with a client that openapi-python-client generates from docs/openapi.json, and its stream with the
WebSocket client of the package websockets.

    python -m venv VENV && VENV/bin/pip install openapi-python-client httpx attrs python-dateutil websockets
    VENV/bin/python tests/serve/generated_client.py SPKVER
"""

import asyncio
import importlib
import io
import json
import subprocess
import sys
import tempfile
import wave
from pathlib import Path

import websockets

ROOT = Path(__file__).resolve().parents[2]
VOICES = ROOT / "fixtures/voices"


def generate(folder):
    generator = Path(sys.executable).parent / "openapi-python-client"
    command = [generator, "generate", "--path", ROOT / "docs/openapi.json", "--meta", "none", "--output-path", folder / "client"]
    done = subprocess.run(command, capture_output=True, text=True)
    # Nothing of the description may be left out of the client, except the metrics, which are no JSON.
    told = done.stdout + done.stderr
    assert done.returncode == 0 and "Unable to process" not in told, told
    sys.path.insert(0, str(folder))


def drive(url):
    from client import Client, models
    from client.types import File

    client = Client(base_url=url)

    def voice(name):
        return File(payload=io.BytesIO((VOICES / f"{name}.wav").read_bytes()), file_name=f"{name}.wav")

    def ask(route, status=200, **arguments):
        module = importlib.import_module(f"client.api.default.{route}")
        answer = module.sync_detailed(client=client, **arguments)
        assert answer.status_code == status, (route, answer)
        assert answer.parsed is not None, (route, answer)
        return answer.parsed

    assert ask("health").status == "ok"
    enrolled = ask("enroll", speaker="anna", body=models.EnrollBody(recording=[voice("anna-1"), voice("anna-2")]))
    assert enrolled.num_utterances == 2
    assert ask("verify", speaker="anna", body=models.VerifyBody(recording=voice("anna-3"))).decision == "accept"
    assert ask("verify", speaker="anna", body=models.VerifyBody(recording=voice("henry-1"))).decision == "reject"
    assert ask("compare", body=models.CompareBody(recording=[voice("anna-1"), voice("anna-3")])).decision == "accept"
    found = ask("identify", body=models.IdentifyBody(recording=voice("anna-3")))
    assert found.results[0].speaker == "anna", found
    assert [speaker.name for speaker in ask("list_").speakers] == ["anna"]
    assert len(ask("list_", speaker="anna").recordings) == 2
    asyncio.run(stream(url))
    ask("delete", speaker="anna")
    refused = ask("verify", status=404, speaker="anna", body=models.VerifyBody(recording=voice("anna-3")))
    assert refused.code == "unknown_speaker", refused


async def stream(url):
    """20 ms at a time, then the end."""
    with wave.open(str(VOICES / "anna-3.wav")) as file:
        rate_hz, samples = file.getframerate(), file.readframes(file.getnframes())
    block = 2 * rate_hz // 50
    address = f"{url.replace('http', 'ws', 1)}/v1/stream?speaker=anna&rate={rate_hz}"
    async with websockets.connect(address) as socket:
        try:
            for at in range(0, len(samples), block):
                await socket.send(samples[at : at + block])
            await socket.send("end")
        except websockets.ConnectionClosed:
            pass  # the voice was clear before the end
        states = [json.loads(state) async for state in socket]
    assert states[-1]["decision"] == "accept", states[-1]


with tempfile.TemporaryDirectory() as folder:
    folder = Path(folder)
    generate(folder)
    command = [sys.argv[1], "serve", "--listen", "127.0.0.1:0", "--store", str(folder / "store.sqlite"), "--quiet"]
    service = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        port = int(service.stdout.readline().rsplit(":", 1)[1])
        drive(f"http://127.0.0.1:{port}")
    finally:
        service.terminate()
        service.wait(timeout=60)
print("the generated client got every answer")
