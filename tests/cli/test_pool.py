"""p2p estimate --pool: few rows, drawn towards a power of the class frequencies."""

import json

import numpy as np
import pytest
from harness import estimate, p2p, refuse

CLASSES = 12
COUNTS = (2000 * 100 ** (-np.arange(CLASSES) / (CLASSES - 1))).astype(int)
PI = COUNTS / COUNTS.sum()


def softmax(z):
    p = np.exp(z - z.max(axis=-1, keepdims=True))
    return p / p.sum(axis=-1, keepdims=True)


def rows(n, seed):
    """Scores of a model whose effective prior is close to a power of the frequencies."""
    rng = np.random.default_rng(seed)
    y = rng.choice(CLASSES, n, p=PI)
    return rng.normal(size=(n, CLASSES)) + 3 * np.eye(CLASSES)[y] + 0.6 * np.log(PI)


def pooled(p, pi):
    """The pooled mean of rows without labels."""
    q = p.mean(axis=0)
    return pool(q, np.sqrt((np.square(p).mean(axis=0) - q**2) / (len(p) - 1)) / q, pi)


def pool(q, error, pi):
    """The restricted marginal likelihood by determinants, the posterior mean by its formula.

    Classes whose error is NaN are put on the line.
    """
    measured = ~np.isnan(error)
    every = np.column_stack([np.ones(len(q)), np.log(pi)])
    x, y, error = every[measured], np.log(q[measured]), error[measured]
    best = (np.inf, None)
    for k in range(201):
        v = np.exp(-16 + k / 10)
        covariance = np.diag(v + error**2)
        inverse = np.linalg.inv(covariance)
        information = x.T @ inverse @ x
        fit = np.linalg.solve(information, x.T @ inverse @ y)
        line = x @ fit
        cost = (
            np.linalg.slogdet(covariance)[1]
            + np.linalg.slogdet(information)[1]
            + (y - line) @ inverse @ (y - line)
        )
        found = every @ fit
        found[measured] += v * inverse @ (y - line)
        best = min(best, (cost, found), key=lambda candidate: candidate[0])
    drawn = np.exp(best[1])
    return drawn / drawn.sum() * q.sum()


@pytest.fixture
def few(tmp_path):
    np.save(tmp_path / "z.npy", rows(150, 1))
    np.save(tmp_path / "counts.npy", COUNTS)
    return tmp_path


def test_is_the_posterior_mean_of_the_documentation(few):
    found = estimate("z.npy", "--counts", "counts.npy", "--pool", cwd=few)
    assert found["effective"] == pytest.approx(pooled(softmax(rows(150, 1)), PI).tolist(), rel=1e-9)
    assert found["pool"] is True
    plain = estimate("z.npy", "--counts", "counts.npy", cwd=few)
    assert "pool" not in plain
    assert found["log_q_stderr"] == plain["log_q_stderr"]


def test_is_closer_to_the_prior_of_many_rows_than_few_rows_are(few):
    truth = np.log(softmax(rows(200000, 0)).mean(axis=0))
    off = {"plain": [], "pooled": []}
    for seed in range(1, 11):
        np.save(few / "z.npy", rows(60, seed))
        for name, option in (("plain", ()), ("pooled", ("--pool",))):
            q = estimate("z.npy", "--counts", "counts.npy", *option, cwd=few)["effective"]
            off[name].append(np.square(np.log(q) - truth).mean())
    assert np.mean(off["pooled"]) < 0.6 * np.mean(off["plain"])


def test_many_rows_are_hardly_drawn(few):
    np.save(few / "z.npy", rows(50000, 1) + 0.5 * np.cos(np.arange(CLASSES)))
    plain, drawn = (
        np.log(estimate("z.npy", "--counts", "counts.npy", *option, cwd=few)["effective"])
        for option in ((), ("--pool",))
    )
    assert np.abs(plain - drawn).max() < 0.01


def test_a_class_that_no_row_believed_in_lies_on_the_line(few):
    z = rows(150, 1)
    z[:, -1] = -np.inf
    np.save(few / "z.npy", z)
    found = estimate("z.npy", "--counts", "counts.npy", "--pool", cwd=few)
    assert found["floored"] == []
    assert 0.1 * PI[-1] < found["effective"][-1] < 10 * PI[-1]


def test_parts_merge_to_the_prior_of_all(few):
    z = rows(9000, 1)
    np.save(few / "z.npy", z)
    whole = estimate("z.npy", "--counts", "counts.npy", "--pool", cwd=few)
    assert whole["effective"] == pytest.approx(pooled(softmax(z), PI).tolist(), rel=1e-9)
    for k in (1, 2, 3):
        p2p("estimate", "z.npy", "--counts", "counts.npy", "--pool", "--part", f"{k}/3", "-o",
            f"{k}.json", cwd=few)  # fmt: skip
    p2p("merge", "3.json", "1.json", "-o", "most.json", cwd=few)
    p2p("merge", "most.json", "2.json", "-o", "all.json", cwd=few)
    assert json.loads((few / "all.json").read_text()) == whole


