"""p2p estimate --pool: few rows, drawn towards a power of the class frequencies."""

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
    """The restricted marginal likelihood by determinants, the posterior mean by its formula."""
    q = p.mean(axis=0)
    error = np.sqrt((np.square(p).mean(axis=0) - q**2) / (len(p) - 1)) / q
    x = np.column_stack([np.ones(len(q)), np.log(pi)])
    y = np.log(q)
    best = (np.inf, y)
    for k in range(201):
        v = np.exp(-16 + k / 10)
        covariance = np.diag(v + error**2)
        inverse = np.linalg.inv(covariance)
        information = x.T @ inverse @ x
        line = x @ np.linalg.solve(information, x.T @ inverse @ y)
        cost = (
            np.linalg.slogdet(covariance)[1]
            + np.linalg.slogdet(information)[1]
            + (y - line) @ inverse @ (y - line)
        )
        best = min(best, (cost, line + v * inverse @ (y - line)), key=lambda found: found[0])
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
    np.save(few / "z.npy", rows(9000, 1))
    whole = estimate("z.npy", "--counts", "counts.npy", "--pool", cwd=few)
    for k in (1, 2):
        p2p("estimate", "z.npy", "--counts", "counts.npy", "--pool", "--part", f"{k}/2", "-o",
            f"{k}.json", cwd=few)  # fmt: skip
    p2p("merge", "1.json", "2.json", "-o", "both.json", cwd=few)
    p2p("correct", "z.npy", "--prior", "both.json", "-o", "c.npy", cwd=few)
    assert estimate("z.npy", "--counts", "counts.npy", "--pool", cwd=few) == whole


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
