"""The disk cache: damaged files are not used."""

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
