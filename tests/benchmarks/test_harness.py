"""The benchmarks run, and judge what they measure."""

import doctest
import json
from dataclasses import replace
from importlib.util import find_spec

import numpy as np
import pytest

from benchmarks import blocks, report, worker
from benchmarks.blocks import Block, ratio_interval, sample
from benchmarks.campaign import SHORT, measure
from benchmarks.ceilings import roofline
from benchmarks.peers import OURS, OURS_WITHOUT_RULES, numpy_peer
from benchmarks.report import markdown
from benchmarks.running import Effort
from benchmarks.workloads import (
    CALL_CASES,
    COMPILE_CASES,
    MEMORY_CASES,
    RUN_CASES,
    SHORT_CASES,
    WORKLOADS,
    case,
    expected_of,
    inputs_of,
)

ALL_CASES = (*CALL_CASES, *RUN_CASES, *COMPILE_CASES, *MEMORY_CASES, *SHORT_CASES)
QUICK = Effort(block_seconds=0.001, wanted=2, rounds=2, budget=0.1)


def test_short_form_measures_numpy_and_reports_it(tmp_path):
    out = tmp_path / "short.json"
    campaign = replace(SHORT, sections=("call", "run"), run_cases=SHORT_CASES[1:3], effort=QUICK)
    result = measure(campaign, out)
    assert json.loads(out.read_text()) == json.loads(json.dumps(result))
    assert out.with_suffix(".md").read_text() == markdown(result) + "\n"
    for row in (*result["call"], *result["run"]):
        assert row["peers"]["numpy"]["wrong"] == ""
        assert row["peers"]["numpy"]["seconds"] > 0


def test_results_hold_no_path(tmp_path):
    out = tmp_path / "short.json"
    measure(replace(SHORT, sections=("call",), peers=("numpy",), effort=QUICK), out)
    assert str(tmp_path) not in out.read_text()


@pytest.mark.skipif(
    find_spec("egtensor.emit_c._runtime") is None or find_spec("egtensor.emit_c.build") is None,
    reason="the C back end of egtensor is not built",
)
def test_egtensor_is_right_with_and_without_rules(tmp_path):
    peers = (OURS, OURS_WITHOUT_RULES)
    campaign = replace(SHORT, sections=("run",), peers=peers, effort=QUICK)
    for row in measure(campaign, tmp_path / "short.json")["run"]:
        for name in peers:
            assert row["peers"][name].get("wrong") == "", (row["case"], row["peers"][name])


@pytest.mark.parametrize("chosen", SHORT_CASES, ids=lambda chosen: chosen.name)
def test_reference_gives_one_result_per_output_and_state(chosen):
    result = numpy_peer.build(chosen, inputs_of(chosen))()
    state = WORKLOADS[chosen.workload].state
    assert len(result) == (1 + len(state) if state else 1)
    for value, expected in zip(result, expected_of(chosen), strict=True):
        np.testing.assert_allclose(value, expected, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("module", [blocks, report, worker], ids=["blocks", "report", "worker"])
def test_examples_in_docstrings_hold(module):
    assert doctest.testmod(module).failed == 0


def test_inputs_are_the_same_in_every_draw():
    chosen = case("softmax", "float32", m=4, n=4)
    np.testing.assert_array_equal(inputs_of(chosen)["x"], inputs_of(chosen)["x"])


def test_names_of_cases_are_unique_in_a_section():
    for section in (CALL_CASES, RUN_CASES, COMPILE_CASES, MEMORY_CASES, SHORT_CASES):
        assert len({chosen.name for chosen in section}) == len(section)


@pytest.mark.parametrize("chosen", ALL_CASES, ids=lambda chosen: chosen.name)
def test_least_time_follows_the_ceilings(chosen):
    ceilings = {"float32": 2e11, "float64": 1e11, "L1": 4e11, "L2": 2e11, "L3": 1e11, "DRAM": 5e10}
    least = roofline(chosen, ceilings)
    doubled = roofline(chosen, {name: 2 * rate for name, rate in ceilings.items()})
    assert least.seconds == pytest.approx(2 * doubled.seconds)
    assert least.bound == doubled.bound


def test_undisturbed_blocks_are_preferred():
    calm = [Block(wall=1.0, cpu=1.0, waiting=0.0)] * 3
    disturbed = [Block(wall=5.0, cpu=1.0, waiting=0.8)] * 9
    assert sample(disturbed + calm, threads=1) == [1.0, 1.0, 1.0]


def test_cpu_time_stands_in_for_disturbed_blocks_of_one_thread():
    disturbed = [Block(wall=5.0, cpu=1.0, waiting=0.8)] * 4
    assert sample(disturbed, threads=1) == [1.0] * 3
    assert sample(disturbed, threads=2) == [5.0] * 3


def test_interval_holds_the_true_ratio():
    generator = np.random.default_rng(3)
    ours, theirs = (generator.normal(mean, 0.05, 40) for mean in (2.0, 1.0))
    interval = ratio_interval(ours, theirs)
    assert interval.low < 2.0 < interval.high
    assert interval.low < interval.ratio < interval.high


def test_wrong_results_are_not_ranked():
    good = {"seconds": 2e-3, "sample": [2e-3] * 3, "wrong": "", "undisturbed": 3}
    wrong = {"seconds": 1e-3, "sample": [1e-3] * 3, "wrong": "error 1e+00", "undisturbed": 3}
    row = {"case": "a[float64]", "peers": {"numpy": wrong, OURS: good}}
    conditions = {
        "date": "2000-01-01",
        "threads": 1,
        "machine": {"processor": "any", "cores": 1, "vectors": "sse2"},
        "versions": {},
        "ceilings": {},
    }
    text = markdown(conditions | {"run": [row]})
    assert "| wrong | **2 ms** |" in text
