"""What docs/method.md, docs/methods and docs/metrics.md define, in plain float64 NumPy.

Written from these pages alone. Scores are arrays [rows, classes]; of probabilities log p takes
the place of z.
"""

import numpy as np


def softmax(z):
    e = np.exp(z - z.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def log_softmax(z):
    z = z - z.max(axis=-1, keepdims=True)
    return z - np.log(np.exp(z).sum(axis=-1, keepdims=True))


def log(x):
    with np.errstate(divide="ignore"):
        return np.log(np.asarray(x, float))


def normalised(x):
    return x / np.nansum(x)


def as_logits(scores, kind):
    return log(scores) if kind == "probs" else np.asarray(scores, float)


def training_offset(trained_with, counts, values=None):
    """b of the table of docs/method.md."""
    name, _, tau = trained_with.partition(":")
    if name == "la":
        return float(tau or 1) * log(counts / counts.sum())
    if name == "balanced-softmax":
        return log(counts)
    if name == "weights":
        return -log(values)
    return np.asarray(values, float) if name == "offset" else 0.0


class Prior:
    """q, r and the standard error of log q."""

    def __init__(
        self, z, *, labels=None, counts=None, b=0.0, temperature=1.0, smoothing=0.0, exclude=()
    ):
        n_classes = z.shape[1]
        if counts is None and labels is not None:
            counts = np.bincount(labels, minlength=n_classes).astype(float)
            weights = np.ones(len(z))
        elif labels is not None:
            weights = class_weights(labels, counts / counts.sum())
        else:
            weights = np.ones(len(z))
        used = weights > 0
        n = used.sum()
        self.counts, self.b, self.temperature, self.n = (
            counts,
            np.broadcast_to(b, n_classes),
            temperature,
            n,
        )
        self.pi = None if counts is None else counts / counts.sum()
        p = softmax(z / temperature + self.b)
        raw = weights @ p / weights.sum()
        q = raw if smoothing == 0 else (n * raw + smoothing * self.pi) / (n + smoothing)
        floor = 1 / (100 * n * n_classes)
        self.kept = np.ones(n_classes, bool) if counts is None else counts > 0
        self.kept[list(exclude)] = False
        self.floored = (q < floor) & self.kept
        self.q = normalised(np.maximum(q, floor))
        self.r = np.full(n_classes, np.nan)
        self.r[self.kept] = normalised(np.exp((log(self.q) - self.b)[self.kept]))
        self.log_q_stderr = self._stderr(weights[:, None] * p, labels, raw, used)

    def _stderr(self, wp, labels, raw, used):
        n = used.sum()
        with np.errstate(divide="ignore", invalid="ignore"):
            if labels is None:
                return np.sqrt(np.maximum((wp**2).mean(axis=0) - raw**2, 0) / (n - 1)) / raw
            m = np.bincount(labels[used], minlength=wp.shape[1])
            own = np.array([wp[labels == c, c].sum() for c in range(wp.shape[1])])
            total, squares = wp.sum(axis=0), (wp**2).sum(axis=0)
            rest = n - m
            within = np.where(m > 0, own**2 / np.maximum(m, 1), 0)
            outside = np.where(rest > 0, (total - own) ** 2 / np.maximum(rest, 1), 0)
            return np.sqrt(n / (n - 1) * np.maximum(squares - within - outside, 0)) / total


def class_weights(labels, shares):
    """A row of class c weighs shares_c N / m_c."""
    m = np.bincount(labels, minlength=len(shares))
    with np.errstate(divide="ignore", invalid="ignore"):
        return (shares * len(labels) / m)[labels]


def delta_of(log_t, log_r, kept, strength):
    """strength * (log t - log r), finite entries of mean 0; 0 where a class is not corrected."""
    delta = np.zeros(len(kept))
    if strength == 0:
        return delta
    delta[kept] = strength * (log_t - log_r)[kept]
    finite = kept & np.isfinite(delta)
    delta[finite] -= delta[finite].mean()
    return delta


# Corrections --------------------------------------------------------------------------------------


def matched(z, p, kept, start=0.0, weights=None):
    """f with weighted mean softmax(z + f) = p, by Newton-free fixed point to 1e-13."""
    f = np.array(np.broadcast_to(start, z.shape[1]), float)
    weights = np.ones(len(z)) if weights is None else weights
    f[kept & (p == 0)] = -np.inf
    moving = kept & (p > 0)
    anchor = f[moving].mean()
    others = ~kept
    for _ in range(20000):
        mean = weights @ softmax(z + f) / weights.sum()
        share = p[moving] / p[moving].sum() * (1 - mean[others].sum())
        step = log(share) - log(mean[moving])
        f[moving] += step
        f[moving] += anchor - f[moving].mean()
        if np.abs(step).max() < 1e-13:
            break
    return f


def newton(value, gradient_hessian, x):
    """The minimum of a convex function, damped Newton to a step of 1e-12."""
    best = value(x)
    for _ in range(200):
        g, h = gradient_hessian(x)
        step = np.linalg.lstsq(h, -g, rcond=1e-13)[0]
        length = 1.0
        while length > 1e-12:
            trial = value(x + length * step)
            if trial <= best + 1e-15:
                break
            length /= 2
        x = x + length * step
        best = value(x)
        if np.abs(length * step).max() < 1e-12:
            break
    return x


def fit(z, labels, weights, *, scales="one", offsets=None, b=0.0, start=None):
    """argmin of the weighted mean of -log softmax(w * z + d)_y.

    scales: 'one' w for all classes, or which classes have their own. offsets: which entries of d
    are free, with their mean kept at that of `start`; the others stay. Returns w and d.
    """
    n_classes = z.shape[1]
    d = np.array(np.broadcast_to(b if start is None else start, n_classes), float)
    free = np.zeros(n_classes, bool) if offsets is None else offsets
    one = isinstance(scales, str)
    k = 1 if one else scales.sum()
    moves = free.sum()
    basis = (np.eye(moves) - 1 / max(moves, 1))[
        :, : max(moves - 1, 0)
    ]  # of the offsets whose mean is 0
    design = np.zeros((len(z), n_classes, k + basis.shape[1]))
    fixed = np.broadcast_to(d, z.shape).copy()
    if one:
        design[:, :, 0] = z
    else:
        for column, c in enumerate(np.flatnonzero(scales)):
            design[:, c, column] = z[:, c]
        fixed[:, ~scales] += z[:, ~scales]
    design[:, free, k:] = basis
    weights = weights / weights.sum()
    rows = np.arange(len(z))

    def value(x):
        return -(weights * log_softmax(fixed + design @ x)[rows, labels]).sum()

    def gradient_hessian(x):
        p = softmax(fixed + design @ x)
        mean = np.einsum("nc,nck->nk", p, design)
        g = weights @ (mean - design[rows, labels])
        h = np.einsum("n,nc,nck,ncl->kl", weights, p, design, design) - np.einsum(
            "n,nk,nl->kl", weights, mean, mean
        )
        return g, h

    x = newton(value, gradient_hessian, np.concatenate([np.ones(k), np.zeros(basis.shape[1])]))
    moved = d.copy()
    moved[free] += basis @ x[k:]
    w = np.full(n_classes, x[0]) if one else np.ones(n_classes)
    if not one:
        w[scales] = x[:k]
    return w, moved


def likeliest_shares(z, log_s, kept):
    """t of largest likelihood of softmax(z - log s + log t); classes not kept keep w = 1."""
    joint = softmax(z)
    s = np.exp(log_s)
    w = np.ones(len(s))
    total = s[kept].sum()
    for _ in range(200000):
        post = joint * w
        post /= post.sum(axis=1, keepdims=True)
        m = post.mean(axis=0)
        t = m[kept] / m[kept].sum() * total
        new = t / s[kept]
        change = np.abs(t - s[kept] * w[kept]).sum() / 2
        w[kept] = new
        if change < 1e-13:
            break
    return s * w


# Metrics ------------------------------------------------------------------------------------------


def metrics(z, labels, *, counts=None, temperature=1.0, exclude=(), many=100, few=20):
    """Every value of the table of docs/metrics.md; without ignored rows."""
    kept = np.ones(z.shape[1], bool)
    kept[list(exclude)] = False
    rows = kept[labels]
    z, labels = z[rows], labels[rows]
    p = softmax(np.where(kept, z / temperature, -np.inf))
    n, n_classes = p.shape
    predicted = np.where(kept, z, -np.inf).argmax(axis=1)
    right = predicted == labels
    m = np.bincount(labels, minlength=n_classes)
    there = m > 0
    hits = np.bincount(labels[right], minlength=n_classes)
    recall = hits[there] / m[there]
    predictions = np.bincount(predicted, minlength=n_classes)
    named = (m + predictions) > 0
    own = p[np.arange(n), labels]
    one_hot = np.eye(n_classes)[labels]
    with np.errstate(divide="ignore"):
        values = {
            "accuracy": right.mean(),
            "balanced_accuracy": recall.mean(),
            "worst_recall": recall.min(),
            "geometric_mean": np.exp(np.log(recall).mean()),
            "macro_f1": (2 * hits[named] / (m + predictions)[named]).mean(),
            "nll": -np.log(np.maximum(own, 1e-38)).mean(),
            "n_clipped": int((own < 1e-38).sum()),
            "brier": ((p - one_hot) ** 2)[:, kept].sum(axis=1).mean(),
        }
    confidence = p.max(axis=1)
    values["ece"] = binned(confidence, right) / n
    order = np.argsort(confidence, kind="stable")
    values["ece_equal_mass"] = (
        sum(abs((confidence[part] - right[part]).sum()) for part in np.array_split(order, 15)) / n
    )
    values["ece_classwise"] = np.mean(
        [binned(p[:, c], labels == c) / n for c in np.flatnonzero(kept)]
    )
    groups = {"many": None, "medium": None, "few": None}
    slope = None
    if counts is not None:
        every = np.full(n_classes, np.nan)
        every[there] = recall
        masks = {
            "many": counts > many,
            "medium": (counts >= few) & (counts <= many),
            "few": counts < few,
        }
        for name, mask in masks.items():
            chosen = every[mask & there & kept]
            groups[name] = chosen.mean() if len(chosen) else None
        mean = np.mean([p[labels == c].mean(axis=0) for c in np.flatnonzero(there)], axis=0)
        fitted = (counts > 0) & (mean > 0) & kept
        x, y = log(counts[fitted]), log(mean[fitted])
        if len(set(counts[fitted])) > 1:
            slope = ((x - x.mean()) * (y - y.mean())).sum() / ((x - x.mean()) ** 2).sum()
    return {**values, **groups, "residual_slope": slope}


def near_an_edge(z, excluded):
    """Whether a posterior lies within 1e-12 of an inner edge of the bins."""
    z = z.copy()
    z[:, list(excluded)] = -np.inf
    distance = np.abs(softmax(z)[..., None] - np.linspace(0, 1, 16)[1:-1])
    return bool((distance < 1e-12).any())


def binned(x, hit):
    """Sum over 15 bins (lo, hi] of |sum of (x - hit)|."""
    edge = np.linspace(0, 1, 16)
    bins = np.clip(np.searchsorted(edge, x, side="left") - 1, 0, 14)
    return sum(abs((x[bins == k] - hit[bins == k]).sum()) for k in range(15))


def distances(q, pi):
    """Between the effective and the empirical prior; all but tv over classes with images."""
    seen = pi > 0
    tv = np.abs(q - pi).sum() / 2
    q, pi = q[seen], pi[seen]
    ranks = [average_ranks(x) for x in (q, pi)]
    centred = [x - x.mean() for x in ranks]
    norm = np.sqrt((centred[0] ** 2).sum() * (centred[1] ** 2).sum())
    return {
        "tv": tv,
        "kl": (q * np.log(q / pi)).sum(),
        "spearman": (centred[0] * centred[1]).sum() / norm if norm > 0 else None,
        "max_ratio": max((q / pi).max(), (pi / q).max()),
    }


def average_ranks(x):
    return np.array([(x < v).sum() + ((x == v).sum() - 1) / 2 for v in x])
