"""Estimators of the effective prior that look beyond the mean posterior of the training rows.

Rows that a network knows by heart have posteriors of 0 and 1, and their mean is the class
frequencies whatever the network believes elsewhere. Rows that were held out give another prior. The
estimators here ask what the scores, the features before the last layer and that layer tell of the
held-out prior, without a held-out row or with few of them.

``python study/estimators.py RUN...`` prints one table for these run folders (``p2p train
--features --holdout``), ``--synthetic`` one for Gaussian classes with a known truth.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import json
import pathlib
import re
import struct
import sys
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import scipy.linalg
import scipy.optimize

Array = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]


@dataclasses.dataclass(frozen=True)
class Rows:
    """Scores [N, C], features [N, d] and labels [N] of one part of the data."""

    scores: Array
    features: Array
    labels: Labels


@dataclasses.dataclass(frozen=True)
class Cell:
    """A trained network as its run folder tells of it.

    Attributes
    ----------
    offset
        b: softmax(z + b) models the posterior under the distribution of the training rows.
    decay
        Weight decay of the mean loss; ``decay * N`` is that of the summed loss.
    """

    name: str
    train: Rows
    holdout: Rows
    test: Rows
    counts: Array
    weights: Array
    bias: Array
    offset: Array
    decay: float


@dataclasses.dataclass(frozen=True)
class Correction:
    """z' = scale * z + delta."""

    delta: Array
    scale: Array | float = 1.0


# ---------------------------------------------------------------------------------------------
# Posteriors and priors


def log_softmax(scores: Array) -> Array:
    """Log posteriors of rows of scores, [N, C]."""
    shifted = scores - scores.max(axis=-1, keepdims=True)
    result: Array = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return result


def log_mean_posterior(scores: Array) -> Array:
    """log q, [C]: q = mean over rows of softmax(scores)."""
    mean: Array = np.exp(log_softmax(scores)).mean(axis=0)
    return np.log(np.maximum(mean, 1.0 / (100 * scores.size)))


def standard_error(scores: Array) -> Array:
    """Standard error of log q, [C], of rows drawn independently (docs/method.md)."""
    p = np.exp(log_softmax(scores))
    q = p.mean(axis=0)
    error: Array = np.sqrt((np.square(p).mean(axis=0) - q**2) / (len(p) - 1)) / q
    return error


# ---------------------------------------------------------------------------------------------
# The head, and leaving rows out of it


def with_bias(features: Array) -> Array:
    """Features with a last column of ones."""
    return np.hstack([features, np.ones((len(features), 1))])


def fit_head(
    features: Array,
    labels: Labels,
    classes: int,
    penalty: float,
    offset: Array | float = 0.0,
    start: Array | None = None,
) -> Array:
    """Weights and bias [C, d + 1] at the optimum of the penalised softmax regression.

    Minimises sum_i -log softmax(W x_i + b)_y + penalty / 2 |W|^2, the bias being the last column
    of W and penalised with it. L-BFGS; O(N C d) an iteration.
    """
    x = with_bias(features)
    rows = np.arange(len(x))

    def loss(flat: Array) -> tuple[float, Array]:
        w = flat.reshape(classes, -1)
        log_p = log_softmax(x @ w.T + offset)
        residual = np.exp(log_p)
        residual[rows, labels] -= 1
        gradient = residual.T @ x + penalty * w
        value = -log_p[rows, labels].sum() + penalty / 2 * np.square(w).sum()
        return float(value), gradient.ravel()

    first = np.zeros((classes, x.shape[1])) if start is None else start
    found = scipy.optimize.minimize(
        loss,
        first.ravel(),
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": 2000, "maxfun": 4000, "maxcor": 20, "ftol": 1e-13, "gtol": 1e-7},
    )
    result: Array = found.x.reshape(classes, -1)
    return result


