"""Builds are cached by content, survive crashes and full disks, and say what is missing."""

import multiprocessing
import subprocess
import warnings

import pytest

from egtensor.emit_c import build as module
from egtensor.emit_c.build import build
from egtensor.errors import CompileError
from egtensor.kernels.target import Source

GOOD = Source("int egt_main(void) { return 7; }\n", ("-O1", "-shared", "-fPIC"))


def files(folder):
    return sorted(p.name for p in folder.rglob("*") if p.is_file())


def test_a_source_is_compiled_once(tmp_path, monkeypatch):
    assert build(GOOD, tmp_path).symbol("egt_main")
    assert len(files(tmp_path)) == 1
    monkeypatch.setattr(module, "_compile", None)
    assert build(GOOD, tmp_path).symbol("egt_main")


def test_a_damaged_file_is_built_again(tmp_path):
    build(GOOD, tmp_path)
    (path,) = (tmp_path / "native").iterdir()
    path.unlink()
    path.write_bytes(b"not a library")
    assert build(GOOD, tmp_path).symbol("egt_main")


def test_other_text_and_other_flags_are_other_files(tmp_path):
    build(GOOD, tmp_path)
    build(Source(GOOD.text + "/* */", GOOD.flags), tmp_path)
    build(Source(GOOD.text, (*GOOD.flags, "-g0")), tmp_path)
    assert len(files(tmp_path)) == 3


def test_a_failing_compiler_is_reported_and_leaves_nothing(tmp_path):
    with pytest.raises(CompileError, match="the C compiler failed"):
        build(Source("this is not C", GOOD.flags), tmp_path)
    assert files(tmp_path) == []


def test_no_compiler_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr(module.shutil, "which", lambda command: None)
    with pytest.raises(CompileError, match="fix: install gcc"):
        build(GOOD, tmp_path)


def test_an_interrupted_build_leaves_nothing(tmp_path, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(subprocess.Popen, "communicate", interrupted)
    with pytest.raises(KeyboardInterrupt):
        build(GOOD, tmp_path)
    assert list((tmp_path / "native").iterdir()) == []


def test_an_unusable_directory_gives_one_warning_and_a_private_one(tmp_path, monkeypatch):
    file = tmp_path / "file"
    file.write_text("")
    module._warned.clear()
    with pytest.warns(UserWarning, match="compiled functions are not kept"):
        assert build(GOOD, file).symbol("egt_main")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert build(GOOD, file).symbol("egt_main")


def _build_in(folder):
    return bool(build(GOOD, folder).symbol("egt_main"))


def test_processes_may_build_the_same_at_once(tmp_path):
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        assert all(pool.map(_build_in, [tmp_path] * 6))
    assert len(files(tmp_path)) == 1
