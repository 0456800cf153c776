"""Scalar primitives: names and typing."""

import numpy as np
import pytest

from egtensor.lang.prim import DTYPES, PRIMS


@pytest.mark.parametrize("prim", PRIMS.values(), ids=str)
def test_a_primitive_is_registered_under_its_name_and_types_for_every_dtype_of_its_kinds(prim):
    assert PRIMS[prim.name] is prim
    accepted = [dtype for dtype in DTYPES if prim.accepts(dtype)]
    assert {dtype.kind for dtype in accepted} == set(prim.kinds)
    for dtype in accepted:
        assert len(prim.operand_dtypes(dtype)) == prim.arity
        assert prim.result_dtype(dtype, to=np.dtype(np.int16)) in DTYPES


def test_no_dtype_outside_the_list_is_accepted():
    assert not PRIMS["add"].accepts(np.dtype(np.float16))
    assert not PRIMS["select"].accepts(np.dtype(object))


def test_select_and_ldexp_mix_dtypes():
    f, b, i = np.dtype(np.float32), np.dtype(np.bool_), np.dtype(np.int32)
    assert PRIMS["select"].operand_dtypes(f) == (b, f, f)
    assert PRIMS["ldexp"].operand_dtypes(f) == (f, i)
    assert PRIMS["frexp_exponent"].result_dtype(f) == i
