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
        self,
        z,
        *,
        labels=None,
        counts=None,
        b=0.0,
        temperature=1.0,
        smoothing=0.0,
        pool=False,
        exclude=(),
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
        self.log_q_stderr = self._stderr(weights[:, None] * p, labels, raw, used)
        self.kept = np.ones(n_classes, bool) if counts is None else counts > 0
        self.kept[list(exclude)] = False
        q = raw if smoothing == 0 else (n * raw + smoothing * self.pi) / (n + smoothing)
        if pool:
            q = raw.copy()
            error = self._stderr(weights[:, None] * p, labels, raw, used, least_own_rows=3)
            if labels is not None:
                error[np.bincount(labels[used], minlength=n_classes) == 0] = np.nan
            q[self.kept] = pooled(*(x[self.kept] for x in (raw, error, self.pi)))
        floor = 1 / (100 * n * n_classes)
        self.floored = (q < floor) & self.kept
        self.q = normalised(np.maximum(q, floor))
        self.r = np.full(n_classes, np.nan)
        self.r[self.kept] = normalised(np.exp((log(self.q) - self.b)[self.kept]))

    def _stderr(self, wp, labels, raw, used, least_own_rows=0):
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
            between = np.where(m >= least_own_rows, within + outside, total**2 / n)
            return np.sqrt(n / (n - 1) * np.maximum(squares - between, 0)) / total


def pooled(q, error, pi):
    """Posterior mean of log q on a line in log pi; the sum of q stays. Matrices, as REML has it."""
    measured = (q > 0) & np.isfinite(error)
    x = np.column_stack([np.ones(len(pi)), log(pi)])
    design, y, noise = x[measured], log(q[measured]), np.diag(error[measured] ** 2)
    least = np.inf
    for variance in np.exp(-16 + np.arange(201) / 10):
        covariance = noise + variance * np.eye(len(y))
        information = design.T @ np.linalg.solve(covariance, design)
        line = np.linalg.solve(information, design.T @ np.linalg.solve(covariance, y))
        off = y - design @ line
        weighed = np.linalg.solve(covariance, off)
        cost = np.linalg.slogdet(covariance)[1] + np.linalg.slogdet(information)[1] + off @ weighed
        if cost < least:
            least, log_q = cost, x @ line
            log_q[measured] += variance * weighed
    return normalised(np.exp(log_q)) * q.sum()


def class_weights(labels, shares):
    """A row of class c weighs shares_c N / m_c."""
    m = np.bincount(labels, minlength=len(shares))
    with np.errstate(divide="ignore", invalid="ignore"):
        return (shares * len(labels) / m)[labels]


def delta_of(log_t, log_r, kept, strength, raised=None):
    """strength * (log t - log r), finite entries of mean 0; 0 where a class is not corrected.

    Classes whose r was raised to its floor get no more than the largest of the others.
    """
    delta = np.zeros(len(kept))
    if strength == 0:
        return delta
    delta[kept] = strength * (log_t - log_r)[kept]
    if raised is not None and raised.any() and (kept & ~raised).any():
        largest = delta[kept & ~raised].max()
        if np.isfinite(largest):
            delta[raised] = np.minimum(delta[raised], largest)
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


def clamped(values, low, high):
    """clip(k values, low, high) with k such that it has the sum of `values` scaled to 1."""
    values = np.maximum(values, 1e-300)
    if ((values >= low) & (values <= high)).all():
        return values
    k = np.sort(np.concatenate([low, high]) / np.concatenate([values, values]))
    sums = np.clip(k[:, None] * values, low, high).sum(axis=1)
    i = np.searchsorted(sums, 1.0)
    if i == 0 or i == len(k):
        return np.clip(k[min(i, len(k) - 1)] * values, low, high)
    share = (1 - sums[i - 1]) / (sums[i] - sums[i - 1])
    return np.clip((k[i - 1] + share * (k[i] - k[i - 1])) * values, low, high)


LARGEST_WEIGHT = 1000


def likeliest_shares(z, s, kept, *, lam=1.0, start=None):
    """t of docs/methods/em.md, with lam below 1 of map-em.md, of the classes kept; and the rounds.

    Plain EM from s, or from `start`. Other classes keep their weight 1.
    """
    p = softmax(z)
    share = s[kept] / s[kept].sum()
    low, high = share / LARGEST_WEIGHT, share * LARGEST_WEIGHT
    t = share if start is None else start
    w = np.ones(len(s))
    rounds, change = 0, 1.0
    while change >= 1e-13 and rounds < 20000:
        rounds += 1
        w[kept] = t / share
        m = ((1 / (p @ w)) @ p * w)[kept]
        new = clamped(lam * m / m.sum() + (1 - lam) / len(t), low, high)
        change = np.abs(new - t).sum() / 2
        t = new
    return t, rounds


