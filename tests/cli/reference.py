"""The formulas of the project in plain NumPy float64, written apart from the C++ code."""

import math
from statistics import NormalDist

import numpy as np


def log_softmax(z):
    z = np.asarray(z, np.float64)
    z = z - z.max(axis=-1, keepdims=True)
    return z - np.log(np.exp(z).sum(axis=-1, keepdims=True))


def softmax(z):
    return np.exp(log_softmax(z))


def normalised(values):
    values = np.asarray(values, np.float64)
    return values / values.sum()


def training_offset(trained_with, classes, counts=None, values=None):
    """b of softmax(z + b), by how the model was trained."""
    loss, _, tau = trained_with.partition(":")
    with np.errstate(divide="ignore"):
        if loss == "ce":
            return np.zeros(classes)
        if loss == "la":
            return float(tau or 1) * np.log(normalised(counts))
        if loss == "balanced-softmax":
            return np.log(np.asarray(counts, np.float64))
        if loss == "weights":
            return -np.log(np.asarray(values, np.float64))
        assert loss == "offset"
        return np.asarray(values, np.float64)


def row_weights(labels, counts):
    """pi_c N / m_c for a row of class c."""
    rows = np.bincount(labels, minlength=len(counts))
    weights = normalised(counts) * len(labels) / np.maximum(rows, 1)
    return weights[labels]


def effective_prior(
    z, b=0.0, temperature=1.0, weights=None, smoothing=0.0, counts=None, floor=None
):
    """q, smoothed and floored."""
    p = softmax(np.asarray(z, np.float64) / temperature + b)
    weights = np.ones(len(p)) if weights is None else weights
    q = weights @ p / weights.sum()
    rows = len(p)
    if smoothing > 0:
        q = (rows * q + smoothing * normalised(counts)) / (rows + smoothing)
    floor = 1 / (100 * rows * len(q)) if floor is None else floor
    return normalised(np.maximum(q, floor))


def log_q_stderr(z):
    """Standard error of log q over unlabelled, unweighted rows."""
    p = softmax(z)
    q = p.mean(axis=0)
    return np.sqrt(((p**2).mean(axis=0) - q**2) / (len(p) - 1)) / q


def residual_prior(q, b):
    return normalised(np.exp(np.log(q) - b))


def empirical_residual(counts, b=0.0, tau=1.0):
    return normalised(normalised(counts) ** tau / np.exp(b))


def log_offset(residual, target=None, strength=1.0):
    """delta, with mean 0 over its finite entries."""
    residual = np.asarray(residual, np.float64)
    target = np.ones(len(residual)) if target is None else target
    with np.errstate(divide="ignore"):
        delta = strength * (np.log(normalised(target)) - np.log(residual))
    return delta - delta[np.isfinite(delta)].mean()


def bins_of(p, edges):
    """Bins (lo, hi] counted from 0; p = 0 belongs to the first."""
    return np.maximum(np.searchsorted(edges, p, side="left") - 1, 0)


def binned_error(confidence, outcome, bins, count):
    return sum(abs(np.sum(confidence[bins == b] - outcome[bins == b])) for b in range(count)) / len(
        confidence
    )


def ece(p, labels):
    confidence, correct = p.max(axis=1), p.argmax(axis=1) == labels
    return binned_error(confidence, correct, bins_of(confidence, np.linspace(0, 1, 16)), 15)


def ece_equal_mass(p, labels):
    confidence, correct = p.max(axis=1), p.argmax(axis=1) == labels
    order = np.argsort(confidence, kind="stable")
    return sum(
        abs(np.sum(confidence[part] - correct[part])) for part in np.array_split(order, 15)
    ) / len(p)


def ece_classwise(p, labels):
    edges = np.linspace(0, 1, 16)
    return np.mean(
        [binned_error(p[:, c], labels == c, bins_of(p[:, c], edges), 15) for c in range(p.shape[1])]
    )


def recalls(predicted, labels, classes):
    """Recall of each class, NaN where it has no rows."""
    return np.array(
        [
            np.mean(predicted[labels == c] == c) if (labels == c).any() else np.nan
            for c in range(classes)
        ]
    )