def stationary_decay(
    features: Array, labels: Labels, head: Array, offset: Array | float = 0.0
) -> float:
    """The weight decay of the mean loss for which `head` [C, d + 1] is stationary along itself.

    -<gradient, W> / <W, W> of the mean cross-entropy: the run's weight decay at the optimum, and
    more for a head that was stopped before, which early stopping regularises likewise. At least
    1e-7.
    """
    x = with_bias(features)
    residual = np.exp(log_softmax(x @ head.T + offset))
    residual[np.arange(len(x)), labels] -= 1
    gradient = residual.T @ x / len(x)
    return max(1e-7, -float((gradient * head).sum() / np.square(head).sum()))


def leverages(x: Array, posterior: Array, penalty: float, rows: Array, full: bool) -> Array:
    """X_i H^-1 X_i^T, [rows, C, C], of the Hessian H of the penalised softmax regression at x.

    H = sum_i (diag(p_i) - p_i p_i^T) kron x_i x_i^T + penalty I. ``full`` False keeps only the
    blocks of H of one class with itself, O(N C d^2) in place of O(N C^2 d^2 + C^3 d^3).
    """
    classes, width = posterior.shape[1], x.shape[1]
    result = np.zeros((len(rows), classes, classes))
    if not full:
        for c in range(classes):
            weight = posterior[:, c] * (1 - posterior[:, c])
            hessian = (x * weight[:, None]).T @ x + penalty * np.eye(width)
            solved = scipy.linalg.cho_solve(scipy.linalg.cho_factor(hessian), rows.T)
            result[:, c, c] = np.einsum("nd,dn->n", rows, solved)
        return result
    hessian = np.zeros((classes, width, classes, width))
    for c in range(classes):
        for k in range(c + 1):
            weight = posterior[:, c] * ((c == k) - posterior[:, k])
            hessian[c, :, k] = hessian[k, :, c] = (x * weight[:, None]).T @ x
    flat = hessian.reshape(classes * width, classes * width)
    flat[np.diag_indices_from(flat)] += penalty
    factor, failed = scipy.linalg.lapack.dpotrf(flat, lower=1, overwrite_a=0)
    inverse, _ = scipy.linalg.lapack.dpotri(factor, lower=1, overwrite_c=1)
    if failed:
        raise np.linalg.LinAlgError("the Hessian is not positive definite; raise the penalty")
    inverse = np.tril(inverse) + np.tril(inverse, -1).T
    blocks = inverse.reshape(classes, width, classes * width)
    for c in range(classes):
        for begin in range(0, len(rows), 512):
            part = rows[begin : begin + 512]
            through = (part @ blocks[c]).reshape(len(part), classes, width)
            result[begin : begin + 512, c] = np.einsum("nkd,nd->nk", through, part)
    return result


def leave_one_out_scores(
    features: Array,
    scores: Array,
    labels: Labels,
    penalty: float,
    offset: Array | float = 0.0,
    full: bool = True,
) -> Array:
    """Scores of each row from the head fitted without it, to first order, [N, C].

    z~_i = z_i + (I - A_i W_i)^-1 A_i (p_i - e_y), p = softmax(z + offset), W = diag(p) - p p^T, A
    from `leverages`. One Newton step of the other rows' loss from the optimum of all rows (Rad and
    Maleki 2018; Obuchi and Kabashima 2018): without row i the gradient at that optimum is
    -(p_i - e_y) x_i, so the own score falls. Exact for a quadratic loss.
    """
    x = with_bias(features)
    posterior = np.exp(log_softmax(scores + offset))
    residual = posterior.copy()
    residual[np.arange(len(x)), labels] -= 1
    result = np.empty_like(scores)
    classes = scores.shape[1]
    a = leverages(x, posterior, penalty, x, full)
    for begin in range(0, len(x), 1024):
        part = slice(begin, begin + 1024)
        p = posterior[part]
        w = np.einsum("nc,ck->nck", p, np.eye(classes)) - p[:, :, None] * p[:, None, :]
        moved = np.linalg.solve(
            np.eye(classes) - a[part] @ w, a[part] @ residual[part][:, :, None]
        )[:, :, 0]
        result[part] = scores[part] + moved
    return result