def gain_of(z, s, kept, t):
    """Mean log-likelihood of the rows under t of the classes kept, over that under s."""
    w = np.ones(len(s))
    w[kept] = t / (s[kept] / s[kept].sum())
    return log(softmax(z) @ w).mean()


def divergence(a, b):
    a, b = a[a > 0], b[a > 0]
    return (a * np.log(a / b)).sum()


def trust(s, t_em):
    """lam of docs/methods/map-em.md; s and t_em over the corrected classes."""
    u = np.full(len(s), 1 / len(s))

    def f(d, g):
        return 0.0 if d <= 0 else 1.0 if np.isinf(g) else g * d / (1 + g * d)

    def inv(x):
        return np.inf if x == 1 else 2 * (1 / (1 - x) - 1)

    level = inv(1 - f(divergence(s, u), inv(0.2)))
    return 0.9 * f(divergence(t_em, u), level) + 0.1 * (1 - f(divergence(t_em, s), level))


def shift_target(z, labels, z_target, s, kept, solver, *, hard=False):
    """t of docs/methods/bbse.md and rlls.md, over all classes; `hard` counts predictions."""
    n_classes = len(s)
    counted = (lambda x: np.eye(n_classes)[x.argmax(axis=1)]) if hard else softmax
    p = counted(z)
    pi_h = np.bincount(labels, minlength=n_classes) / len(labels)
    joint = np.stack([p[labels == c].sum(axis=0) for c in range(n_classes)], axis=1) / len(labels)
    mu = counted(z_target).mean(axis=0)
    found = kept & (pi_h > 0)
    others = ~found & (pi_h > 0)
    mu = mu - joint[:, others] @ (s[others] / pi_h[others])
    w = solver(joint[np.ix_(found, found)], mu[found], pi_h[found], s[found], len(labels))
    raw = np.maximum(w, 0) * pi_h[found]
    t = s.copy()
    if raw.sum() > 0:
        share = s[found] / s[found].sum()
        t[found] = s[found].sum() * clamped(
            raw / raw.sum(), share / LARGEST_WEIGHT, share * LARGEST_WEIGHT
        )
    if np.abs(t - s).max() < 1e-12:
        return s
    step = 1.0
    for _ in range(11):
        gain = log(softmax(z_target) @ (1 + step * (t / s - 1))).mean()
        if abs(gain + 1e-12) < 1e-9:
            raise UnsureError("a gain of next to nothing")
        if gain > 0:
            return s + step * (t - s)
        step /= 2
    return s


class UnsureError(Exception):
    """Rounding decides."""


def bbse_weights(joint, mu, share, s, n_rows):
    """w of M w = mu, or the ridge of docs/methods/bbse.md."""
    a = joint / share
    inverse = np.linalg.inv(a)
    rcond = 1 / (np.abs(a).sum(axis=0).max() * np.abs(inverse).sum(axis=0).max())
    if rcond > 1e-7:
        return inverse @ mu / share
    if rcond > 1e-9:
        raise UnsureError("a condition near the bound")
    ridge = 1e-6 * (a**2).sum() / len(mu)
    return (s + np.linalg.solve(a.T @ a + ridge * np.eye(len(mu)), a.T @ (mu - a @ s))) / share


def rlls_weights(joint, mu, share, s, n_rows):
    """1 + the minimum of |M theta - e| + Delta |theta| over theta >= -1, of all its candidates."""
    k = len(mu)
    confidence = np.log(2 * k / 0.05)
    delta = 0.03 * (2 * confidence / (3 * n_rows) + np.sqrt(2 * confidence / n_rows))
    e = mu - joint.sum(axis=1)

    def cost(theta):
        return np.linalg.norm(joint @ theta - e) + delta * np.linalg.norm(theta)

    candidates = [np.zeros(k), np.linalg.lstsq(joint, e, rcond=None)[0]]
    for fixed in np.ndindex((2,) * k):
        fixed = np.array(fixed, bool)
        theta = np.where(fixed, -1.0, 0.0)
        if fixed.any():
            candidates.append(theta)
        if fixed.all():
            continue
        x = norms(joint[:, ~fixed], joint @ theta - e, delta, fixed.sum())
        theta = theta.copy()
        theta[~fixed] = x
        candidates.append(theta)
    return 1 + min((x for x in candidates if (x >= -1 - 1e-12).all()), key=cost)


def norms(a, c, delta, more):
    """The minimum of |a x + c| + delta sqrt(|x|^2 + more) where it is smooth."""

    def value(x):
        return np.linalg.norm(a @ x + c) + delta * np.sqrt(x @ x + more)

    def gradient_hessian(x):
        r = a @ x + c
        size, norm = np.linalg.norm(r) + 1e-300, np.sqrt(x @ x + more) + 1e-300
        g = a.T @ r / size
        h = (a.T @ a - np.outer(g, g)) / size
        h += delta * (np.eye(len(x)) - np.outer(x, x) / norm**2) / norm
        return g + delta * x / norm, h

    # Where the gradient is 0, x is a ridge solution.
    ridges = [
        np.linalg.solve(a.T @ a + ridge * np.eye(a.shape[1]), -a.T @ c)
        for ridge in np.logspace(-12, 4, 200)
    ]
    return newton(value, gradient_hessian, min(ridges, key=value))


