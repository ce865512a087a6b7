"""The package itself: import time, documentation, types."""

import ast
import inspect
import re
import subprocess
import sys
from pathlib import Path

import spkver


def test_import_takes_no_other_package():
    """NumPy, pandas and polars would each take longer than spkver."""
    code = "import sys; before = set(sys.modules); import spkver; print(*set(sys.modules) - before)"
    words = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True)
    loaded = words.stdout.split()
    assert all(name.split(".")[0] in ("spkver", "collections", "heapq", "reprlib", "keyword", "operator", "itertools")
               or name.startswith("_") for name in loaded), loaded


def test_everything_public_says_what_it_is():
    for name in spkver.__all__:
        thing = getattr(spkver, name)
        if name == "__version__":
            assert re.fullmatch(r"\d+\.\d+\.\d+", thing)
            continue
        assert inspect.getdoc(thing), name
        if name == "Evaluation":
            continue
        for part, value in vars(thing).items():
            if not part.startswith("_"):
                assert part == "code" or inspect.getdoc(value), f"{name}.{part}"


def test_the_types_are_those_of_the_module():
    path = Path(spkver.__file__).with_name("__init__.pyi")
    assert path.with_name("py.typed").exists()
    classes = {}
    functions = {}
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.ClassDef):
            classes[node.name] = {part.name: part for part in node.body if isinstance(part, ast.FunctionDef)}
        elif isinstance(node, ast.FunctionDef):
            functions[node.name] = node
    assert set(classes) | set(functions) == set(spkver.__all__) - {"__version__"}
    for name, parts in classes.items():
        if name == "Evaluation" or name.endswith("Error"):
            continue
        cls = getattr(spkver, name)
        public = {part for part in vars(cls) if not part.startswith("_")}
        assert {part for part in parts if not part.startswith("_")} == public, name
        for part, node in parts.items():
            if part.startswith("_") or any(d.id == "overload" for d in node.decorator_list if isinstance(d, ast.Name)):
                continue
            if isinstance(inspect.getattr_static(cls, part), property) or not callable(getattr(cls, part)):
                continue
            assert names(node) == list(inspect.signature(getattr(cls, part)).parameters), f"{name}.{part}"
    for name, node in functions.items():
        assert names(node) == list(inspect.signature(getattr(spkver, name)).parameters), name


def names(node):
    arguments = node.args
    return [argument.arg for argument in arguments.posonlyargs + arguments.args + arguments.kwonlyargs]