def folds_of(labels: Labels, folds: int, seed: int = 0) -> Labels:
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
    features: Array,
    labels: Labels,
    classes: int,
    penalty: float,
    offset: Array | float = 0.0,
    folds: int = 5,
    start: Array | None = None,
) -> Array:
    """Scores of each row from a head fitted on the other folds, [N, C]."""
    fold = folds_of(labels, folds)
    result = np.empty((len(labels), classes))
    for k in range(folds):
        kept = fold != k
        head = fit_head(features[kept], labels[kept], classes, penalty * kept.mean(), offset, start)
        result[~kept] = with_bias(features[~kept]) @ head.T
    return result


def gaussian_scores(
    features: Array, labels: Labels, classes: int, ridge: float, leave_out: bool
) -> Array:
    """Log joint densities of Gaussian classes with one covariance, up to a constant, [N, C].

    Covariance (S + ridge I) / N, S the scatter within classes, and log n_c - |x - mean_c|^2 / 2 in
    its metric. ``leave_out``: means, scatter and counts of row i come from the other rows, exactly:
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

    def whiten(vectors: Array) -> Array:
        solved: Array = scipy.linalg.solve_triangular(factor, vectors.T, lower=True).T
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
        joint: Array = log_counts - rows / 2 * distance
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


def best_temperature(scores: Array, labels: Labels) -> float:
    """T that makes softmax(scores / T) likeliest."""

    def loss(log_t: float) -> float:
        return -float(log_softmax(scores * np.exp(-log_t))[np.arange(len(labels)), labels].mean())

    found = scipy.optimize.minimize_scalar(loss, bounds=(-3, 8), method="bounded")
    return float(np.exp(found.x))


# ---------------------------------------------------------------------------------------------
# Per-class temperatures


def stretched(scores: Array, counts: Array, gamma: float) -> Array:
    """Centred scores times (n_max / n_c)^gamma: the post-hoc form of VS loss (Kini et al. 2021)."""
    centred = scores - scores.mean(axis=1, keepdims=True)
    result: Array = centred * (counts.max() / counts) ** gamma
    return result


def fit_affine(
    scores: Array, labels: Labels, offset: Array, counts: Array, per_class: bool
) -> Correction:
    """The likeliest softmax(w z + delta) of labelled rows, every class of equal weight.

    ``per_class``: a scale for each class (vector scaling), else one (bias-corrected temperature
    scaling, Alexandari et al. 2020). A weak pull, worth one row of each class, towards P2P by the
    class frequencies keeps classes without rows where they are.
    """
    rows, classes = scores.shape
    centred = scores - scores.mean(axis=1, keepdims=True)
    of_class = np.bincount(labels, minlength=classes)
    weight = 1.0 / of_class[labels] / classes
    index = np.arange(rows)
    start = offset - np.log(counts)
    start = start - start.mean()
    scales = classes if per_class else 1
    penalty = 1.0 / (1 + of_class) / classes

    def loss(flat: Array) -> tuple[float, Array]:
        w, delta = flat[:scales], flat[scales:]
        log_p = log_softmax(w * centred + delta)
        residual = np.exp(log_p)
        residual[index, labels] -= 1
        residual *= weight[:, None]
        stretch = (residual * centred).sum(0)
        pull_w = (w - 1) * (penalty if per_class else penalty.mean())
        pull_delta = (delta - start) * penalty
        gradient = np.concatenate(
            [
                (stretch if per_class else stretch.sum(keepdims=True)) + pull_w,
                residual.sum(0) + pull_delta,
            ]
        )
        value = -(weight * log_p[index, labels]).sum()
        value += ((w - 1) @ pull_w + (delta - start) @ pull_delta) / 2
        return float(value), gradient

    found = scipy.optimize.minimize(
        loss, np.concatenate([np.ones(scales), start]), jac=True, method="L-BFGS-B"
    )
    w = found.x[:scales]
    return Correction(found.x[scales:], w if per_class else float(w[0]))


def matched(scores: Array, offset: Array, counts: Array) -> Correction:
    """-f of docs/methods/match.md turned to the uniform target: mean softmax(z + f) = pi."""
    log_pi = np.log(counts / counts.sum())
    f = offset
    for _ in range(1000):
        change = log_pi - log_mean_posterior(scores + f)
        f = f + change
        if np.abs(change).max() < 1e-6:
            break
    delta = f - log_pi
    return Correction(delta - delta.mean())


def p2p_at_temperature(scores: Array, labels: Labels, offset: Array) -> Correction:
    """P2P of z / T, T the likeliest one for softmax(z / T + b)."""
    index = np.arange(len(labels))

    def loss(log_t: float) -> float:
        log_p = log_softmax(scores * np.exp(-log_t) + offset)
        return -float(log_p[index, labels].mean())

    found = scipy.optimize.minimize_scalar(loss, bounds=(-3, 6), method="bounded")
    t = float(np.exp(found.x))
    delta = offset - log_mean_posterior(scores / t + offset)
    return Correction(delta - delta.mean(), 1 / t)


# ---------------------------------------------------------------------------------------------
# Few held-out rows


@dataclasses.dataclass(frozen=True)
class Pooled:
    """`log_q` [C] with the line and the spread that it was drawn towards."""

    log_q: Array
    intercept: float
    slope: float
    variance: float


def pool(log_x: Array, log_y: Array, error: Array, slope: float | None = None) -> Pooled:
    """Draws held-out log q towards a line in another vector by an empirical Bayes estimate.

    Model: y_c = a + s x_c + u_c + e_c with u ~ N(0, v) and e ~ N(0, error_c^2). The variance v
    maximises the restricted marginal likelihood; a and s (unless given) are its generalised least
    squares. The result is the posterior mean m_c + v / (v + error_c^2) (y_c - m_c) on the line m.
    """
    fixed = 0.0 if slope is None else slope
    design = (
        np.ones((len(log_x), 1))
        if slope is not None
        else np.column_stack([np.ones(len(log_x)), log_x])
    )
    y = log_y - fixed * log_x
    square = np.square(error)

    def line(v: float) -> tuple[Array, float]:
        weight = 1 / (v + square)
        gram = design.T @ (design * weight[:, None])
        beta = np.linalg.solve(gram, design.T @ (weight * y))
        residual = y - design @ beta
        evidence = (
            np.log(v + square).sum() + np.linalg.slogdet(gram)[1] + (weight * residual**2).sum()
        )
        return beta, float(evidence)

    variances = np.exp(-16 + np.arange(201) / 10)
    v = float(min(variances, key=lambda v: line(float(v))[1]))
    beta = line(v)[0]
    mean = design @ beta + fixed * log_x
    log_q = mean + v / (v + square) * (log_y - mean)
    log_q -= np.log(np.exp(log_q).sum())
    return Pooled(log_q, float(beta[0]), float(beta[-1]) if slope is None else slope, v)


# ---------------------------------------------------------------------------------------------
# From a cell to corrections


def p2p(cell: Cell, log_q: Array) -> Correction:
    """The correction to the uniform target whose effective prior is q."""
    delta = cell.offset - log_q
    return Correction(delta - delta.mean())


@dataclasses.dataclass(frozen=True)
class Ingredients:
    """What several estimators of one cell share; the penalties are those of summed losses."""

    cell: Cell
    penalty: float
    refit: Array  #: the head at the optimum of the run's weight decay, [C, d + 1]
    refit_scores: Array
    left_out: Array  #: approximate leave-one-out scores of the run's own head
    refit_left_out: Array
    cross_fitted: Array


def ingredients(cell: Cell, full: bool) -> Ingredients:
    """Heads refitted and rows left out, for one cell."""
    train, classes = cell.train, cell.train.scores.shape[1]
    penalty = cell.decay * len(train.labels)
    start = np.column_stack([cell.weights, cell.bias])
    own = len(train.labels) * stationary_decay(train.features, train.labels, start, cell.offset)
    refit = fit_head(train.features, train.labels, classes, penalty, cell.offset, start)
    scores = with_bias(train.features) @ refit.T

    def left_out(of: Array, strength: float) -> Array:
        return leave_one_out_scores(train.features, of, train.labels, strength, cell.offset, full)

    crossed = cross_fitted_scores(
        train.features, train.labels, classes, penalty, cell.offset, 5, refit
    )
    of_own = left_out(train.scores, own)
    same = np.abs(scores - train.scores).max() < 1e-2 and abs(own / penalty - 1) < 1e-2
    of_refit = of_own if same else left_out(scores, penalty)
    return Ingredients(cell, penalty, refit, scores, of_own, of_refit, crossed)


def gaussian_log_q(cell: Cell) -> tuple[Array, Array]:
    """log q of a Gaussian head on its own rows and with each row left out.

    The ridge is the one of a grid that makes the left-out rows likeliest, and so is the
    temperature, which both share.
    """
    features, labels = cell.train.features, cell.train.labels
    classes = cell.train.scores.shape[1]
    scale = float(np.square(features - features.mean(axis=0)).sum() / features.shape[1])
    index = np.arange(len(labels))
    best = (np.inf, 0.0, 1.0)
    for ridge in scale * 10.0 ** np.arange(-4, 3):
        scores = gaussian_scores(features, labels, classes, ridge, leave_out=True)
        t = best_temperature(scores, labels)
        loss = -float(log_softmax(scores / t)[index, labels].mean())
        best = min(best, (loss, ridge, t))
    _, ridge, t = best
    own, left_out = (
        log_mean_posterior(gaussian_scores(features, labels, classes, ridge, leave) / t)
        for leave in (False, True)
    )
    return own, left_out


def by_rows(cell: Cell, name: str, scores: Array, labels: Labels) -> dict[str, Correction]:
    """Every correction that labelled rows like those of the training distribution can give."""
    of = (scores, labels, cell.offset, cell.counts)
    return {
        name: p2p(cell, log_mean_posterior(scores + cell.offset)),
        f"{name}, matched": matched(scores, cell.offset, cell.counts),
        f"{name}, P2P of z / T": p2p_at_temperature(scores, labels, cell.offset),
        f"{name}, bias": fit_affine(*of, per_class=False),
        f"{name}, vector scaling": fit_affine(*of, per_class=True),
    }


def without_held_out_rows(cell: Cell, full: bool = True) -> dict[str, Correction]:
    """Corrections by estimators that see training rows alone, by name."""
    train = cell.train
    log_q = log_mean_posterior(train.scores + cell.offset)
    made = ingredients(cell, full)
    refit_log_q = log_mean_posterior(made.refit_scores + cell.offset)
    crossed = log_mean_posterior(made.cross_fitted + cell.offset)
    own, left_out = gaussian_log_q(cell)
    shifted = train.scores + made.refit_left_out - made.refit_scores
    result = by_rows(cell, "loo", made.left_out, train.labels)
    result |= by_rows(cell, "loo, refitted head", made.refit_left_out, train.labels)
    result["loo, shift of refitted head"] = p2p(cell, log_mean_posterior(shifted + cell.offset))
    result |= by_rows(cell, "5 folds", made.cross_fitted, train.labels)
    result |= {
        "5 folds, shift": p2p(cell, log_q + crossed - refit_log_q),
        "Gaussian loo": p2p(cell, left_out),
        "Gaussian loo, shift": p2p(cell, log_q + left_out - own),
    }
    for gamma in (0.05, 0.1, 0.2):
        scores = stretched(train.scores, cell.counts, gamma)
        scale = (cell.counts.max() / cell.counts) ** gamma
        delta = p2p(cell, log_mean_posterior(scores + cell.offset)).delta
        result[f"stretched by n^-{gamma:g}"] = Correction(delta, scale)
    return result


def with_few_held_out_rows(cell: Cell, share: float, seed: int) -> dict[str, Correction]:
    """Corrections from a random `share` of the held-out rows, by name."""
    generator = np.random.default_rng(seed)
    rows = len(cell.holdout.labels)
    chosen = generator.permutation(rows)[: max(10, round(share * rows))]
    scores = cell.holdout.scores[chosen] + cell.offset
    log_q = log_mean_posterior(cell.train.scores + cell.offset)
    held, error = log_mean_posterior(scores), standard_error(scores)
    log_pi = np.log(cell.counts / cell.counts.sum())
    return {
        "held out": p2p(cell, held),
        "pooled with training q": p2p(cell, pool(log_q, held, error).log_q),
        "pooled, slope 1": p2p(cell, pool(log_q, held, error, slope=1.0).log_q),
        "shrunk to a power of n": p2p(cell, pool(log_pi, held, error).log_q),
        "mean of both": p2p(cell, (log_q + held) / 2),
    }


# ---------------------------------------------------------------------------------------------
# Judging


@dataclasses.dataclass(frozen=True)
class Judged:
    """Balanced accuracy in percent and class-balanced NLL on test rows."""

    accuracy: float
    nll: float


def judge(cell: Cell, correction: Correction) -> Judged:
    """Scores of the test rows corrected and judged, every class of equal weight."""
    scores = cell.test.scores
    if not np.isscalar(correction.scale):
        scores = scores - scores.mean(axis=1, keepdims=True)
    log_p = log_softmax(scores * correction.scale + correction.delta)
    labels = cell.test.labels
    index = np.arange(len(labels))
    weight = 1.0 / np.bincount(labels, minlength=log_p.shape[1])[labels]
    weight /= weight.sum()
    right = log_p.argmax(axis=1) == labels
    return Judged(100 * float(weight @ right), -float(weight @ log_p[index, labels]))


def judge_cell(cell: Cell, full: bool = True) -> dict[str, Judged]:
    """Every estimator on one cell; "training rows" and "held-out rows" are what they are beside."""
    corrections = {
        "none": Correction(np.zeros(len(cell.counts))),
        "class frequencies": p2p(cell, np.log(cell.counts / cell.counts.sum())),
    }
    corrections |= by_rows(cell, "training rows", cell.train.scores, cell.train.labels)
    corrections |= by_rows(cell, "held-out rows", cell.holdout.scores, cell.holdout.labels)
    corrections["population"] = p2p(cell, population_log_q(cell))
    corrections |= without_held_out_rows(cell, full)
    return {name: judge(cell, correction) for name, correction in corrections.items()}


def population_log_q(cell: Cell) -> Array:
    """log q from test rows weighted to the training prior: what many held-out rows would give."""
    p = np.exp(log_softmax(cell.test.scores + cell.offset))
    labels = cell.test.labels
    weight = (cell.counts / np.maximum(np.bincount(labels, minlength=len(cell.counts)), 1))[labels]
    log_q: Array = np.log(weight @ p / weight.sum())
    return log_q


# ---------------------------------------------------------------------------------------------
# Cells


def read_safetensors(path: pathlib.Path, name: str) -> Array:
    """One float32 tensor of a safetensors file."""
    raw = path.read_bytes()
    (length,) = struct.unpack("<Q", raw[:8])
    entry = json.loads(raw[8 : 8 + length])[name]
    begin, end = entry["data_offsets"]
    flat = np.frombuffer(raw[8 + length + begin : 8 + length + end], dtype="<f4")
    tensor: Array = flat.reshape(entry["shape"]).astype(float)
    return tensor


def read_run(path: pathlib.Path) -> Cell:
    """The cell of a run folder, whose last layer is called `fc`."""

    def rows(part: str) -> Rows:
        def of(what: str) -> npt.NDArray[np.float32]:
            found: npt.NDArray[np.float32] = np.load(path / f"{part}_{what}.npy")
            return found

        return Rows(
            of("scores").astype(float), of("features").astype(float), of("labels").astype(np.int64)
        )

    record = json.loads((path / "run.json").read_text())
    decay = record["options"]["weight_decay"]
    return Cell(
        path.name,
        rows("train"),
        rows("holdout"),
        rows("test"),
        np.load(path / "counts.npy").astype(float),
        read_safetensors(path / "model.safetensors", "fc.weight"),
        read_safetensors(path / "model.safetensors", "fc.bias"),
        np.array(record["training_offset"], dtype=float),
        float(decay),
    )


def synthetic_cell(
    classes: int, width: int, most: int, decay: float, adjusted: bool, seed: int
) -> Cell:
    """Gaussian classes of unit covariance on a long tail of 100, and a head fitted to them.

    The means are `width` normal numbers of such a length that neighbours overlap; with few rows
    against many dimensions and little decay the head knows its rows by heart.
    """
    generator = np.random.default_rng(seed)
    means = generator.normal(size=(classes, width)) * 2.5 / np.sqrt(width) * np.sqrt(2)
    counts = np.floor(most * 100.0 ** (-np.arange(classes) / (classes - 1)))

    def draw(of_class: Array) -> tuple[Array, Labels]:
        labels = np.repeat(np.arange(classes), of_class.astype(int))
        return means[labels] + generator.normal(size=(len(labels), width)), labels

    pi = counts / counts.sum()
    offset = np.log(pi) if adjusted else np.zeros(classes)
    x, y = draw(counts)
    head = fit_head(x, y, classes, decay * len(y), offset)

    def rows(features: Array, labels: Labels) -> Rows:
        return Rows(with_bias(features) @ head.T, features, labels)

    holdout = generator.choice(classes, size=max(20, len(y) // 9), p=pi).astype(np.int64)
    held = means[holdout] + generator.normal(size=(len(holdout), width))
    test = rows(*draw(np.full(classes, 40000 // classes)))
    kind = f"{classes} classes, {width} dimensions, decay {decay:g}, {'la' if adjusted else 'ce'}"
    return Cell(
        f"{kind}-s{seed}",
        rows(x, y),
        rows(held, holdout),
        test,
        counts,
        head[:, :-1],
        head[:, -1],
        offset,
        decay,
    )


def synthetic_cells(seeds: int) -> list[Callable[[], Cell]]:
    """Cells from many rows for few dimensions to few rows for many."""
    return [
        functools.partial(synthetic_cell, c, d, m, decay, a, s)
        for c, d, m in ((10, 20, 1000), (10, 100, 500), (10, 200, 300), (30, 60, 300))
        for decay in (1e-3, 1e-5)
        for a in (False, True)
        for s in range(seeds)
    ]


# ---------------------------------------------------------------------------------------------
# Tables


def kind_of(name: str) -> str:
    """The name of a cell without its seed."""
    return re.sub(r"-s\d+$", "", name)


def interval(values: Array, seed: int = 0) -> tuple[float, float]:
    """95 % interval of the mean over cells, percentile bootstrap of cells."""
    generator = np.random.default_rng(seed)
    means = values[generator.integers(len(values), size=(4000, len(values)))].mean(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


SHARES = (0.05, 0.2, 1.0)


def judge_few(cell: Cell, draws: int = 5) -> dict[str, Judged]:
    """Shares of the held-out rows, means over random draws, beside the training rows alone."""
    found = {
        "training rows": judge(cell, p2p(cell, log_mean_posterior(cell.train.scores + cell.offset)))
    }
    for share in SHARES:
        made = [
            {name: judge(cell, c) for name, c in with_few_held_out_rows(cell, share, seed).items()}
            for seed in range(draws if share < 1 else 1)
        ]
        for name in made[0]:
            found[f"{100 * share:g} % of held-out rows: {name}"] = Judged(
                float(np.mean([m[name].accuracy for m in made])),
                float(np.mean([m[name].nll for m in made])),
            )
    return found


def recovered(cells: Sequence[dict[str, Judged]], name: str, field: str) -> str:
    """Of the gain from "training rows" to "held-out rows", the share that `name` has."""
    value = {n: np.array([getattr(cell[n], field) for cell in cells]) for n in cells[0]}
    gain = value["held-out rows"] - value["training rows"]
    own = value[name] - value["training rows"]
    return f"{own.mean() / gain.mean():.2f}" if interval(gain)[0] * interval(gain)[1] > 0 else "-"


def print_table(cells: Sequence[dict[str, Judged]], beside: str = "training rows") -> None:
    """Means over cells of the differences to P2P from `beside`, with intervals."""
    names = [n for n in cells[0] if n != beside and all(n in cell for cell in cells)]
    shares = "held-out rows" in cells[0]
    base = [cell[beside] for cell in cells]
    head = ["estimator", "accuracy", "95 % interval", "NLL", "95 % interval"]
    head += ["of the gain", "of NLL's"] if shares else []
    print(f"| {' | '.join(head)} |\n|{'---|' * len(head)}")
    first = [f"P2P, {beside}", f"{np.mean([b.accuracy for b in base]):.2f}", ""]
    first += [f"{np.mean([b.nll for b in base]):.4f}", ""] + (["", ""] if shares else [])
    print(f"| {' | '.join(first)} |")
    for name in names:
        gain = np.array([c[name].accuracy - b.accuracy for c, b in zip(cells, base, strict=True)])
        fall = np.array([c[name].nll - b.nll for c, b in zip(cells, base, strict=True)])
        low, high = interval(gain)
        less, more = interval(fall)
        row = [name, f"{gain.mean():+.2f}", f"{low:+.2f} to {high:+.2f}"]
        row += [f"{fall.mean():+.4f}", f"{less:+.4f} to {more:+.4f}"]
        if shares:
            row += [recovered(cells, name, "accuracy"), recovered(cells, name, "nll")]
        print(f"| {' | '.join(row)} |")


def print_against_held_out(cells: Sequence[dict[str, Judged]]) -> None:
    """Means over cells of what each way of pooling gains over the same held-out rows alone."""
    print("| held-out rows | estimator | accuracy | 95 % interval | NLL | 95 % interval |")
    print("|---|---|---|---|---|---|")
    for share in SHARES:
        part = f"{100 * share:g} % of held-out rows: "
        for name in (n.removeprefix(part) for n in cells[0] if n.startswith(part)):
            if name == "held out":
                continue
            pairs = [(cell[part + name], cell[part + "held out"]) for cell in cells]
            row = [f"{100 * share:g} %", name]
            for digits, of in ((2, "accuracy"), (4, "nll")):
                values = np.array([getattr(a, of) - getattr(b, of) for a, b in pairs])
                low, high = interval(values)
                row += [
                    f"{values.mean():+.{digits}f}",
                    f"{low:+.{digits}f} to {high:+.{digits}f}",
                ]
            print(f"| {' | '.join(row)} |")


def main() -> None:
    """Reads cells, judges every estimator on each, and prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("runs", nargs="*", type=pathlib.Path, help="run folders")
    parser.add_argument("--synthetic", action="store_true", help="Gaussian classes")
    parser.add_argument("--few", action="store_true", help="few held-out rows alone")
    parser.add_argument("--seeds", type=int, default=3, help="of the synthetic cells")
    options = parser.parse_args()
    if bool(options.runs) == options.synthetic:
        parser.error("give run folders, or --synthetic")
    makers: list[Callable[[], Cell]] = [functools.partial(read_run, run) for run in options.runs]
    if options.synthetic:
        makers = synthetic_cells(options.seeds)
    kinds: dict[str, list[dict[str, Judged]]] = {}
    for make in makers:
        cell = make()
        p = np.exp(log_softmax(cell.train.scores + cell.offset))
        right = (p.argmax(axis=1) == cell.train.labels).mean()
        certain = np.square(p).sum(axis=1).mean()
        print(f"{cell.name}: {right:.3f} right, certainty {certain:.3f}", file=sys.stderr)
        judged = judge_few(cell) if options.few else judge_cell(cell)
        kinds.setdefault(kind_of(cell.name), []).append(judged)
    for kind, cells in kinds.items():
        print(f"\n### {kind}, {len(cells)} seeds\n")
        print_table(cells)
    if len(kinds) > 1:
        print(f"\n### All {sum(len(cells) for cells in kinds.values())} cells\n")
        print_table([cell for cells in kinds.values() for cell in cells])
    if options.few:
        print("\n### Beside the same held-out rows alone\n")
        print_against_held_out([cell for cells in kinds.values() for cell in cells])


if __name__ == "__main__":
    main()
