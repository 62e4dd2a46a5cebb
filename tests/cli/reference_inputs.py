"""An independent float64 NumPy program of docs/moved-inputs.md."""

import numpy as np
from reference import softmax


def statistics(p):
    """Confidence and entropy of each row, [N, 2]."""
    logs = np.log(np.where(p > 0, p, 1))
    return np.stack([p.max(axis=1), -(p * logs).sum(axis=1) / np.log(p.shape[1])], axis=1)


def strata(rows):
    """Lists of classes: those of fewer than 10 rows join, fewest first, until they have 10."""
    order = np.argsort(rows, kind="stable")
    few = [c for c in order if rows[c] < 10]
    many = [c for c in order if rows[c] >= 10]
    joined, rest = [], []
    for c in few:
        rest.append(c)
        if rows[rest].sum() >= 10:
            joined.append(rest)
            rest = []
    if rest and joined:
        joined[-1] += rest
    elif rest and many and rows[many[0]] <= 20:
        joined.append(rest + [many.pop(0)])
    elif rest:
        return None
    return joined + [[c] for c in many]


def expectation_maximisation(p, source, rounds=100_000):
    t = source
    for _ in range(rounds):
        w = p * (t / source)
        moved = (w / w.sum(axis=1, keepdims=True)).mean(axis=0)
        if abs(moved - t).sum() < 1e-12:
            break
        t = moved
    return t


def student_quantile(level, freedom):
    """Where the density of Student's t, integrated from 0, reaches `level` - 1/2 of its mass."""
    angle = np.linspace(0, np.pi / 2, 2_000_001)  # x = sqrt(freedom) tan(angle)
    mass = np.concatenate([[0], np.cumsum(np.cos((angle[1:] + angle[:-1]) / 2) ** (freedom - 1))])
    at = np.interp((level - 0.5) * 2 * mass[-1], mass, angle)
    return np.sqrt(freedom) * np.tan(at)


def compare(held_out, labels, unlabelled, shift, offset=0.0, temperature=1.0):
    """For confidence and entropy: measured, difference, low, high of its interval."""
    p = softmax(held_out / temperature + offset)
    u = softmax(unlabelled / temperature + offset)
    n, classes = u.shape
    groups = strata(np.bincount(labels, minlength=classes))
    of_row = np.array([next(i for i, g in enumerate(groups) if y in g) for y in labels])

    def by_stratum(values):
        return np.stack([values[of_row == i].mean(axis=0) for i in range(len(groups))], axis=1)

    rows = np.array([(of_row == i).sum() for i in range(len(groups))])
    found = np.array([shift[g].sum() for g in groups])
    psi, psi_u, mean = statistics(p), statistics(u), u.mean(axis=0)
    big_p, big_f = by_stratum(p), by_stratum(psi)
    v = (found / 2 + 0.2 / len(groups)) ** 2
    big_l = np.diag(v) - np.outer(v, v) / v.sum()
    noise = (found**2 / rows * big_p * (1 - big_p)).sum(axis=1) + mean * (1 - mean) / n + 1e-12
    k_inverse = np.linalg.inv(big_p @ big_l @ big_p.T + np.diag(noise))
    a = big_f @ big_l @ big_p.T @ k_inverse
    t = np.maximum(found + big_l @ big_p.T @ k_inverse @ (mean - big_p @ found), 0)
    t /= t.sum()

    g, g_u = psi - p @ a.T, psi_u - u @ a.T
    means = by_stratum(g)
    difference = g_u.mean(axis=0) - means @ t
    result = []
    for k in range(2):
        spread = g_u[:, k].var(ddof=1)
        within = [g[of_row == i, k].var(ddof=1) for i in range(len(groups))]
        parts = t**2 / rows * (within + 2 * spread / (rows - 1))
        own = spread / n
        variance = own + parts.sum() + means[k] @ big_l @ means[k]
        freedom = variance**2 / (own**2 / (n - 1) + (parts**2 / (rows - 1)).sum())
        half = student_quantile(0.9875, freedom) * np.sqrt(variance)
        result.append(
            (psi_u[:, k].mean(), difference[k], difference[k] - half, difference[k] + half)
        )
    return result
