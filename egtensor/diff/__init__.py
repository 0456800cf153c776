"""Derivatives: traversals of expressions; the derivative of an operator is in its record."""
