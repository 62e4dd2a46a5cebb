"""Means of paired differences over cells and seeds, with 95 % intervals."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

#: Quantile 97.5 % of Student's t with 1, 2, ... degrees of freedom; beyond these that of the
#: normal.
T975 = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228,
        2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086,
        2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042)  # fmt: skip
NORMAL975 = 1.960
#: Of single seeds, for an interval over cells.
FEWEST_CELLS = 4


@dataclass(frozen=True)
class Mean:
    """A mean with half the width of its 95 % interval, NaN where it cannot be known."""

    value: float
    half: float
    count: int

    @property
    def is_beyond_chance(self) -> bool:
        """The interval leaves out 0."""
        return abs(self.value) > self.half

    def text(self, scale: float = 1, digits: int = 2) -> str:
        """`+1.23 ± 0.45`; empty without values."""
        if self.count == 0:
            return ""
        value = f"{scale * self.value:+.{digits}f}"
        return value if math.isnan(self.half) else f"{value} ± {scale * self.half:.{digits}f}"


def quantile(freedom: int) -> float:
    return T975[freedom - 1] if freedom <= len(T975) else NORMAL975


def mean_of(values: Iterable[float | None]) -> float | None:
    """The mean; None without values, or where one is None."""
    numbers = list(values)
    if not numbers or any(v is None for v in numbers):
        return None
    return sum(v for v in numbers if v is not None) / len(numbers)


def pooled(differences: Mapping[str, Sequence[float]]) -> Mean:
    """Mean over cells of the differences of their seeds.

    The cells are those that were chosen, so the interval is about other seeds: the variance of a
    seed within its cell is pooled over all cells, s^2 = sum (d - mean of its cell)^2 / sum (seeds -
    1), and the mean of the cells' means has the variance mean over cells of s^2 / seeds, divided by
    the number of cells. Where no cell has two seeds, but FEWEST_CELLS are there, the interval is
    that of the mean over cells drawn at random; fewer have none.
    """
    cells = [list(values) for values in differences.values() if values]
    means = [sum(values) / len(values) for values in cells]
    count = len(means)
    if count == 0:
        return Mean(math.nan, math.nan, 0)
    value = sum(means) / count
    freedom = sum(len(values) - 1 for values in cells)
    if freedom > 0:
        squares = sum((d - m) ** 2 for values, m in zip(cells, means, strict=True) for d in values)
        variance = squares / freedom * sum(1 / len(values) for values in cells) / count**2
    elif count >= FEWEST_CELLS:
        freedom = count - 1
        variance = sum((m - value) ** 2 for m in means) / freedom / count
    else:
        return Mean(value, math.nan, count)
    return Mean(value, quantile(freedom) * math.sqrt(variance), count)
