"""The disk cache: damaged files are not used."""

import os

import numpy as np
import pytest

import egtensor as et


@pytest.mark.parametrize("damage", ["truncated", "a digit", "empty", "no JSON", "binary"])
def test_a_damaged_cache_file_is_not_used(damage, tmp_path):
    def compiled():
        x = et.vector("x")
        return et.function([x], et.exp(x * 1.234375))

    with et.config.set(cache_dir=tmp_path):
        compiled()
        (file,) = (tmp_path / "programs").glob("*.json")
        good = file.read_bytes()
        bad = {
            "truncated": good[: len(good) // 2],
            "a digit": good.replace(b"1.234375", b"1.234376").replace(b"0x1.3c", b"0x1.3d"),
            "empty": b"",
            "no JSON": good.partition(b"\n")[0],
            "binary": b"\xff\x00",
        }[damage]
        assert bad != good
        file.write_bytes(bad)
        fn = compiled()
        assert not fn.report.cached
        np.testing.assert_allclose(fn(np.ones(2)), np.exp(1.234375))
        assert compiled().report.cached


@pytest.mark.parametrize("kind", ["index", "size"])
def test_errors_of_cached_functions_name_the_lines_of_this_program(kind, tmp_path):
    x, i, y = et.vector("x"), et.lvector("i"), et.vector("y")

    def compiled(after):
        body = "x[i] * 3" if kind == "index" else "(x + y) * 3"
        made = {"x": x, "i": i, "y": y, "et": et}
        code = "\n" * after + f"e = {body}\nf = et.function([x, i, y], e, on_unused_input='ignore')"
        x2, y2 = et.vector("x"), et.vector("y")
        made.update(x=x2, y=y2)
        exec(compile(code, f"file{after}.py", "exec"), made)
        return made["f"]

    with et.config.set(cache_dir=tmp_path):
        for k, after in enumerate((0, 7)):
            fn = compiled(after)
            assert fn.report.cached is (k == 1)
            with pytest.raises(et.errors.EgTensorError, match=rf"at file{after}.py:{after + 1}"):
                fn(np.ones(3), np.array([5]), np.ones(2))


def test_what_a_killed_compiler_left_is_swept(tmp_path):
    native = tmp_path / "native"
    old, new = native / "old.part", native / "new.part"
    for folder in (old, new):
        folder.mkdir(parents=True)
    os.utime(old, (0, 0))
    with et.config.set(cache_dir=tmp_path):
        x = et.vector("x")
        et.function([x], et.exp(x) * 7)
    assert not old.exists()
    assert new.exists()
