"""egtensor with no rewrite rules: what fusion and code generation do alone."""

from functools import partial

import egtensor as et
from benchmarks.peers import _egtensor
from benchmarks.peers._egtensor import COMPILES_ON_FIRST_CALL, to_numpy, version

__all__ = ["COMPILES_ON_FIRST_CALL", "build", "to_numpy", "version"]

build = partial(_egtensor.build, rules=et.rules.none())
