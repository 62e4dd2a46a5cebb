"""Random data sets, and combinations of options that cover every pair of values."""

import itertools

import numpy as np
import oracle

FACTORS = {
    "kind": ("logits", "probs", "log-probs"),
    "dtype": ("float16", "bfloat16", "float32", "float64"),
    "order": ("C", "F", "swapped"),
    "shape": ("rows", "axis 1 of 3", "axis 1 of 4", "last of 4"),
    "container": ("npy", "npz", "safetensors", "csv"),
    "ignore": (None, -1, 255),
    "exclude": (False, True),
    "counts": ("none", "given", "with a zero"),
    "labels": (False, True),
    "trained_with": ("ce", "la:1", "la:0.5", "balanced-softmax", "weights", "offset"),
    "temperature": (1.0, 1.7),
    "smoothing": (0.0, 5.0),
    "pool": (False, True),
    "split": ("whole", "two files", "parts"),
    "iterate": (False, True),
    "method": (
        "none",
        "empirical",
        "p2p",
        "match",
        "match target",
        "gala",
        "em",
        "map-em",
        "bbse",
        "rlls",
        "bias",
        "temperature",
        "vector-scaling",
        "drops",
        "gla",
        "auto",
    ),
    "target": (
        "uniform",
        "empirical",
        "given",
        "given with a zero",
        "estimated:em",
        "estimated:bbse",
    ),
    "strength": (0.0, 0.5, 1.0, 1.5),
    "evidence": ("none", "holdout", "unlabelled", "all"),
    "output": (None, "logits", "probs", "log-probs", "labels"),
}


def combinations(seed):
    """A seeded list of dicts in which each pair of values of each two factors occurs."""
    rng = np.random.default_rng([seed, 1])
    sizes = [len(values) for values in FACTORS.values()]
    open_pairs = {
        (i, a, j, b)
        for i, j in itertools.combinations(range(len(sizes)), 2)
        for a in range(sizes[i])
        for b in range(sizes[j])
    }
    found = []
    while open_pairs:
        first = (
            sorted(open_pairs)[rng.integers(len(open_pairs))]
            if len(open_pairs) < 60
            else next(iter(sorted(open_pairs)))
        )
        best, best_new = None, -1
        for _ in range(12):
            row = [int(rng.integers(n)) for n in sizes]
            row[first[0]], row[first[2]] = first[1], first[3]
            new = {
                (i, row[i], j, row[j]) for i, j in itertools.combinations(range(len(sizes)), 2)
            } & open_pairs
            if len(new) > best_new:
                best, best_new, best_pairs = row, len(new), new
        open_pairs -= best_pairs
        found.append(
            {name: values[k] for (name, values), k in zip(FACTORS.items(), best, strict=True)}
        )
    return found


def bfloat16_bits(x):
    """The upper halves of float32, rounded to nearest even."""
    bits = np.ascontiguousarray(x, np.float32).view(np.uint32).astype(np.uint64)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)


def rounded(x, dtype):
    if dtype == "bfloat16":
        return (bfloat16_bits(x).astype(np.uint32) << 16).view(np.float32)
    return x.astype(dtype)


class Rows:
    """Scores [rows, classes] rounded as `stored`, the same as float64 logits `z`, and labels."""

    def __init__(self, rng, share, n_rows, kind, dtype, labels=None):
        n_classes = len(share)
        self.labels = rng.choice(n_classes, size=n_rows, p=share)
        self.labels[: 2 * n_classes] = np.tile(np.flatnonzero(share), 2 * n_classes)[
            : 2 * n_classes
        ]
        if labels is not None:
            self.labels = labels
        z = rng.normal(0, 1.2, (n_rows, n_classes)) + 0.8 * np.log(np.maximum(share, 0.02))
        z[np.arange(n_rows), self.labels] += 1.3
        if kind == "logits":
            z += rng.normal(0, 1, (n_rows, 1))
            scores = z
        else:
            scores = oracle.softmax(z) if kind == "probs" else oracle.log_softmax(z)
        self.stored = rounded(scores, dtype)
        self.z = oracle.as_logits(self.stored.astype(np.float64), kind)