def test_parts_are_pooled_once_none_is_missing(few):
    """A part in which too few classes were believed in to pool, and another with the rest."""
    z = rows(8192, 1)
    z[:4096, 3:] = -np.inf
    np.save(few / "z.npy", z)
    part = [estimate("z.npy", "--counts", "counts.npy", "--pool", "--part", f"{k}/2", cwd=few,
                     output=f"{k}.json") for k in (1, 2)]  # fmt: skip
    for found, p in zip(part, (softmax(z[:4096]), softmax(z[4096:])), strict=True):
        measured = p.mean(axis=0) > 0
        assert np.array(found["effective"])[measured] == pytest.approx(
            p.mean(axis=0)[measured], rel=1e-4
        )
    p2p("merge", "1.json", "2.json", "-o", "all.json", cwd=few)
    merged = json.loads((few / "all.json").read_text())["effective"]
    assert merged == pytest.approx(pooled(softmax(z), PI).tolist(), rel=1e-9)


TAIL = 100.0 ** (-np.arange(20) / 19)
TAIL /= TAIL.sum()


def of_classes(y, rng):
    return rng.normal(size=(len(y), 20)) + 3 * np.eye(20)[y] + 0.6 * np.log(TAIL)


def weighted_shares(z, y):
    """q of rows weighted to TAIL, its errors with and without strata, the rows of each class."""
    m = np.bincount(y, minlength=20)
    n = len(y)
    u = (TAIL * n / np.maximum(m, 1))[y][:, None] * softmax(z)
    total, mass = u.sum(), u.sum(axis=0)
    own = np.array([u[y == c, c].sum() for c in range(20)])
    strata = own**2 / np.maximum(m, 1) + (mass - own) ** 2 / (n - m)

    def error(between):
        left = np.maximum(0, np.square(u).sum(axis=0) - between)
        return np.sqrt(left * n / (n - 1)) / mass

    return mass / total, error(strata), error(mass**2 / n), m


def pooled_with_labels(few, z, y):
    np.save(few / "z.npy", z)
    np.save(few / "y.npy", y)
    np.save(few / "n.npy", 1000 * TAIL)
    found = estimate("z.npy", "--counts", "n.npy", "--labels", "y.npy", "--pool", cwd=few)
    return np.array(found["effective"]), found


def test_classes_of_few_labelled_rows_are_pooled_by_their_unstratified_error(few):
    y = np.repeat(np.arange(20), np.r_[5, 4, 3, 3, 2, 2, 1, 0, 0, np.ones(11, int)])
    z = of_classes(y, np.random.default_rng(0))
    q, stratified, plain, m = weighted_shares(z, y)
    error = np.where(m > 2, stratified, np.where(m > 0, plain, np.nan))
    found, prior = pooled_with_labels(few, z, y)
    assert found == pytest.approx(pool(q, error, TAIL), rel=1e-6)
    assert prior["log_q_stderr"] == pytest.approx(stratified.tolist(), rel=1e-6)


def test_one_or_two_labels_a_class_are_closer_than_by_the_stratified_error(few):
    rng = np.random.default_rng(1)
    population = np.arange(20).repeat(4000)
    p = softmax(of_classes(population, rng)).reshape(20, 4000, 20).mean(axis=1)
    truth = np.log(TAIL @ p)
    off = {"stratified": [], "found": []}
    for _ in range(30):
        y = np.arange(20).repeat(rng.integers(1, 3, 20))
        z = of_classes(y, rng)
        q, stratified, _, _ = weighted_shares(z, y)
        for name, found in (("stratified", pool(q, stratified, TAIL)),
                            ("found", pooled_with_labels(few, z, y)[0])):  # fmt: skip
            off[name].append(np.square(np.log(found) - truth).mean())
    assert np.mean(off["found"]) < 0.6 * np.mean(off["stratified"])


def test_inspect_does_not_judge_the_gap_of_a_pooled_prior(few):
    """Rows of one-hot posteriors drawn from pi: pooled, q is nearer to pi than its errors say."""
    rng = np.random.default_rng(3)
    np.save(few / "z.npy", 9.0 * np.eye(CLASSES)[rng.choice(CLASSES, 150, p=PI)])
    for options, pooled_prior in (((), False), (("--pool",), True)):
        estimate("z.npy", "--counts", "counts.npy", "--input", "logits", *options, cwd=few)
        found = p2p("inspect", "prior.json", "--json", cwd=few).json
        assert found["gap"]["verdict"] == "unknown"
        assert (found["tv_ci95"] is None) == pooled_prior
        assert ("--pool" in found["gap"]["explanation"]) == pooled_prior
    assert "[" not in p2p("inspect", "prior.json", cwd=few).out.split("KL")[0]


@pytest.mark.parametrize(
    ("options", "words"),
    [((), ["--pool", "--counts"]),
     (("--counts", "counts.npy", "--smoothing", "3"), ["--pool", "--smoothing"]),
     (("--counts", "counts.npy", "--iterate"), ["--pool", "--iterate"]),
     (("--counts", "equal.npy"), ["--pool", "not all of one frequency"])],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(few, options, words):
    np.save(few / "equal.npy", np.full(CLASSES, 7))
    refuse(few, "estimate", "z.npy", "--pool", *options, "-o", "p.json", code=2, words=words)
