"""Corrections that also scale the scores: temperatures, of each class or of all."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.optimize
from gaussian import Floats, Ints, normalised
from network import Rows, log_mean_posterior


@dataclass(frozen=True)
class Correction:
    """z' = scale * z + delta; of scores without their mean where every class has its scale."""

    delta: Floats
    scale: Floats | float = 1.0

    def of(self, scores: Floats) -> Floats:
        """Log posteriors."""
        if not np.isscalar(self.scale):
            scores = centred(scores)
        return normalised(scores * self.scale + self.delta)


def centred(scores: Floats) -> Floats:
    result: Floats = scores - scores.mean(axis=1, keepdims=True)
    return result


def judged(correction: Correction, rows: Rows) -> dict[str, float]:
    """Mean recall and NLL of corrected rows, every class of equal weight."""
    log_p = correction.of(rows.scores)
    weight = 1.0 / np.bincount(rows.labels, minlength=log_p.shape[1])[rows.labels]
    weight /= weight.sum()
    right = log_p.argmax(axis=1) == rows.labels
    own = log_p[np.arange(len(rows.labels)), rows.labels]
    return {"accuracy": float(weight @ right), "nll": -float(weight @ own)}


def best_temperature(scores: Floats, labels: Ints, offset: Floats | float = 0.0) -> float:
    """T that makes softmax(scores / T + offset) likeliest."""

    def loss(log_t: float) -> float:
        log_p = normalised(scores * np.exp(-log_t) + offset)
        return -float(log_p[np.arange(len(labels)), labels].mean())

    found = scipy.optimize.minimize_scalar(loss, bounds=(-3, 8), method="bounded")
    return float(np.exp(found.x))


def stretched(scores: Floats, counts: Floats, offset: Floats, gamma: float) -> Correction:
    """P2P of scores times (n_max / n_c)^gamma: the post-hoc form of VS loss (Kini et al. 2021)."""
    scale = (counts.max() / counts) ** gamma
    delta = offset - log_mean_posterior(centred(scores) * scale + offset)
    return Correction(delta, scale)


def p2p_at_temperature(scores: Floats, labels: Ints, offset: Floats) -> Correction:
    """P2P of z / T, T the likeliest one for softmax(z / T + b)."""
    t = best_temperature(scores, labels, offset)
    return Correction(offset - log_mean_posterior(scores / t + offset), 1 / t)


def vector_scaling(scores: Floats, labels: Ints, offset: Floats, counts: Floats) -> Correction:
    """The likeliest softmax(w z + delta) of labelled rows, every class of equal weight.

    A weak pull, worth one row of each class, towards P2P by the class frequencies keeps classes
    without rows where they are.
    """
    rows, classes = scores.shape
    z = centred(scores)
    of_class = np.bincount(labels, minlength=classes)
    weight = 1.0 / of_class[labels] / classes
    index = np.arange(rows)
    start = offset - np.log(counts)
    start = start - start.mean()
    penalty = 1.0 / (1 + of_class) / classes

    def loss(flat: Floats) -> tuple[float, Floats]:
        w, delta = flat[:classes], flat[classes:]
        log_p = normalised(w * z + delta)
        residual = np.exp(log_p)
        residual[index, labels] -= 1
        residual *= weight[:, None]
        pull_w, pull_delta = (w - 1) * penalty, (delta - start) * penalty
        gradient = np.concatenate([(residual * z).sum(0) + pull_w, residual.sum(0) + pull_delta])
        value = -(weight * log_p[index, labels]).sum()
        value += ((w - 1) @ pull_w + (delta - start) @ pull_delta) / 2
        return float(value), gradient

    first = np.concatenate([np.ones(classes), start])
    found = scipy.optimize.minimize(loss, first, jac=True, method="L-BFGS-B")
    return Correction(found.x[classes:], found.x[:classes])
