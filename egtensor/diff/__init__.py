"""Derivatives of expressions: reverse and forward mode, from the derivatives in the operator records."""
