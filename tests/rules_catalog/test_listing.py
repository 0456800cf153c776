"""The printed catalogue is the one in docs/, and the rules that rest on samples are counted."""

from pathlib import Path

from egtensor.rules.listing import listing
from rules_catalog import families

ROOT = Path(__file__).parents[2]


def golden(path, text, request):
    if request.config.getoption("--update-golden"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert path.read_text(encoding="utf-8") == text, f"run pytest --update-golden, read {path.name}"


def test_the_documented_rules_are_those_of_the_catalogue(request):
    golden(ROOT / "docs" / "rules.md", listing(families(), []) + "\n", request)


def test_the_rules_that_rest_on_samples_are_listed(request):
    sampled = [f"{r}: {r.proved}" for f in families() for r in f if r.proved]
    golden(ROOT / "tests" / "golden" / "sampled_rules.txt", "\n".join(sampled) + "\n", request)
