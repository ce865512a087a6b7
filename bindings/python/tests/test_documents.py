"""The examples of the documents and the notebook run."""

import json
import re
import shutil
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1]
REPOSITORY = PACKAGE.parents[1]


@pytest.mark.parametrize("path", [REPOSITORY / "docs" / "python.md", PACKAGE / "README.md"], ids=lambda p: p.name)
def test_the_examples_of_a_document_run(path, voice, tmp_path, monkeypatch):
    pytest.importorskip("numpy")
    for name in ["anna-1", "anna-2", "anna-3", "boris-1", "silence"]:
        shutil.copy(voice(name), tmp_path)
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"^```python\n(.*?)^```", path.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert blocks
    run(blocks, path)


def test_the_notebook_runs(monkeypatch):
    pytest.importorskip("numpy")
    pytest.importorskip("pandas")
    path = PACKAGE / "examples" / "verify.ipynb"
    monkeypatch.chdir(path.parent)
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    run(["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"], path)


def run(blocks, path):
    names = {}
    for number, block in enumerate(blocks, 1):
        exec(compile(block, f"{path.name}, block {number}", "exec"), names)
