"""What the documents say is true: dependencies, the example of the README, links, commands."""

import contextlib
import io
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])


def text(name):
    return (ROOT / name).read_text(encoding="utf-8")


def bare(requirement):
    return re.match(r"[\w.-]+", requirement)[0]


def test_every_dependency_is_explained():
    project = tomllib.loads(text("pyproject.toml"))["project"]
    extras = project["optional-dependencies"].values()
    required = [*project["dependencies"], *(r for extra in extras for r in extra)]
    assert all(">=" in r for r in required)
    explained = re.findall(r"`([\w.-]+)`", text("docs/dependencies.md"))
    assert {bare(r) for r in required} <= set(explained)


def test_the_example_of_the_readme_prints_what_it_says():
    program, printed = re.search(
        r"```python\n(.*?)```.*?```\n(.*?)```", text("README.md"), re.S
    ).groups()
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(program, "README.md", "exec"), {})
    assert out.getvalue() == printed


def programs():
    """Whole programs in documents: they begin with an import."""
    for path in DOCUMENTS:
        for k, block in enumerate(re.findall(r"```python\n(.*?)```", text(path), re.S)):
            if block.startswith("import"):
                yield pytest.param(block, id=f"{path.stem}-{k}")


@pytest.mark.parametrize("program", list(programs()))
def test_programs_in_documents_run(program, tmp_path):
    environment = os.environ | {"PYTHONPATH": str(ROOT), "EGTENSOR_CACHE_DIR": str(tmp_path)}
    command = [sys.executable, "-W", "error", "-c", program]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_between_documents_lead_somewhere(path):
    targets = re.findall(r"\]\((?!https?:)([^)#]+)", path.read_text(encoding="utf-8"))
    assert [t for t in targets if not (path.parent / t).exists()] == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda p: str(p.relative_to(ROOT)))
def test_commands_in_documents_exist(path):
    made = set(re.findall(r"\bmake ([a-z]+)\b", path.read_text(encoding="utf-8")))
    targets = set(re.findall(r"^([a-z]+):", text("Makefile"), re.M))
    assert {m for m in made if m not in {"it", "sure"}} <= targets
