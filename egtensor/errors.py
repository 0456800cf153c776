"""Every error egtensor raises: one class per stage, each also the builtin a user expects.

A message has three parts: what went wrong and where, with types printed; the rule that was broken;
``fix:`` and what to do about it.
"""


class EgTensorError(Exception):
    """The base of all errors of egtensor."""


class TypeRuleError(EgTensorError, TypeError):
    """Operands whose types an operator cannot accept."""


class ShapeError(EgTensorError, ValueError):
    """Sizes, axes or indices that do not fit."""


class IndexingError(ShapeError, IndexError):
    """An index that does not fit the tensor it is applied to."""


class InputError(EgTensorError, TypeError, ValueError):
    """An argument of a compiled function that does not fit its declaration."""


class FunctionError(EgTensorError, ValueError):
    """``function`` was called with inputs, outputs, updates or givens that do not fit together."""


class GradientError(EgTensorError, TypeError, ValueError):
    """A derivative that does not exist or was asked for wrongly."""


class RuleError(EgTensorError, ValueError):
    """A rewrite rule that is not well-formed."""


class ContradictionError(EgTensorError):
    """Rules that made two different things equal."""


class EngineError(EgTensorError, RuntimeError):
    """The e-graph engine failed; the program as written is used instead."""


class VerifyError(EgTensorError):
    """An intermediate form that breaks its own invariant: a defect of egtensor."""


class CompileError(EgTensorError, RuntimeError):
    """The C or CUDA compiler failed or is missing."""


class ExecutionError(EgTensorError, ValueError, ArithmeticError):
    """A compiled function met data it cannot compute with."""


class IndexOutOfBoundsError(ExecutionError, IndexError):
    """An index array that points outside the axis it indexes."""


class ConfigError(EgTensorError, ValueError):
    """A setting that is not known or has no valid value."""


class UnsupportedError(EgTensorError, NotImplementedError):
    """Something NumPy has and egtensor does not have yet; the message names it."""
