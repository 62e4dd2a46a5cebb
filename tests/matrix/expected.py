"""What a case must give: numbers of the oracle, or a refusal."""

import copy
import dataclasses

import numpy as np
import oracle

NEEDS = {
    "gala": {"unlabelled"},
    "em": {"unlabelled"},
    "map-em": {"unlabelled"},
    "bbse": {"holdout", "unlabelled"},
    "rlls": {"holdout", "unlabelled"},
    "bias": {"holdout"},
    "temperature": {"holdout"},
    "vector-scaling": {"holdout"},
    "drops": {"holdout"},
    "gla": {"holdout"},
    "match target": {"unlabelled"},
}
OWN_TARGET = ("em", "map-em", "bbse", "rlls", "drops")


def evidence_of(case):
    given = case.options["evidence"]
    return {"none": set(), "all": {"holdout", "unlabelled"}}.get(given, {given})


def estimate_refused(case, parts):
    """Whether p2p must refuse the estimate: it needs class counts, or options contradict."""
    o = case.options
    known = case.counts is not None or o["labels"]
    needs = o["iterate"] or o["pool"] or o["smoothing"] > 0 or o["trained_with"][:2] in ("la", "ba")
    if o["pool"] and (o["iterate"] or o["smoothing"] > 0):
        return True
    if o["iterate"] and (
        o["smoothing"] > 0 or o["split"] in (("parts",) if parts else ("parts", "two files"))
    ):
        return True
    return needs and not known


def prior_of(case):
    """The oracle's prior, with match when iterated."""
    o = case.options
    z, labels = case.train.z, case.train_labels
    keep = np.ones(len(z), bool) if o["ignore"] is None else labels != o["ignore"]
    z, labels = z[keep], labels[keep] if o["labels"] else None
    counts = case.counts
    if counts is None and labels is not None:
        counts = np.bincount(labels, minlength=case.n_classes).astype(float)
    b = np.zeros(case.n_classes) + oracle.training_offset(o["trained_with"], counts, case.values)
    prior = oracle.Prior(
        z,
        labels=labels,
        counts=case.counts,
        b=b,
        temperature=o["temperature"],
        smoothing=o["smoothing"],
        pool=o["pool"],
        exclude=case.exclude,
    )
    prior.iterated = o["iterate"]
    if prior.iterated:
        weights = (
            None
            if case.counts is None or labels is None
            else oracle.class_weights(labels, prior.pi)
        )
        f = oracle.matched(z / o["temperature"], prior.pi, prior.kept, b, weights)
        prior.r = np.full(case.n_classes, np.nan)
        prior.r[prior.kept] = oracle.normalised(prior.pi[prior.kept] / np.exp(f[prior.kept]))
    return prior


def target_of(case, prior):
    target = case.options["target"]
    if target == "empirical":
        return prior.pi
    return (
        case.given / case.given.sum()
        if target.startswith("given")
        else np.full(case.n_classes, 1 / case.n_classes)
    )


def correct_refused(case, prior):
    """Whether the correction must be refused: something that it needs is missing."""
    o, method, have = case.options, case.options["method"], evidence_of(case)
    if NEEDS.get(method, set()) - have:
        return True
    if method in ("empirical", "gla", "match") and prior.pi is None:
        return True
    if method == "match" and not prior.iterated and "holdout" not in have:
        return True
    if o["target"] == "empirical" and prior.pi is None:
        return True
    if method in ("bias", "vector-scaling") and one_class(case, prior) and o["strength"] > 0:
        return True
    if method == "drops" and reach(case, prior) <= EPS and o["strength"] > 0:
        return True
    if method in OWN_TARGET and o["target"] != "uniform":
        return True
    if o["target"].startswith("estimated") and o["strength"] > 0:
        need = {"unlabelled"} if o["target"] == "estimated:em" else {"unlabelled", "holdout"}
        return bool(need - have)
    return False


def one_class(case, prior):
    """Whether the rows of corrected classes with a target are of one class."""
    labels = case.holdout.labels
    return len(set(labels[prior.kept[labels] & (target_of(case, prior)[labels] > 0)])) < 2


EPS = 0.5  # of drops, its default


def reach(case, prior):
    """Upper bound of eps of docs/methods/drops.md: (k / C) log k of k classes that are left."""
    k = (prior.kept & (np.bincount(case.holdout.labels, minlength=case.n_classes) > 0)).sum()
    return k / case.n_classes * np.log(max(k, 1))


class UnknownError(Exception):
    """The oracle has no number for this case: what p2p does is only looked at for failures."""


@dataclasses.dataclass
class Expected:
    """What a correction must be; `open` is what the stopping rule of em leaves open of delta."""

    delta: np.ndarray
    temperature: float
    scale: np.ndarray | None = None
    second: float | None = None
    open: float = 0.0


@dataclasses.dataclass
class Target:
    """t over all classes, and the temperature, d and s of the source model."""

    t: np.ndarray
    temperature: float
    d: np.ndarray
    s: np.ndarray
    open: float = 0.0


