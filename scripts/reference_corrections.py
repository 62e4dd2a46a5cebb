#!/usr/bin/env python3
"""Prints tests/support/reference_numbers.hpp: what unit tests of corrections expect, in float64.

Every number comes from tests/matrix/oracle.py, NumPy written from the documents alone, on the rows
of tests/support/synthetic.hpp. Usage:
scripts/python-env python run scripts/reference_corrections.py > tests/support/reference_numbers.hpp
"""

import math
import pathlib
import sys
import types

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "matrix"))

import expected  # noqa: E402
import oracle  # noqa: E402

MASK = (1 << 64) - 1


def mersenne_twister(seed):
    """The 64-bit numbers of std::mt19937_64."""
    state = [seed]
    for i in range(1, 312):
        state.append((6364136223846793005 * (state[-1] ^ (state[-1] >> 62)) + i) & MASK)
    while True:
        for i in range(312):
            x = (state[i] & 0xFFFFFFFF80000000) | (state[(i + 1) % 312] & 0x7FFFFFFF)
            state[i] = state[(i + 156) % 312] ^ (x >> 1) ^ (0xB5026F5AA96619E9 if x & 1 else 0)
        for x in state:
            x ^= (x >> 29) & 0x5555555555555555
            x ^= (x << 17) & 0x71D67FFFEDA60000
            x ^= (x << 37) & 0xFFF7EEE000000000
            yield x ^ (x >> 43)


def synthetic(rows, rows_prior, model_prior, b=0.0, separation=2.0, sharpness=1.0, seed=1):
    """Scores and labels of tests/support/synthetic.hpp."""
    n_classes = len(model_prior)
    random = mersenne_twister(seed)
    draws = rows * (1 + 2 * n_classes)
    u = np.array([(next(random) >> 11) + 0.5 for _ in range(draws)]) * 2.0**-53
    u = u.reshape(rows, 1 + 2 * n_classes)
    labels = np.minimum((u[:, :1] >= np.cumsum(rows_prior)[None]).sum(axis=1), n_classes - 1)
    x = np.sqrt(-2 * np.log(u[:, 1::2])) * np.cos(2 * math.pi * u[:, 2::2])
    x[np.arange(rows), labels] += separation
    return sharpness * (separation * x + np.log(model_prior) - b), labels


def long_tail(n_classes, imbalance):
    return oracle.normalised(imbalance ** (-np.arange(n_classes) / (n_classes - 1)))


def centred(v):
    return v - v.mean()


def calibrated(z, labels, pi, b):
    """Temperature, d and s of the source model of docs/methods/em.md."""
    weights = oracle.class_weights(labels, pi)
    w, d = oracle.fit(z, labels, weights, offsets=np.ones(len(pi), bool), start=b)
    return 1 / w[0], d, weights @ oracle.softmax(z * w + d) / weights.sum()


def shift_estimates():
    """ShiftCase of tests/unit/correction/shift_testing.hpp, by either method and confusion."""
    pi = long_tail(5, 20)
    every = np.ones(5, bool)
    for b in (np.zeros(5), np.log(pi)):
        z, labels = synthetic(6000, pi, pi, b, seed=1)
        z_target, _ = synthetic(6000, pi[::-1], pi, b, seed=2)
        divisor, d, s = calibrated(z, labels, pi, b)
        for name, solver in (("bbse", oracle.bbse_weights), ("rlls", oracle.rlls_weights)):
            for hard in (False, True):
                t = oracle.shift_target(
                    z / divisor + d, labels, z_target / divisor + d, s, every, solver, hard=hard
                )
                key = f"{name} {'hard' if hard else 'soft'} {'b = log pi' if b.any() else 'b = 0'}"
                yield f"{key}: target", t
                yield f"{key}: delta", centred(np.log(t) - np.log(s) + d)


def few_rows():
    """Where the penalty of rlls acts."""
    pi, target = np.array([0.5, 0.3, 0.2]), np.array([0.2, 0.3, 0.5])
    z, labels = synthetic(200, pi, pi, separation=0.3, seed=1)
    z_target, _ = synthetic(200, target, pi, separation=0.3, seed=2)
    divisor, d, s = calibrated(z, labels, pi, np.zeros(3))
    for name, solver in (("bbse", oracle.bbse_weights), ("rlls", oracle.rlls_weights)):
        yield (
            f"{name} of few rows: target",
            oracle.shift_target(
                z / divisor + d, labels, z_target / divisor + d, s, np.ones(3, bool), solver
            ),
        )


PI = np.array([0.6, 0.25, 0.1, 0.05])
TARGET = np.array([0.1, 0.2, 0.3, 0.4])


def pulled_or_not(z, s):
    """t of em and of map-em."""
    every = np.ones(len(s), bool)
    em, _ = oracle.likeliest_shares(z, s, every)
    pulled, _ = oracle.likeliest_shares(z, s, every, lam=oracle.trust(s, em), start=em)
    return {"em": em, "map-em": pulled}


