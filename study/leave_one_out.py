"""Scores of training rows as heads give them that were fitted without the row."""

from __future__ import annotations

import numpy as np
import scipy.linalg
from gaussian import Floats, Ints, normalised
from linear_head import fit_head, with_bias


def leverages(x: Floats, posterior: Floats, penalty: float, rows: Floats) -> Floats:
    """X_i H^-1 X_i^T, [rows, C, C], of the Hessian H of the penalised softmax regression at x.

    H = sum_i (diag(p_i) - p_i p_i^T) kron x_i x_i^T + penalty I. O(N C^2 d^2 + C^3 d^3).
    """
    classes, width = posterior.shape[1], x.shape[1]
    result = np.zeros((len(rows), classes, classes))
    hessian = np.zeros((classes, width, classes, width))
    for c in range(classes):
        for k in range(c + 1):
            weight = posterior[:, c] * ((c == k) - posterior[:, k])
            hessian[c, :, k] = hessian[k, :, c] = (x * weight[:, None]).T @ x
    flat = hessian.reshape(classes * width, classes * width)
    flat[np.diag_indices_from(flat)] += penalty
    factor, failed = scipy.linalg.lapack.dpotrf(flat, lower=1, overwrite_a=0)
    if failed:
        raise np.linalg.LinAlgError("the Hessian is not positive definite; raise the penalty")
    inverse, _ = scipy.linalg.lapack.dpotri(factor, lower=1, overwrite_c=1)
    inverse += np.tril(inverse, -1).T  # its upper triangle was 0
    blocks = inverse.reshape(classes, width, classes * width)
    for c in range(classes):
        for begin in range(0, len(rows), 512):
            part = rows[begin : begin + 512]
            through = (part @ blocks[c]).reshape(len(part), classes, width)
            result[begin : begin + 512, c] = np.einsum("nkd,nd->nk", through, part)
    return result


def leave_one_out_scores(
    features: Floats, scores: Floats, labels: Ints, penalty: float, offset: Floats | float = 0.0
) -> Floats:
    """Scores of each row from the head fitted without it, to first order, [N, C].

    z~_i = z_i + (I - A_i W_i)^-1 A_i (p_i - e_y), p = softmax(z + offset), W = diag(p) - p p^T, A
    from `leverages`. One Newton step of the other rows' loss from the optimum of all rows (Rad and
    Maleki 2018; Obuchi and Kabashima 2018): without row i the gradient at that optimum is
    -(p_i - e_y) x_i, so the own score falls. Exact for a quadratic loss.
    """
    x = with_bias(features)
    posterior = np.exp(normalised(scores + offset))
    residual = posterior.copy()
    residual[np.arange(len(x)), labels] -= 1
    result = np.empty_like(scores)
    eye = np.eye(scores.shape[1])
    a = leverages(x, posterior, penalty, x)
    for begin in range(0, len(x), 1024):
        part = slice(begin, begin + 1024)
        p = posterior[part]
        w = p[:, :, None] * eye - p[:, :, None] * p[:, None, :]
        moved = np.linalg.solve(eye - a[part] @ w, a[part] @ residual[part][:, :, None])
        result[part] = scores[part] + moved[:, :, 0]
    return result


def folds_of(labels: Ints, folds: int, seed: int = 0) -> Ints:
    """A fold for each row, every class spread evenly over all folds."""
    generator = np.random.default_rng(seed)
    result = np.empty(len(labels), dtype=np.int64)
    next_fold = 0
    for c in np.unique(labels):
        rows = generator.permutation(np.flatnonzero(labels == c))
        result[rows] = (next_fold + np.arange(len(rows))) % folds
        next_fold += len(rows)
    return result


def cross_fitted_scores(
    features: Floats,
    labels: Ints,
    classes: int,
    penalty: float,
    offset: Floats | float,
    start: Floats,
    folds: int = 5,
) -> Floats:
    """Scores of each row from a head fitted on the other folds, [N, C]."""
    fold = folds_of(labels, folds)
    result = np.empty((len(labels), classes))
    for k in range(folds):
        kept = fold != k
        head = fit_head(features[kept], labels[kept], classes, penalty * kept.mean(), offset, start)
        result[~kept] = with_bias(features[~kept]) @ head.T
    return result