def supply(o):
    """Gives a combination what its options need, so that it is not refused."""
    if o["counts"] == "none":
        o["counts"] = "given"
    o["evidence"] = "all"
    if o["iterate"]:
        o["smoothing"], o["pool"], o["split"] = 0.0, False, "whole"
    if o["pool"]:
        o["smoothing"] = 0.0
    if o["method"] in ("em", "map-em", "bbse", "rlls", "drops"):
        o["target"] = "uniform"


class Case:
    """One combination with its data; what does not exist is replaced by what does."""

    def __init__(self, seed, index, options):
        self.name = f"{seed}:{index}"
        o = self.options = dict(options)
        if o["dtype"] == "bfloat16":
            o["container"] = "safetensors"
        elif o["container"] == "csv":
            o["shape"], o["order"] = "rows", "C"
        if o["container"] == "safetensors" or (o["order"] == "F" and o["shape"] != "rows"):
            o["order"] = "C"
        if not o["labels"]:
            o["ignore"] = None
        rng = self.rng = np.random.default_rng([seed, 2, index])
        if rng.random() < 0.8:
            supply(o)
        c = self.n_classes = int(rng.integers(3, 6)) + (3 if o["pool"] else 0)
        positions = 6 if o["shape"] != "rows" else 1
        share = np.sort(rng.dirichlet(np.full(c, 2.0)) + 0.05)[::-1]
        if o["counts"] == "with a zero":
            share[-1] = 0
        share = share / share.sum()
        self.counts = np.floor(share * 1000) if o["counts"] != "none" else None
        kind, dtype = o["kind"], o["dtype"]
        self.train = Rows(
            rng,
            share,
            positions * int(rng.integers(10, 30)) * (4 if positions == 1 else 2),
            kind,
            dtype,
        )
        self.test = Rows(rng, np.full(c, 1 / c), positions * 20, kind, dtype)
        self.holdout = Rows(rng, share, 240, kind, dtype)
        self.second = Rows(rng, share, 240, "logits", dtype, self.holdout.labels)
        self.test_second = Rows(rng, share, positions * 20, "logits", dtype, self.test.labels)
        self.unlabelled = Rows(rng, np.full(c, 1 / c), 180, kind, dtype)
        self.exclude = [1] if o["exclude"] else []
        self.values = rng.uniform(0.5, 2.0, c)
        given = rng.uniform(0.2, 1.0, c)
        if o["target"] == "given with a zero":
            given[2] = 0
        self.given = given
        self.train_labels = self.train.labels.copy()
        self.test_labels = self.test.labels.copy()
        if o["ignore"] is not None:
            for labels in (self.train_labels, self.test_labels):
                labels[rng.random(len(labels)) < 0.2] = o["ignore"]
        self.positions = positions

    def shaped(self, array):
        """[rows, classes] as the case stores it, and its class axis."""
        return shaped(array, self.options["shape"])

    def __str__(self):
        return f"{self.name} " + ", ".join(f"{k}={v}" for k, v in self.options.items())


def shaped(array, shape):
    """[rows, classes] in the shape of a case: rows are positions in row-major order."""
    n, c = array.shape
    if shape == "axis 1 of 3":
        return np.moveaxis(array.reshape(n // 6, 6, c), 2, 1)
    if shape == "axis 1 of 4":
        return np.moveaxis(array.reshape(n // 6, 2, 3, c), 3, 1)
    return array.reshape(n // 6, 2, 3, c) if shape == "last of 4" else array


def flattened(array, shape):
    """The inverse of shaped()."""
    if shape.startswith("axis 1"):
        array = np.moveaxis(array, 1, -1)
    return array.reshape(-1, array.shape[-1])


CLASS_AXIS = {"rows": None, "axis 1 of 3": 1, "axis 1 of 4": 1, "last of 4": -1}


def cases(seed):
    """All cases of a seed."""
    return [Case(seed, i, options) for i, options in enumerate(combinations(seed))]