def expectation_maximisation():
    """Rows of tests/support/textbook_em.hpp."""
    for b in (np.zeros(4), np.log(PI)):
        z, _ = synthetic(4000, TARGET, PI, b, seed=2)
        source, _ = synthetic(4000, PI, PI, b, seed=9)
        prior = oracle.Prior(source, counts=1e6 * PI, b=b)
        for name, t in pulled_or_not(z + b, prior.q).items():
            key = f"{name} {'b = log pi' if b.any() else 'b = 0'}"
            yield f"{key}: target", t
            yield f"{key}: delta", centred(np.log(t) - np.log(prior.q) + b)

    z, labels = synthetic(4000, PI, PI, sharpness=3, seed=7)
    target, _ = synthetic(4000, TARGET, PI, sharpness=3, seed=9)
    divisor, d, s = calibrated(z, labels, PI, 0.0)
    yield "em calibrated: temperature", [divisor]
    yield "em calibrated: target", pulled_or_not(target / divisor + d, s)["em"]

    uniform = np.full(4, 0.25)
    target, _ = synthetic(1000, TARGET, uniform, seed=3)
    yield "map-em of a uniform source: target", pulled_or_not(target, uniform)["map-em"]


def known_prior(logit_adjusted=False, rows=4000):
    """KnownPrior of tests/support/known_prior.hpp: the prior, and labelled rows."""
    b = np.log(PI) if logit_adjusted else np.zeros(4)
    z, _ = synthetic(8000, PI, PI, b, seed=5)
    return oracle.Prior(z, counts=PI, b=b), *synthetic(rows, PI, PI, b, seed=6)


def vector_scaling():
    t = np.array([1, 2, 3, 4]) / 10
    every = np.ones(4, bool)
    for adjusted in (False, True):
        _, z, labels = known_prior(adjusted, 40000)
        z = z * [2, 1, 0.5, 3]
        weights = oracle.class_weights(labels, t)
        w, d = oracle.fit(z, labels, weights, scales=every, offsets=every)
        key = f"vector-scaling {'b = log pi' if adjusted else 'b = 0'}"
        yield f"{key}: scale", w
        yield f"{key}: delta", centred(d)


def drops():
    every = np.ones(4, bool)
    for adjusted in (False, True):
        for eps in (0.001, 0.5):
            prior, z, labels = known_prior(adjusted, 3000)
            g = oracle.worst_own_target(z, labels, np.log(prior.r), every, eps)
            key = f"drops {'b = log pi' if adjusted else 'b = 0'}, eps {eps}"
            yield f"{key}: target", g
            yield f"{key}: delta", centred(np.log(g) - np.log(prior.r))


CANDIDATES = (
    "none",
    "empirical",
    "p2p",
    "p2p (held-out)",
    "match",
    "temperature",
    "bias",
    "vector-scaling",
)


def setting(rows, rows_prior, b, target):
    """Setting of tests/unit/study/select_test.cpp: the prior and the held-out rows."""
    tail = long_tail(10, 100)
    train, _ = synthetic(20000, tail, tail, b, seed=1)
    prior = oracle.Prior(train, counts=np.round(20000 * tail), b=b)
    prior.iterated = False
    return prior, types.SimpleNamespace(
        n_classes=10,
        options={"target": "given", "strength": 1.0, "evidence": "holdout"},
        given=target,
        exclude=[],
        holdout=expected.SomeRows(*synthetic(rows, rows_prior, tail, b, seed=2)),
    )


def judged(prior, case):
    """NLL of each candidate, its gain and the error of that, the gap to the best and its error."""
    found = {name: expected.judged(case, prior, None, name, "none")["nll"] for name in CANDIDATES}
    best = min(found, key=lambda name: found[name][0])
    for name, values in found.items():
        _, ahead, error = expected.judged(case, prior, None, name, best)["nll"]
        yield name, [*values, -ahead, error]


def simplest(candidates):
    """Place of the first that is within a standard error of the best."""
    return next(i for i, values in enumerate(candidates) if values[3] <= values[4])


def choice():
    found = dict(judged(*setting(3000, np.full(10, 0.1), np.zeros(10), np.full(10, 0.1))))
    for name, values in found.items():
        yield f"choice {name}: nll, gain, gain_stderr, behind, behind_stderr", values
    yield "choice: place of the chosen", [simplest(found.values())]

    tail = long_tail(10, 100)
    prior, case = setting(6000, tail, np.log(tail), tail)
    found = dict(judged(prior, case))
    chosen = CANDIDATES[simplest(found.values())]
    yield "choice towards pi: place of the chosen", [CANDIDATES.index(chosen)]
    yield "choice towards pi: nll of the chosen", found[chosen][:1]
    labels, few = case.holdout.labels, np.arange(7, 10)
    recall = []
    for name in ("none", chosen):
        right = expected.judged_scores(case, prior, None, name).argmax(axis=1) == labels
        recall.append(tail[few] @ [right[labels == c].mean() for c in few] / tail[few].sum())
    yield "choice towards pi: recall of the few, none and the chosen", recall


def main():
    print("#pragma once\n")
    print("#include <map>\n#include <string>\n#include <vector>\n")
    print("/// Made by scripts/reference_corrections.py, which says how.")
    print("namespace p2p::test {\n")
    print("inline const std::vector<double>& reference(const std::string& what) {")
    print("  static const std::map<std::string, std::vector<double>> numbers = {")
    sections = (shift_estimates, few_rows, expectation_maximisation, vector_scaling, drops, choice)
    for section in sections:
        for what, values in section():
            first, numbers = f'{{"{what}",', ", ".join(f"{v:.12g}" for v in values)
            short = len(first) + len(numbers) < 90
            print(f"      {first}{' ' if short else chr(10) + 7 * ' '}{{{numbers}}}}},")
    print("  };\n  return numbers.at(what);\n}\n\n}  // namespace p2p::test")


if __name__ == "__main__":
    main()
