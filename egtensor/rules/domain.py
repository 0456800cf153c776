"""What rules promise."""

from enum import Enum


class Domain(Enum):
    """What a rule promises; ``allow`` names the largest domain whose rules may be used."""

    EXACT = "exact"
    MODULAR = "modular"
    SHAPE = "shape"
    REAL = "real"
    STABLE = "stable"
    FINITE = "finite"

    def __str__(self) -> str:
        return self.name


EXACT, MODULAR, SHAPE, REAL, STABLE, FINITE = Domain
