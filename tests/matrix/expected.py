"""What a case must give: numbers of the oracle, or a refusal."""

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
    """Whether p2p must refuse the estimate: something needs class counts."""
    o = case.options
    known = case.counts is not None or o["labels"]
    needs = o["iterate"] or o["smoothing"] > 0 or o["trained_with"][:2] in ("la", "ba")
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
    if method == "drops" and reach(case, prior) <= EPS and o["strength"] > 0:
        return True
    if method in OWN_TARGET and o["target"] != "uniform":
        return True
    if o["target"].startswith("estimated") and o["strength"] > 0:
        need = {"unlabelled"} if o["target"] == "estimated:em" else {"unlabelled", "holdout"}
        return bool(need - have)
    return False


EPS = 0.5  # of drops, its default


def reach(case, prior):
    """Upper bound of eps of docs/methods/drops.md: (k / C) log k of k classes that are left."""
    k = (prior.kept & (np.bincount(case.holdout.labels, minlength=case.n_classes) > 0)).sum()
    return k / case.n_classes * np.log(k)


class UnknownError(Exception):
    """The oracle has no number for this case: what p2p does is only looked at for failures."""


def source_model(case, prior):
    """The temperature, d and s of docs/methods/em.md."""
    if "holdout" not in evidence_of(case):
        return prior.temperature, prior.b, prior.q
    rows = case.holdout
    weights = (
        np.ones(len(rows.z)) if prior.pi is None else oracle.class_weights(rows.labels, prior.pi)
    )
    used = weights > 0
    seen = np.bincount(rows.labels[used], minlength=case.n_classes) > 0
    w, d = oracle.fit(rows.z[used], rows.labels[used], weights[used], offsets=seen, start=prior.b)
    s = weights[used] @ oracle.softmax(rows.z[used] * w + d) / weights[used].sum()
    return 1 / w[0], d, s


def estimated(case, prior, method):
    """t of em, bbse with the source model's temperature, d and s."""
    divisor, d, s = source_model(case, prior)
    z = case.unlabelled.z / divisor + d
    if method == "em":
        t = oracle.likeliest_shares(z, np.log(np.maximum(s, 1e-300)), prior.kept)
        inside = (t[prior.kept] / s[prior.kept] < 300) & (t[prior.kept] / s[prior.kept] > 1 / 300)
        if not inside.all():
            raise UnknownError("a class at the bound of em")
        if t.min() < 0.02 and case.options["dtype"] != "float64":
            raise UnknownError("a small share, which the stopping rule of em leaves open")
        return divisor, d, s, t
    raise UnknownError(method)


def correction_of(case, prior):
    """(delta, temperature, scale, second temperature) of the oracle."""
    o, method, kept = case.options, case.options["method"], prior.kept
    divisor, strength = prior.temperature, o["strength"]
    n_classes = case.n_classes
    nothing = np.zeros(n_classes), divisor, None, None
    if method == "none" or strength == 0:
        return nothing
    t = target_of(case, prior)
    if o["target"].startswith("estimated"):
        if method in (
            "match target",
            "bias",
            "vector-scaling",
            "temperature",
            "gla",
            "gala",
            "match",
        ):
            raise UnknownError("an estimated target of " + method)
        t = estimated(case, prior, o["target"].partition(":")[2])[3]
    log_t = oracle.log(t)
    if prior.floored.any():
        raise UnknownError("floored")
    rows = case.holdout

    def composed(log_t, log_r):
        return oracle.delta_of(log_t, log_r, kept, strength)

    if method == "p2p":
        return composed(log_t, oracle.log(prior.r)), divisor, None, None
    if method == "empirical":
        with np.errstate(invalid="ignore"):
            return composed(log_t, oracle.log(prior.pi) - prior.b), divisor, None, None
    if method == "gala":
        return (
            composed(log_t, oracle.log(oracle.softmax(case.unlabelled.z / divisor).mean(axis=0))),
            divisor,
            None,
            None,
        )
    if method == "match":
        if prior.iterated:
            return composed(log_t, oracle.log(prior.r)), divisor, None, None
        weights = oracle.class_weights(rows.labels, prior.pi)
        f = oracle.matched(
            rows.z[weights > 0] / divisor, prior.pi, kept, prior.b, weights[weights > 0]
        )
        with np.errstate(invalid="ignore"):
            return composed(log_t, oracle.log(prior.pi) - f), divisor, None, None
    if method == "match target":
        if strength != 1:
            t = t.copy()
        f = oracle.matched(case.unlabelled.z / divisor, t, kept)
        return composed(f, np.zeros(n_classes)), divisor, None, None
    if method == "temperature":
        weights = (
            np.ones(len(rows.z))
            if prior.pi is None
            else oracle.class_weights(rows.labels, prior.pi)
        )
        used = weights > 0
        w, _ = oracle.fit(rows.z[used], rows.labels[used], weights[used], b=prior.b)
        q = weights[used] @ oracle.softmax(rows.z[used] * w + prior.b) / weights[used].sum()
        with np.errstate(invalid="ignore"):
            return composed(log_t, oracle.log(q) - prior.b), 1 / w[0], None, None
    if method in ("bias", "vector-scaling"):
        weights = oracle.class_weights(rows.labels, t)
        used = (weights > 0) & kept[rows.labels]
        if len(set(rows.labels[used])) < 2:
            raise UnknownError("a fit to one class")
        start = oracle.delta_of(log_t, oracle.log(prior.r), kept, 1.0)
        if method == "bias":
            w, d = oracle.fit(
                rows.z[used], rows.labels[used], weights[used], offsets=kept & (t > 0), start=start
            )
            return composed(d, np.zeros(n_classes)), 1 / w[0], None, None
        free = kept & (t > 0)
        w, d = oracle.fit(
            rows.z[used] / divisor,
            rows.labels[used],
            weights[used],
            scales=free,
            offsets=free,
            start=start,
        )
        return composed(d, np.zeros(n_classes)), 1.0, w / divisor, None
    if method == "em":
        divisor, d, s, t = estimated(case, prior, "em")
        with np.errstate(invalid="ignore"):
            return composed(oracle.log(t), oracle.log(s) - d), divisor, None, None
    if method == "gla":
        weights = oracle.class_weights(rows.labels, prior.pi)
        used = weights > 0
        w, _ = oracle.fit(rows.z[used], rows.labels[used], weights[used], b=prior.b)
        if not kept.all():
            raise UnknownError("gla with classes that are not corrected")
        w2, d = oracle.fit(case.second.z, rows.labels, np.ones(len(rows.z)), offsets=kept)
        pi_l = np.bincount(rows.labels, minlength=n_classes) / len(rows.labels)
        return (
            composed(log_t, oracle.log(pi_l) - d + oracle.log(prior.pi) - prior.b),
            1 / w[0],
            None,
            1 / w2[0],
        )
    raise UnknownError(method)