def macro_f1(predicted, labels, classes):
    scores = []
    for c in range(classes):
        present = np.sum(labels == c) + np.sum(predicted == c)
        if present:
            scores.append(2 * np.sum((predicted == c) & (labels == c)) / present)
    return np.mean(scores)


def residual_slope(z, labels, counts):
    p = softmax(z)
    means = np.mean([p[labels == c].mean(axis=0) for c in np.unique(labels)], axis=0)
    used = np.asarray(counts) > 0
    return np.polyfit(np.log(np.asarray(counts, float)[used]), np.log(means[used]), 1)[0]


def metrics(z, labels, counts=None, many=100, few=20):
    """What evaluate --json reports, of logits z."""
    p = softmax(z)
    classes = p.shape[1]
    predicted = np.asarray(z).argmax(axis=1)
    recall = recalls(predicted, labels, classes)
    true = p[np.arange(len(p)), labels]
    result = {
        "n_rows": len(p),
        "n_classes": classes,
        "accuracy": np.mean(predicted == labels),
        "balanced_accuracy": np.nanmean(recall),
        "macro_f1": macro_f1(predicted, labels, classes),
        "nll": np.mean(-np.log(np.maximum(true, 1e-38))),
        "brier": np.mean(((p - np.eye(classes)[labels]) ** 2).sum(axis=1)),
        "ece": ece(p, labels),
        "ece_equal_mass": ece_equal_mass(p, labels),
        "ece_classwise": ece_classwise(p, labels),
        "worst_recall": np.nanmin(recall),
        "geometric_mean": np.prod(recall[~np.isnan(recall)]) ** (1 / np.sum(~np.isnan(recall))),
    }
    if counts is not None:
        counts = np.asarray(counts)
        groups = {"many": counts > many, "few": counts < few}
        groups["medium"] = ~groups["many"] & ~groups["few"]
        result["groups"] = {
            name: np.nanmean(recall[members])
            for name, members in groups.items()
            if (members & ~np.isnan(recall)).any()
        }
        result["residual_slope"] = residual_slope(z, labels, counts)
    return result


def spearman(x, y):
    def ranks(v):
        return np.array([(np.sum(v < a) + np.sum(v <= a) - 1) / 2 for a in v])

    return np.corrcoef(ranks(np.asarray(x)), ranks(np.asarray(y)))[0, 1]


def distances(q, pi):
    return {
        "tv": np.abs(q - pi).sum() / 2,
        "kl": np.sum(q * np.log(q / pi)),
        "spearman": spearman(q, pi),
        "max_ratio": max((q / pi).max(), (pi / q).max()),
    }


def folded(k):
    """Mean and standard deviation of |k + e|, e standard normal."""
    mean = math.sqrt(2 / math.pi) * math.exp(-k * k / 2) + k * math.erf(k / math.sqrt(2))
    return mean, math.sqrt(max(0.0, 1 + k * k - mean * mean))


def tv_interval(q, pi, stderr, n):
    """The interval of docs/metrics.md for the total variation between q and pi."""
    variance = stderr**2
    ratio = variance.sum() / (q * (1 - q) / n).sum()
    variance = variance + ratio / 2 * pi / (n * (1 + n * pi))
    widened = variance / np.maximum(0.5, 1 - variance / variance.sum())
    scale = np.sqrt(variance).sum() / 2
    spread = math.sqrt(widened.sum()) / 2
    third = math.sqrt(2) * (4 - math.pi) / (math.pi - 2) ** 1.5  # skewness of |e|
    skewness = third * (widened**1.5).sum() / widened.sum() ** 1.5
    z_low, z_high = NormalDist().inv_cdf(0.965), NormalDist().inv_cdf(0.985)
    tv = np.abs(q - pi).sum() / 2
    mean, deviation = folded(0)
    low = tv - scale * mean - (z_low + (z_low**2 - 1) / 6 * skewness) * spread * deviation
    below, above = 0.0, (tv + z_high * spread) / scale
    while above - below > 1e-9 * max(1.0, above):
        k = (below + above) / 2
        mean, deviation = folded(k)
        below, above = (k, above) if scale * mean - z_high * spread * deviation < tv else (below, k)
    high = min(1.0, above * scale)
    return [min(max(low, 0.0), high), high]