def class_losses(z, labels, n_classes):
    """Mean of -log softmax(z)_y of the rows of each class."""
    loss = -log_softmax(z)[np.arange(len(z)), labels]
    rows = np.bincount(labels, minlength=n_classes)
    with np.errstate(invalid="ignore"):
        return np.bincount(labels, weights=loss, minlength=n_classes) / rows


def tilted(loss, radius):
    """The h of largest sum h loss with KL(h || uniform) <= radius."""
    low, high = -60.0, 60.0
    for _ in range(200):
        middle = (low + high) / 2
        h = softmax(loss * np.exp(middle))
        inside = (h * log(np.maximum(h * len(h), 1e-300))).sum() <= radius
        low, high = (middle, high) if inside else (low, middle)
    return softmax(loss * np.exp(low))


def worst_own_target(z, labels, log_r, kept, eps):
    """g of docs/methods/drops.md over all classes, or None where Newton's method finds none."""
    n_classes = z.shape[1]
    moving = kept & (np.bincount(labels, minlength=n_classes) > 0)
    share = moving.sum() / n_classes

    def target(x):
        g = np.full(n_classes, 1 / n_classes)
        g[moving] = share * softmax(x)
        return g

    def losses(x):
        offset = delta_of(log(target(x)), log_r, kept, 1.0)
        return class_losses(z + offset, labels, n_classes)[moving]

    def kl(h):
        return (h * log(h * len(h))).sum()

    def balanced(v, x):  # all v equal, x of mean 0
        return np.append((v - v.mean())[:-1], x.mean())

    k = int(moving.sum())
    x = root(lambda x: balanced(losses(x), x), np.zeros(k))
    if x is not None and kl(softmax(x)) <= eps / share:
        return target(x)
    loss = losses(np.zeros(k))
    h = tilted(loss, eps / share)
    slope = np.log(np.std(loss) / np.std(log(h)))

    def conditions(y):
        h = softmax(y[:-1])
        return np.append(
            balanced(losses(y[:-1]) - np.exp(y[-1]) * log(h), y[:-1]), kl(h) - eps / share
        )

    y = root(conditions, np.append(log(h) - log(h).mean(), slope))
    return None if y is None else target(y[:-1])


def root(f, x):
    """A zero of f by Newton's method with differences and halved steps, or None."""
    value = f(x)
    for _ in range(200):
        if np.abs(value).max() < 1e-13:
            return x
        step = 1e-6
        jacobian = np.stack(
            [(f(x + step * e) - f(x - step * e)) / (2 * step) for e in np.eye(len(x))], axis=1
        )
        move = np.linalg.lstsq(jacobian, -value, rcond=None)[0]
        length = 1.0
        while length > 1e-10:
            trial = f(x + length * move)
            if np.linalg.norm(trial) < np.linalg.norm(value):
                break
            length /= 2
        else:
            return x if np.abs(value).max() < 1e-10 else None
        x, value = x + length * move, trial
    return None


# Choosing -----------------------------------------------------------------------------------------


def costs(x, labels):
    """Costs of rows whose mean is the NLL, the error, and 1 - macro-F1 to first order in a row."""
    n, n_classes = x.shape
    predicted = x.argmax(axis=1)
    right = predicted == labels
    either = np.bincount(labels, minlength=n_classes) + np.bincount(predicted, minlength=n_classes)
    named = either > 0
    with np.errstate(invalid="ignore"):
        f1 = 2 * np.bincount(labels[right], minlength=n_classes) / either
    by_row = (
        2 * right / either[labels] - f1[labels] / either[labels] - f1[predicted] / either[predicted]
    )
    return {
        "nll": -log_softmax(x)[np.arange(n), labels],
        "accuracy": 1.0 - right,
        "balanced-accuracy": 1.0 - right,
        "macro-f1": 1 - f1[named].mean() - n * by_row / named.sum(),
    }


def stratified_mean(values, labels, share):
    """Mean of the means of classes, weighted by `share`, and its standard error."""
    rows = np.bincount(labels, minlength=len(share))
    means = np.bincount(labels, weights=values, minlength=len(share)) / np.maximum(rows, 1)
    squares = np.bincount(labels, weights=(values - means[labels]) ** 2, minlength=len(share))
    freedom = np.maximum(rows - 1, 0)
    pooled = squares.sum() / freedom.sum() if freedom.any() else np.inf
    variance = np.where(rows > 1, squares / np.maximum(freedom, 1), pooled) / np.maximum(rows, 1)
    return share @ means, np.sqrt((share**2 * variance)[share > 0].sum())


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
