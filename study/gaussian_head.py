"""Gaussian classes of one covariance in place of the last layer, with each row left out."""

from __future__ import annotations

import numpy as np
import scipy.linalg
from affine_fits import best_temperature
from gaussian import Floats, Ints, normalised
from network import Network, log_mean_posterior


def gaussian_scores(
    features: Floats, labels: Ints, classes: int, ridge: float, leave_out: bool
) -> Floats:
    """Log joint densities of Gaussian classes with one covariance, up to a constant, [N, C].

    Covariance (S + ridge I) / N, S the scatter within classes, and log n_c - |x - mean_c|^2 / 2 in
    its metric. `leave_out`: means, scatter and counts of row i come from the other rows, exactly:
    with r = x_i - mean_y and f = n_y / (n_y - 1) the scatter loses f r r^T, whose inverse is a
    rank-one update, and r becomes f r. A class of one row keeps its mean. O(N C d + d^3).
    """
    rows, width = features.shape
    counts = np.bincount(labels, minlength=classes).astype(float)
    means = np.zeros((classes, width))
    np.add.at(means, labels, features)
    means /= np.maximum(counts, 1)[:, None]
    own = features - means[labels]
    factor = scipy.linalg.cholesky(own.T @ own + ridge * np.eye(width), lower=True)

    def whiten(vectors: Floats) -> Floats:
        solved: Floats = scipy.linalg.solve_triangular(factor, vectors.T, lower=True).T
        return solved

    white, white_means = whiten(features), whiten(means)
    distance = (
        np.square(white).sum(1)[:, None]
        - 2 * white @ white_means.T
        + np.square(white_means).sum(1)[None]
    )
    with np.errstate(divide="ignore"):
        log_counts = np.log(counts)
    if not leave_out:
        joint: Floats = log_counts - rows / 2 * distance
        return joint
    n = counts[labels]
    several = n > 1
    f = np.where(several, n / np.maximum(n - 1, 1), 0.0)
    r = whiten(own)
    length = np.square(r).sum(axis=1)  # r^T K r
    room = np.maximum(1 - f * length, 1e-12)
    along = np.einsum("nd,nd->n", white, r)[:, None] - r @ white_means.T  # (x - mean_c)^T K r
    distance = distance + (f / room)[:, None] * along**2
    index = np.arange(rows)
    distance[index, labels] = np.where(several, f**2 * length / room, distance[index, labels])
    scores = np.tile(log_counts, (rows, 1))
    scores[index, labels] = np.log(np.maximum(n - 1, 1))
    scores -= (rows - 1) / 2 * distance
    return scores


def gaussian_log_q(network: Network) -> tuple[Floats, Floats]:
    """log q of a Gaussian head on its own rows and with each row left out.

    The ridge is the one of a grid that makes the left-out rows likeliest, and so is the
    temperature, which both share.
    """
    features, labels = network.train.features, network.train.labels
    classes = len(network.head)
    scale = float(np.square(features - features.mean(axis=0)).sum() / features.shape[1])
    index = np.arange(len(labels))
    best = (np.inf, 0.0, 1.0)
    for ridge in scale * 10.0 ** np.arange(-4, 3):
        scores = gaussian_scores(features, labels, classes, ridge, leave_out=True)
        t = best_temperature(scores, labels)
        loss = -float(normalised(scores / t)[index, labels].mean())
        best = min(best, (loss, ridge, t))
    _, ridge, t = best
    own, left_out = (
        log_mean_posterior(gaussian_scores(features, labels, classes, ridge, leave) / t)
        for leave in (False, True)
    )
    return own, left_out
