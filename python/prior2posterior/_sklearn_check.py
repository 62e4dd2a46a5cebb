"""Whether posteriors of labelled rows carry the prior that a correction would divide out."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._core import ClassPrior, Correction
from ._correct import correct

__all__ = ["missing_prior", "worse_than_none"]

_CARRIED = 0.7  # kCarriedSlope of p2p/select.hpp
_BALANCED = 0.1  # kBalancedSlope of p2p/inspect.hpp
_MEMORISED = 0.98  # kMemorised of p2p/select.hpp
_NOTABLE = {"NLL": 0.05, "error": 0.02}  # kNotableGain and kNotableScoreGain of p2p/select.hpp
_CLOSE = 0.9  # a slope of log q that leaves no doubt, whatever the residual slope


def _slope(values: NDArray[np.float64], counts: NDArray[np.float64]) -> float | None:
    """Least-squares slope of log values on log counts; None where the counts hardly differ."""
    used = (counts > 0) & (values > 0)
    x, y = np.log(counts[used]), np.log(values[used])
    if x.size < 2 or np.ptp(x) < np.log(2):
        return None
    x -= x.mean()
    return float(x @ (y - y.mean()) / (x @ x))


def missing_prior(
    prior: ClassPrior, posteriors: NDArray[Any], numbers: NDArray[np.int64], weights: Any
) -> str | None:
    """Say why the scores seem not to carry the training prior; None where they do.

    log q rises with log pi by 1 for scores trained as stated, and by less where weights, samplers
    or an earlier correction have taken the prior out (docs/method.md, sections 2 and 6).

    Parameters
    ----------
    prior
        Measured on these rows.
    posteriors, numbers, weights
        Of the rows, shape (rows, C); their classes; how much each counts, or None.
    """
    counts = prior.counts
    if counts is None:
        return None
    carried = _slope(prior.effective, counts)
    if carried is None:
        return None
    if carried < _CARRIED:
        return (
            f"log q rises with the log class frequencies by {carried:.2f} only (1 is expected, "
            f"below {_CARRIED:g} is suspicious)"
        )
    if carried >= _CLOSE:
        return None
    adjusted = posteriors * np.exp(prior.training_offset - prior.training_offset.max())
    adjusted = adjusted / adjusted.sum(axis=1, keepdims=True)
    if np.square(adjusted).sum(axis=1).mean() > _MEMORISED:
        return None  # memorised rows are balanced whatever the model believes
    of_class = [
        np.average(adjusted[numbers == c], axis=0, weights=_of(weights, numbers == c))
        for c in np.unique(numbers if weights is None else numbers[weights > 0])
    ]
    left = _slope(np.mean(of_class, axis=0), counts)
    if left is not None and left <= _BALANCED:
        return f"the scores are balanced already (residual slope {left:.2f}, 1 is all of the prior)"
    return None


def worse_than_none(
    correction: Correction, posteriors: NDArray[Any], numbers: NDArray[np.int64], weights: Any
) -> str | None:
    """Say by what a correction is worse than none on labelled rows, weighted to its target.

    Worse is a notable loss, and more than its paired standard error, in NLL or in accuracy.

    Parameters
    ----------
    correction
        What is to be judged.
    posteriors, numbers, weights
        Of the rows, as for :func:`missing_prior`.
    """
    if correction.is_identity:
        return None
    own = np.bincount(numbers, weights, correction.delta.size)
    target = correction.target if correction.target.size else np.ones(own.size)
    share = (target / np.where(own > 0, own, np.inf))[numbers] * (1 if weights is None else weights)
    share = share / share.sum()
    corrected = np.asarray(correct(posteriors, correction, input="probs"), np.float64)
    rows = np.arange(numbers.size)
    for name, before, after in (
        ("NLL", _nll(posteriors[rows, numbers]), _nll(corrected[rows, numbers])),
        ("error", posteriors.argmax(1) != numbers, corrected.argmax(1) != numbers),
    ):
        change = after.astype(np.float64) - before
        mean = float(share @ change)
        deviation = np.sqrt(float(np.square(share) @ np.square(change - mean)))
        if mean > max(deviation, _NOTABLE[name]):
            return f"{name} {float(share @ before):.3f} -> {float(share @ after):.3f}"
    return None


def _nll(own: NDArray[Any]) -> NDArray[np.float64]:
    values: NDArray[np.float64] = -np.log(np.maximum(own.astype(np.float64), 1e-38))
    return values


def _of(weights: Any, rows: NDArray[np.bool_]) -> Any:
    return None if weights is None else weights[rows]
