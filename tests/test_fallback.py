"""When a stage fails, the program still runs, after one warning."""

import numpy as np
import pytest

import egtensor as et
from egtensor.errors import EngineError
from egtensor.rules import saturate
from egtensor.rules.dsl import REAL, Family, exp, x


def test_a_crash_of_the_engine_falls_back_to_the_program_as_written(monkeypatch):
    def crash(*_, **__):
        raise EngineError("the e-graph engine failed: boom\n  it is made anew\n  fix: report this")

    monkeypatch.setattr(saturate, "_optimised", crash)
    v = et.vector("v")
    with pytest.warns(RuntimeWarning, match="boom"):
        fn = et.function([v], et.grad(et.exp(v).sum(), v) * 1.125)
    np.testing.assert_allclose(fn([0.0, 1.0]), np.exp([0.0, 1.0]) * 1.125)


def test_contradicting_rules_are_named_and_not_used():
    family = Family("wrong")
    family.rule("exp-is-one", exp(x), "=>", x * 0 + 1, over=REAL, ref="none")
    family.rule("exp-is-two", exp(x), "=>", x * 0 + 2, over=REAL, ref="none")
    v = et.tensor("v", shape=(None,), range=(0, 1))
    with pytest.warns(RuntimeWarning, match="wrong/exp-is"):
        fn = et.function([v], et.exp(v) * 2.375, rules=et.rules.default() + family)
    np.testing.assert_allclose(fn([0.0, 1.0]), np.exp([0.0, 1.0]) * 2.375)
    assert fn.report.saturation.stopped == "contradiction"
    assert fn.report.saturation.fallbacks == 1


def test_derivatives_are_resolved_in_the_e_graph():
    v = et.vector("v")
    fn = et.function([v], et.grad((et.tanh(v) * et.exp(v)).sum(), v) * 1.0625)
    saturation = fn.report.saturation
    assert saturation.pullbacks == saturation.resolved > 0
    assert saturation.fallbacks == 0


def test_without_a_compiler_functions_are_interpreted_after_one_warning(monkeypatch):
    monkeypatch.setenv("PATH", "")
    v = et.vector("v")
    warned = pytest.warns(RuntimeWarning, match=r"no C compiler was found(.|\n)*install gcc")
    with et.config.set(cc=""), warned:
        fn = et.function([v], et.exp(v) * 7.1875)
    assert isinstance(fn, et.InterpretedFunction)
    np.testing.assert_allclose(fn([0.0]), [7.1875])


def test_an_unwritable_cache_is_reported_once(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("not a directory")
    v = et.vector("v")
    with et.config.set(cache_dir=blocked), pytest.warns(UserWarning, match="are not kept") as seen:
        fns = [et.function([v], et.exp(v) * k) for k in (1.03125, 1.0625)]
    assert len(seen) == 1
    for fn, k in zip(fns, (1.03125, 1.0625), strict=True):
        np.testing.assert_allclose(fn([0.0]), [k])
