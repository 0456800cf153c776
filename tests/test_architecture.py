"""Who may import whom, and what may be named where: docs/architecture.md, enforced."""

import ast
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest

import egtensor.lang.ops
from egtensor.lang.op import OPS, Body, Leaf, Library, Region
from egtensor.lang.prim import PRIMS

assert egtensor.lang.ops, "importing it registers the operators"
ROOT = Path(__file__).parents[1]

# A package may import those named here, and whatever they may import.
MAY_IMPORT = {
    "errors": (),
    "config": ("errors",),
    "lang": ("config",),
    "diff": ("lang",),
    "rules": ("lang",),
    "extract": ("rules",),
    "kernels": ("extract",),
    "emit_c": ("kernels",),
    "emit_cuda": ("kernels",),
    "rules_catalog": ("rules",),
}
# Imports upwards, made when called: Expr.eval compiles; differentiating a loop differentiates its body.
UPWARDS = {
    "egtensor/lang/expr.py": {"function"},
    "egtensor/lang/ops/region.py": {"diff"},
}
# A library, and the only files and folders that may import it.
ONLY_IN = {
    "egglog": ("egtensor/rules/egraph.py", "egtensor/doctor.py"),
    "cffi": ("egtensor/emit_c/",),
    "cupy": ("egtensor/emit_cuda/",),
    "cuda": ("egtensor/emit_cuda/",),
    "hypothesis": ("egtensor/testing",),
    "sympy": (
        "egtensor/testing",
        "egtensor/__main__.py",
        "egtensor/interop/",
        "egtensor/rules/model.py",
        "egtensor/rules/prove.py",
    ),
    "mpmath": (
        "egtensor/testing",
        "egtensor/__main__.py",
        "egtensor/extract/",
        "egtensor/lang/interpret.py",
        "egtensor/rules/model.py",
    ),
}
# Optional libraries are imported when called, never when the module is.
WHEN_CALLED = {"cupy", "cuda", "sympy", "matplotlib"}
# The language of catalogue files says how they spell operators.
SPELLING = Path("egtensor/rules/dsl.py")
# Names a stage may know, although some operators are named after them.
KINDS = {kind.__name__.lower() for kind in get_args(Body)}
LEAVES = {op.body.kind for op in OPS.values() if isinstance(op.body, Leaf | Region)}
ROUTINES = {op.body.routine for op in OPS.values() if isinstance(op.body, Library)}
KNOWN = KINDS | LEAVES | ROUTINES | set(PRIMS)
NAMELESS = ("rules", "extract", "kernels", "emit_c", "emit_cuda")

FILES = sorted(
    path.relative_to(ROOT)
    for folder in ("egtensor", "rules_catalog")
    for path in (ROOT / folder).rglob("*.py")
)
CATALOGUE = [p for p in FILES if p.parts[0] == "rules_catalog" and p.name != "__init__.py"]
STAGES = [p for p in FILES if p.parts[1] in NAMELESS and p != SPELLING]


def tree(path: Path) -> ast.Module:
    return ast.parse((ROOT / path).read_text(encoding="utf-8"))


def imports(body: ast.AST) -> Iterator[str]:
    """The dotted names that ``body`` imports, at any depth."""
    for item in ast.walk(body):
        if isinstance(item, ast.Import):
            yield from (alias.name for alias in item.names)
        elif isinstance(item, ast.ImportFrom):
            yield from (f"{item.module}.{alias.name}" for alias in item.names)


def imports_at_the_top(module: ast.Module) -> Iterator[str]:
    for item in module.body:
        if isinstance(item, ast.Import | ast.ImportFrom):
            yield from imports(item)


def libraries(names: Iterator[str]) -> set[str]:
    return {name.split(".")[0] for name in names}


def layer(dotted: str) -> str | None:
    """The layer of ``egtensor.lang.op`` is ``lang``; None stands for other people's libraries."""
    first, *rest = dotted.split(".")
    if first == "rules_catalog":
        return first
    return (rest[0] if rest else "__init__") if first == "egtensor" else None