def towards_training(case, prior):
    """Held-out scores, labels and weights towards the training prior, of the rows that count."""
    rows = case.holdout
    if prior.pi is None:
        return rows.z, rows.labels, np.ones(len(rows.z))
    weights = oracle.class_weights(rows.labels, prior.pi)
    used = weights > 0
    return rows.z[used], rows.labels[used], weights[used]


def floored(q, n_rows):
    """q at no less than 1 / (100 N C), and where it was raised."""
    floor = 1 / (100 * n_rows * len(q))
    return oracle.normalised(np.maximum(q, floor)), q < floor


def source_model(case, prior):
    """The temperature, d and s of docs/methods/em.md."""
    if "holdout" not in evidence_of(case):
        return prior.temperature, prior.b, prior.q
    z, labels, weights = towards_training(case, prior)
    seen = np.bincount(labels, minlength=case.n_classes) > 0
    w, d = oracle.fit(z, labels, weights, offsets=seen, start=prior.b)
    s = weights @ oracle.softmax(z * w + d) / weights.sum()
    return 1 / w[0], d, floored(s, len(case.holdout.z))[0]


def estimated(case, prior, method):
    """The target of em, map-em, bbse or rlls."""
    divisor, d, s = source_model(case, prior)
    kept = prior.kept
    z = case.unlabelled.z / divisor + d
    t = s.copy()
    if method in ("em", "map-em"):
        share = s[kept] / s[kept].sum()
        found, rounds = oracle.likeliest_shares(z, s, kept)
        if method == "map-em":
            lam = oracle.trust(share, found)
            found, more = oracle.likeliest_shares(z, s, kept, lam=lam, start=found)
            rounds += more
        gain = oracle.gain_of(z, s, kept, found)
        if abs(gain) < 1e-9 and np.abs(found - share).max() > 1e-9:
            raise UnknownError("a gain of next to nothing")
        found = found if gain > 0 else share
        t[kept] = s[kept].sum() * found
        change = 3e-9 if case.options["dtype"] == "float64" else 5e-6
        return Target(t, divisor, d, s, change * (1 + rounds / 10) / found.min())
    solver = {"bbse": oracle.bbse_weights, "rlls": oracle.rlls_weights}[method]
    try:
        t = oracle.shift_target(
            case.holdout.z / divisor + d, case.holdout.labels, z, s, kept, solver
        )
    except oracle.UnsureError as why:
        raise UnknownError(str(why)) from None
    small = 1e-7 if case.options["dtype"] == "float64" else 1e-5
    return Target(t, divisor, d, s, small / t[kept].min())


def found_target(case, prior):
    """The estimated target of a case, or None."""
    o = case.options
    if not o["target"].startswith("estimated") or o["strength"] == 0 or o["method"] == "none":
        return None
    return estimated(case, prior, o["target"].partition(":")[2])


FOLDS = 5
FITTED_ON_HOLDOUT = ("p2p (held-out)", "match", "temperature", "bias", "vector-scaling")


@dataclasses.dataclass
class SomeRows:
    z: np.ndarray
    labels: np.ndarray


def judged_scores(case, prior, target, method):
    """Held-out scores of a candidate, each row by a fit that has not seen it."""
    z, labels = case.holdout.z, case.holdout.labels
    place = np.empty(len(z), int)
    for c in range(case.n_classes):
        place[labels == c] = np.arange((labels == c).sum())
    part = place % FOLDS
    x = np.empty(z.shape)
    whole = method not in FITTED_ON_HOLDOUT or (method == "match" and prior.iterated)
    for k in range(1 if whole else FOLDS):
        inside = part >= 0 if whole else part == k
        some = copy.copy(case)
        some.holdout = case.holdout if whole else SomeRows(z[~inside], labels[~inside])
        found = correction_of(some, prior, method=method, target=target)
        scale = 1 / found.temperature if found.scale is None else found.scale
        x[inside] = z[inside] * scale + found.delta
    return x


def judged(case, prior, target, method, against=None):
    """By objective of docs/choosing.md: value, gain over another candidate, its standard error."""
    labels = case.holdout.labels
    t = target.t if target else target_of(case, prior)
    used = prior.kept[labels] & (t[labels] > 0)
    labels = labels[used]
    rows = np.bincount(labels, minlength=case.n_classes)
    costs = [
        oracle.costs(judged_scores(case, prior, target, name)[used], labels)
        for name in (method, against or method)
    ]
    there = rows > 0
    shares = {
        "nll": t * there,
        "accuracy": rows,
        "balanced-accuracy": there,
        "macro-f1": rows,
    }
    result = {}
    for name, share in shares.items():
        share = share / share.sum()
        value, _ = oracle.stratified_mean(costs[0][name], labels, share)
        gain, error = oracle.stratified_mean(costs[1][name] - costs[0][name], labels, share)
        result[name] = (value if name == "nll" else 1 - value), gain, error
    return result


def nearly_ties(x):
    """Whether a prediction hangs on the last digits."""
    top = np.sort(x, axis=1)
    return bool((top[:, -1] - top[:, -2] < 5e-3 * (1 + np.abs(top[:, -1]))).any())


