"""Classes that are Gaussian with one covariance, so that every posterior is known exactly."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def long_tail(classes: int, most: int, imbalance: float) -> Ints:
    """n_c = int(most * imbalance^(-c / (C - 1))), at least 1."""
    powers = np.arange(classes) / (classes - 1)
    return np.maximum(1, (most * imbalance**-powers + 1e-9).astype(np.int64))


def normalised(scores: Floats) -> Floats:
    """Log softmax of rows."""
    shifted = scores - scores.max(axis=1, keepdims=True)
    result: Floats = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return result


@dataclass(frozen=True)
class World:
    """Classes N(mean_c, I), of which training rows come in these counts.

    Parameters
    ----------
    means
        [C, d].
    counts
        [C].
    """

    means: Floats
    counts: Ints

    @property
    def prior(self) -> Floats:
        shares: Floats = self.counts / self.counts.sum()
        return shares

    def draw(self, labels: Ints, rng: np.random.Generator) -> Floats:
        rows: Floats = self.means[labels] + rng.standard_normal((len(labels), self.means.shape[1]))
        return rows

    def log_likelihood(self, rows: Floats) -> Floats:
        """log p(x | c) up to a constant of the row: the largest is the balanced Bayes rule's."""
        result: Floats = rows @ self.means.T - (self.means**2).sum(axis=1) / 2
        return result

    def log_posterior(self, rows: Floats, prior: Floats) -> Floats:
        """log p(c | x) where classes have this prior."""
        return normalised(self.log_likelihood(rows) + np.log(prior))


def world(counts: Ints, dimensions: int, spread: float, rng: np.random.Generator) -> World:
    """Means drawn from N(0, spread^2 I)."""
    return World(spread * rng.standard_normal((len(counts), dimensions)), counts)


def all_labels(counts: Ints) -> Ints:
    """Labels in the order of the classes, as many as `counts` says."""
    return np.repeat(np.arange(len(counts)), counts)


def noisy(log_posterior: Floats, noise: float) -> Floats:
    """Log posterior of labels of which the share `noise` is drawn anew from all classes alike."""
    classes = log_posterior.shape[1]
    result: Floats = np.log((1 - noise) * np.exp(log_posterior) + noise / classes)
    return result


def rectified(scores: Floats, labels: Ints, margin: float) -> Floats:
    """Scores whose true class leads by at least `margin`, as of rows that were learned by heart."""
    rows = np.arange(len(labels))
    others = scores.copy()
    others[rows, labels] = -np.inf
    result: Floats = scores.copy()
    result[rows, labels] = np.maximum(scores[rows, labels], others.max(axis=1) + margin)
    return result