def layer_of_file(path: Path) -> str:
    return path.parts[0] if path.parts[0] == "rules_catalog" else path.with_suffix("").parts[1]


def below(start: str) -> set[str]:
    """``start`` and every layer it may import."""
    return {start}.union(*map(below, MAY_IMPORT[start]))


def strings(module: ast.Module) -> Iterator[ast.Constant]:
    """The string literals of a module that are not docstrings."""
    docstrings = {
        id(holder.body[0].value)
        for holder in ast.walk(module)
        if isinstance(holder, ast.Module | ast.ClassDef | ast.FunctionDef)
        and isinstance(holder.body[0], ast.Expr)
    }
    for item in ast.walk(module):
        is_text = isinstance(item, ast.Constant) and isinstance(item.value, str)
        if is_text and id(item) not in docstrings:
            yield item


@pytest.mark.parametrize("path", [p for p in FILES if layer_of_file(p) in MAY_IMPORT], ids=str)
def test_a_layer_imports_only_the_layers_below(path):
    own = layer_of_file(path)
    module = tree(path)
    used = {layer(name) for name in imports(module)} - {None}
    if above := UPWARDS.get(str(path)):
        assert not above & {layer(name) for name in imports_at_the_top(module)}
        used -= above
    assert used <= below(own), f"{path} imports {sorted(used - below(own))}"


def test_the_layers_have_no_cycle():
    for one, other in itertools.combinations(MAY_IMPORT, 2):
        assert not (other in below(one) and one in below(other))


@pytest.mark.parametrize("library", ONLY_IN)
def test_a_library_is_imported_only_where_it_belongs(library):
    guests = [
        str(path)
        for path in FILES
        if library in libraries(imports(tree(path))) and not str(path).startswith(ONLY_IN[library])
    ]
    assert guests == []


@pytest.mark.parametrize("path", FILES, ids=str)
def test_optional_libraries_are_imported_when_called(path):
    assert not WHEN_CALLED & libraries(imports_at_the_top(tree(path)))


@pytest.mark.parametrize("path", FILES, ids=str)
def test_imports_are_absolute_and_spelled_out(path):
    for item in ast.walk(tree(path)):
        if isinstance(item, ast.ImportFrom):
            assert item.level == 0, f"{path}:{item.lineno}: relative import"
            assert item.names[0].name != "*", f"{path}:{item.lineno}: star import"


@pytest.mark.parametrize("path", STAGES, ids=str)
def test_no_stage_names_an_operator(path):
    operators = set(OPS) - KNOWN
    named = [f"{path}:{s.lineno}: {s.value}" for s in strings(tree(path)) if s.value in operators]
    assert named == [], "match on the kind of body instead"


@pytest.mark.parametrize("path", FILES, ids=str)
def test_every_module_says_what_it_is_for(path):
    assert ast.get_docstring(tree(path)), f"{path} has no docstring"


@pytest.mark.parametrize("path", CATALOGUE, ids=str)
def test_a_catalogue_file_is_a_docstring_an_import_a_family_and_rules(path):
    docstring, imported, family, *rules = tree(path).body
    assert isinstance(docstring, ast.Expr)
    assert isinstance(docstring.value, ast.Constant)
    assert isinstance(imported, ast.ImportFrom)
    assert imported.module == "egtensor.rules.dsl"
    assert ast.unparse(family) == f"F = Family({path.stem!r})"
    for rule in rules:
        assert ast.unparse(rule).startswith(("F.rule(", "F.refuted(")), f"{path}:{rule.lineno}"


@pytest.mark.parametrize("path", CATALOGUE, ids=str)
def test_the_columns_of_a_catalogue_are_aligned_by_hand(path):
    assert "# fmt: off" in (ROOT / path).read_text(encoding="utf-8").splitlines()