def correction_of(case, prior, method=None, target=None):
    """The correction of a method, by default that of the case, towards a target that was found."""
    o, kept = case.options, prior.kept
    method = method or o["method"]
    divisor, strength, n_classes = prior.temperature, o["strength"], case.n_classes
    if strength == 0 or method == "none":
        return Expected(np.zeros(n_classes), divisor)
    open_ = 0.0
    t = target_of(case, prior)
    if target is not None:
        t, open_ = target.t, target.open
    log_t = oracle.log(t)
    rows = case.holdout

    def composed(log_t, log_r, raised=None):
        with np.errstate(invalid="ignore"):
            return oracle.delta_of(log_t, log_r, kept, strength, raised)

    if method == "p2p":
        delta = composed(log_t, oracle.log(prior.r), prior.floored)
        return Expected(delta, divisor, open=open_)
    if method == "p2p (held-out)":
        measured = oracle.Prior(
            rows.z,
            labels=rows.labels,
            counts=prior.counts,
            b=prior.b,
            temperature=divisor,
            exclude=case.exclude,
        )
        delta = composed(log_t, oracle.log(measured.r), measured.floored)
        return Expected(delta, divisor, open=open_)
    if method == "empirical":
        return Expected(composed(log_t, oracle.log(prior.pi) - prior.b), divisor, open=open_)
    if method == "gala":
        q, raised = floored(
            oracle.softmax(case.unlabelled.z / divisor).mean(axis=0), len(case.unlabelled.z)
        )
        return Expected(composed(log_t, oracle.log(q), raised & kept), divisor, open=open_)
    if method == "match":
        if prior.iterated:
            return Expected(composed(log_t, oracle.log(prior.r)), divisor, open=open_)
        z, _, weights = towards_training(case, prior)
        f = oracle.matched(z / divisor, prior.pi, kept, prior.b, weights)
        with np.errstate(invalid="ignore"):
            return Expected(composed(log_t, oracle.log(prior.pi) - f), divisor, open=open_)
    if method in ("match target", "match (target)"):
        f = oracle.matched(case.unlabelled.z / divisor, t, kept)
        return Expected(composed(f, np.zeros(n_classes)), divisor, open=open_)
    if method == "temperature":
        z, labels, weights = towards_training(case, prior)
        w, _ = oracle.fit(z, labels, weights, b=prior.b)
        q = weights @ oracle.softmax(z * w + prior.b) / weights.sum()
        if prior.pi is not None:
            q = np.where(np.bincount(rows.labels, minlength=n_classes) > 0, q, prior.q)
        q, raised = floored(q, len(rows.z))
        with np.errstate(invalid="ignore"):
            delta = composed(log_t, oracle.log(q) - prior.b, raised & kept)
        return Expected(delta, 1 / w[0], open=open_)
    if method in ("bias", "vector-scaling"):
        weights = oracle.class_weights(rows.labels, t)
        used = (weights > 0) & kept[rows.labels]
        start = oracle.delta_of(log_t, oracle.log(prior.r), kept, 1.0)
        z, labels, weights = rows.z[used], rows.labels[used], weights[used]
        free = kept & (t > 0)
        if method == "bias":
            w, d = oracle.fit(z, labels, weights, offsets=free, start=start)
            return Expected(composed(d, np.zeros(n_classes)), 1 / w[0], open=open_)
        w, d = oracle.fit(z / divisor, labels, weights, scales=free, offsets=free, start=start)
        return Expected(composed(d, np.zeros(n_classes)), 1.0, w / divisor, open=open_)
    if method in ("em", "map-em", "bbse", "rlls"):
        found = estimated(case, prior, method)
        with np.errstate(invalid="ignore"):
            delta = composed(oracle.log(found.t), oracle.log(found.s) - found.d)
        return Expected(delta, found.temperature, open=found.open)
    if method == "drops":
        g = oracle.worst_own_target(rows.z / divisor, rows.labels, oracle.log(prior.r), kept, EPS)
        if g is None:
            raise UnknownError("no fixed point of drops was found")
        return Expected(composed(oracle.log(g), oracle.log(prior.r), prior.floored), divisor)
    if method == "gla":
        z, labels, weights = towards_training(case, prior)
        w, _ = oracle.fit(z, labels, weights, b=prior.b)
        there = np.bincount(rows.labels, minlength=n_classes)
        w2, d = oracle.fit(
            case.second.z,
            rows.labels,
            np.ones(len(rows.z)),
            offsets=there > 0,
            start=np.where(there > 0, 0.0, -np.inf),
        )
        with np.errstate(invalid="ignore"):
            log_q = oracle.log(there) - d
        log_q[there == 0] = log_q[there > 0].mean()
        with np.errstate(invalid="ignore"):
            delta = composed(log_t, log_q + oracle.log(prior.pi) - prior.b)
        return Expected(delta, 1 / w[0], second=1 / w2[0], open=open_)
    raise UnknownError(method)
